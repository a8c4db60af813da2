"""The table of Hoffmann et al.'s three approaches beside a posterior."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from plain import fit, fit_default

import scalingbayes as sb
from scalingbayes._core.numbers import write_with_interval


@pytest.fixture(scope="module")
def allowing(all_runs):
    return fit_default(all_runs, engine="laplace")


@pytest.fixture(scope="module")
def on_chinchilla(all_runs, allowing):
    return sb.compare_approaches(all_runs, allowing, prob=0.8, curves="params")


def test_the_table_has_every_method(on_chinchilla):
    table = on_chinchilla.summary()
    assert list(table.index) == [
        "1 envelope of training curves",
        "2 IsoFLOP, parabolas",
        "2 IsoFLOP, Akima splines",
        "3 parametric, Huber loss",
        "posterior of law 'coupled'",
        "posterior of law 'coupled', exact",
        "Kaplan et al. 2020",
    ]
    assert list(on_chinchilla.fits) == list(table.index[:4])
    assert table.loc["Kaplan et al. 2020", ["a", "b"]].tolist() == [0.73, 0.27]
    ours = table.drop("Kaplan et al. 2020")
    assert (ours["a_lower"] < ours["a_upper"]).all()
    assert ours["a"].between(0.45, 0.6).all()
    assert ours["interval"].ne("").all()
    # Hoffmann et al. 2022, table 2: approach 2 from their own runs.
    assert 0.462 < table["a"]["2 IsoFLOP, parabolas"] < 0.534


def test_the_posterior_has_a_row_with_its_allowance_and_a_row_without(on_chinchilla):
    (post,) = on_chinchilla.posteriors.values()
    expected = post.exponents().summary(prob=0.8)
    exact = on_chinchilla.summary().loc["posterior of law 'coupled', exact"]
    row = on_chinchilla.summary().loc["posterior of law 'coupled'"]
    for name in ("a", "b"):
        found = row[[name, f"{name}_lower", f"{name}_upper"]].tolist()
        assert found == expected.loc[name, ["median", "eti80_lb", "eti80_ub"]].tolist()
        ends = exact[[f"{name}_lower", f"{name}_upper"]].tolist()
        assert ends == expected.loc[name, ["exact_lb", "exact_ub"]].tolist()
    assert "80% credible interval" in row["interval"]
    assert "allowance for the law's error" in row["interval"]
    assert "taken as exact" in exact["interval"]


def test_it_prints_within_a_hundred_columns(on_chinchilla):
    text = repr(on_chinchilla)
    assert max(map(len, text.splitlines())) <= 100
    assert "on 'chinchilla'" in text
    assert "Kaplan et al. 2020" in text
    assert "10th to 90th percentile of 100 resamples of 80%" in text
    assert "nan" not in text.lower()
    assert "<table" in on_chinchilla._repr_html_()
    for each in on_chinchilla.fits.values():
        row = each.exponents.row()
        shown = write_with_interval(row["a"], row["a_lower"], row["a_upper"], "exponent")
        assert " ".join(shown) in repr(each)
        assert each.exponents.used in repr(each)


def test_unused_methods_have_a_note(rng):
    # Six runs of six budgets, a size each.
    params = np.geomspace(1e8, 3e9, 6)
    tokens = 20 * params * rng.uniform(0.5, 2, 6)
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    found = sb.compare_approaches({"params": params, "tokens": tokens, "loss": loss}, False)
    table = found.summary()
    assert not found.posteriors
    missing = table[table["a"].isna()]
    assert "1 envelope of training curves" in missing.index
    assert missing["note"].str.startswith("not used: ").all()
    assert "no sign of training curves" in table["note"]["1 envelope of training curves"]
    assert "3 model sizes each; there are 0" in table["note"]["2 IsoFLOP, parabolas"]
    assert "not used" in repr(found)
    assert "nan" not in repr(found).lower()
    texts = [text.get_text() for text in found.plot().texts]
    assert texts.count("not used") == len(missing)
    plt.close("all")


@pytest.mark.slow
def test_a_failed_posterior_is_marked(small_table):
    post = fit(small_table, engine="laplace")  # without noise no spread is small enough
    found = sb.compare_approaches(small_table, post)
    assert "FAILED ITS CHECKS" in found.summary()["note"]["posterior of law 'chinchilla'"]
    assert "failed its checks" in [text.get_text() for text in found.plot().texts]
    plt.close("all")


@pytest.mark.slow
def test_a_posterior_without_an_optimum_has_a_note(small_table):
    post = fit(small_table, "power_law", engine="laplace")
    found = sb.compare_approaches(small_table, post)
    assert (
        "no compute-optimal allocation" in found.summary()["note"]["posterior of law 'power_law'"]
    )


def test_the_plot_has_a_row_a_method(on_chinchilla):
    ax = on_chinchilla.plot()
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == list(on_chinchilla.summary().index)
    heights = dict(zip(labels, ax.get_yticks(), strict=True))
    for x, y in ax.collections[-1].get_offsets():
        name = next(label for label, height in heights.items() if height == y)
        assert x == pytest.approx(on_chinchilla.summary()["a"][name])
    _, own = plt.subplots()
    assert on_chinchilla.plot(own) is own
    plt.close("all")


def test_published_exponents_stand_beside_ones_own(allowing):
    post = allowing
    found = sb.compare_exponents(post, 5.76e23)
    table = found.summary()
    own = post.exponents().median()
    assert table.loc["posterior of law 'coupled'", "a"] == pytest.approx(float(own["a"]))
    best = post.allocate(5.76e23).median().squeeze()
    assert table.loc["posterior of law 'coupled'", "params"] == pytest.approx(float(best["params"]))
    # Hoffmann et al. 2022, tables 2 and 3, and the optimum of Besiroglu et al. 2024 in closed form.
    first = table.loc["Hoffmann et al. 2022, 1: minimum over training curves"]
    assert first[["b", "b_lower", "b_upper"]].tolist() == [0.50, 0.501, 0.512]
    assert first["params"] == pytest.approx(67e9, rel=0.01)
    assert first["tokens"] == pytest.approx(1.5e12, rel=0.02)
    G = (0.3478 * 482.01 / 0.3658 / 2085.43) ** (1 / 0.7136)
    refit = table.loc["Besiroglu et al. 2024, Hoffmann's approach 3, refitted"]
    params = G * (5.76e23 / 6) ** (0.3658 / 0.7136)
    assert refit["params_lower"] < params < refit["params_upper"]
    # Llama 3: 0.299 C^0.537 tokens; params are what is left of C / 6.
    last = sb.compare_exponents(compute=3.8e25).summary().iloc[-1]
    assert last["tokens"] == pytest.approx(0.299 * 3.8e25**0.537)
    assert 6 * last["params"] * last["tokens"] == pytest.approx(3.8e25)
    assert "67B" in repr(found)
    ax = found.plot()
    assert len(ax.get_yticks()) == len(table)
    plt.close("all")


def test_several_posteriors_have_a_row_each():
    refit, paper = sb.published("besiroglu_2024"), sb.published("hoffmann_2022")
    named = sb.compare_exponents({"refit": refit, "paper": paper}, 1e24).summary()
    rows = named.iloc[:2]
    assert rows.index.tolist() == ["refit", "paper"]
    assert rows.loc["paper", "a"] == pytest.approx(float(paper.exponents()["a"].median()))
    listed = sb.compare_exponents([refit, paper, paper], 1e24).summary()
    assert listed.index.is_unique
    np.testing.assert_allclose(listed["params"].iloc[:2], rows["params"])


def test_exponents_that_cannot_be_compared_are_refused():
    with pytest.raises(sb.InputError, match="unique_tokens"):
        sb.compare_exponents(sb.published("muennighoff_2023"))
    with pytest.raises(sb.InputError, match="compute"):
        sb.compare_exponents(compute=-1.0)
    with pytest.raises(sb.InputError, match="list or a mapping of such; got str"):
        sb.compare_exponents(["hoffmann_2022"])
