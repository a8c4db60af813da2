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
    caveats = ()

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


@settings(deadline=None, max_examples=25)
@given(
    b=positive,
    compute_growth=st.floats(1.5, 10),
    stock_growth=st.floats(0.95, 1.1),
    tokens=st.floats(1e13, 1e17),
    ratio=st.floats(0.5, 100),
    usable=st.floats(0.1, 5),
    stock_year=st.integers(2018, 2026),
)
def test_with_a_power_law_the_year_has_a_closed_form(
    quick, b, compute_growth, stock_growth, tokens, ratio, usable, stock_year
):
    k = 3e12 / 2.5e24**b
    found = sb.data_exhaustion(
        PowerLaw(k, b, quick),
        tokens,
        stock_growth=stock_growth,
        stock_year=stock_year,
        overtraining=ratio,
        usable=usable,
        compute=2.5e24,
        compute_growth=compute_growth,
        feasible=np.inf,
        horizon=2100,
    )
    # sqrt(r) k (C g^t)^b = S s^(t + lead): logs are straight lines in t.
    lead = 2022 - stock_year
    gap = np.log(tokens * usable) + lead * np.log(stock_growth) - np.log(3e12 * ratio**0.5)
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
            demand = ratio**0.5 * k * budget**b
            np.testing.assert_allclose(found.draws["tokens"], demand, rtol=1e-6)
    assert (found["slowing_year"] == np.inf).all()


def test_budgets_grow_as_what_is_feasible_once_they_reach_it(quick):
    found = sb.data_exhaustion(
        PowerLaw(1e12 / np.sqrt(1e24), 0.5, quick),
        1e15,
        stock_growth=1.0,
        overtraining=1.0,
        compute=1e24,
        compute_growth=10.0,
        feasible=1e28,
        feasible_year=2026,
        feasible_growth=2.0,
    )
    # 1e28 in 2026, where the two lines meet; then sqrt(2) times as many tokens a year: from 1e14 to
    # 1e15 takes ln(10) / ln(sqrt(2)) years, at 100 times the budget.
    assert float(found["slowing_year"].squeeze()) == pytest.approx(2026)
    after = 2026 + 2 * np.log(10) / np.log(2)
    assert float(found["year"].squeeze()) == pytest.approx(after, abs=0.01)
    np.testing.assert_allclose(found.draws["compute"], 1e30, rtol=0.01)


def test_over_training_brings_the_year_forward_as_villalobos_2024(quick):
    # Version 2 of the paper and its summary: training sets of 1e13 tokens in 2024 grow by 0.38
    # (0.27 to 0.48) orders of magnitude a year; the stock is exhausted in 2028, between 2026 and
    # 2032; in 2027 if models are over-trained 5 times, in 2025 if 100 times.
    past = PowerLaw(1e13 / np.sqrt(1e26), 0.5, quick, draws=1000)
    growth = tuple(10 ** (2 * each) for each in (0.27, 0.38, 0.48))
    given = {"compute": 1e26, "compute_year": 2024, "compute_growth": growth, "feasible": np.inf}
    for ratio, published in ((1.0, 2028), (5.0, 2027), (100.0, 2025)):
        found = sb.data_exhaustion(past, overtraining=ratio, **given)
        median, lower, upper = found.summary().loc["year"]
        assert median == pytest.approx(published, abs=0.7)
        if ratio == 1:
            assert 2025 < lower < 2027
            assert 2030 < upper < 2034


def test_the_high_quality_stock_of_2022_ends_before_2026(quick):
    # Version 1 of the paper: 2024.1 [2023.2, 2025.3] by its projection of compute, from training
    # sets of 2e12 words in 2022. D_opt is that of Hoffmann's approach 1 and 2: C = 6 N D, D = 20 N.
    optimal = PowerLaw(np.sqrt(20 / 6), 0.5, quick, draws=1000)
    found = sb.data_exhaustion(optimal, "high_quality_2022", overtraining=1.0)
    median, lower, upper = found.summary().loc["year"]
    assert 2023.2 < median < 2025.3
    assert 2022 < lower < 2023.5
    assert 2025 < upper < 2026
    assert found.assumptions.loc["stock_growth", "source"].endswith("aggregated_2022")
    assert "words_per_token" in found.assumptions.index


def test_each_draw_of_a_posterior_is_chinchillas_closed_form(quick):
    known = {"overtraining": 1.0, "compute": 2.5e24, "compute_growth": 4.5, "feasible": np.inf}
    found = sb.data_exhaustion(quick, 9e14, stock_growth=1.07, stock_year=2022, **known)
    v = quick.values
    b = v["alpha"] / (v["alpha"] + v["beta"])
    G = (v["alpha"] * v["A"] / (v["beta"] * v["B"])) ** (1 / (v["alpha"] + v["beta"]))
    first = np.log((2.5e24 / 6) ** b / G)
    year = 2022 + (np.log(9e14) - first) / (b * np.log(4.5) - np.log(1.07))
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
        "aggregated_2022",
        stock_growth=1.07,
        words_per_token=0.75,
        overtraining=1.0,
        compute=2.5e24,
        compute_growth=1.5**2,
        feasible=np.inf,
    )
    median, lower, upper = found.summary().loc["year"]
    assert 2030 < lower < 2034
    assert 2036 < median < 2042
    assert 2048 < upper < 2056  # the last two years past theirs: they let growth be faster


def test_defaults_agree_with_the_revised_paper(found):
    # Between 2026 and 2032, or earlier if models are over-trained; and before what is feasible.
    table = found.summary()
    assert 2026 < table.loc["year", "median"] < 2029
    assert 2024 < table.loc["year", "eti90_lb"] < 2027
    assert table.loc["year", "eti90_ub"] > 2030
    assert 2028 < table.loc["slowing_year", "median"] < 2031
    assert table.loc["compute", "median"] < 2e29


def test_assumptions_have_their_quantiles(quick):
    # Through the result: without growth, the stock's curve is the draws themselves.
    given_as = (1e13, 2e13, 9e14)
    found = sb.data_exhaustion(quick, given_as, stock_growth=1.0)
    draws = found.curves["stock"].isel(year=0).to_numpy().ravel()
    shares = np.array([(draws < q).mean() for q in given_as])
    error = np.sqrt(np.array([0.05, 0.5, 0.05]) * np.array([0.95, 0.5, 0.95]) / draws.size)
    assert (np.abs(shares - [0.05, 0.5, 0.95]) < 4 * error).all()
    # Half a normal to either side, in logs: the quantile at one sd below is where it belongs.
    sd = np.log(2) / 1.6448536
    assert (draws < 2e13 * np.exp(-sd)).mean() == pytest.approx(0.1587, abs=4 * 0.012)


def test_a_median_may_be_an_end_of_its_interval(quick):
    found = sb.data_exhaustion(quick, "popular_platforms_2022")  # growth 0.0814 [0.0789, 0.0814]
    ratio = found.curves["stock"].isel(year=1) / found.curves["stock"].isel(year=0)
    assert float(ratio.max()) == pytest.approx(1.0814)
    assert float((ratio > 1.08139).mean()) == pytest.approx(0.5, abs=0.07)


def test_each_assumption_has_a_random_stream_of_its_own(quick, found):
    again = sb.data_exhaustion(quick)
    np.testing.assert_array_equal(again["year"], found["year"])
    assert (sb.data_exhaustion(quick, seed=1)["year"] != found["year"]).any()
    fixed = sb.data_exhaustion(quick, usable=0.75)
    np.testing.assert_array_equal(fixed.draws["slowing_year"], found.draws["slowing_year"])


def test_more_tokens_last_longer_and_faster_budgets_end_sooner(quick, found):
    for change, later in (
        ({"usable": 4.0}, True),
        ({"usable": 0.1}, False),
        ({"compute_growth": 2.0}, True),
        ({"compute": 1e26}, False),
        ({"overtraining": 20.0}, False),
    ):
        years = sb.data_exhaustion(quick, horizon=2150, **change).summary().loc["year", "median"]
        assert (years > found.summary().loc["year", "median"]) == later


def test_the_published_table_is_as_published():
    table = sb.token_stock()
    assert table.loc["aggregated_2022", "amount"] == 7.41e14
    assert table.loc["effective_2024", ["low", "amount", "high", "unit"]].tolist() == [
        1e14, 3e14, 1e15, "tokens",
    ]  # fmt: skip
    assert (np.diff(table[["low", "amount", "high"]].to_numpy()) > 0).all()
    assert table["source"].str.contains("2211.04325v").all()
    assert "2211.04325" in table.attrs["source"]


def test_notes_count_draws_that_do_not_meet_the_stock(quick):
    found = sb.data_exhaustion(quick, "recorded_speech_2022", compute_growth=(1.2, 1.6, 3.0))
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
        ({"stock": 1e15}, "stock_growth is needed if stock is a number"),
        ({"stock": -1.0, "stock_growth": 1.07}, "stock must be finite numbers, each positive"),
        ({"stock_growth": "fast"}, "stock_growth must be numbers"),
        ({"compute_growth": (5.0, 4.0, 6.0)}, "compute_growth must be a number, or its 5 %"),
        ({"usable": (0.1, 0.2)}, "usable must be a number, or its 5 %"),
        ({"overtraining": 0.0}, "overtraining must be finite numbers"),
        ({"compute": np.inf}, "compute must be a finite"),
        ({"feasible": (1e28, 1e29)}, "feasible must be a number, or its 5 %"),
        ({"feasible_year": 2030.5}, "feasible_year must be a whole number"),
        ({"horizon": 2022}, "horizon must be after compute_year"),
        ({"horizon": 3000}, "by at most 200 years"),
        ({"compute_year": 2022.5}, "compute_year must be a whole number"),
        ({"seed": -1}, "seed must be a whole number from 0"),
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
