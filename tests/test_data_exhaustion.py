"""Data exhaustion: closed forms, the paper's own projection, and draws beyond the horizon."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import fit

import scalingbayes as sb
from scalingbayes.results import Check, Estimate, Verdict


@pytest.fixture(scope="module")
def quick(runs):
    return fit(runs, engine="laplace", draws=1000)


@pytest.fixture(scope="module")
def found(quick):
    return sb.data_exhaustion(quick)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


class PowerLaw:
    """A posterior whose draws all have D_opt = k C^b."""

    law = sb.get_law("chinchilla")
    verdict = Verdict((Check(True, "exact", ""),))

    def __init__(self, k, b, template, draws=1):
        self.k, self.b = k, b
        self.record = template.record
        self.tree = {
            "posterior": template.tree["posterior"].isel(draw=slice(draws)),
            "constant_data": template.tree["constant_data"],
        }

    def allocate(self, compute, cost):
        shape = (*self.tree["posterior"].sizes.values(), len(compute))
        tokens = np.broadcast_to(self.k * compute**self.b, shape)
        return Estimate("", xr.Dataset({"tokens": (("chain", "draw", "compute"), tokens)}), None)


positive = st.floats(0.3, 0.7)


@settings(deadline=None)
@given(
    b=positive,
    compute_growth=st.floats(1.5, 10),
    stock_growth=st.floats(0.95, 1.1),
    words=st.floats(1e13, 1e17),
    wpt=st.floats(0.5, 1),
    usable=st.floats(0.1, 5),
    stock_year=st.integers(2018, 2026),
)
def test_with_a_power_law_the_year_has_a_closed_form(
    quick, b, compute_growth, stock_growth, words, wpt, usable, stock_year
):
    k = 3e12 / 2.5e24**b
    found = sb.data_exhaustion(
        PowerLaw(k, b, quick),
        words,
        stock_growth=stock_growth,
        stock_year=stock_year,
        words_per_token=wpt,
        usable=usable,
        compute=2.5e24,
        compute_growth=compute_growth,
        horizon=2100,
    )
    # k (C g^t)^b = S s^(t + lead): logs are straight lines in t.
    lead = 2022 - stock_year
    gap = np.log(words * usable / wpt) + lead * np.log(stock_growth) - np.log(3e12)
    closing = b * np.log(compute_growth) - np.log(stock_growth)
    after = gap / closing if closing > 0 else np.inf
    year = float(found["year"].squeeze())
    if after > 78:
        assert year == np.inf
        assert "does not meet the stock by 2100" in repr(found)
    else:
        assert year == pytest.approx(2022 + max(after, 0), abs=1e-6)
        budget = 2.5e24 * compute_growth ** max(after, 0)
        np.testing.assert_allclose(found.draws["compute"], budget, rtol=1e-6)
        if after > 0:
            np.testing.assert_allclose(found.draws["tokens"], k * budget**b, rtol=1e-6)
    reached = 2022 + np.log(2e29 / 2.5e24) / np.log(compute_growth)
    assert float(found.draws["ceiling_year"].squeeze()) == pytest.approx(reached, abs=1e-6)


def test_each_draw_of_a_posterior_is_chinchillas_closed_form(quick):
    known = {"words_per_token": 0.75, "compute": 2.5e24, "compute_growth": 4.5}
    found = sb.data_exhaustion(quick, 7e14, stock_growth=1.07, **known)
    v = quick.values
    b = v["alpha"] / (v["alpha"] + v["beta"])
    G = (v["alpha"] * v["A"] / (v["beta"] * v["B"])) ** (1 / (v["alpha"] + v["beta"]))
    first = np.log((2.5e24 / 6) ** b / G)
    year = 2022 + (np.log(7e14 / 0.75) - first) / (b * np.log(4.5) - np.log(1.07))
    np.testing.assert_allclose(found["year"], year, atol=1e-8)
    np.testing.assert_allclose(found.draws["compute"], 2.5e24 * 4.5 ** (year - 2022), rtol=1e-7)
    assert found.draws.sizes == quick.tree["posterior"].to_dataset().sizes


def test_villalobos_projection_of_past_growth(quick):
    # Villalobos et al. 2022: data sets held 2e12 words in 2022 and grew by more than 50 % a year,
    # their stock by 7 %; language data run out between 2030 and 2050. D = k C^0.5 grows by half
    # where budgets grow by its square.
    past = PowerLaw(2e12 / 0.75 / np.sqrt(2.5e24), 0.5, quick, draws=1000)
    found = sb.data_exhaustion(
        past,
        stock_growth=1.07,
        words_per_token=0.75,
        compute=2.5e24,
        compute_growth=1.5**2,
    )
    median, lower, upper = found.summary().loc["year"]
    assert 2030 < lower < 2034
    assert 2036 < median < 2042
    assert 2048 < upper < 2056  # the last two years past theirs: they let growth be faster


def test_defaults_agree_with_the_paper(found):
    # The paper: between 2030 and 2050; budgets have grown faster since.
    table = found.summary()
    assert 2028 < table.loc["year", "median"] < 2040
    assert table.loc["year", "eti90_lb"] < 2030
    assert table.loc["year", "eti90_ub"] > 2035
    assert 2028 < table.loc["ceiling_year", "median"] < 2031


def test_assumptions_have_their_quantiles(quick):
    # Through the result: 1 token a word, no growth, so the stock's curve is the draws themselves.
    given_as = (1e13, 2e13, 9e14)
    found = sb.data_exhaustion(quick, given_as, stock_growth=1.0, words_per_token=1.0)
    draws = found.curves["stock"].isel(year=0).to_numpy().ravel()
    shares = np.array([(draws < q).mean() for q in given_as])
    error = np.sqrt(np.array([0.05, 0.5, 0.05]) * np.array([0.95, 0.5, 0.95]) / draws.size)
    assert (np.abs(shares - [0.05, 0.5, 0.95]) < 4 * error).all()
    # Half a normal to either side, in logs: the quantile at one sd below is where it belongs.
    sd = np.log(2) / 1.6448536
    assert (draws < 2e13 * np.exp(-sd)).mean() == pytest.approx(0.1587, abs=4 * 0.012)


def test_a_median_may_be_an_end_of_its_interval(quick):
    found = sb.data_exhaustion(quick, "popular_platforms")  # growth 0.0814 [0.0789, 0.0814]
    ratio = found.curves["stock"].isel(year=1) / found.curves["stock"].isel(year=0)
    assert float(ratio.max()) == pytest.approx(1.0814)
    assert float((ratio > 1.08139).mean()) == pytest.approx(0.5, abs=0.07)


def test_each_assumption_has_a_random_stream_of_its_own(quick, found):
    again = sb.data_exhaustion(quick)
    np.testing.assert_array_equal(again["year"], found["year"])
    assert (sb.data_exhaustion(quick, seed=1)["year"] != found["year"]).any()
    fixed = sb.data_exhaustion(quick, words_per_token=0.75)
    np.testing.assert_array_equal(fixed.draws["ceiling_year"], found.draws["ceiling_year"])


def test_more_tokens_last_longer_and_faster_budgets_end_sooner(quick, found):
    for change, later in (
        ({"usable": 4.0}, True),
        ({"usable": 0.1}, False),
        ({"compute_growth": 2.0}, True),
        ({"compute": 1e26}, False),
    ):
        years = sb.data_exhaustion(quick, horizon=2150, **change).summary().loc["year", "median"]
        assert (years > found.summary().loc["year", "median"]) == later


def test_the_published_table_is_as_published():
    table = sb.token_stock()
    assert table.loc["aggregated", "stock_words"] == 7.41e14
    ordered = table[["stock_low", "stock_words", "stock_high"]].to_numpy()
    assert (np.diff(ordered) > 0).all()
    assert "2211.04325" in table.attrs["source"]


def test_notes_count_draws_that_do_not_meet_the_stock(quick):
    found = sb.data_exhaustion(quick, "recorded_speech", compute_growth=(1.2, 1.6, 3.0))
    share = float(np.isinf(found["year"]).mean())
    assert 0.5 < share < 1
    assert f"In {share:.1%} of the draws demand does not meet the stock by 2060." in repr(found)
    assert not np.isnan(found.draws.to_dataarray()).any()
    assert found.summary().loc["year", "eti90_ub"] == np.inf
    assert "after 2060" in repr(found)
    assert "after 2060" in found._repr_html_()
    assert f"{share:.0%} of the draws" in found.plot().get_title()
    never = sb.data_exhaustion(quick, 1e16, stock_growth=1.2, compute_growth=1.01)
    assert "In 100.0% of the draws demand does not meet" in repr(never)
    assert "nan" not in repr(never)
    assert never.plot().get_title().endswith("in 100% of the draws")


def test_notes_count_draws_that_meet_the_stock_in_the_first_year(quick):
    found = sb.data_exhaustion(quick, 1e11, stock_growth=1.0)
    assert (found["year"] == 2022).all()
    assert "In 100.0% of the draws demand already met the stock by 2022." in repr(found)
    np.testing.assert_allclose(found.draws["tokens"], found.curves["stock"].isel(year=0))


def test_text_and_table(found, quick):
    text = repr(found)
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "Villalobos" in text
    assert "decades beyond the largest run" in text
    assert found.summary(0.5).attrs["verdict"] == quick.verdict.word
    assert list(found.summary(0.5).columns) == ["median", "eti50_lb", "eti50_ub"]
    stated = sb.data_exhaustion(quick, compute_growth=4.5).assumptions["source"]
    assert stated["compute_growth"] == "given"
    assert "Villalobos" in stated["stock"]


def test_the_plot_shows_the_curves(found):
    _, axes = plt.subplots()
    assert found.plot(prob=0.5, ax=axes) is axes
    years, stock = axes.lines[0].get_data()
    middle = found.curves["stock"].median(("chain", "draw")).sel(year=years)
    np.testing.assert_allclose(stock, middle)
    assert f"in {found.summary().loc['year', 'median']:.1f} [" in axes.get_title()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stock": "books"}, "no stock 'books'"),
        ({"stock": "indexed_websites"}, "growth of indexed_websites is not published"),
        ({"stock": 1e15}, "stock_growth is needed if stock is a number"),
        ({"stock": -1.0, "stock_growth": 1.07}, "stock must be finite numbers, each positive"),
        ({"stock_growth": "fast"}, "stock_growth must be numbers"),
        ({"compute_growth": (5.0, 4.0, 6.0)}, "compute_growth must be a number, or its 5 %"),
        ({"usable": (0.1, 0.2)}, "usable must be a number, or its 5 %"),
        ({"words_per_token": 0.0}, "words_per_token must be finite numbers"),
        ({"compute": np.inf}, "compute must be finite"),
        ({"ceiling": [1e28, 1e29]}, "ceiling must be one number"),
        ({"horizon": 2022}, "horizon must be after compute_year"),
        ({"horizon": 3000}, "by at most 200 years"),
        ({"compute_year": 2022.5}, "compute_year must be a whole year"),
        ({"seed": -1}, "seed must be a non-negative integer"),
    ],
)
def test_bad_assumptions_are_refused(quick, options, message):
    with pytest.raises(sb.InputError, match=message):
        sb.data_exhaustion(quick, **options)


def test_bad_probabilities_are_refused(found):
    with pytest.raises(sb.InputError, match="prob must be between 0 and 1"):
        found.summary(1.0)


def test_a_law_of_other_inputs_is_refused():
    with pytest.raises(sb.InputError, match="loss from params and tokens alone"):
        sb.data_exhaustion(SimpleNamespace(law=sb.get_law("data_constrained")))
