"""Gaps of published models to the frontier: closed forms, published claims, and bad tables."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from plain import fit, fit_default

import scalingbayes as sb
from scalingbayes.results import Check, Verdict


@pytest.fixture(scope="module")
def quick(runs):
    return fit(runs, engine="laplace", draws=1000)


@pytest.fixture(scope="module")
def gaps(quick):
    return sb.frontier_gap(quick)


def test_published_models_are_sound_and_sourced():
    models = sb.published_models()
    assert models["model"].is_unique
    assert models["source"].str.match(r".+ 20\d\d").all()
    assert set(models["family"]) >= {"GPT", "Gopher", "PaLM", "Llama", "Llama 3", "Qwen3", "OLMo 2"}
    table = models.set_index("model")
    assert table["params"].between(1e9, 1e12).all()
    assert table["tokens"].between(1e11, 1e14).all()
    # As the papers say: PaLM's training took 2.56e24 FLOPs, Llama 3 405B's 3.8e25.
    compute = 6 * table["params"] * table["tokens"]
    assert compute["PaLM 540B"] == pytest.approx(2.56e24, rel=0.02)
    assert compute["Llama 3 405B"] == pytest.approx(3.8e25, rel=0.01)
    assert (table["active_params"] <= table["params"]).all()
    assert table.loc["DeepSeek-V3", ["params", "active_params"]].tolist() == [671e9, 37e9]
    models["params"] = 0  # each call returns a copy
    assert (sb.published_models()["params"] > 0).all()


def test_each_draw_is_chinchillas_closed_form(quick, gaps):
    v = {name: values[..., None] for name, values in quick.values.items()}
    models = sb.published_models().query("active_params == params")
    N, D = models["params"].to_numpy(), models["tokens"].to_numpy()
    A, B, alpha, beta = (v[name] for name in ("A", "B", "alpha", "beta"))
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    s = alpha * beta / (alpha + beta)
    size = G * (N * D) ** (beta / (alpha + beta))
    least = A * size**-alpha + B * (N * D / size) ** -beta
    excess = A * N**-alpha + B * D**-beta
    # Along the frontier L - E falls as C^-s: the needed share of C is (least / excess)^(1/s).
    share = (least / excess) ** (1 / s)
    draws = gaps.draws
    np.testing.assert_allclose(draws["compute"], 6 * N * D)
    np.testing.assert_allclose(draws["loss"], v["E"] + excess, rtol=1e-10)
    np.testing.assert_allclose(draws["least_loss"], v["E"] + least, rtol=1e-10)
    np.testing.assert_allclose(draws["excess_loss"], excess - least, atol=1e-10)
    np.testing.assert_allclose(draws["compute_wasted"], 1 - share, atol=1e-8)
    np.testing.assert_allclose(draws["compute_needed"], 6 * N * D * share, rtol=1e-7)
    np.testing.assert_allclose(draws["params_ratio"], N / size, rtol=1e-9)


@pytest.mark.slow
def test_the_error_beyond_the_runs_wastes_no_compute(runs):
    post = fit_default(runs, "chinchilla", engine="laplace", draws=500)
    gap = sb.frontier_gap(post, {"params": [405e9], "tokens": [15.6e12]})  # 3.5 decades beyond
    A, B, alpha, beta = (post.values[name] for name in ("A", "B", "alpha", "beta"))
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    size = G * (405e9 * 15.6e12) ** (beta / (alpha + beta))
    least = A * size**-alpha + B * (405e9 * 15.6e12 / size) ** -beta
    share = (least / (A * 405e9**-alpha + B * 15.6e12**-beta)) ** (1 / alpha + 1 / beta)
    np.testing.assert_allclose(gap["compute_wasted"].squeeze("model"), 1 - share, atol=1e-8)


def test_no_model_beats_the_frontier(gaps):
    assert (gaps.draws["excess_loss"] > -1e-12).all()
    assert (gaps.draws["compute_wasted"] > -1e-9).all()


def test_gopher_was_too_large_and_chinchilla_about_right(gaps):
    bounds = gaps.interval(0.9)
    gopher, chinchilla = (bounds.sel(model=name) for name in ("Gopher", "Chinchilla"))
    # Hoffmann et al. 2022, table 3: Gopher's budget asks for 40 to 70 billion params.
    assert gopher["params_ratio"].sel(bound="upper") > 280 / 70
    assert gopher["params_ratio"].sel(bound="lower") < 280 / 40
    assert gopher["compute_wasted"].sel(bound="lower") > 0.3
    assert chinchilla["params_ratio"].sel(bound="lower") < 1.2
    assert chinchilla["compute_wasted"].sel(bound="upper") < 0.1
    median = gaps.median()["params_ratio"]
    assert median.sel(model="Llama 3 8B") < 0.2 < 3 < median.sel(model="GPT-3")


def test_extrapolation_is_printed(quick, gaps):
    largest = 6 * (quick.runs.frame["params"] * quick.runs.frame["tokens"]).max()
    beyond = gaps.draws["extrapolated"].sel(model="Llama 3 405B")
    assert float(beyond) == pytest.approx(np.log10(6 * 405e9 * 15.6e12 / largest))
    assert "+3.5" in repr(gaps)


def test_text_and_table(gaps, quick):
    text = repr(gaps)
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "Gopher" in text
    assert "nan" not in text
    assert "Gopher" in gaps._repr_html_()
    frame = gaps.summary()
    assert frame.loc[("Gopher", "compute_wasted"), "eti90_lb"] > 0.3
    assert frame.attrs["verdict"] == quick.verdict.word
    assert gaps.by_model(0.5).attrs["verdict"] == "passed"


def test_a_failed_fit_is_marked(gaps):
    failed = Verdict((Check(False, "R-hat 2 for E", "give more draws"),))
    marked = replace(gaps, verdict=failed)
    assert isinstance(marked, sb.FrontierGap)
    assert "FAILED ITS CHECKS" in repr(marked)
    assert "FAILED ITS CHECKS" in marked._repr_html_()
    assert marked.by_model().attrs["verdict"] == "failed"


def test_mixtures_of_experts_are_left_out_and_named(quick, gaps):
    names = gaps.draws["model"].to_numpy()
    assert "DeepSeek-V3" not in names
    assert "Qwen3 32B" in names
    assert "Qwen3 235B-A22B" in " ".join(repr(gaps).split())
    both = {"model": ["x", "y"], "params": [1e9, 8e9], "tokens": [1e11] * 2}
    found = sb.frontier_gap(quick, both | {"active_params": [1e9, 2e9]})
    assert found.draws["model"].to_numpy().tolist() == ["x"]
    assert "mixtures of experts: y." in found.notes[-1]
    with pytest.raises(sb.InputError, match="All models are mixtures of experts"):
        sb.frontier_gap(quick, {"params": [8e9], "active_params": [1e9], "tokens": [1e11]})


def test_user_supplied_models(quick, gaps):
    named = pd.DataFrame({"params": [280e9], "tokens": [300e9]}, index=["mine"])
    other = {"model": ["mine"], "params": [280e9], "tokens": [300e9]}
    for table in (named, other):
        found = sb.frontier_gap(quick, table).draws.sel(model="mine")
        np.testing.assert_allclose(
            found["compute_wasted"], gaps.draws["compute_wasted"].sel(model="Gopher"), atol=1e-9
        )


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"params": [1e9]}, "no column 'tokens'"),
        ({"params": [1e9], "tokens": [-1.0]}, "tokens must be finite numbers, each positive"),
        ({"params": ["big"], "tokens": [1.0]}, "params must be numbers"),
        ({"params": [], "tokens": []}, "params must be finite numbers"),
        ({"params": [1e9, 2e9], "tokens": [1e9]}, "columns have the same length"),
        ({"model": ["x", "x"], "params": [1.0, 2.0], "tokens": [1.0, 2.0]}, "must be unique"),
    ],
)
def test_bad_models_are_refused(quick, models, message):
    with pytest.raises(sb.InputError, match=message):
        sb.frontier_gap(quick, models)


def test_a_law_of_other_inputs_is_refused():
    post = SimpleNamespace(law=sb.get_law("deepseek"))
    with pytest.raises(sb.InputError, match="loss from params and tokens alone"):
        sb.frontier_gap(post)


def test_the_cost_is_the_tables_and_other_data_than_tokens_is_refused(small_table):
    flops = 60 * small_table["params"] * small_table["tokens"]
    measured = sb.Runs({**small_table, "compute": flops})
    post = sb.fit(measured, "chinchilla", engine=sb.PriorDraws(draws=40), seed=1)
    models = {"params": [1e9], "tokens": [2e10]}
    assert "Compute is counted as C = 60 N D." in repr(sb.frontier_gap(post, models))
    with pytest.warns(sb.InputWarning, match="counts samples"):
        samples = sb.Runs(small_table, units={"tokens": "samples"})
    post = sb.fit(samples, "chinchilla", engine=sb.PriorDraws(draws=40), seed=1)
    with pytest.raises(sb.InputError, match=r"D counts samples .* published models count tokens"):
        sb.frontier_gap(post)
    sb.frontier_gap(post, models)
    with pytest.raises(sb.InputError, match=r"D counts samples .* count tokens"):
        sb.data_exhaustion(post)
