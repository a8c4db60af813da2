"""JSON: nested records become columns, curves become rows."""

import json

import numpy as np
import pytest

import scalingbayes as sb
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
