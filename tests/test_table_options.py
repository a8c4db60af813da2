"""Which columns and rows of a user's table are used, and in which units."""

import numpy as np
import pandas as pd
import pytest

import scalingbayes as sb


def test_several_candidates_are_asked_for(small_table):
    table = {**small_table, "eval/c4_loss": small_table["loss"], "eval/pile_loss": 3.0}
    del table["loss"]
    runs = sb.Runs(pd.DataFrame(table))
    assert "loss" not in runs.frame
    with pytest.raises(sb.InputError, match=r"Candidates for loss: 'eval/c4_loss', 'eval/pile_l"):
        sb.fit(runs)


def test_the_choice_of_columns_is_said_before_anything_is_fitted(small_table):
    frame = pd.DataFrame(small_table).rename(columns={"params": "num_params", "loss": "val_loss"})
    with pytest.warns(sb.InputWarning, match="params is 'num_params', loss is 'val_loss'.*--loss"):
        runs = sb.Runs(frame)
    assert any("params is 'num_params'" in note for note in runs.notes)
    np.testing.assert_array_equal(runs.column("params"), small_table["params"])
    np.testing.assert_array_equal(runs.column("num_params"), small_table["params"])


def test_sizes_are_read_from_names_of_models():
    with pytest.warns(sb.InputWarning, match="params is 'model'"):
        runs = sb.Runs({"model": ["pythia-70m", "pythia-1.4b"], "tokens": [1e9, 2e9]})
    assert runs.column("params").tolist() == [7e7, 1.4e9]
    assert any("'pythia-70m'" in note for note in runs.notes)


@pytest.mark.parametrize(
    ("columns", "tokens"),
    [
        ({"steps": [1000], "batch_size": [64], "seq_len": [1024]}, 1000 * 64 * 1024),
        ({"step": [90], "global_batch_size": [32], "context_length": [2048]}, 90 * 32 * 2048),
        ({"iterations": [10], "batch_size_tokens": [500_000]}, 5e6),
        ({"steps": [10], "batch size (k)": [0.5], "seq_len": [2048]}, 10 * 500 * 2048),
    ],
)
def test_tokens_are_steps_times_batch_times_length(columns, tokens):
    with pytest.warns(sb.InputWarning, match="tokens = "):
        runs = sb.Runs({"params": [1e8], "loss": [3.0], **columns})
    assert runs.column("tokens") == [tokens]


@pytest.mark.parametrize("batch", ["micro_batch_size", "per_device_batch_size"])
def test_the_batch_of_one_device_is_not_used(batch):
    runs = sb.Runs({"params": [1e8], "loss": [3.0], "steps": [9], batch: [8], "seq_len": [1024]})
    assert "tokens" not in runs.frame


CRASHED = pd.DataFrame(
    {
        "Name": ["a", "b", "c", "d", "e"],
        "State": ["finished", "finished", "crashed", "finished", "running"],
        "params": [1e7, 2e7, 2e7, 3e7, 4e7],
        "tokens": ["1000000000", "1e9", "", "0", "2e9"],
        "loss": [3.9, 3.7, np.nan, 11.0, np.inf],
    }
)


def test_all_problems_are_in_one_message_with_the_users_names():
    frame = CRASHED.rename(columns={"loss": "eval/loss", "tokens": "D"}).drop(columns="State")
    with pytest.raises(sb.InputError) as caught:
        sb.Runs(frame, loss="eval/loss", tokens="D")
    message = str(caught.value)
    for part in (
        "4 problems",
        "'D' (tokens), row 3 (c): the cell is empty",
        "'D' (tokens), row 4 (d): 0 is not positive",
        "'eval/loss' (loss), row 3 (c): the cell is empty",
        "'eval/loss' (loss), row 5 (e): inf is infinite",
        "drop_empty=True",
    ):
        assert part in message


def test_rows_without_values_and_rows_at_step_0_are_dropped_on_request():
    with pytest.warns(sb.InputWarning, match=r"2 of 5 runs did not finish \(crashed, running\)"):
        runs = sb.Runs(CRASHED, drop_empty=True)
    assert list(runs.frame["Name"]) == ["a", "b"]
    (note,) = (note for note in runs.notes if note.startswith("Dropped"))
    assert note == (
        "Dropped 3 of 5 rows without values (tokens empty 1, loss infinite 1, tokens 0 1)."
    )


def test_a_condition_chooses_rows():
    runs = sb.Runs(CRASHED, where="State == 'finished' and loss < 5")
    assert list(runs.frame["Name"]) == ["a", "b"]
    assert runs.notes[0] == "Kept 2 of 5 rows: State == 'finished' and loss < 5."
    assert list(sb.Runs(CRASHED.iloc[1:2], where="Name.str.startswith('b')").frame["Name"]) == ["b"]
    slashed = CRASHED.rename(columns={"State": "run/state"})
    assert len(sb.Runs(slashed.iloc[:2], where="`run/state` == 'finished'")) == 2


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("State == 'done'", "No row meets.*'State' holds 'finished', 'crashed', 'running'"),
        ("Stat == 'finished'", "cannot be evaluated.*Columns: 'Name', 'State'"),
        ("params +", "cannot be evaluated"),
        ("params * 2", "is no condition"),
        ("params > @x", "@ and __ are not allowed"),
        ("params.__class__", "@ and __ are not allowed"),
    ],
)
def test_conditions_that_cannot_be_used_are_refused(where, message):
    with pytest.raises(sb.InputError, match=message):
        sb.Runs(CRASHED, where=where)


def test_rows_are_numbered_as_in_the_users_table():
    runs = sb.Runs(CRASHED.assign(accuracy=[0.5, None, 0.6, 0.7, 0.8]), where="params < 2.5e7 and "
                   "State == 'finished'")  # fmt: skip
    assert list(runs.frame.index) == [0, 1]
    with pytest.raises(sb.InputError, match=r"'accuracy', row 2 \(b\)"):
        runs.column("accuracy")


def test_the_best_row_of_each_size_and_tokens_is_kept():
    grid = [(n, d, lr) for n in (1e8, 1e9) for d in (1e9, 1e10) for lr in (1, 2, 3)]
    table = pd.DataFrame(grid, columns=["params", "tokens", "learning_rate"])
    table["loss"] = 3 + 0.1 * (table["learning_rate"] - 2) ** 2 + 1e9 / table["tokens"]
    runs = sb.Runs(table, keep="best")
    assert list(runs.frame["learning_rate"]) == [2] * 4
    assert "Kept the row of least loss for each params and tokens: 4 of 12 rows." in runs.notes


def test_the_last_row_of_each_run_is_kept():
    table = pd.DataFrame({"Name": list("aaabbb"), "params": [1e8] * 6, "loss": np.arange(6) + 2.0})
    table["tokens"] = [1e9, 3e9, 2e9, 1e9, 2e9, 3e9]
    runs = sb.Runs(table, keep="last", run_id="Name")
    assert list(runs.frame["loss"]) == [3, 7]
    with pytest.warns(sb.InputWarning, match="run_id is 'Name'"):
        assert len(sb.Runs(table, keep="last")) == 2
    with pytest.raises(sb.InputError, match="needs a column 'run_id'"):
        sb.Runs(table.drop(columns="Name"), keep="last")


@pytest.mark.parametrize("given", [{"units": {"loss": "perplexity"}}, {"loss": "val_ppl"}])
def test_perplexities_become_losses(given):
    table = {"params": [1e8, 1e9], "tokens": [1e9, 1e10], "loss": [20.0, 10.0]}
    if "loss" in given:
        table["val_ppl"] = table.pop("loss")
    runs = sb.Runs(table, **given)
    np.testing.assert_allclose(runs.column("loss"), np.log([20.0, 10.0]))
    assert runs.units.is_perplexity
    assert any("ln(perplexity)" in note for note in runs.notes)
    with pytest.raises(sb.InputError, match=r"row 2: a perplexity must be above 1; got 0\.9"):
        sb.Runs({"loss": [3.0, 0.9]}, units={"loss": "perplexity"})


def test_units_are_read_from_names_or_given():
    table = {"Params (B)": [0.07, 7], "tokens": [1.0, 2], "loss": [3.0, 2.5], "pf_days": [1.0, 2]}
    named = {"compute": "pf_days", "params": "Params (B)"}
    runs = sb.Runs(table, units={"tokens": "billions"}, **named)
    np.testing.assert_allclose(runs.column("params"), [7e7, 7e9])
    np.testing.assert_allclose(runs.column("tokens"), [1e9, 2e9])
    with (
        pytest.warns(sb.InputWarning, match="Columns were chosen"),
        pytest.warns(sb.InputWarning, match="counts samples, and there is no column of compute"),
    ):
        other = sb.Runs({"params_non_embedding": [1e8], "samples_seen": [1e9], "val_bpb": [1.1]})
    assert other.units.describe() == (
        "N counts parameters without embeddings, D counts samples, loss in bits per byte"
    )
    petaflops = sb.Runs({"compute": [1e2], "loss": [3.0]}, units={"compute": "PF-days"})
    np.testing.assert_allclose(petaflops.column("compute"), [8.64e21])
    for units, message in (
        ({"loss": "apples"}, "unit of loss must be one of"),
        ({"accuracy": "percent"}, "got a unit of 'accuracy'"),
        ({"tokens": "samples"}, "no column 'tokens' whose unit"),
        ({"compute": "EFLOPs, billions"}, "several units at once"),
        ("perplexity", "must be a mapping"),
    ):
        with pytest.raises(sb.InputError, match=message):
            sb.Runs({"compute": [1e21], "loss": [3.0]}, units=units)


def test_one_column_cannot_be_two_quantities(small_table):
    with pytest.raises(sb.InputError, match="'x' cannot be both params and tokens"):
        sb.Runs({**small_table, "x": small_table["params"]}, params="x", tokens="x")


def test_notes_and_units_reach_the_posterior_and_its_file(tmp_path, small_table):
    frame = pd.DataFrame(small_table)
    table = frame.assign(loss=np.exp(frame["loss"]), state="finished").drop(columns="params")
    table["model"] = [f"m-{size / 1e6:g}m" for size in frame["params"]]
    runs = sb.Runs(table, units={"loss": "perplexity"}, params="model", where="state == 'finished'")
    post = sb.fit(runs, "chinchilla", engine=sb.PriorDraws(draws=50))
    post.save(tmp_path / "post.nc")
    loaded = sb.load(tmp_path / "post.nc")
    assert loaded.record.data.notes == runs.notes
    assert loaded.runs.units == runs.units
    assert "Table: Perplexities were converted" in repr(loaded).replace("\n", " ")
    pd.testing.assert_frame_equal(loaded.runs.frame[["params"]], runs.frame[["params"]])


def test_answers_are_in_the_users_unit(small_table):
    frame = pd.DataFrame(small_table)
    runs = sb.Runs(
        frame.assign(loss=np.exp(frame["loss"])),
        units={"loss": "perplexity", "params": "non_embedding"},
    )
    post, nats = (
        sb.fit(table, "chinchilla", engine=sb.PriorDraws(draws=60), seed=2)
        for table in (runs, small_table)
    )
    run = {"params": 1e10, "tokens": 1e11}
    allocation = post.allocate(1e21)
    assert "N counts parameters without embeddings, loss in perplexity" in allocation.title
    np.testing.assert_allclose(
        allocation["perplexity"], np.exp(nats.allocate(1e21)["loss"]), rtol=1e-6
    )
    expected, of_nats = (each.predict(**run)["expected"].to_numpy() for each in (post, nats))
    np.testing.assert_allclose(expected, np.exp(of_nats), rtol=1e-6)
    np.testing.assert_allclose(
        sb.plan(post, 1e21).outcome["perplexity"], np.exp(sb.plan(nats, 1e21).outcome["loss"])
    )
    np.testing.assert_allclose(
        sb.frontier_gap(post).draws["loss"], sb.frontier_gap(nats).draws["loss"], rtol=1e-6
    )
    assert "Losses are in nats: ln(perplexity)." in repr(sb.frontier_gap(post))
    assert "The regret is in nats" in repr(sb.plan(post, 1e21))
    reached = sb.cheapest_run(post, np.exp(3.0)).draws["compute"].to_numpy()
    np.testing.assert_allclose(reached, sb.cheapest_run(nats, 3.0).draws["compute"], rtol=1e-6)


def test_a_perplexity_is_an_input_in_the_users_unit(small_table):
    loss = small_table["loss"]
    accuracy = 1 / (1 + np.exp(3 * (loss - 2.5)))
    runs = sb.Runs({"loss": np.exp(loss), "accuracy": accuracy}, units={"loss": "perplexity"})
    post, nats = (
        sb.fit(table, "accuracy(x=loss)", engine=sb.PriorDraws(draws=60), seed=2)
        for table in (runs, {"loss": loss, "accuracy": accuracy})
    )
    found, of_nats = post.predict(loss=[9.0, 15.0]), nats.predict(loss=np.log([9.0, 15.0]))
    np.testing.assert_allclose(found["expected"], of_nats["expected"], rtol=1e-5)
    np.testing.assert_allclose(found.draws["loss"], [9.0, 15.0])
    with pytest.raises(sb.InputError, match=r"loss is a perplexity.* must be above 1; got 0\.9"):
        post.predict(loss=[0.9, 15.0])


def test_params_are_counted_with_and_without_embeddings():
    table = {"d_model": [512, 1024], "n_vocab": 50_000, "tokens": 1e9, "loss": [3.0, 2.5]}
    frame = pd.DataFrame(table).assign(params=[5e7, 2e8])
    runs = sb.Runs(frame, units={"params": "total"})
    without = runs.count_params("non_embedding")
    np.testing.assert_allclose(without.column("params"), [5e7 - 2.56e7, 2e8 - 5.12e7])
    np.testing.assert_allclose(without.column("compute"), 6 * without.column("params") * 1e9)
    assert "without embeddings" in without.units.describe()
    again = without.count_params("total")
    np.testing.assert_allclose(again.column("params"), runs.column("params"))
    measured = sb.Runs(frame.assign(compute=[1e18, 4e18]), units={"params": "total"})
    kept = measured.count_params("non_embedding").column("compute")
    np.testing.assert_array_equal(kept, [1e18, 4e18])
    for table, message in (
        (sb.Runs(frame), "not known whether params counts embeddings"),
        (sb.Runs(frame.drop(columns="d_model"), units={"params": "total"}), "width of each model"),
        (sb.Runs(frame.drop(columns="n_vocab"), units={"params": "total"}), "vocabulary's size"),
        (sb.Runs(frame.assign(params=1e7), units={"params": "total"}), "embeddings have 2.56e"),
    ):
        with pytest.raises(sb.InputError, match=message):
            table.count_params("non_embedding")


@pytest.fixture
def export(tmp_path, rng):
    """Write an export of 200 runs and 60 columns, a fifth of the runs crashed."""
    params, tokens = (10 ** rng.uniform(low, high, 200) for low, high in ((7, 9.3), (9, 11)))
    loss = (1.7 + 400 / params**0.34 + 410 / tokens**0.28) * np.exp(
        0.003 * rng.standard_normal(200)
    )
    crashed = rng.uniform(size=200) < 0.2
    frame = pd.DataFrame(
        {
            "Name": [f"run-{i}" for i in range(200)],
            "State": np.where(crashed, "crashed", "finished"),
            "model/parameter_count": params.round().astype(int),
            "throughput/total_tokens": np.where(crashed, np.nan, tokens.round()),
            "throughput/tokens_per_sec": rng.uniform(1e5, 1e6, 200),
            "eval/loss": np.where(crashed, np.nan, loss),
            "train/loss": loss + 0.1 * rng.standard_normal(200),
        }
    )
    others = {f"config/option_{i}": rng.standard_normal(200) for i in range(53)}
    path = tmp_path / "export.csv"
    frame.assign(**others).to_csv(path, index=False)
    return path, params[~crashed]


def test_an_export_with_crashed_runs_goes_to_an_allocation(export):
    path, params = export
    with pytest.warns(sb.InputWarning, match="loss is 'eval/loss'"):
        runs = sb.read_runs(path, where="State == 'finished'")
    np.testing.assert_allclose(runs.column("params"), params, rtol=1e-7)
    post = sb.fit(runs, "chinchilla", engine="laplace", exact=True)
    lower, upper = post.allocate(1e22).interval(0.999)["params"].to_numpy().ravel()
    factor = (0.34 * 400 / (0.28 * 410)) ** (1 / 0.62)  # Hoffmann et al. 2022, eq. 4
    assert lower < factor * (1e22 / 6) ** (0.28 / 0.62) < upper


def test_logarithms_are_undone():
    runs = sb.Runs({"log10_N": [8.0], "tokens": [9.0], "loss": [3.0]}, params="log10_N",
                   units={"tokens": "log10"})  # fmt: skip
    assert runs.column("params") == pytest.approx([1e8])
    assert runs.column("tokens") == pytest.approx([1e9])


def test_compute_in_another_unit_is_converted_or_refused(small_table):
    flops = 6 * small_table["params"] * small_table["tokens"]
    with pytest.warns(sb.InputWarning, match="compute is 'exaflops'"):
        runs = sb.Runs({**small_table, "exaflops": flops / 1e18})
    np.testing.assert_allclose(runs.column("compute"), flops)
    with pytest.raises(
        sb.InputError, match=r"1e-18 times 6 \* params.*units=\{'compute': 'EFLOPs'"
    ):
        sb.Runs({**small_table, "compute": flops / 1e18})


def test_cells_with_multiples_have_no_other_unit():
    with pytest.raises(sb.InputError, match="cells, such as '70M', state their own multiples"):
        sb.Runs({"params": ["70M"], "loss": [3.0]}, units={"params": "billions"})


def test_nothing_is_derived_where_the_table_has_candidates():
    table = {"params": [1e8], "train_tokens": [2e9], "total_tokens": [3e9], "compute": [3.6e18]}
    runs = sb.Runs({**table, "loss": [3.0]})
    assert "tokens" not in runs.frame
    assert any("tokens may be 'train_tokens', 'total_tokens'" in note for note in runs.notes)
    with pytest.warns(sb.InputWarning, match="tokens = steps x batch_size x seq_len"):
        steps = sb.Runs({"params": [1e8], "compute": [3.6e18], "loss": [3.0], "steps": [1000],
                         "batch_size": [512], "seq_len": [2048]})  # fmt: skip
    assert steps.column("tokens") == [1000 * 512 * 2048]


def test_a_proposed_column_can_be_declined_and_does_no_harm(small_table):
    flops = 6 * small_table["params"] * small_table["tokens"]
    flops[3] = np.nan
    table = {**small_table, "flops": flops}
    with pytest.warns(sb.InputWarning, match="compute is 'flops'"):
        runs = sb.Runs(table)
    assert any("'flops' is not used as compute: some rows have no value" in x for x in runs.notes)
    assert sb.Runs(table, compute=None).notes == ()


def test_runs_that_failed_are_dropped_on_request():
    table = {"params": [1e8, 1e8], "tokens": [1e9, 2e9], "loss": [3.0, "diverged"]}
    assert len(sb.Runs(table, drop_empty=True)) == 1
    with pytest.raises(sb.InputError, match="diverged is not a number; correct the value, or"):
        sb.Runs(table)
