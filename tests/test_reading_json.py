"""JSON: nested records become columns, curves become rows."""

import json

import numpy as np
import pandas as pd
import pytest

import scalingbayes as sb
from scalingbayes.data.reading.files import read_file
from scalingbayes.data.reading.json_text import read_json


def test_nested_records_are_columns_and_curves_are_rows():
    records = [
        {
            "name": "a",
            "model": {"params": 1e8},
            "betas": [0.9, 0.95],
            "step": [1, 2, 3],
            "loss": [5, 4, 3],
        },
        {
            "name": "b",
            "model": {"params": 2e8},
            "betas": [0.9, 0.95],
            "step": [1, 2],
            "loss": [5, "NaN"],
        },
    ]
    table = read_json(json.dumps(records), "runs.json")
    assert list(table.frame["name"]) == [*"aaabb"]
    assert list(table.frame["model.params"]) == [1e8] * 3 + [2e8] * 2
    assert list(table.frame["step"]) == [1, 2, 3, 1, 2]
    np.testing.assert_array_equal(table.frame["loss"], [5, 4, 3, 5, np.nan])
    assert table.frame["betas"][0] == [0.9, 0.95]
    assert [note.split()[0] for note in table.notes] == ["Nested", "Curves", "The"]


def test_settings_in_groups_are_one_record():
    results = {"results": {"piqa": {"acc": 0.7}}, "config": {"model": "hf"}, "n": {"piqa": 0}}
    table = read_json(json.dumps(results), "results.json")
    assert table.frame.to_dict("records") == [
        {"results.piqa.acc": 0.7, "config.model": "hf", "n.piqa": 0}
    ]


def test_a_list_of_records_within_a_document_is_the_table():
    state = {"total_flos": 1e18, "log_history": [{"step": 1, "loss": 5}, {"step": 2, "loss": 4}]}
    table = read_json(json.dumps(state), "trainer_state.json")
    assert list(table.frame["loss"]) == [5, 4]
    assert list(table.frame["total_flos"]) == [1e18, 1e18]
    assert "every row repeats 'total_flos'" in table.notes[0]


def test_curves_without_a_name_are_numbered():
    record = {"params": 1e8, "history": [{"step": s, "loss": 5 - s} for s in range(3)]}
    table = read_json(json.dumps([record, record]), "runs.json")
    assert list(table.frame) == ["run", "params", "history.step", "history.loss"]
    assert list(table.frame["run"]) == [1, 1, 1, 2, 2, 2]


def test_curves_of_different_lengths_are_refused():
    record = {"step": [1, 2, 3], "loss": [5, 4, 3], "eval_step": [*range(9)], "eval": [*range(9)]}
    with pytest.raises(sb.InputError, match=r"3 values: 'step', 'loss'; 9 values: 'eval_step'"):
        read_json(json.dumps([record, record]), "runs.json")
    with pytest.raises(sb.InputError, match=r"Record 2 of .*'step' has 3, 'loss' has 2"):
        records = [{"step": [1, 2, 3], "loss": [5, 4, 3]}, {"step": [1, 2, 3], "loss": [5, 4]}]
        read_json(json.dumps(records), "runs.json")


SIZES = [(7e7, 1.4e9, 4.2), (1.6e8, 3.2e9, 3.9)]


@pytest.mark.parametrize(
    "names", [["a", "b"], ["loss-params-1", "step-tokens-2"], ["70M", "160M"], ["small", "token"]]
)
def test_an_object_of_runs_has_a_row_for_each(names):
    runs = {
        name: {"num_params": n, "tokens": d, "loss": loss}
        for name, (n, d, loss) in zip(names, SIZES, strict=True)
    }
    table = read_json(json.dumps(runs), "runs.json")
    assert list(table.frame) == ["run", "num_params", "tokens", "loss"]
    assert list(table.frame["run"]) == names
    assert list(table.frame["loss"]) == [4.2, 3.9]
    assert table.notes == ("The names of the records are column 'run'.",)


@pytest.mark.parametrize("keys", [["0", "1"], ["3", "17"], ["a", "b"]])
def test_an_object_of_columns_has_a_row_for_each_inner_key(keys):
    columns = {
        name: dict(zip(keys, values, strict=True))
        for name, values in zip(("params", "tokens", "loss"), zip(*SIZES, strict=True), strict=True)
    }
    frame = read_json(json.dumps(columns), "runs.json").frame
    assert list(frame["params"]) == [7e7, 1.6e8]
    assert list(frame["loss"]) == [4.2, 3.9]


CONFIG = {"n_params": 70_000_000, "optimizer": {"lr": 0.1}}
SUMMARY = {"val/loss": 4.2, "_wandb": {"runtime": 3}, "hist": {"_type": "histogram", "bins": [1]}}


@pytest.mark.parametrize("write", [json.dumps, str], ids=["json", "python"])
@pytest.mark.parametrize("summary", ["summary", "summaryMetrics"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_objects_in_cells_become_columns(tmp_path, write, summary, wrapped):
    config = {name: {"value": value} for name, value in CONFIG.items()} if wrapped else CONFIG
    last = SUMMARY | {"val/loss": float("nan")}
    frame = pd.DataFrame(
        {
            "name": ["a", "b", "c"],
            "config": [write(config), write(config), None],
            summary: [write(SUMMARY), write(last), "{}"],
            "note": ["{}", "x", "y"],
        }
    )
    frame.to_csv(tmp_path / "runs.csv")
    table = read_file(tmp_path / "runs.csv")
    expected = pd.DataFrame(
        {
            "name": ["a", "b", "c"],
            "config.n_params": [7e7, 7e7, np.nan],
            "config.optimizer.lr": [0.1, 0.1, np.nan],
            f"{summary}.val/loss": [4.2, np.nan, np.nan],
            "note": ["{}", "x", "y"],
        }
    )
    pd.testing.assert_frame_equal(table.frame, expected)
    assert f"The cells of 'config', '{summary}' are JSON objects, written as text." in table.notes
    assert any("media of W&B are left out: 'hist'" in note for note in table.notes)


def test_cells_that_are_not_all_objects_stay(tmp_path):
    path = tmp_path / "runs.csv"
    pd.DataFrame({"loss": [3.1, 3.0], "config": ['{"n": 1}', "{broken"]}).to_csv(path, index=False)
    assert list(read_file(path).frame["config"]) == ['{"n": 1}', "{broken"]
