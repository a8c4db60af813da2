"""What ``scalingbayes fit`` prints and writes."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import scalingbayes as sb
from scalingbayes._core.atomic_files import atomic_write_all, made_folder
from scalingbayes._core.escaping import as_csv
from scalingbayes.cli.json_output import as_fields, document
from scalingbayes.cli.printing import describe_interval, print_result, print_text, print_verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from scalingbayes.results import Estimate


def show_and_write(
    found: sb.Posterior | sb.Posteriors, budgets: list[float] | None, out: Path | None, prob: float
) -> None:
    """Print a posterior, or posteriors side by side, with exponents and allocations; write them.

    Parameters
    ----------
    found
        What was fitted.
    budgets
        Budgets in FLOPs for which the allocation is printed too.
    out
        The folder to write to, if any.
    prob
        Probability of the intervals.
    """
    estimates = show(found, budgets, prob)
    print_verdict(found.verdict)
    _print_misfit(found)
    if out is not None:
        results = {"summary": found, **estimates}
        _write(out, found, {name: each.summary(prob) for name, each in results.items()})


def show(
    found: sb.Posterior | sb.Posteriors, budgets: list[float] | None, prob: float
) -> dict[str, Estimate]:
    """Print a posterior, its priors, its exponents and the allocations of budgets.

    Parameters
    ----------
    found
        A posterior, or posteriors side by side.
    budgets
        Budgets in FLOPs, if any.
    prob
        Probability of the intervals.

    Returns
    -------
    dict
        The exponents and the allocations, if there are such.
    """
    estimates: dict[str, Estimate] = {}
    if (exponents := _exponents(found)) is not None:
        estimates["exponents"] = exponents
    if budgets:
        estimates["allocation"] = found.allocate(budgets)
    view = found.view(prob)
    if isinstance(found, sb.Posterior):
        view = replace(view, lines=(*describe_interval(found, prob), *view.lines))
        if (of_json := document()) is not None:
            of_json.add(priors=found.record.priors, reference=found.record.reference)
    print_result("summary", view, found.summary(prob))
    for name, each in estimates.items():
        print_result(name, each.view(prob), each.summary(prob))
    return estimates


def _print_misfit(found: sb.Posterior | sb.Posteriors) -> None:
    """Print what the residuals say against a law taken as exact, if they say anything.

    The sentences on the allowance say it of other fits.
    """
    if isinstance(found, sb.Posterior) and found.exact and found.record.of == "posterior":
        checks = sb.check(found).verdict
        if (of_json := document()) is not None:
            of_json.add(model_checks=as_fields(checks))
        elif not checks.passed:
            print_verdict(checks)


def _exponents(found: sb.Posterior | sb.Posteriors) -> Estimate | None:
    """Return the exponents of a law of size and tokens alone; None for any other law.

    A posterior without an optimum at the reference budget gives a warning, not an error.
    """
    law = found.law if isinstance(found, sb.Posterior) else next(iter(found.models.values())).law
    if not law.allocates or len(law.inputs) > 2:
        return None
    try:
        return found.exponents()
    except sb.InputError as error:
        warnings.warn(str(error), sb.InputWarning, stacklevel=1)
        return None


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Return a part of a file's name for each name; two names never share one.

    Examples
    --------
    >>> file_names(["loss", "loss/byte", "loss_byte"])
    {'loss': 'loss', 'loss/byte': 'loss_byte', 'loss_byte': 'loss_byte_2'}
    """
    found: dict[str, str] = {}
    for name in names:
        safe = re.sub(r"[^A-Za-z0-9.-]+", "_", name)
        taken = {each.lower() for each in found.values()}  # some file systems ignore case
        numbered = (f"{safe}_{number}" if number > 1 else safe for number in count(1))
        found[name] = next(each for each in numbered if each.lower() not in taken)
    return found


def _write(out: Path, found: sb.Posterior | sb.Posteriors, tables: dict[str, pd.DataFrame]) -> None:
    from scalingbayes._core.netcdf import as_netcdf

    if isinstance(found, sb.Posterior):
        files = {"posterior.nc": found}
    else:
        files = {f"posterior_{name}.nc": found[key] for key, name in file_names(found).items()}
    contents: dict[Path, bytes | str] = {
        out / file: as_netcdf(post.tree) for file, post in files.items()
    }
    for name, table in tables.items():
        contents[out / f"{name}.csv"] = as_csv(table.assign(verdict=found.verdict.word))
    with made_folder(out):
        atomic_write_all(contents)
    print_text(f"Written to {out}: {', '.join([*files, *(f'{name}.csv' for name in tables)])}.")
