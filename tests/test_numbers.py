"""Tests of numbers and tables as a person reads them."""

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import assume, given
from hypothesis import strategies as st

import scalingbayes as sb
from scalingbayes._core.numbers import kind_of, write, write_distinct, write_with_interval
from scalingbayes.results import Estimate, Verdict, View, readable

SUFFIXES = {"": 1.0, "M": 1e6, "B": 1e9, "T": 1e12, "%": 0.01}
POSITIVE = st.floats(1e-12, 1e40)


def read(text: str) -> float:
    """Read a number that a person was shown."""
    number, suffix = re.fullmatch(r"(.*?)([MBT%]?)", text).groups()
    return float(number.replace(",", "")) * SUFFIXES[suffix]


def read_interval(text: str) -> list[float]:
    return [read(each) for each in text.strip("[]").split(", ")]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("params", 33.9e9, "33.9B"),
        ("params", 70e9, "70B"),
        ("params", 12_345_678, "12.3M"),
        ("params", 999_999, "999,999"),
        ("params", 999.99e6, "1B"),
        ("tokens", 1.4e12, "1.4T"),
        ("unique_tokens", 3e15, "3e15"),
        ("tokens_per_param", 20.6789, "20.7"),
        ("compute", 1e23, "1e23"),
        ("compute", 5.76e23, "5.76e23"),
        ("wasted", 0.0693, "6.9%"),
        ("loss", 2.0766, "2.077"),
        ("A", 1.7512e5, "175,120"),
        ("B", 5.628e9, "5.628e9"),
        ("sigma", 1.2e-5, "1.2e-5"),
        ("year", 2034.24, "2034.2"),
        ("loss", np.nan, ""),
        ("tokens", np.inf, "inf"),
        ("a", 0.0, "0"),
    ],
)
def test_a_number_is_written_as_its_quantity_needs(name, value, text):
    assert write(value, kind_of(name)) == text


@pytest.mark.parametrize(
    ("numbers", "kind", "middle", "interval"),
    [
        ((0.50123, 0.4876, 0.5132), "plain", "0.501", "[0.488, 0.513]"),
        ((33.9e9, 28.93e9, 40.12e9), "count", "33.9B", "[28.9B, 40.1B]"),
        ((6.576e10, 2.231e10, 2.518e11), "count", "66B", "[22B, 252B]"),
        ((1.9254, 1.8477, 2.0031), "loss", "1.925", "[1.848, 2.003]"),
        ((0.002447, 2.07e-5, 0.02283), "loss", "0.0024", "[0.0000, 0.0228]"),
        ((3.04e-4, 2.91e-4, 3.26e-4), "target", "0.000304", "[0.000291, 0.000326]"),
        ((0.304, 0.303996, 0.304003), "target", "0.3040", "[0.3040, 0.3040]"),
        ((0.52961, 0.51602, 0.53644), "exponent", "0.530", "[0.516, 0.536]"),
        ((220.0, 24.8, 1658.0), "plain", "220", "[25, 1,660]"),
        ((8.922e22, 3.667e22, 5.707e23), "flops", "8.9e22", "[3.7e22, 5.71e23]"),
        ((32.26, 14.26, np.inf), "ratio", "32", "[14, inf]"),
        ((0.068, -0.139, 0.2987), "plain", "0.07", "[-0.14, 0.30]"),
        ((0.0693, 0.00063, 0.4493), "share", "6.9%", "[0.1%, 44.9%]"),
        ((70e9, 70e9, 70e9), "count", "70B", ""),
        ((0.3, 0.3 - 1e-16, 0.3 + 1e-16), "plain", "0.3", ""),
    ],
)
def test_digits_follow_the_interval(numbers, kind, middle, interval):
    assert write_with_interval(*numbers, kind) == (middle, interval)


@given(POSITIVE, st.sampled_from(["count", "flops", "plain", "ratio"]))
def test_a_written_number_reads_back(value, kind):
    assert read(write(value, kind)) == pytest.approx(value, rel=5.1e-3)


@given(st.lists(POSITIVE, min_size=3, max_size=3, unique=True))
def test_rounding_is_small_beside_the_interval(three):
    lower, middle, upper = sorted(three)
    assume(middle - lower > 1e-8 * upper and upper - middle > 1e-8 * upper)
    shown, interval = write_with_interval(middle, lower, upper)
    nearer = min(middle - lower, upper - middle)
    assert abs(read(shown) - middle) <= max(0.051 * nearer, 1e-9 * middle)
    low, high = read_interval(interval)
    assert low == pytest.approx(lower, rel=0.051, abs=0.051 * nearer)
    assert high == pytest.approx(upper, rel=0.0051, abs=0.051 * nearer)
    assert low <= read(shown) * (1 + 1e-9) <= high * (1 + 1e-9) ** 2


@given(st.lists(st.floats(1e18, 1e26), min_size=1, max_size=6, unique=True))
def test_different_budgets_have_different_labels(budgets):
    budgets = [float(f"{each:.8g}") for each in budgets]
    assert len(set(write_distinct(budgets, "flops"))) == len(set(budgets))


def table_of_a_posterior() -> pd.DataFrame:
    rows = {"A": [220.4, 24.8, 1658.0, 305.9, 537.9, 3911.7, 1.0019]}
    columns = ["median", "eti90_lb", "eti90_ub", "exact_lb", "exact_ub", "ess_bulk", "r_hat"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def test_an_interval_is_one_column():
    found = readable(table_of_a_posterior())
    assert found.loc["A"].to_dict() == {
        "median": "220",
        "90% interval": "[25, 1,660]",
        "if law exact": "[306, 538]",
        "ess_bulk": "3,912",
        "r_hat": "1.00",
    }
    html = View("t", table_of_a_posterior()).html()
    for cell in found.loc["A"]:
        assert f"<td>{cell}</td>" in html


def estimate(**quantities: np.ndarray) -> Estimate:
    """Return an estimate of three budgets."""
    draws = xr.Dataset(
        {name: (("chain", "draw", "compute"), x[None]) for name, x in quantities.items()},
        {"compute": [1e22, 1e23, 5.76e23]},
    )
    return Estimate("t", draws, Verdict(()))


def test_what_is_the_same_at_all_budgets_is_shown_once(rng):
    a = 0.5 + 0.01 * rng.standard_normal((500, 1)) + np.zeros(3)
    params = 1e10 * np.exp(0.1 * rng.standard_normal((500, 3)))
    others = {"tokens": 20 * params, "loss": 2 + 0.01 * params / 1e10}
    text = repr(estimate(params=params, a=a, **others))
    assert "The same in all 3 cases" in text
    assert len(re.findall(r"^a ", text, re.MULTILINE)) == 1
    assert text.count("params") == 3
    assert "e+" not in text
    assert "5.76e23" in text
    assert estimate(params=params, a=a).summary().loc[(1e23, "a"), "median"] == np.median(a)


def test_two_quantities_stand_side_by_side(rng):
    draws = np.exp(0.1 * rng.standard_normal((500, 3)))
    text = repr(estimate(params=1e10 * draws, tokens=2e11 * draws))
    (line,) = [x for x in text.splitlines() if x.startswith("5.76e23")]
    assert re.fullmatch(r"5.76e23 +[\d.]+B \[.*B, .*B\] +\d+B \[.*B, .*B\]", line)


def test_the_centre_of_a_and_b_is_inside_their_interval():
    """Twelve runs: the mean of A is decades above its 90 % interval."""
    params, tokens = map(np.ravel, np.meshgrid([1e6, 3e6, 1e7, 3e7], [5e6, 2e7, 8e7]))
    rng = np.random.default_rng(1)
    loss = (1.5 + 40 / params**0.25 + 900 / tokens**0.33) * np.exp(0.03 * rng.standard_normal(12))
    post = sb.fit({"params": params, "tokens": tokens, "loss": loss}, engine="laplace", exact=True)
    for frame in (post.summary(), post.allocate(1e17).summary()):
        assert (frame["eti90_lb"] < frame["median"]).all()
        assert (frame["median"] < frame["eti90_ub"]).all()
        assert not {"mean", "sd"} & set(frame)
    assert "e+" not in repr(post) + repr(post.allocate(1e17))


def test_a_fixed_size_has_no_interval(post):
    found = post.allocate([1e21, 1e22], limits=sb.Limits(max_params=1e8))
    shown = found.view()
    (heading, same) = shown.tables[0]
    assert heading == "The same in all 2 cases"
    row = readable(same).loc["params"]
    assert row.tolist() == ["100M", ""]
