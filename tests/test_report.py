"""The report: its planner in an engine of JavaScript, its text, and what runs in the page."""

import base64
import json
from html.parser import HTMLParser
from importlib.resources import files

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from plain import fit
from py_mini_racer import MiniRacer
from scipy import optimize

import scalingbayes as sb
from scalingbayes._core.numbers import write, write_with_interval
from scalingbayes._core.precision import precision
from scalingbayes.allocation.expected import expected
from scalingbayes.posterior.extrapolation import standard_errors
from scalingbayes.report.decision import choose, decide
from scalingbayes.report.javascript import UntranslatableError, to_javascript
from scalingbayes.report.near_optimal import near_optimal_sizes
from scalingbayes.report.planner import make_planner
from scalingbayes.report.reproduce import describe_reproduction

PAGE = files("scalingbayes.report").joinpath("page")
QUANTITIES = ("size", "tokens", "ratio", "loss", "smallest", "largest")
TRANSFORMER = sb.costs.Transformer(context=4096, vocab=128_000)
REFERENCE = {"params": 1e9, "tokens": 1e10, "loss": 2.5}
H100 = sb.costs.Hardware(989e12, 0.4, 2.5)
ATTACK = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"


def start_planner(post, cost, inputs) -> MiniRacer:
    """Return an engine of JavaScript in which ``ask(settings)`` returns the planner's summary."""
    planner = make_planner(post, cost, inputs, 0.9)
    engine = MiniRacer()
    engine.eval(PAGE.joinpath("planner.js").read_text("utf-8"))
    engine.eval(
        f"const data = {json.dumps(planner.data)};"
        "data.draws = data.draws.map(decodeNumbers);"
        "if (data.errors !== null) data.errors = decodeNumbers(data.errors);"
        f"const planner = createPlanner(data, {planner.functions});"
        "const ask = (asked) => JSON.stringify(planner.summary(asked));"
    )
    return engine


def random_setting(rng) -> dict[str, float | None]:
    def maybe(chance, low, high):
        return float(10 ** rng.uniform(low, high)) if rng.random() < chance else None

    return {
        "compute": float(10 ** rng.uniform(20, 26)),
        "servedTokens": maybe(0.4, 10, 13),
        "maxSize": maybe(0.3, 8, 11.5),
        "maxTokens": maybe(0.3, 10, 13),
        "minRatio": maybe(0.3, 0, 2),
    }


def by_python(post, cost, asked, inputs) -> dict[str, np.ndarray]:
    # Limits that do not bind stand for none: one program serves all settings.
    limits = sb.Limits(
        asked["maxSize"] or 1e20, asked["maxTokens"] or 1e25, asked["minRatio"] or 1e-20
    )
    paid = cost.serve(asked["servedTokens"] or 1e-6)
    best = post.allocate(asked["compute"], paid, limits, **inputs)
    draws = {
        "size": best["params"],
        "tokens": best["tokens"],
        "ratio": best["tokens_per_param"],
        "loss": best["loss"],
    }
    ends = near_optimal_sizes(post, best, paid, limits, **inputs)
    found = {name: each.to_numpy() for name, each in draws.items()}
    found |= dict(zip(("smallest", "largest"), ends, strict=True))
    return {name: np.quantile(x, [0.5, 0.05, 0.95]) for name, x in found.items()}


@pytest.fixture(scope="module")
def allowing(runs) -> sb.Posterior:
    """A fit that allows for the law's error."""
    return sb.fit(runs, engine=sb.Laplace(draws=400))


@pytest.mark.parametrize(
    "cost", [None, pytest.param(TRANSFORMER, marks=pytest.mark.slow)], ids=["own", "transformer"]
)
def test_the_planner_equals_python_at_random_settings(allowing, cost, rng):
    paid = cost or allowing.cost
    engine = start_planner(allowing, paid, {})
    for _ in range(15):  # 50 in the browser
        asked = random_setting(rng)
        found = json.loads(engine.call("ask", {**asked, "inputs": []}))
        wanted = by_python(allowing, paid, asked, {})
        for name in QUANTITIES:
            ends = [found[name][end] for end in ("median", "lower", "upper")]
            np.testing.assert_allclose(ends, wanted[name], rtol=5e-4, err_msg=f"{name}: {asked}")


@pytest.mark.slow
def test_the_planner_equals_python_for_a_law_of_unique_tokens(rng):
    params, tokens = np.meshgrid([1e8, 3e8, 1e9, 3e9], [3e9, 1e10, 3e10, 1e11])
    law, table = (
        sb.get_law("data_constrained"),
        {"params": params.ravel(), "tokens": tokens.ravel()},
    )
    table["unique_tokens"] = np.minimum(table["tokens"], 2e10)
    table = {name: jnp.asarray(x) for name, x in table.items()}
    values = {"E": 1.7, "A": 400.0, "B": 410.0, "alpha": 0.34, "beta": 0.28}
    values |= {"R_D_star": 15.0, "R_N_star": 5.0}
    table["loss"] = np.asarray(
        law(table, {name: jnp.asarray(x) for name, x in values.items()})
    ) * np.exp(0.01 * rng.standard_normal(16))
    post = fit(table, "data_constrained", engine="laplace", draws=200)
    engine = start_planner(post, post.cost, {"unique_tokens": 1e10})
    for _ in range(15):
        asked = random_setting(rng)
        unique = float(np.sqrt(asked["compute"]) * 10 ** rng.uniform(-1.5, 0))
        found = json.loads(engine.call("ask", {**asked, "inputs": [unique]}))
        wanted = by_python(post, post.cost, asked, {"unique_tokens": unique})
        for name in ("size", "tokens", "loss"):
            ends = [found[name][end] for end in ("median", "lower", "upper")]
            np.testing.assert_allclose(ends, wanted[name], rtol=5e-4, err_msg=f"{name}: {asked}")


def test_sizes_within_a_percent_of_compute_reach_the_loss_of_99_percent(post):
    best = post.allocate(1e23)
    ends = near_optimal_sizes(post, best)
    draw = {name: float(x[0, 0]) for name, x in post.values.items()}
    size = float(best["params"][0, 0, 0])

    def loss(log_size, compute):
        params = np.exp(log_size)
        of_data = draw["B"] / (compute / 6 / params) ** draw["beta"]
        return draw["E"] + draw["A"] / params ** draw["alpha"] + of_data

    level = loss(np.log(size), 0.99e23)
    for found, far in zip(ends, (np.log(size) - 2, np.log(size) + 2), strict=True):
        root = optimize.brentq(lambda x: loss(x, 1e23) - level, *sorted([far, np.log(size)]))
        np.testing.assert_allclose(found[0, 0, 0], np.exp(root), rtol=1e-6)


@pytest.mark.parametrize("name", sb.list_laws().index)
def test_laws_in_javascript_equal_jax(name, rng):
    law = sb.get_law(name)
    if not law.allocates:
        return
    others = [each for each in law.inputs if each not in (law.budget.size, "tokens")]
    names = [*law.parameters, *others]

    def loss(log_size, log_tokens, **given):
        return expected(law, given, given, log_size, log_tokens)

    code = to_javascript(loss, names, ["log_size", "log_tokens"])
    engine = MiniRacer()
    with precision("float64"):
        for _ in range(3):
            values = rng.uniform(0.1, 0.4, len(names))
            found = engine.eval(f"({code})({values.tolist()})(3.5, 4.5)")
            given = dict(zip(names, map(jnp.asarray, values), strict=True))
            wanted = float(loss(jnp.asarray(3.5), jnp.asarray(4.5), **given))
            np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_function_without_translation_is_refused():
    with pytest.raises(UntranslatableError, match="digamma"):
        to_javascript(lambda x: jax.scipy.special.digamma(x), [], ["x"])
    with pytest.raises(UntranslatableError, match="array"):
        to_javascript(lambda x: (x * np.arange(3.0)).sum(), [], ["x"])


def test_numbers_are_written_in_the_page_as_in_python(rng):
    engine = MiniRacer()
    engine.eval(PAGE.joinpath("numbers.js").read_text("utf-8"))
    for _ in range(200):
        kind = str(rng.choice(["count", "ratio", "loss", "flops"]))
        middle = float(10 ** rng.uniform(*((-1, 1) if kind == "loss" else (0, 14))))
        low, high = middle * np.exp(-rng.exponential(0.3)), middle * np.exp(rng.exponential(0.5))
        assert engine.call("writeNumber", middle, kind) == write(middle, kind)
        draws = {"median": middle, "lower": low, "upper": high}
        found = tuple(engine.call("writeInterval", draws, kind))
        assert found == write_with_interval(middle, low, high, kind)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e24", 1e24), ("70B", 7e10), ("1.4t", 1.4e12), ("1,400,000", 1.4e6), ("$2 M", 2e6)],
)
def test_a_field_reads_numbers_as_people_write_them(text, value):
    engine = MiniRacer()
    engine.eval(PAGE.joinpath("numbers.js").read_text("utf-8"))
    assert engine.call("readNumber", text) == pytest.approx(value)


def test_a_field_refuses_what_is_no_number():
    engine = MiniRacer()
    engine.eval(PAGE.joinpath("numbers.js").read_text("utf-8"))
    for text in ("", "many", "1e", "70Z", "-3", "1.2.3"):
        assert engine.eval(f"Number.isNaN(readNumber({text!r}))")


class Elements(HTMLParser):
    """The elements of a page, their attributes and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes


def as_failed(post: sb.Posterior) -> sb.Posterior:
    """Return a posterior by Laplace's method whose record says that it failed."""
    tree = post.tree.copy()
    record = json.loads(tree.attrs["scalingbayes"])
    record["facts"]["pareto_k"] = 2.0
    tree.attrs["scalingbayes"] = json.dumps(record)
    return sb.Posterior(tree, post.law, post.noise)


def test_a_failed_fit_says_so_first_and_markup_in_names_stays_text(tmp_path, small_table):
    table = {**small_table, ATTACK: np.arange(12), "run_id": [f"{ATTACK}{i}" for i in range(12)]}
    post = as_failed(fit(sb.Runs(table, name=ATTACK), engine="laplace", draws=100))
    assert not post.verdict
    html = post.report(tmp_path / "report.html", backtest=False).read_text("utf-8")
    assert html.index("The fit failed its checks") < html.index("Decision")
    page = Elements(html)
    assert "img" not in page.tags
    assert page.tags.count("script") == 3  # two of data, and the planner
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    links = [value for name, value in page.attributes if name in ("src", "href")]
    assert all(link.startswith("#") for link in links)


def test_the_command_writes_a_report_that_answers_first(command, tmp_path, allowing):
    allowing.save(tmp_path / "posterior.nc")
    budgets = ("--compute", "1e22", "--compute", "1e24")
    ended = command("report", "posterior.nc", *budgets, "--no-backtest", "--out", "report.html")
    assert ended.returncode == (0 if allowing.verdict else 3)
    html = (tmp_path / "report.html").read_text("utf-8")
    row = allowing.allocate(1e22).summary().loc[1e22].loc["params"]
    assert write_with_interval(*row.iloc[:3], "count")[0] in html.split("</p>")[1]
    assert html.index("Decision") < html.index("Is it to be believed?") < html.index("reproduce")
    assert len(html.encode()) < 2e6


def test_commands_refuse_a_report_that_cannot_be_written(command):
    for words in (
        ("report", "chinchilla", "--out", "report.pdf"),
        ("fit", "chinchilla", "--report", "no/such/folder/report.html"),
        ("fit", "overtraining", "--losses", "loss,loss_2", "--report", "report.html"),
    ):
        ended = command(*words)
        assert ended.returncode == 2
        assert "--out" in ended.stderr or "--report" in ended.stderr


@pytest.mark.slow
def test_a_law_without_allocation_has_a_report_without_decision(tmp_path):
    table = {"tokens": np.geomspace(1e9, 1e12, 12)}
    table["loss"] = 1.7 + 410 / table["tokens"] ** 0.28
    post = fit(table, "power_law(x=tokens)", engine="laplace", draws=100)
    html = post.report(tmp_path / "report.html", backtest=False).read_text("utf-8")
    assert "Decision" not in html
    assert "Is it to be believed?" in html
    with pytest.raises(sb.InputError, match="does not divide compute"):
        post.report(tmp_path / "report.html", budget=1e22)


def test_a_large_posterior_decides_and_a_part_of_it_plans(post, monkeypatch):
    monkeypatch.setattr("scalingbayes.report.planner.MOST_DRAWS", 200)
    data = make_planner(post, post.cost, {}, 0.9).data
    assert data["allDraws"] == post["alpha"].size
    kept = np.frombuffer(base64.b64decode(data["draws"][list(post.law.parameters).index("alpha")]))
    np.testing.assert_array_equal(kept, post.thin(200)["alpha"].to_numpy().ravel())
    if not post.exact:
        errors = np.frombuffer(base64.b64decode(data["errors"]))
        assert errors.size == kept.size
        assert np.isin(errors, standard_errors(post)).all()


def test_the_printed_code_fits_again(tmp_path, monkeypatch):
    runs = sb.datasets.load("chinchilla", where="tokens > 2e10")
    model = sb.Model("chinchilla", "normal", default_priors="weak", reference=REFERENCE)
    weights = np.where(np.arange(len(runs)) % 2, 1.0, 0.5)
    few = {"weights": weights} if len(runs) <= 100 else {}
    post = sb.fit(runs, model, engine=sb.Laplace(draws=150), exact=True, seed=3, **few)
    asked = choose(post, [1e6], post.cost.serve(1e12), sb.Limits(2e10), {}, 0.8, "dollars", H100)
    found = describe_reproduction(post, asked, H100)
    assert not found.reservations
    reported = {}
    monkeypatch.setattr(sb.Posterior, "report", lambda post, *a, **given: reported.update(given))
    scope: dict = {}
    exec(found.code, scope)
    for name in post.draws:
        np.testing.assert_array_equal(scope["post"][name], post[name])
    again = choose(
        post,
        reported["budget"],
        reported["cost"],
        reported["limits"],
        {},
        reported["prob"],
        reported["unit"],
        reported["hardware"],
    )
    assert again.budgets == asked.budgets
    assert again.cost.equation == asked.cost.equation
    assert (again.limits, again.prob) == (asked.limits, asked.prob)


def test_a_changed_table_and_own_priors_are_said(small_table):
    runs = sb.datasets.load("chinchilla")
    changed = runs.with_frame(runs.frame.iloc[:60])
    model = sb.Model("chinchilla", priors={"E": dist.Normal(1.7, 0.3)})
    post = sb.fit(changed, model, engine="prior")
    found = describe_reproduction(post)
    assert f'"{changed.digest}"' in found.code
    assert any("not the bundled table" in each for each in found.reservations)
    assert any("priors of E were given" in each for each in found.reservations)


def test_a_run_is_compared_by_what_its_training_takes(post):
    budget = 1e24
    limits = sb.Limits(max_params=post.tree["constant_data"]["params"].max().item(), max_tokens=1e6)
    (answer,) = decide(post, choose(post, budget, None, limits, {}, 0.9)).answers
    assert "times the compute of the smallest run" in answer.compared
    assert any("below the smallest run" in note for note in answer.notes)
    assert any("unspent" in note for note in answer.notes)
    assert (answer.sizes, answer.waste) == ("", "")
    (within,) = decide(
        post, choose(post, float(np.median(post.compute)), None, None, {}, 0.9)
    ).answers
    assert within.compared == "within the compute of the runs"


def test_a_budget_without_an_optimum_leaves_the_others(post, monkeypatch):
    whole = sb.Posterior.allocate

    def allocate(post, compute, *args, **inputs):
        if compute == 1e30:
            raise sb.InputError("no lowest point")
        return whole(post, compute, *args, **inputs)

    monkeypatch.setattr(sb.Posterior, "allocate", allocate)
    found = decide(post, choose(post, [1e22, 1e30], None, None, {}, 0.9))
    assert len(found.answers) == 1
    assert found.missing == (("1e30 FLOPs", "no lowest point"),)


def test_exponents_are_those_of_training_whatever_is_asked(post, tmp_path):
    path, cost = tmp_path / "report.html", post.cost.serve(1e14)
    budgets = (np.int64(10**6), np.int64(10**7))
    limits = sb.Limits(np.int64(10**9))
    hardware = sb.costs.Hardware(np.int64(10**15), price_per_hour=np.int64(2))
    rates = [sb.published("deepseek_2024_learning_rate")]
    html = post.report(
        path, budgets, unit="dollars", cost=cost, limits=limits, hardware=hardware,
        hyperparameters=rates, backtest=False,
    ).read_text("utf-8")  # fmt: skip
    own = html[html.index('<tr class="own">') :].split("</tr>")[0]
    wanted = post.exponents().summary().loc["a"].to_numpy()[:3]
    assert f"<td>{write_with_interval(*wanted, 'exponent')[0]}<br>" in own
    assert "With <strong>$1M (7.2e23 FLOPs)</strong>" in html
    assert "also pays for 100T served tokens" in html
    best = post.allocate(7.2e23, cost, limits).median()
    trained = float(post.cost.training_flops(best["params"].item(), best["tokens"].item()))
    rate = write(0.3118 * trained**-0.125)  # DeepSeek-AI 2024, eq. 1
    assert f'Best learning rate</div><div class="value">{rate}' in html
    assert "hyperparameters=hyperparameters" in html


def test_the_words_are_those_of_the_engine(tmp_path, post):
    tree = post.tree.copy()
    record = json.loads(tree.attrs["scalingbayes"])
    tree.attrs["scalingbayes"] = json.dumps({**record, "of": "bootstrap"})
    resampled = sb.Posterior(tree, post.law, post.noise)
    html = resampled.report(tmp_path / "report.html", 1e22, backtest=False).read_text("utf-8")
    assert "Medians over resampled tables, with 90 % confidence intervals" in html
    assert "Posterior medians" not in html
    assert "% credible" not in html.split('id="planner"')[0]


def test_a_wrong_progress_is_refused_without_a_backtest(post, tmp_path):
    with pytest.raises(sb.InputError, match="progress"):
        post.report(tmp_path / "report.html", backtest=False, progress="yes")
