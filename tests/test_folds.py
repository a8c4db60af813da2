"""Folds: which runs are held out together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import scalingbayes as sb
from scalingbayes.data.folds import as_folds, levels

COMPUTE = arrays(float, st.integers(1, 30), elements=st.floats(1e15, 1e25))


@given(COMPUTE, st.floats(0, 0.5))
def test_levels_are_narrow_and_in_order(compute, tolerance):
    found = levels(compute, tolerance)
    assert sorted(set(found)) == list(range(found.max() + 1))
    tops = [compute[found == level].max() for level in range(found.max() + 1)]
    for level, top in enumerate(tops):
        inside = compute[found == level]
        assert (inside >= (1 - tolerance) * top).all()
        # The next level begins below the range of this level.
        assert (compute[found > level] < (1 - tolerance) * top).all()


def sweep():
    """Return runs of three budgets, met within 2 %, and one larger run."""
    budgets = np.repeat([1e18, 1e19, 1e20], 6)
    off = np.tile([1.0, 0.98, 0.99], 6)
    compute = np.append(budgets * off, 3e20)
    params = np.append(np.tile([1e7, 3e7, 1e8, 3e8, 1e9, 3e9], 3), 1e9)
    table = {"params": params, "compute": compute, "loss": np.linspace(4, 2, 19)}
    return sb.Runs(table | {"kind": ["a", "b"] * 9 + ["c"]})


def test_budgets_are_levels_of_compute():
    runs = sweep()
    found = as_folds("compute", runs)
    assert sorted(found) == [1e18, 1e19, 1e20, 3e20]
    np.testing.assert_array_equal(found[1e19], np.arange(19) // 6 == 1)


def test_largest_holds_out_whole_levels_with_enough_runs():
    runs = sweep()
    (mask,) = as_folds("largest", runs).values()
    np.testing.assert_array_equal(mask, np.arange(19) >= 12)  # one run is not enough
    (alone,) = sb.folds.largest(runs, at_least=1).values()
    np.testing.assert_array_equal(alone, np.arange(19) == 18)


def test_the_column_that_orders_runs_by_size_can_be_named():
    curve = sb.Runs({"examples": np.geomspace(1e3, 1e6, 20), "error": np.linspace(0.5, 0.1, 20)})
    ((label, mask),) = sb.folds.largest(curve, scale="examples").items()
    np.testing.assert_array_equal(mask, np.arange(20) >= 15)
    assert label == "examples from 2.34e+05"
    with pytest.raises(sb.InputError, match=r"no column 'compute'.*'examples', 'error'.*scale="):
        as_folds("largest", curve)


def test_a_column_gives_one_fold_for_each_label():
    found = as_folds("kind", sweep())
    assert list(found) == ["a", "b", "c"]
    np.testing.assert_array_equal(sum(found.values()), np.ones(19))


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("kin", "no column 'kin'. Did you mean 'kind'?"),
        (3, "by must be 'compute', 'largest', the name of a column, or a mapping"),
        ({}, "by must be"),
        ({"a": np.ones(19, bool)}, "Fold 'a' must be 19 booleans.*got 19 true"),
        ({"a": np.ones(18)}, "Fold 'a' must be 19 booleans"),
        ({"a": np.arange(19) < 3, "b": np.arange(19) < 2}, "must not overlap"),
    ],
)
def test_unusable_folds_are_refused(by, message):
    with pytest.raises(sb.InputError, match=message):
        as_folds(by, sweep())


def test_folds_that_leave_no_runs_are_refused(small_table):
    runs = sb.Runs(small_table | {"corpus": ["c4"] * 12})
    with pytest.raises(sb.InputError, match="'corpus' has the same label in all runs"):
        sb.folds.by_column(runs, "corpus")
    with pytest.raises(sb.InputError, match="are the whole table"):
        sb.folds.largest(runs, at_least=13)
    with pytest.raises(sb.InputError, match="tolerance must be from 0"):
        sb.folds.by_compute(runs, tolerance=1)
