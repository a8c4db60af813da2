"""Exports of W&B, MLflow and TensorBoard, folders of files, and the runs of a W&B project."""

import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import scalingbayes as sb
from scalingbayes.data.reading.files import read_file

HISTORY = pd.DataFrame(
    {
        "Step": [0, 1, 2],
        "big - 1 - eval/loss": [4.0, 3.0, np.nan],
        "big - 1 - eval/loss__MIN": [4.0, 3.0, np.nan],
        "big - 1 - eval/loss__MAX": [4.0, 3.0, np.nan],
        "small - eval/loss": [5.0, np.nan, 4.5],
        "small - eval/loss__MIN": [5.0, np.nan, 4.5],
        "small - eval/loss__MAX": [5.0, np.nan, 4.5],
    }
)
LONG = pd.DataFrame(
    {
        "run": ["big - 1", "big - 1", "small", "small"],
        "Step": [0, 1, 0, 2],
        "eval/loss": [4.0, 3.0, 5.0, 4.5],
    }
)


def test_the_export_of_a_wandb_chart_becomes_rows(tmp_path):
    HISTORY.to_csv(tmp_path / "chart.csv", index=False)
    table = read_file(tmp_path / "chart.csv")
    pd.testing.assert_frame_equal(table.frame, LONG, check_dtype=False)
    assert "export of a W&B chart: its columns for 2 runs ('big - 1', 'small')" in table.notes[0]


def test_charts_and_the_table_of_runs_are_joined(tmp_path):
    HISTORY.to_csv(tmp_path / "loss.csv", index=False)
    tokens = pd.DataFrame(
        {"Step": [0, 1], "big - 1 - tokens": [1e9, 2e9], "small - tokens": [1, 2]}
    )
    tokens.to_csv(tmp_path / "tokens.csv", index=False)
    runs = pd.DataFrame({"Name": ["big - 1", "small", "other"], "params": [2e8, 1e8, 5]})
    runs.to_csv(tmp_path / "runs.csv", index=False)
    frame = read_file(tmp_path).frame
    assert list(frame) == ["run", "Step", "eval/loss", "tokens", "Name", "params"]
    row = frame[(frame["run"] == "big - 1") & (frame["Step"] == 1)].iloc[0]
    assert (row["eval/loss"], row["tokens"], row["params"]) == (3.0, 2e9, 2e8)
    assert len(frame) == 5


@pytest.mark.parametrize("nested", [False, True])
def test_a_folder_with_one_file_for_each_run_is_joined(tmp_path, nested):
    for i, name in enumerate(["a", "b"]):
        path = tmp_path / name / "result.json" if nested else tmp_path / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"params": 10.0**i, "loss": 3 - i}))
    (tmp_path / "README.md").write_text("# Runs\n")
    (tmp_path / ".hidden.json").write_text("{")
    table = read_file(tmp_path)
    assert table.frame.to_dict("list") == {"run": ["a", "b"], "params": [1, 10], "loss": [3, 2]}
    assert "2 files" in table.notes[0]
    assert "column 'run' is the name of the file" in table.notes[0]


def test_a_folder_with_one_table_is_read(tmp_path):
    (tmp_path / "runs.csv").write_text("p,l\n1,2\n")
    (tmp_path / "notes.md").write_text("# Notes\n")
    assert "has one table, runs.csv" in read_file(tmp_path).notes[0]


def test_a_folder_of_different_tables_is_refused(tmp_path):
    with pytest.raises(sb.InputError, match="is a directory without tables"):
        read_file(tmp_path)
    (tmp_path / "a.csv").write_text("params,loss\n1,2\n")
    (tmp_path / "b.csv").write_text("name,price\nx,2\n")
    with pytest.raises(sb.InputError, match=r"different columns: a.csv has .*b.csv has"):
        read_file(tmp_path)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def mlruns(tmp_path):
    """Two runs in the layout of MLflow's file store, and a deleted one."""
    for name, status, stage in (("a", 3, "active"), ("b", 4, "active"), ("c", 3, "deleted")):
        run = tmp_path / "mlruns" / "0" / f"{name}0f"
        write(run / "meta.yaml", f"lifecycle_stage: {stage}\nrun_name: {name}\nstatus: {status}\n")
        write(run / "params" / "n_params", "100000000")
        write(run / "params" / "optimizer", "adam")
        write(run / "metrics" / "eval" / "loss", "17 4.0 0\n19 3.5 200\n18 3.7 100\n")
        write(run / "tags" / "mlflow.runName", f"run {name}")
    write(tmp_path / "mlruns" / "0" / "meta.yaml", "experiment_id: '0'\nname: Default\n")
    return tmp_path / "mlruns"


def test_the_runs_of_mlflow_are_read(mlruns):
    table = read_file(mlruns)
    assert table.frame.to_dict("list") == {
        "run": ["run a", "run b"],
        "run_id": ["a0f", "b0f"],
        "status": ["FINISHED", "FAILED"],
        "n_params": [1e8, 1e8],
        "optimizer": ["adam", "adam"],
        "eval/loss": [3.5, 3.5],
    }
    assert "2 runs of MLflow; each metric has the value of its last step" in table.notes[0]
    assert "1 deleted runs are skipped" in table.notes[1]
    pd.testing.assert_frame_equal(read_file(mlruns.parent).frame, table.frame)
    assert len(read_file(mlruns / "0" / "a0f").frame) == 1


def test_a_damaged_metric_of_mlflow_is_named(mlruns):
    write(mlruns / "0" / "a0f" / "metrics" / "eval" / "loss", "17\n")
    with pytest.raises(sb.InputError, match="eval/loss is damaged: every line must be a time"):
        read_file(mlruns)


def test_the_local_files_of_wandb_are_read(tmp_path):
    for i, name in enumerate(["abc", "xyz"]):
        files = tmp_path / "wandb" / f"run-2026010{i + 1}_120000-{name}" / "files"
        config = (
            "_wandb:\n  value: {cli_version: 1}\nmodel:\n  desc: null\n  value:\n    n: 1.0e+8\n"
        )
        write(files / "config.yaml", f"wandb_version: 1\n{config}lr: {{value: 0.001}}\n")
        summary = {
            "loss": 3.5 - i,
            "_step": 7,
            "_wandb": {"runtime": 1},
            "h": {"_type": "histogram"},
        }
        write(files / "wandb-summary.json", json.dumps(summary))
    table = read_file(tmp_path)
    assert table.frame.to_dict("list") == {
        "id": ["abc", "xyz"],
        "model.n": [1e8, 1e8],
        "lr": [0.001, 0.001],
        "loss": [3.5, 2.5],
        "_step": [7, 7],
    }
    assert "2 runs of W&B; each metric has its last value" in table.notes[0]
    assert table.notes[-1] == "Histograms, tables and media of W&B are left out: 'h'."


def test_the_event_files_of_tensorboard_are_read(tmp_path):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import summary_v2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from tensorboard.util.tensor_util import make_tensor_proto

    for name, params in (("a", 1e8), ("b", 2e8)):
        writer = EventFileWriter(str(tmp_path / name))
        hparams = summary_v2.hparams_pb({"params": params, "optimizer": "adam"})
        writer.add_event(Event(step=0, wall_time=1, summary=hparams))
        for step in (100, 200):
            values = [Summary.Value(tag="eval/loss", simple_value=step / 100 + params / 1e8)]
            if step == 200:
                values.append(Summary.Value(tag="lr", tensor=make_tensor_proto(0.5)))
            writer.add_event(Event(step=step, wall_time=1, summary=Summary(value=values)))
        writer.close()
    table = read_file(tmp_path)
    expected = pd.DataFrame(
        {
            "run": [*"aabb"],
            "step": [100, 200] * 2,
            "params": [1e8, 1e8, 2e8, 2e8],
            "optimizer": ["adam"] * 4,
            "eval/loss": [2.0, 3.0, 3.0, 4.0],
            "lr": [np.nan, 0.5] * 2,
        }
    )
    pd.testing.assert_frame_equal(table.frame[list(expected)], expected, check_dtype=False)
    assert "2 runs of TensorBoard: a row is a step of a run" in table.notes[0]
    (event_file,) = (tmp_path / "a").iterdir()
    assert list(read_file(event_file).frame["eval/loss"]) == [2.0, 3.0]


def test_event_files_need_tensorboard(tmp_path, monkeypatch):
    module = "tensorboard.backend.event_processing.event_accumulator"
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "events.out.tfevents.1.host").write_bytes(b"")
    with pytest.raises(sb.InputError, match=r'pip install "scalingbayes\[tensorboard\]"'):
        read_file(tmp_path)


# A response of the server, as the client's objects have it.
RESPONSE = [
    {
        "name": f"run-{i}",
        "id": f"id{i}",
        "state": "crashed" if i == 3 else "finished",
        "created_at": f"2026-01-0{i + 1}T12:00:00",
        "config": {"model": {"parameter_count": 1e8 * 2**i}, "lr": 1e-3, "tokens": 2e9 * 2**i},
        "summary_metrics": {
            "eval/loss": 4 - i / 2 if i < 3 else "NaN",
            "tokens": 2e9 * 2**i,
            "lr": 1e-5,
            "_step": 100,
            "_wandb": {"runtime": 9},
            "examples": {"_type": "table-file", "nrows": 3},
        },
    }
    for i in range(4)
]


@pytest.fixture
def client(monkeypatch):
    """Stand in for the package wandb; return the arguments of its calls."""
    calls: list[tuple] = []

    class Api:
        def runs(self, path, filters=None, order="+created_at", per_page=50, lazy=True):
            calls.append((path, filters, lazy))
            if path == "no/project":
                raise ValueError("Could not find project")
            return iter([SimpleNamespace(**run) for run in RESPONSE if not filters])

    module = ModuleType("wandb")
    module.Api = Api
    monkeypatch.setitem(sys.modules, "wandb", module)
    return calls


def test_the_runs_of_a_wandb_project_are_read(client):
    runs = sb.read_wandb(
        "entity/project",
        params="model.parameter_count",
        loss="eval/loss",
        where="State == 'finished'",
    )
    assert client == [("entity/project", {}, False)]
    assert runs.name == "entity/project"
    np.testing.assert_array_equal(runs.column("params"), [1e8, 2e8, 4e8])
    np.testing.assert_array_equal(runs.column("tokens"), [2e9, 4e9, 8e9])
    np.testing.assert_array_equal(runs.column("loss"), [4, 3.5, 3])
    assert list(runs.frame["Name"]) == ["run-0", "run-1", "run-2"]
    assert {"id", "created_at", "lr", "summary.lr", "_step"} <= {*runs.frame}
    assert not {"_wandb", "examples", "summary.tokens"} & {*runs.frame}
    notes = " ".join(runs.notes)
    assert "Histograms, tables and media of W&B are left out: 'examples'" in notes
    assert "'summary.lr'" in notes


def test_a_wandb_project_that_cannot_be_read_says_what_to_do(client, monkeypatch):
    with pytest.raises(sb.InputError, match=r"'no/project': Could not find project.*wandb login"):
        sb.read_wandb("no/project")
    with pytest.raises(sb.InputError, match=r"has no runs that fit .*check the name and the filt"):
        sb.read_wandb("entity/project", filters={"state": "running"})
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(sb.InputError, match=r'pip install "scalingbayes\[wandb\]"'):
        sb.read_wandb("entity/project")
