"""Tests of what is said of tables at once: curves, sweeps of settings, targets that are no loss."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from plain import bind

import scalingbayes as sb
from scalingbayes.model.curves import find_curves
from scalingbayes.model.undecayed import find_undecayed


def law(params, tokens):
    return 1.7 + 400 / params**0.34 + 900 / tokens**0.30


def grid(sizes=5, lengths=4, noise=0.003, seed=0) -> pd.DataFrame:
    """Return separate runs on a grid of sizes and tokens."""
    params, tokens = np.meshgrid(np.geomspace(3e7, 3e9, sizes), np.geomspace(1e9, 5e10, lengths))
    frame = pd.DataFrame({"params": params.ravel(), "tokens": tokens.ravel()})
    scatter = np.exp(noise * np.random.default_rng(seed).standard_normal(len(frame)))
    return frame.assign(loss=law(frame["params"], frame["tokens"]) * scatter)


def messages(table, **how) -> list[str]:
    """Return the warnings of binding a law to a table."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bind(sb.Runs(table), **how)
    return [str(each.message) for each in caught]


def test_a_grid_of_named_sizes_is_not_curves():
    table = grid(4, 5)
    table["model"] = table["params"].map(lambda n: f"{n / 1e6:.0f}M")
    assert messages(table) == []
    assert messages(table.assign(run_id=[f"r{i}" for i in range(20)])) == []


def test_checkpoints_of_named_sizes_are_curves():
    table = grid(4, 12).assign(steps=lambda x: (x["tokens"] / 2e6).round() + 1)
    table["tokens"] = 2e6 * table["steps"]
    table["model"] = table["params"].map(lambda n: f"{n / 1e6:.0f}M")
    (message,) = messages(table)
    for part in (
        "'model' names 4 training curves with 48 rows",
        "'steps' rises with tokens",
        "sb.Runs(table, keep='last', run_id='model')",
        "--keep last --column run_id=model",
        "groups='model'",
        "before the learning rate has decayed lie above",
    ):
        assert part in message
    assert "'params' names 4" in messages(table.drop(columns="model"))[0]
    # What is advised works.
    assert len(sb.Runs(table, keep="last", run_id="model")) == 4
    assert messages(table.assign(run_id=np.arange(48))) == []  # each row is a run
    assert find_curves(pd.concat([table, table.assign(lr=2.0)])) is None  # steps of several runs


def test_labels_finer_than_sizes_are_curves():
    table = pd.concat([grid(4, 6).assign(shape=f"{i}") for i in ("deep", "wide")])
    table["model"] = table["shape"] + table["params"].map("{:.0f}".format)
    found = find_curves(table)
    assert (found.column, found.count) == ("model", 8)
    assert "share one size" in found.evidence


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("gemstones", "model"),
        ("pythia", "model"),
        ("chinchilla", None),
        ("porian", None),
        ("overtraining", None),
        ("datablations", None),
        ("farseer", None),
        ("critical_batch_size", None),
    ],
)
def test_curves_of_public_tables_are_found(name, column):
    found = find_curves(sb.datasets.load(name).frame)
    assert (found and found.column) == column


def test_a_sweep_of_learning_rates_is_pointed_out(rng):
    rows = pd.concat([grid(seed=i).assign(learning_rate=10.0**-i) for i in range(1, 5)])
    rows["wandb_run"] = [f"run {i}" for i in range(len(rows))]
    rows["grad_norm"] = rng.standard_normal(len(rows))
    (message,) = messages(rows)
    for part in (
        "20 groups of rows have the same params, tokens and differ in 'learning_rate'",
        "keep='best'",
        "--keep best",
        "noise='one_sided'",
    ):
        assert part in message
    best = sb.Runs(rows, keep="best")
    assert len(best) == 20
    assert messages(best.frame) == []
    assert messages(rows.drop(columns="learning_rate")) == []


def test_decayed_rows_beside_undecayed_ones_are_pointed_out():
    hot, cool = grid(seed=1).assign(group="lr hot"), grid(seed=2).assign(group="1e9/cooldown")
    hot["tokens"] *= 1.01  # no repeats of the decayed runs
    rows = pd.concat([hot, cool])
    (message,) = messages(rows)
    for part in (
        "Column 'group' has rows of 'lr hot' and rows of '1e9/cooldown'",
        "a few per cent higher",
        "--where \"group == '1e9/cooldown'\"",
    ):
        assert part in message
    assert len(sb.Runs(rows, where="group == '1e9/cooldown'")) == len(cool)
    assert messages(cool) == []
    assert messages(rows.assign(group=rows["group"].replace("lr hot", "shot"))) == []
    assert messages(rows.rename(columns={"group": "dataset"})) == []
    assert messages(rows, groups="group") == []


def test_a_learning_rate_near_its_peak_is_no_decayed_one():
    rows = grid().assign(max_lr=3e-4, lr=[3e-4, 3e-5] * 10)
    (message,) = messages(rows)
    assert "Column 'lr' is near 'max_lr' in some rows and below half of it" in message
    assert 'where="lr < 0.5 * max_lr"' in message
    assert messages(rows.assign(lr=3e-5)) == []
    assert messages(rows.assign(lr=np.where(rows["params"] > 3e8, 3e-4, 3e-5))) == []


@pytest.mark.parametrize("name", sb.datasets.names())
def test_public_tables_that_mix_decayed_and_undecayed_rows_are_found(name):
    found = find_undecayed(sb.datasets.load(name).frame)
    columns = {"gemstones": "group", "lr_schedules": "schedule"}
    assert (found and found.column) == columns.get(name)


def test_rows_of_two_data_sets_are_fitted_apart():
    rows = pd.concat([grid(seed=i).assign(dataset=name) for i, name in enumerate(("c4", "pile"))])
    (message,) = messages(rows)
    assert "differ in 'dataset'" in message
    assert "keep='best'" not in message
    assert "runs.split('dataset')" in message
    assert """--where "dataset == 'c4'\"""" in message
    assert "groups='dataset'" in message
    assert messages(rows, groups="dataset") == []


def test_seeds_are_replicates():
    rows = pd.concat([grid(seed=i).assign(seed=i) for i in range(3)])
    assert messages(rows) == []


def test_a_law_that_reads_the_setting_can_tell_the_rows_apart():
    table = sb.datasets.load("datablations")
    rows = table.frame[["params", "tokens", "unique_tokens", "loss"]].drop_duplicates()
    said = messages(rows, law="coupled")
    assert any("differ in 'unique_tokens'" in each for each in said)
    assert not any("cannot tell" in each for each in messages(rows, law="data_constrained"))


def accuracy(table):
    return 1 / (1 + np.exp(2 * (table["loss"] - 2.9)))


def test_a_target_that_rises_with_scale_is_refused_as_a_loss():
    table = grid(6, 5)
    with pytest.raises(sb.InputError, match=r"'loss' rises with params and tokens.*accuracy") as e:
        bind(sb.Runs(table.assign(loss=accuracy(table))))
    line = 'sb.fit(sb.Runs(table, accuracy="NAME"), "accuracy(x=compute)")'
    assert line in str(e.value)


@pytest.mark.slow
def test_what_is_advised_for_an_accuracy_works():
    table = grid(6, 5)
    runs = sb.Runs(table.assign(acc=accuracy(table)).drop(columns="loss"), accuracy="acc")
    post = sb.fit(runs, "accuracy(x=compute)", engine="laplace")
    at = post.predict(compute=[1e18, 1e21]).median()["expected"].to_numpy()
    assert at[0] < at[1]


def test_noisy_and_flat_targets_are_not_refused(rng):
    table = grid(6, 5)
    for sd in (0.1, 1.0):
        bind(sb.Runs(table.assign(loss=np.exp(sd * rng.standard_normal(30)))))


def test_perplexities_are_pointed_out():
    table = grid(6, 5)
    table = table.assign(loss=np.exp(table["loss"]))
    (message,) = messages(table)
    assert "--unit loss=perplexity" in message
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bind(sb.Runs(table, units={"loss": "perplexity"}))


# The three approaches


def isoflop_runs(budgets, sizes) -> pd.DataFrame:
    """Return noise-free runs of E = 2, 1000 / N^0.34, 2000 / D^0.36, whose a is 0.514."""
    pairs = [(n, c) for c, own in zip(budgets, sizes, strict=True) for n in own]
    params, compute = np.array(pairs).T
    loss = 2 + 1000 / params**0.34 + 2000 / (compute / 6 / params) ** 0.36
    return pd.DataFrame({"params": params, "compute": compute, "loss": loss})


SIZES = np.geomspace(2e7, 1e10, 8)
SEPARATE = {
    "full grid": isoflop_runs((1e19, 1e20, 1e21, 1e22), [SIZES] * 4),
    "two budgets share": isoflop_runs(
        (1e19, 3e19, 1e20, 1e21), [SIZES[:6], SIZES[1:7] * 1.3, SIZES[2:] * 0.8, SIZES[:6]]
    ),
}


@pytest.mark.parametrize("name", SEPARATE)
def test_approach_1_refuses_separate_runs(name):
    with pytest.raises(sb.InputError, match="no sign of training curves"):
        sb.envelope(SEPARATE[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SEPARATE)
def test_the_row_of_approach_1_says_why_it_is_not_used(name):
    found = sb.compare_approaches(SEPARATE[name], posterior=False)
    row = found.summary().loc["1 envelope of training curves"]
    assert np.isnan(row["a"])
    assert "no sign of training curves" in row["note"]
    assert found.summary()["a"]["3 parametric, Huber loss"] == pytest.approx(0.514, abs=0.01)


def test_approach_1_uses_curves_that_are_found():
    params = np.repeat(SIZES, 60)
    steps = np.tile(np.unique(np.geomspace(10, 1e6, 60).round()), 8)
    tokens = 1e6 * steps
    loss = 2 + 1000 / params**0.34 + 2000 / tokens**0.36
    table = {"params": params, "tokens": tokens, "loss": loss, "step": steps}
    found = sb.envelope(table)
    assert found.exponents.a == pytest.approx(0.514, abs=0.05)
    assert "8 curves" in found.exponents.used


SEVEN = """params,compute,loss
5e7,1e18,3.60
1e8,1e18,3.55
2e8,1e18,3.61
8e7,4e18,3.33
1.6e8,4e18,3.27
3.2e8,4e18,3.32
6.4e8,4e18,3.44
"""


@pytest.mark.slow
def test_approaches_work_without_a_posterior(tmp_path: Path, command):
    (tmp_path / "table.csv").write_text(SEVEN)
    done = command("approaches", str(tmp_path / "table.csv"))
    assert done.returncode == 0, done.stderr
    for part in ("2 IsoFLOP, parabolas  ", "3 parametric, Huber loss  ", "What to trust"):
        assert part in done.stdout
    words = " ".join(done.stdout.split())
    assert "posterior of law 'coupled': not used: The table has 7 runs that count, fewer" in words
    assert "the vertex is off the optimum, the more so the wider" in words


def test_each_method_says_what_to_trust(all_runs):
    found = sb.compare_approaches(all_runs, posterior=False, curves="params")
    trust = found.summary()["trust"]
    assert trust.loc[list(found.fits)].ne("").all()
    assert "excludes the error of the law" in trust["3 parametric, Huber loss"]
