"""Write the report of a fit."""

import base64
import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from scalingbayes._core.arguments import Probability, check_number
from scalingbayes._core.atomic_files import atomic_write
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import kind_of, write
from scalingbayes._core.progress import Progress, report_progress
from scalingbayes.allocation import Cost, Hardware, Limits
from scalingbayes.data.published import published_exponents
from scalingbayes.posterior.allocate import Budgets
from scalingbayes.posterior.describe_fit import describe_allowance
from scalingbayes.posterior.origin import require_fit
from scalingbayes.posterior.point_estimate import PointEstimate
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.words import words_for
from scalingbayes.report.decision import Asked, Unit, choose, decide, written_row
from scalingbayes.report.drawings import SIZE_AND_TOKENS, draw_figures
from scalingbayes.report.evidence import describe_backtest, gather
from scalingbayes.report.javascript import UntranslatableError
from scalingbayes.report.planner import make_planner
from scalingbayes.report.reproduce import describe_reproduction
from scalingbayes.report.settings import planner_settings
from scalingbayes.results.readable import readable

_EXAMPLE_HARDWARE = Hardware(peak_flops=989e12, utilisation=0.4, price_per_hour=2.5)
_SCRIPTS = ("planner.js", "numbers.js", "controls.js", "curve.js", "page.js")
_MOST_ROWS = 1000  # of the table of runs


def write_report(
    post: Posterior,
    path: str | Path,
    budget: Budgets | None = None,
    *,
    unit: Unit = "FLOPs",
    cost: Cost | None = None,
    limits: Limits | None = None,
    hardware: Hardware | None = None,
    hyperparameters: Sequence[Posterior | PointEstimate] = (),
    prob: Probability = 0.9,
    backtest: bool = True,
    progress: Progress = None,
    **inputs: float,
) -> Path:
    """Write a report of a fit: one HTML file that needs no network.

    The report has the decision for each budget, a planner that answers for other budgets, whether
    the fit is to be believed, its exponents beside published ones, its priors, the table of runs,
    and how to reproduce it.

    Parameters
    ----------
    post
        The fit.
    path
        The file, such as ``"report.html"``.
    budget
        Budgets; by default 10 and 100 times the compute of the largest run.
    unit
        The unit of the budgets: ``"FLOPs"``, ``"GPU hours"`` or ``"dollars"``, which ``hardware``
        converts.
    cost
        What a budget pays for; by default training, as the table counts its FLOPs. Served tokens
        are set in the planner.
    limits
        Limits that the run must keep, without ``shapes``.
    hardware
        The accelerator that converts GPU hours and dollars, here and in the planner.
    hyperparameters
        Fits or published constants of laws of a setting, as for :func:`scalingbayes.plan`: the
        decision has the best learning rate or batch size of its median run.
    prob
        Posterior probability of the intervals.
    backtest
        Whether to predict the largest runs from smaller ones, which fits the law again: seconds to
        a minute.
    progress
        What to show of progress, as for :func:`scalingbayes.fit`.
    **inputs
        The law's inputs other than the model's size and tokens, such as ``unique_tokens=1e11``.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        If a budget, the cost, the limits or an input cannot be used.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"))  # doctest: +SKIP
    >>> post.report("report.html", budget=1e24, backtest=False)  # doctest: +SKIP
    PosixPath('report.html')
    """
    require_fit(post.record, "A report")
    check_number("prob", prob)
    if limits is not None and limits.shapes is not None:
        raise InputError("limits.shapes cannot be used in a report. Remove shapes from the limits.")
    page: dict[str, Any] = {"post": post, "today": date.today().isoformat(), "prob": prob}
    page |= {"decision": None, "planner": None, "exponents": None, "script": None}
    page["words"] = words_for(post)
    asked: Asked | None = None
    with report_progress(progress, "report"):
        if post.counts_flops:
            asked = choose(post, budget, cost, limits, inputs, prob, unit, hardware)
            asked = replace(asked, hyperparameters=tuple(hyperparameters))
            page |= {"decision": decide(post, asked), "exponents": _exponents(post, prob)}
            page |= _planner(post, asked, hardware)
        elif budget is not None or inputs or hyperparameters:
            raise InputError(
                f"Law {post.law.name!r} does not divide compute between a model's size and tokens, "
                f"or the FLOPs of its runs are not known, so it has no decision for a budget: "
                f"leave out budget, hyperparameters and inputs."
            )
    page |= _believed(post, asked, backtest, progress)
    page |= {"runs": _runs(post), "reproduction": describe_reproduction(post, asked, hardware)}
    html = _environment().get_template("report.html").render(page)
    target = Path(path)
    atomic_write(target, html)
    return target


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("scalingbayes.report", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["table"] = _table
    environment.globals["style"] = Markup(_text_of("report.css"))
    return environment


def _text_of(name: str) -> str:
    return files("scalingbayes.report").joinpath("page", name).read_text("utf-8")


def _planner(post: Posterior, asked: Asked, hardware: Hardware | None) -> dict[str, Any]:
    """Return the planner's data and its script, or a sentence on why there is none."""
    try:
        planner = make_planner(post, asked.cost, asked.inputs, asked.prob)
    except UntranslatableError as error:
        return {"planner": {"missing": f"This law cannot be computed in a page: {error}."}}
    settings = planner_settings(post, asked, hardware or _EXAMPLE_HARDWARE, hardware is None)
    code = "\n".join(
        [
            "(() => {",
            '"use strict";',
            *(_text_of(name) for name in _SCRIPTS),
            f"startPage({planner.functions});",
            "})();",
        ]
    )
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return {
        "planner": {"data": planner.data, "settings": settings, "missing": ""},
        "script": {"code": Markup(code), "hash": digest},
    }


def _believed(
    post: Posterior, asked: Asked | None, with_backtest: bool, progress: Progress
) -> dict[str, Any]:
    evidence = gather(post, with_backtest, progress)
    return {
        "evidence": evidence,
        "figures": draw_figures(post, evidence, asked),
        "backtest_line": "" if evidence.backtest is None else describe_backtest(evidence.backtest),
        "priors": _priors(post),
        "allowance": describe_allowance(post.allowance, post.record),
    }


def _exponents(post: Posterior, prob: float) -> dict[str, Any] | None:
    """Return the rows of the fit's exponents and of published ones.

    All are of training compute alone, without limits.
    """
    if len(post.law.inputs) != SIZE_AND_TOKENS:
        return None
    try:
        found = post.exponents().summary(prob)
    except InputError:
        return None
    own = {name: written_row(found, name, "exponent") for name in ("a", "b")}
    table = published_exponents()
    texts = table.fillna({"interval": ""})
    rows = [
        (
            texts["study"][row],
            texts["approach"][row],
            _published(*table.loc[row, ["a", "a_low", "a_high"]]),
            _published(*table.loc[row, ["b", "b_low", "b_high"]]),
            texts["interval"][row],
            texts["source"][row],
        )
        for row in table.index
    ]
    return {"own": own, "rows": rows, "notes": " ".join(table.attrs["notes"].split())}


def _published(value: Any, low: Any, high: Any) -> tuple[str, str]:
    """Return a published exponent as text, with its interval if it has one."""
    interval = "" if math.isnan(low) else f"[{low:.3f}, {high:.3f}]"
    return write(float(value), "exponent", -3), interval


def _priors(post: Posterior) -> list[tuple[str, str, str, str]]:
    """Return for each parameter its meaning, its prior, and the prior's share of its precision."""
    shares = post.record.prior_shares
    parameters = {**post.law.parameters, **post.noise.parameters}
    meanings = {name: each.description for name, each in parameters.items()}

    def share(name: str) -> str:
        return write(shares[name], "share") if name in shares else ""

    return [
        (name, meanings.get(name, ""), prior["statement"], share(name))
        for name, prior in post.record.priors.items()
    ]


def _runs(post: Posterior) -> dict[str, Any]:
    """Return the columns and the rows of the table of runs, as text."""
    frame = post.runs.frame
    shown = frame.head(_MOST_ROWS)
    kinds = [kind_of(str(name)) for name in shown.columns]

    def cell(value: Any, place: int) -> str:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return write(float(value), kinds[place]) if number else str(value)

    rows = [[cell(x, i) for i, x in enumerate(row)] for row in shown.itertuples(index=False)]
    sources = post.record.data.sources
    columns = [
        f"{name} ({sources[name]})" if sources.get(name, name) != name else str(name)
        for name in shown.columns
    ]
    return {"columns": columns, "rows": rows, "left_out": len(frame) - len(shown)}


def _table(frame: pd.DataFrame) -> Markup:
    """Return a table of results as HTML; all text is escaped."""
    shown = readable(frame).reset_index()
    head = Markup("").join(Markup("<th scope=col>{}</th>").format(str(n)) for n in shown.columns)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(Markup("<td>{}</td>").format(str(x)) for x in row)
        )
        for row in shown.itertuples(index=False)
    )
    return Markup(
        '<div class="scroll" tabindex="0"><table><thead><tr>{}</tr></thead><tbody>{}</tbody>'
        "</table></div>"
    ).format(head, body)
