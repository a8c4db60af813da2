"""fit_many: compared with single fits, and resumed from a folder."""

import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
from plain import EXACT, fit, fit_many
from simulation import simulate

import scalingbayes as sb
from scalingbayes._core.precision import default_dtype, precision
from scalingbayes.inference import NUTS, Draws

FEW = {**EXACT, "chains": 2, "draws": 60, "warmup": 60}  # fast; far too few to converge


@pytest.fixture(scope="module")
def tables(runs):
    """Five tables of two padded lengths."""
    return {
        "chinchilla": runs,
        "simulated": simulate(np.random.default_rng(1), 200),
        "small": simulate(np.random.default_rng(2), 60),
        "tiny": simulate(np.random.default_rng(3), 50),
        "large": simulate(np.random.default_rng(4), 250),
    }


@pytest.fixture(scope="module")
def posts(tables):
    return fit_many(tables, engine="laplace", seed=1, dtype="float64")


@pytest.fixture(scope="module")
def small():
    """Four small tables."""
    return {f"table {seed}": simulate(np.random.default_rng(seed), 50 + seed) for seed in range(4)}


@pytest.fixture(scope="module")
def sampled(small):
    return fit_many(small, seed=7, **FEW)


def logs(post):
    """Quantities whose posterior is nearly normal: logarithms of parameters, and the exponent a."""
    draws = {name: np.log(x).ravel() for name, x in post.values.items()}
    return {**draws, "a": post.exponents().draws["a"].to_numpy().ravel()}


@pytest.mark.slow
def test_each_fit_agrees_with_a_single_nuts_fit(tables, posts, post):
    for name, table in tables.items():
        chains = post if name == "chinchilla" else fit(table, seed=2, draws=500)
        theirs, ours = logs(chains), logs(posts[name])
        ess = 1 / (1 / chains.summary()["ess_bulk"].min() + 2 / 4000)
        for quantity in ("E", "A", "B", "alpha", "beta", "sigma", "a"):
            mean, sd = theirs[quantity].mean(), theirs[quantity].std()
            # 35 means and sds at 4 standard errors fail by chance once in 200. The sd of a
            # distribution with heavier tails than a normal has a larger standard error.
            assert abs(ours[quantity].mean() - mean) < 4 * sd / np.sqrt(ess), (name, quantity)
            assert abs(ours[quantity].std() / sd - 1) < 4 / np.sqrt(ess), (name, quantity)


def test_a_single_fit_with_the_recorded_seed_gives_the_same_draws(runs, posts):
    record = posts["chinchilla"].record
    again = fit(runs, engine="laplace", seed=record.seed, dtype=record.dtype)
    assert again.record.facts["log_evidence"] == pytest.approx(
        record.facts["log_evidence"], abs=1e-6
    )
    for name, draws in again.values.items():
        # Rounding may change which of two neighbouring draws is resampled.
        same = np.isclose(draws, posts["chinchilla"].values[name], rtol=1e-6)
        assert same.mean() > 0.99


def test_posteriors_are_a_mapping(tables, posts):
    assert len(posts) == 5
    assert list(posts) == list(tables)
    assert "tiny" in posts
    assert "huge" not in posts
    with pytest.raises(KeyError):
        posts["huge"]
    for name, each in posts.items():
        rows = 240 if name == "chinchilla" else len(tables[name]["loss"])
        assert each.record.data.rows == rows
        assert each.record.data.name == name
    seeds = [each.record.seed for each in posts.values()]
    assert len(set(seeds)) == 5
    assert repr(posts).startswith("5 posteriors of L = E + A/N^alpha + B/D^beta\n")
    assert "all 5 fits passed theirs" in repr(posts)


def test_the_summary_of_all_fits_has_the_rows_of_each_fit(posts):
    summary, exponents = posts.summary(prob=0.8), posts.exponents().summary()
    assert list(summary.columns) == ["median", "eti80_lb", "eti80_ub", "verdict"]
    assert list(summary.index.names) == ["fit", "quantity"]
    assert summary.attrs["verdict"] == "passed"
    assert set(summary["verdict"]) == {"passed"}
    assert len(summary) == 5 * 7
    fits = summary.index.get_level_values("fit")
    quantities = summary.index.get_level_values("quantity")
    for name, each in posts.items():
        mine = np.array([fit == name for fit in fits])
        own = each.summary(prob=0.8)
        rows = summary[mine].set_axis(quantities[mine])
        columns = ["median", "eti80_lb", "eti80_ub"]
        np.testing.assert_allclose(
            rows[columns].astype(float), own.loc[rows.index, columns], rtol=1e-6
        )
        expected = each.exponents().summary().loc["a", "median"]
        found = [row["median"] for at, row in exponents.iterrows() if at == (name, "a")]
        np.testing.assert_allclose(found, [expected], rtol=1e-9)
        assert posts.verdicts[name] == each.verdict


def test_summaries_have_the_requested_probability_and_kind(posts):
    assert "hdi50_lb" in posts.summary(0.5, "hdi")
    with pytest.raises(sb.InputError, match="prob must be between 0 and 1"):
        posts.summary(prob=2)


ARTIFICIAL = {
    "engine": "artificial",
    "options": {},
    "seed": 0,
    "dtype": "float64",
    "device": "none",
}


def artificial(posts, facts, names=None):
    """Posteriors of the same models, with draws near the priors' centres."""
    models = dict(zip(names or posts.models, posts.models.values(), strict=True))
    rng = np.random.default_rng(0)
    draws = []
    for model, each in zip(models.values(), facts, strict=True):
        with precision("float64"):
            center = np.asarray(model.density("float64").coordinates.center("float64"))
        points = center + 0.1 * rng.standard_normal((1, 4000, len(center)))
        draws.append(Draws(points, {"lp": points.sum(-1)}, each))
    return sb.Posteriors(models, draws, [ARTIFICIAL] * len(draws))


def test_the_verdict_names_failed_fits(posts):
    good, bad = ({"pareto_k": k, "effective_draws": 500.0} for k in (0.1, 0.9))
    mixed = artificial(posts, [good, good, bad, good, bad])
    assert not mixed.verdict.passed
    assert "2 of 5 fits failed theirs: small, large" in str(mixed.verdict)
    assert "2 of 5 fits failed theirs" in repr(mixed)
    assert [each.passed for each in mixed.verdicts.values()] == [True, True, False, True, False]
    summary = mixed.summary()
    assert summary.attrs["verdict"] == "failed"
    assert list(summary["verdict"][::7]) == ["passed", "passed", "failed", "passed", "failed"]
    assert "failed" in repr(mixed.exponents())


def test_names_may_be_of_mixed_types(small):
    posts = fit_many({1: small["table 0"], "b": small["table 1"]}, engine="laplace", draws=200)
    frame = posts.summary(kind="hdi")
    assert list(frame.index.get_level_values("fit").unique()) == [1, "b"]
    assert (frame["hdi90_lb"] < frame["hdi90_ub"]).all()


def test_names_may_be_tuples(posts):
    names = [("c4", "small"), ("c4", "large"), ("pile", "small"), ("pile", "large"), ("pile", 3)]
    facts = [{"pareto_k": 0.1, "effective_draws": 500.0}] * 5
    named = artificial(posts, facts, names)
    assert list(named.summary()["median"].index.get_level_values("fit")[::7]) == names
    assert list(named.verdicts) == names
    assert named[("pile", 3)].verdict == named.verdicts[("pile", 3)]


def test_weights_are_matched_by_name(runs):
    counted = np.arange(240) % 6 > 0
    tables = {"held out": runs, "filtered": runs.filter(counted), "all": runs}
    weights = {"all": np.ones(240), "filtered": np.ones(200), "held out": 1.0 * counted}
    found = fit_many(tables, weights=weights, engine="laplace", seed=3)
    evidence = {name: each.record.facts["log_evidence"] for name, each in found.items()}
    # The Monte Carlo error is that of 16,000 proposals; the forty runs held out add 100 nats.
    assert abs(evidence["held out"] - evidence["filtered"]) < 0.05
    assert abs(evidence["all"] - evidence["filtered"]) > 50
    ours, theirs = logs(found["held out"]), logs(found["filtered"])
    for name, values in ours.items():
        error = values.std() * np.sqrt(4 / 4000)
        assert abs(values.mean() - theirs[name].mean()) < 4 * error, name
    listed = fit_many(
        list(tables.values()), weights=list(map(weights.get, tables)), engine="laplace", seed=3
    )
    np.testing.assert_array_equal(listed.draws["E"], found.draws["E"])
    assert list(listed) == [0, 1, 2]


def test_chains_are_compared_within_each_fit(sampled, small):
    assert sampled.draws.sizes == {"fit": 4, "chain": 2, "draw": 60}
    for name, each in sampled.items():
        assert each.verdict == sampled.verdicts[name]
        assert "R-hat" in str(each.verdict)
        np.testing.assert_array_equal(each.values["E"], sampled.draws["E"].sel(fit=name))
    again = fit_many(small, seed=7, **FEW)
    assert again.draws.identical(sampled.draws)
    other = fit_many(small, seed=8, **FEW)
    assert not np.isin(other.draws["E"], sampled.draws["E"]).any()


def test_one_table_twice_has_two_seeds(small):
    first, second, *_ = fit_many([small["table 0"]] * 4, seed=7, **FEW).values()
    assert first.record.seed != second.record.seed
    assert not np.isin(first.values["E"], second.values["E"]).any()


def test_a_table_can_be_split_by_a_column(small):
    frame = pd.concat([pd.DataFrame(each).assign(corpus=name) for name, each in small.items()])
    shuffled = frame.sample(frac=1, random_state=0)
    split = sb.Runs(shuffled, name="all").split("corpus")
    assert set(split) == set(small)
    for name, part in split.items():
        assert isinstance(part, sb.Runs)
        assert part.name == f"all, corpus {name}"
        assert sorted(part.column("loss")) == sorted(small[name]["loss"])
        assert set(part.frame["corpus"]) == {name}
    with pytest.raises(sb.InputError, match=r"no column 'corpora'. Did you mean 'corpus'\?"):
        sb.Runs(frame).split("corpora")
    frame.iloc[2, frame.columns.get_loc("corpus")] = None
    with pytest.raises(sb.InputError, match="'corpus', row 3: the label is empty"):
        sb.Runs(frame).labels("corpus")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: fit_many({"good": t, "bad": {**t, "loss": -t["loss"]}}), "Table 'bad': .*-"),
        (lambda t: fit_many([t, sb.Runs(t).filter(t["loss"] < 2.6)]), "Table 1: .*has . runs"),
        (lambda t: fit_many([t], engine="optimize"), "'optimize' returns a point. Use 'laplace'"),
        (lambda t: fit_many([t], engine="nutz"), r"Did you mean 'nuts'\?"),
        (lambda t: fit_many([t], draw=3), r"Did you mean 'draws'\?"),
        (
            lambda t: fit_many([t], seed=-1),
            "seed must be a whole number from 0",
        ),
        (lambda t: fit_many([t], dtype="float16"), "dtype must be 'float32' or 'float64'"),
        (lambda t: fit_many(sb.Runs(t)), "tables must be .*; got Runs. .* use sb.fit"),
        (lambda t: fit_many(pd.DataFrame(t)), "tables must be .*; got DataFrame"),
        (lambda t: fit_many(t), "Table 'params': Expected a DataFrame"),
        (lambda t: fit_many(None), "tables must be a mapping .*; got NoneType"),
        (lambda t: fit_many([]), "tables is empty: pass at least one"),
        (lambda t: fit_many([t], weights=[[1, 2]]), "Table 0: weights must be 12 finite"),
        (lambda t: fit_many({"a": t}, weights={"b": t["loss"]}), "weights must have the same"),
        (lambda t: fit_many([t], law="chinchila"), "Did you mean 'chinchilla'"),
    ],
)
def test_invalid_arguments_raise(small_table, call, message):
    with pytest.raises(sb.InputError, match=message):
        call(small_table)


def test_finished_chunks_are_not_fitted_again(small, sampled, tmp_path, monkeypatch):
    seen: list[float] = []
    out = tmp_path / "new" / "batch"
    first = fit_many(
        small, seed=7, out=out, progress=lambda fraction, _: seen.append(fraction), **FEW
    )
    assert first.draws.identical(sampled.draws)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    monkeypatch.setattr(NUTS, "run", lambda *_: pytest.fail("a finished chunk was fitted again"))
    second = fit_many(small, seed=7, out=out, **FEW)
    assert second.draws.identical(first.draws)
    assert second.verdicts == first.verdicts
    for name, each in second.items():
        assert each.tree.identical(first[name].tree)


def test_out_must_not_be_a_file(small, tmp_path):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(sb.InputError, match=r"out must be a folder, but .* is a file"):
        fit_many(small, out=path, **FEW)


def test_the_folder_of_another_batch_is_refused(small, tmp_path):
    fit_many(small, seed=7, out=tmp_path, **FEW)
    first, *others = small
    changed = {**small[first], "loss": small[first]["loss"] * np.nextafter(1, 2)}
    names = dict(zip(["another", *others], small.values(), strict=True))
    prior = {"alpha": dist.LogNormal(-1.0, 0.7)}
    weights = {name: np.full(len(each["loss"]), 0.5) for name, each in small.items()}
    other = "float32" if default_dtype(64) == "float64" else "float64"
    for tables, options in (
        (small, {"seed": 8}),
        (small, {"draws": 61}),
        (small, {"engine": "laplace"}),
        (small, {"priors": prior}),
        (small, {"weights": weights}),
        (small, {"law": "chinchilla(tied=True)"}),
        (small, {"noise": "huber"}),
        (small, {"dtype": other}),
        (small | {first: changed}, {}),
        ({name: small[name] for name in reversed(small)}, {}),
        (names, {}),
        ({name: small[name] for name in others}, {}),
    ):
        given = {"seed": 7, **FEW, **options}
        if "engine" in options:
            given = {"engine": "laplace", "seed": 7}
        with pytest.raises(sb.InputError, match="holds another batch"):
            fit_many(tables, out=tmp_path, **given)
