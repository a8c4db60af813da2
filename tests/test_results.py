"""Tests of the base class of results: tables, verdicts, draws by name, text, HTML, copies."""

import copy
import dataclasses
import pickle

import pandas as pd
import pytest
import xarray as xr

import scalingbayes as sb
from scalingbayes.results import Check, Estimate, Verdict, View, format_table, readable

PASSED = Verdict((Check(True, "R-hat at most 1.001", ""),))
FAILED = Verdict((Check(False, "R-hat 2 for <b>", "give more draws"),))


def estimate(rng, verdict=PASSED, **names):
    draws = {
        name: (("chain", "draw"), rng.normal(mean, size=(4, 50))) for name, mean in names.items()
    }
    return Estimate("An <estimate>", xr.Dataset(draws), verdict, notes=("Extrapolated & far.",))


def test_a_verdict_is_true_if_it_passed():
    assert PASSED
    assert not FAILED


def test_draws_are_found_by_name(rng):
    found = estimate(rng, a=0.5, b=1.0)
    assert found["a"].identical(found.draws["a"])
    assert list(found) == ["a", "b"]
    assert "a" in found
    with pytest.raises(sb.InputError, match=r"no quantity 'c'.*'a', 'b'"):
        found["c"]


def test_the_table_carries_the_verdict(rng):
    assert estimate(rng, a=0).summary().attrs["verdict"] == "passed"
    assert estimate(rng, FAILED, a=0).summary().attrs["verdict"] == "failed"


def test_text_and_html_show_the_same(rng):
    found = estimate(rng, FAILED, a=12345.678)
    text, html = repr(found), found._repr_html_()
    for shown in ("An <estimate>", "Extrapolated & far.", "R-hat 2 for <b>", "FAILED ITS CHECKS"):
        assert shown in text
        assert shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in html
    assert "12,345." in text
    assert "12345.678" not in text + html


def test_a_passed_estimate_shows_no_verdict(rng):
    assert "R-hat" not in repr(estimate(rng, a=0))


def test_names_from_the_user_are_escaped():
    table = pd.DataFrame({"<i>loss</i>": [1.0]}, index=["<script>"])
    html = View("t", table, details=("Priors <p>", "a < b")).html()
    assert "<i>" not in html
    assert "<script>" not in html
    assert "a &lt; b" in html


@pytest.mark.skipif(pd.__version__ < "3", reason="pandas 2 separates columns by two spaces")
def test_numbers_stand_right_and_words_left():
    table = pd.DataFrame({"value": [1.0, 1234.5678], "note": ["far out", "x"]}, index=["a", "bc"])
    assert format_table(table).splitlines() == [
        "    value note",
        "a       1 far out",
        "bc  1,235 x",
    ]


def test_long_lines_are_wrapped():
    text = View("t", lines=("word " * 50,)).text()
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_results_are_pickled_and_copied(post, copied):
    for found in (post, post.exponents(), sb.plan(post, 1e21), sb.check(post)):
        again = copied(found)
        assert type(again) is type(found)
        assert repr(again) == repr(found)
        pd.testing.assert_frame_equal(again.summary(), found.summary())


def test_laws_are_pickled():
    for name in sb.list_laws().index:
        law = sb.get_law(name)
        assert pickle.loads(pickle.dumps(law)) is law


@pytest.fixture(scope="module")
def point(runs):
    return sb.fit(runs, "chinchilla", engine="optimize")


def test_posteriors_and_points_are_pickled(small_table, point):
    tables = {"a": small_table, "b": small_table}
    posts = sb.fit_many(tables, "chinchilla", engine=sb.PriorDraws(draws=50), exact=True)
    for found in (posts, point):
        again = pickle.loads(pickle.dumps(found))
        assert repr(again) == repr(found)
        pd.testing.assert_frame_equal(again.summary(), found.summary())


def test_a_point_is_a_result(point):
    assert point.verdict
    assert list(point.summary()["value"]) == list(point.values.values())
    assert "Point of greatest likelihood" in point._repr_html_()


MARKUP = "<img src=x onerror=alert(1)>"


def test_markdown_and_latex_hold_the_printed_numbers(rng):
    found = estimate(rng, a=0.5)
    (median, interval) = list(found.view().table.pipe(readable).iloc[0])
    assert f"| a | {median} | {interval} |" in found.to_markdown()
    assert f"a & {median} & {interval} \\\\" in found.to_latex()
    table = pd.DataFrame({"50%|_x": [1.0]}, index=pd.Index(["a&b"], name="row"))
    assert "a\\&b & 1 \\\\" in View("", table).latex()
    assert "| row | 50%\\|\\_x |" in View("", table).markdown()
    table.index = ["<b>\nc"]
    assert "| \\<b> c |" in View("", table).markdown()


def test_markup_in_names_is_escaped(small_table, post):
    runs = sb.Runs(pd.DataFrame(small_table | {MARKUP: 1.0}), name=MARKUP)
    law = dataclasses.replace(sb.get_law("chinchilla"), name=MARKUP, equation=MARKUP, source=MARKUP)
    model = sb.Model(law)
    failed = Verdict((Check(False, MARKUP, MARKUP),), notes=(MARKUP,), of=MARKUP)
    shown = [runs, law, model, model.bind(runs), failed]
    shown.append(Estimate(MARKUP, post.draws.rename(E=MARKUP), failed, notes=(MARKUP,)))
    for each in shown:
        html = each._repr_html_()
        assert "onerror" in html
        assert "<img" not in html
