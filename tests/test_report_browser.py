"""The report in a real browser: numbers, keyboard, narrow screens, accessibility, injected markup.

They need the extra ``browser`` and a chromium, and are skipped without.
"""

import shutil

import numpy as np
import pytest
from plain import fit
from test_report import ATTACK, by_python

import scalingbayes as sb

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def fitted(runs) -> sb.Posterior:
    return sb.fit(runs, engine=sb.Laplace(draws=400))


@pytest.fixture(scope="module")
def report(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    return fitted.report(path, budget=[1e23, 1e24])


@pytest.fixture
def open_page(browser):
    """Return a function that opens a file, and notes errors, requests and dialogs."""
    contexts = []

    def open_file(path, width=1200, **how):
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, **how))
        page = contexts[-1].new_page()
        page.noted = []
        page.on("console", lambda message: page.noted.append(message.text))
        page.on("pageerror", lambda error: page.noted.append(str(error)))
        page.on("dialog", lambda dialog: (page.noted.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: page.noted.append(request.url))
        page.goto(path.as_uri())
        assert page.noted.pop(0) == path.as_uri()
        return page

    yield open_file
    for context in contexts:
        context.close()


def read(page) -> dict[str, list[float]]:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    page.wait_for_selector("#numbers[data-draws=all]")
    found = {
        card.get_attribute("data-name"): [
            float(card.get_attribute(f"data-{end}")) for end in ("median", "lower", "upper")
        ]
        for card in page.query_selector_all("#numbers .card")
    }
    return found


FIELDS = {
    "compute": "#control-budget",
    "servedTokens": "#control-served",
    "maxSize": "#control-maxSize",
    "maxTokens": "#control-maxTokens",
    "minRatio": "#control-minRatio",
}


def type_number(rng, value: float | None) -> tuple[float | None, str]:
    """Return a number and how a person might write it."""
    if value is None:
        return None, ""
    if 1e9 <= value < 1e12 and rng.random() < 0.5:
        text = f"{value / 1e9:.4g}"
        return float(text) * 1e9, f"{text}B"
    return float(f"{value:.4g}"), f"{value:.4g}"


def test_numbers_equal_python_at_50_typed_settings(open_page, report, fitted, rng):
    page = open_page(report)
    for _ in range(50):
        asked = {
            "compute": 10 ** rng.uniform(20, 26),
            "servedTokens": 10 ** rng.uniform(10, 13) if rng.random() < 0.4 else None,
            "maxSize": 10 ** rng.uniform(8, 11.5) if rng.random() < 0.3 else None,
            "maxTokens": 10 ** rng.uniform(10, 13) if rng.random() < 0.3 else None,
            "minRatio": 10 ** rng.uniform(0, 2) if rng.random() < 0.3 else None,
        }
        for name, value in asked.items():
            asked[name], text = type_number(rng, value)
            page.fill(FIELDS[name], text)
        found, wanted = read(page), by_python(fitted, fitted.cost, asked, {})
        for name in ("size", "tokens", "ratio", "loss"):
            np.testing.assert_allclose(found[name], wanted[name], rtol=5e-4, err_msg=str(asked))
        ends = page.evaluate("() => ({...document.getElementById('range').dataset})")
        for name in ("smallest", "largest"):
            np.testing.assert_allclose(float(ends[name]), wanted[name][0], rtol=5e-4)
    assert page.noted == []


def test_dollars_and_gpu_hours_are_budgets_too(open_page, report, fitted):
    page = open_page(report)
    page.select_option("#control-unit", "dollars")
    page.click("#planner summary")
    for field, text in (("peak", "1e15"), ("utilisation", "0.5"), ("price", "2")):
        page.fill(f"#control-{field}", text)
    page.fill("#control-budget", "$3M")
    hardware = sb.costs.Hardware(1e15, 0.5, 2.0)
    wanted = fitted.allocate(hardware.flops(dollars=3e6)).median()["params"]
    np.testing.assert_allclose(read(page)["size"][0], float(wanted[0]), rtol=5e-4)
    page.select_option("#control-unit", "GPU hours")
    page.fill("#control-budget", "2e6")
    wanted = fitted.allocate(hardware.flops(gpu_hours=2e6)).median()["params"]
    np.testing.assert_allclose(read(page)["size"][0], float(wanted[0]), rtol=5e-4)


def test_a_change_of_the_unit_keeps_the_budget(open_page, report):
    page = open_page(report)
    page.fill("#control-budget", "1.23456e23")
    before = read(page)
    for unit in ("dollars", "GPU hours", "FLOPs"):
        page.select_option("#control-unit", unit)
        np.testing.assert_allclose(read(page)["size"], before["size"], rtol=1e-9)
    page.click("#planner summary")
    page.fill("#control-utilisation", "2")
    assert "at most 1" in page.inner_text("#control-utilisation-error")
    page.select_option("#control-unit", "dollars")
    before = read(page)
    page.fill("#control-price", "")
    np.testing.assert_allclose(read(page)["size"], before["size"], rtol=1e-9)
    assert page.input_value("#control-unit") == "FLOPs"
    assert "$" not in page.inner_text("#question")


def test_an_accelerator_without_price_shows_no_dollars(open_page, fitted, tmp_path):
    hardware = sb.costs.Hardware(1e15)
    path = tmp_path / "report.html"
    page = open_page(fitted.report(path, 1e6, unit="GPU hours", hardware=hardware, backtest=False))
    assert "$" not in page.inner_text("#question")
    assert page.input_value("#control-unit") == "GPU hours"
    assert page.input_value("#control-budget") == "1M"


def test_a_budget_that_serving_takes_is_compared_by_its_training(open_page, report):
    page = open_page(report)
    page.select_option("#control-unit", "dollars")
    page.fill("#control-budget", "1")
    page.fill("#control-served", "10T")
    read(page)
    assert "below the smallest run" in page.inner_text("#remarks")


def test_the_keyboard_moves_a_slider_and_the_answer_is_announced(open_page, report):
    page = open_page(report)
    before = read(page)
    page.focus("#control-budget")
    page.keyboard.press("Tab")  # to the unit
    page.keyboard.press("Tab")  # to the slider
    page.keyboard.press("ArrowRight")
    assert read(page)["size"][0] > before["size"][0]
    assert float(page.input_value("#control-budget")) > 1e23
    page.wait_for_function(
        "() => document.getElementById('announcement').textContent.includes('Model size')"
    )
    page.fill("#control-budget", "many")
    assert page.get_attribute("#control-budget", "aria-invalid") == "true"
    assert "positive number" in page.inner_text("#control-budget-error")


def test_a_phone_needs_no_sideways_scrolling(open_page, report):
    page = open_page(report, width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.noted == []


def test_print_shows_the_answer_and_no_controls(open_page, report):
    page = open_page(report)
    page.emulate_media(media="print")
    assert page.is_visible("#numbers")
    assert not page.is_visible("#planner form")


def test_axe_finds_nothing_serious(open_page, report):
    page = open_page(report, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found = axe.Axe().run(page).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert not serious, [(each["id"], each["nodes"][0]["html"]) for each in serious]


def test_markup_in_names_does_not_run(open_page, tmp_path, small_table):
    table = {**small_table, ATTACK: np.arange(12), "run_id": [f"{ATTACK}{i}" for i in range(12)]}
    post = fit(sb.Runs(table, name=ATTACK), engine="laplace", draws=100)
    page = open_page(post.report(tmp_path / "report.html", backtest=False))
    page.wait_for_timeout(300)
    assert page.noted == []
    assert page.inner_text("h1").endswith(ATTACK)


def test_a_thousand_runs_make_a_page_below_two_megabytes(open_page, tmp_path, rng):
    params = 10 ** rng.uniform(7.5, 10, 1000)
    tokens = 10 ** rng.uniform(9, 11.5, 1000)
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    table = {"params": params, "tokens": tokens, "loss": loss * rng.normal(1, 0.005, 1000)}
    post = fit(table, engine="laplace", draws=4000)
    path = post.report(tmp_path / "report.html", backtest=False)
    assert path.stat().st_size < 2e6
    page = open_page(path, width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.wait_for_selector("#numbers .card")
    assert page.noted == []
