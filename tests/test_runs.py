"""Tables of runs: which are accepted, and what is derived, warned about and refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain import bind, fit

import scalingbayes as sb


def test_compute_is_derived(small_table):
    runs = sb.Runs(small_table)
    expected = 6 * small_table["params"] * small_table["tokens"]
    np.testing.assert_allclose(runs.column("compute"), expected)


@given(
    params=st.lists(st.floats(1e6, 1e12), min_size=2, max_size=9),
    ratio=st.floats(1, 1000),
    absent=st.sampled_from(["params", "tokens", "compute"]),
)
def test_any_two_of_params_tokens_compute_give_the_third(params, ratio, absent):
    params = np.array(params)
    whole = {"params": params, "tokens": ratio * params, "compute": 6 * ratio * params**2}
    whole["loss"] = np.linspace(2, 3, len(params))  # no two rows alike
    runs = sb.Runs({name: values for name, values in whole.items() if name != absent})
    np.testing.assert_allclose(runs.column(absent), whole[absent], rtol=1e-12)


def test_columns_are_renamed_and_others_kept(small_table):
    frame = pd.DataFrame(small_table).rename(columns={"params": "n_params", "loss": "val_loss"})
    frame["sweep"] = "a"
    runs = sb.Runs(frame, params="n_params", loss="val_loss")
    np.testing.assert_array_equal(runs.column("params"), small_table["params"])
    assert list(runs.frame["sweep"]) == ["a"] * 12


def test_a_renamed_column_replaces_one_of_the_same_name(small_table):
    runs = sb.Runs({**small_table, "val_loss": small_table["loss"] + 1}, loss="val_loss")
    np.testing.assert_array_equal(runs.column("loss"), small_table["loss"] + 1)


def test_the_callers_table_is_not_changed(small_table):
    frame = pd.DataFrame(small_table)
    before = frame.copy()
    sb.Runs(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_the_name_of_a_file_names_its_runs(tmp_path, small_table):
    path = tmp_path / "sweep.csv"
    pd.DataFrame(small_table).to_csv(path, index=False)
    runs = sb.read_runs(path)
    assert runs.name == "sweep.csv"
    np.testing.assert_array_equal(runs.column("loss"), small_table["loss"])


def changed(table, column, row, value):
    values = list(table[column])
    values[row] = value
    return {**table, column: values}


@pytest.mark.parametrize("column", ["params", "tokens", "compute", "loss"])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("seventy", "seventy is not a number"),
        (True, "True is not a number"),
        (pd.Period("2020"), "2020 is not a number"),
        (np.nan, "is empty"),
        (None, "is empty"),
        (np.inf, "is infinite"),
        (0.0, "is not positive"),
        (-1.0, "is not positive"),
    ],
)
def test_a_bad_value_names_column_row_and_remedy(small_table, column, value, problem):
    table = {**small_table, "compute": 6 * small_table["params"] * small_table["tokens"]}
    table = changed(changed(table, column, 4, value), column, 7, value)
    with pytest.raises(sb.InputError, match=rf"(?s)'{column}', row 5: .*{problem}.*2 such rows"):
        bind(sb.Runs(table))


def test_missing_values_in_other_columns_are_kept_until_used(small_table):
    table = {**small_table, "accuracy": [0.5] * 11 + [np.nan], "curve": ["a"] * 11 + [None]}
    runs = sb.Runs(table)
    assert runs.frame["accuracy"].isna().sum() == 1
    with pytest.raises(sb.InputError, match="'accuracy', row 12: the cell is empty; fill it"):
        runs.column("accuracy")
    with pytest.raises(sb.InputError, match="'curve', row 12: the label is empty; fill it in or"):
        runs.labels("curve")
    complete = runs.filter(runs.frame["accuracy"].notna())
    assert complete.column("accuracy").shape == (11,)


def test_numbers_written_as_text_are_numbers(small_table):
    runs = sb.Runs({**small_table, "params": [f"{n:.3e}" for n in small_table["params"]]})
    np.testing.assert_allclose(runs.column("params"), small_table["params"])


def test_a_misspelt_column_suggests_the_near_one(small_table):
    table = {**small_table, "los": small_table["loss"]}
    del table["loss"]
    with pytest.raises(sb.InputError, match=r"no column 'loss'. Did you mean 'los'\?.*loss='NAME'"):
        fit(table)
    with pytest.raises(sb.InputError, match=r"no column 'val_los'. Did you mean 'loss'\?"):
        sb.Runs(small_table, loss="val_los")


def test_a_common_other_name_is_suggested(small_table):
    table = {**small_table, "c4_loss": small_table["loss"], "pile_loss": small_table["loss"] + 1}
    del table["loss"]
    with pytest.raises(
        sb.InputError, match=r"Candidates for loss: 'c4_loss', 'pile_loss'.*loss='NAME'"
    ):
        fit(table)


def test_a_missing_column_names_the_law_that_reads_it(small_table):
    table = {"width": small_table["params"], "loss": small_table["loss"]}
    with pytest.raises(
        sb.InputError,
        match=r"(?s)no column 'params' and no column 'tokens'.*Law 'chinchilla' reads params, "
        r"tokens and predicts loss\..*pass params='NAME', tokens='NAME'",
    ):
        fit(table)


def test_compute_of_a_mixture_of_experts_is_that_of_active_params(small_table):
    frame = pd.DataFrame(small_table)
    table = frame.assign(active_params=frame["params"] / 8)
    flops = 6 * table["active_params"] * table["tokens"]
    derived = sb.Runs(table.drop(columns="compute", errors="ignore")).frame["compute"]
    np.testing.assert_allclose(derived, flops)
    np.testing.assert_allclose(sb.Runs(table.assign(compute=flops)).frame["compute"], flops)
    (note,) = sb.Runs(table.assign(compute=8 * flops)).notes
    assert "8 to 8 times 6 * params * tokens" in note


def test_a_row_whose_compute_contradicts_the_others_is_named(small_table):
    compute = 6 * small_table["params"] * small_table["tokens"]
    compute[8] *= 1000
    with pytest.warns(sb.InputWarning, match=r"'compute', row 9: .*is 1e\+03 times.*median row 1"):
        sb.Runs({**small_table, "compute": compute})


@pytest.mark.parametrize("factor", [0.3, 1.2, 55.0])
def test_compute_counted_another_way_is_kept_with_a_note(small_table, factor):
    compute = 6 * factor * small_table["params"] * small_table["tokens"]
    runs = sb.Runs({**small_table, "compute": compute})
    np.testing.assert_array_equal(runs.column("compute"), compute)
    (note,) = runs.notes
    assert f"{factor:.3g} to {factor:.3g} times 6 * params * tokens" in note


def test_exact_duplicates_are_kept_with_a_warning(small_table):
    twice = {name: np.append(values, values[2]) for name, values in small_table.items()}
    with pytest.warns(sb.InputWarning, match=r"1 rows repeat .*row 13"):
        assert len(sb.Runs(twice)) == 13


@pytest.mark.parametrize(("column", "unit"), [("params", 1e6), ("params", 1e9), ("tokens", 1e9)])
def test_values_in_millions_or_billions_are_warned_about(small_table, column, unit):
    with pytest.warns(sb.InputWarning, match=f"'{column}' has a median.*millions or billions"):
        sb.Runs({**small_table, column: small_table[column] / unit})


def test_single_rows_in_billions_are_named(small_table):
    params = small_table["params"].copy()
    params[[4, 7]] /= 1e9
    with pytest.warns(sb.InputWarning, match=r"'params', row 5: 0\.1 looks like .*2 such rows"):
        sb.Runs({**small_table, "params": params})


def test_fewer_runs_than_unknowns_are_refused(small_table):
    with pytest.raises(sb.InputError, match="6 runs that count, fewer than the 7 unknowns"):
        fit({name: values[:6] for name, values in small_table.items()})


@pytest.mark.parametrize("column", ["params", "tokens"])
def test_a_single_model_size_or_token_count_is_refused(small_table, column):
    with pytest.raises(sb.InputError, match=rf"'{column}' has the single value 1e\+09"):
        fit({**small_table, column: np.full(12, 1e9), "row": np.arange(12)})


def test_filter_keeps_the_rows_of_the_mask(all_runs):
    assert len(all_runs.filter(all_runs.frame["loss"] < 3)) == (all_runs.frame["loss"] < 3).sum()


def test_column_names_may_be_swapped_or_be_numbers(small_table):
    table = {**small_table, "params": small_table["tokens"], "tokens": small_table["params"]}
    runs = sb.Runs(table, params="tokens", tokens="params")
    np.testing.assert_array_equal(runs.column("params"), small_table["params"])
    headless = pd.DataFrame(np.column_stack(list(small_table.values())))
    runs = sb.Runs(headless, params="0", tokens="1", loss="2")
    np.testing.assert_array_equal(runs.column("loss"), small_table["loss"])


def test_columns_of_lists_are_kept(small_table):
    runs = sb.Runs({**small_table, "layers": [[1, 2]] * 12})
    assert runs.frame["layers"][3] == [1, 2]
    assert len(runs.digest) == 64


@pytest.mark.parametrize(
    "values", [pd.date_range("2026-01-01", periods=12), [True] * 12, [1j] * 12]
)
def test_dates_booleans_and_complex_numbers_are_refused(small_table, values):
    with pytest.raises(sb.InputError, match=r"'loss', row 1: .* is not a number"):
        sb.Runs({**small_table, "loss": values})


def test_a_table_that_was_changed_after_its_check_is_refused(small_table):
    runs = sb.Runs(small_table)
    runs.frame.loc[3, "loss"] = np.nan
    with pytest.raises(sb.InputError, match=r"'loss', row 4: .* is empty"):
        fit(runs)


@pytest.mark.parametrize("keep", [[0, 1, 2], [True], np.ones(12)])
def test_filter_refuses_other_than_booleans(small_table, keep):
    with pytest.raises(sb.InputError, match=r"12 booleans|keep.* must be True or False"):
        sb.Runs(small_table).filter(keep)


def test_inputs_that_move_together_are_warned_about(small_table):
    table = {**small_table, "tokens": 20 * small_table["params"]}
    table["loss"] = table["loss"] + 0.001 * np.arange(12)
    with pytest.warns(sb.InputWarning, match="params and tokens are collinear"):
        bind(sb.Runs(table))


def test_the_digest_differs_between_tables(small_table):
    runs = sb.Runs(small_table)
    assert runs.digest == sb.Runs(dict(small_table)).digest
    assert runs.digest != sb.Runs(changed(small_table, "loss", 3, 2.5)).digest


def test_reprs_name_table_and_columns(small_table):
    runs = sb.Runs({**small_table, "sweep": list("aabbaabbaabb")}, name="mine")
    assert "'mine': 12 rows" in repr(runs)
    assert "sweep" in repr(runs)
    assert "<table" in runs._repr_html_()
