"""Folds: which runs are held out together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import scalingbayes as sb
from scalingbayes.data.folds import Fold, as_folds, levels

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
    np.testing.assert_array_equal(found[1e19].held_out, np.arange(19) // 6 == 1)
    np.testing.assert_array_equal(found[1e19].fitted, np.arange(19) // 6 != 1)


def test_largest_holds_out_whole_levels_with_enough_runs():
    runs = sweep()
    # One run is not enough. Below the second level 6 of 19 runs are left, fewer than 40 %.
    ((held_out, fitted),) = as_folds("largest", runs).values()
    np.testing.assert_array_equal(held_out, np.arange(19) >= 12)
    np.testing.assert_array_equal(fitted, np.arange(19) < 12)
    first, *_ = sb.folds.largest(runs, at_least=1).values()
    np.testing.assert_array_equal(first.held_out, np.arange(19) == 18)


@given(
    arrays(float, st.integers(6, 30), elements=st.floats(1e15, 1e25), unique=True),
    st.integers(1, 3),
    st.integers(1, 5),
)
def test_largest_predicts_each_level_from_all_smaller_runs(compute, at_least, most):
    runs = sb.Runs({"compute": compute, "loss": np.ones(len(compute))})
    level = levels(compute)
    if (level <= np.searchsorted(np.cumsum(np.bincount(level)), at_least)).all():
        return
    found = list(sb.folds.largest(runs, at_least, folds=most).values())
    assert 1 <= len(found) <= most
    below = np.inf
    for number, (held_out, fitted) in enumerate(found):
        assert held_out.sum() >= at_least
        assert compute[held_out].max() < below
        below = compute[held_out].min()
        np.testing.assert_array_equal(fitted, level > level[held_out].max())
        assert number == 0 or fitted.mean() >= 0.4
    # A further fold would be one too many, or leave too few runs.
    rest = np.sort(compute[found[-1].fitted])[::-1]
    next_level = levels(rest)
    last = np.searchsorted(np.cumsum(np.bincount(next_level)), at_least)
    assert len(found) == most or (next_level > last).sum() < 0.4 * len(compute)


def test_a_fold_holds_out_eight_percent_of_many_runs():
    runs = sb.Runs({"compute": np.geomspace(1e18, 1e21, 200), "loss": np.linspace(4, 2, 200)})
    found = sb.folds.largest(runs, tolerance=0)
    assert [int(fold.held_out.sum()) for fold in found.values()] == [16] * 4


def test_the_column_that_orders_runs_by_size_can_be_named():
    curve = sb.Runs({"examples": np.geomspace(1e3, 1e6, 20), "error": np.linspace(0.5, 0.1, 20)})
    (label, (held_out, _)), *others = sb.folds.largest(curve, scale="examples").items()
    np.testing.assert_array_equal(held_out, np.arange(20) >= 15)
    assert label == "examples from 2.34e05"
    assert len(others) == 1
    with pytest.raises(sb.InputError, match=r"no column 'compute'.*'examples', 'error'.*scale="):
        as_folds("largest", curve)


def test_a_column_gives_one_fold_for_each_label():
    found = as_folds("kind", sweep())
    assert list(found) == ["a", "b", "c"]
    np.testing.assert_array_equal(sum(fold.held_out for fold in found.values()), np.ones(19))


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("kin", "no column 'kin'. Did you mean 'kind'?"),
        (3, "by must be 'compute', 'largest', the name of a column, or a mapping"),
        ({}, "by must be"),
        ({"a": np.ones(19, bool)}, "Fold 'a' must be 19 booleans.*got 19 true"),
        ({"a": np.ones(18)}, "Fold 'a' must be 19 booleans"),
        ({"a": np.arange(19) < 3, "b": np.arange(19) < 2}, "must not overlap"),
        ({"a": Fold(np.arange(19) < 3, np.arange(19) > 1)}, "must not fit the runs that it holds"),
        ({"a": Fold(np.arange(19) < 3, np.arange(19) > 18)}, "Fold 'a' must be 19 booleans"),
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
