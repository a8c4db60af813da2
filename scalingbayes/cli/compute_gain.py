"""``scalingbayes compute-gain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import scalingbayes as sb
from scalingbayes.cli.options import AMOUNT, Prob, Seed
from scalingbayes.cli.printing import print_result, print_text
from scalingbayes.cli.saved import Out, check_out, finish, read_posterior

if TYPE_CHECKING:
    from scalingbayes.decisions import ComputeGain

_LABELS = 2

New = Annotated[
    str,
    typer.Argument(
        metavar="NEW|TABLE",
        help="The fit of the new recipe: a folder that `scalingbayes fit ... --out FOLDER` wrote, "
        "or a table. With --by, a table with the runs of both recipes.",
    ),
]
Baseline = Annotated[
    str,
    typer.Argument(
        metavar="BASELINE",
        help="The fit of the baseline, likewise. With --by, the label of the baseline's runs.",
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column of the table whose two labels are the recipes. Both are fitted by one law, "
        "which shares the floor.",
    ),
]
Constant = Annotated[
    bool, typer.Option("--constant", help="With --by: the gain is the same at every scale.")
]
Compute = Annotated[
    list[float] | None,
    typer.Option(
        help="Compute of the new recipe in FLOPs, such as 1e23. May be repeated. Default: the ends "
        "of the range of the runs, and 10 times its upper end.",
        **AMOUNT,
    ),
]
TokensPerParam = Annotated[
    float | None,
    typer.Option(help="Tokens per parameter of both recipes. Default: compute-optimal.", **AMOUNT),
]


def compute_gain_command(
    new: New,
    baseline: Baseline,
    by: By = None,
    constant: Constant = False,
    compute: Compute = None,
    tokens_per_param: TokensPerParam = None,
    prob: Prob = 0.9,
    seed: Seed = 0,
    out: Out = None,
) -> None:
    """Estimate how many times the compute a baseline needs to reach a new recipe's loss.

    Exit status: 0 if the fits passed their checks, 3 if they failed them, 2 if the input cannot be
    used.
    """
    check_out(out)
    budgets = compute or None
    if by is None:
        if constant:
            raise sb.InputError("--constant needs --by: add it, or leave --constant out.")
        posts = read_posterior(new, seed), read_posterior(baseline, seed)
        found = sb.compute_gain(
            *posts, compute=budgets, tokens_per_param=tokens_per_param, seed=seed
        )
    else:
        post = _fit_together(new, by, baseline, constant, seed)
        found = sb.compute_gain(post, compute=budgets, tokens_per_param=tokens_per_param)
    _show(found, prob, out)


def _show(found: ComputeGain, prob: float, out: Out) -> None:
    table = found.summary(prob)
    print_result("compute-gain", found.view(prob), table)
    finish(found.verdict, out, table)


def _fit_together(table: str, by: str, baseline: str, constant: bool, seed: int) -> sb.Posterior:
    """Fit the law ``recipe`` to a table whose column ``by`` has two labels.

    Raises
    ------
    InputError
        If there are not two labels, or the baseline's is not one of them.
    """
    from scalingbayes.cli.table_options import read_table

    runs = read_table(table, {})
    labels = runs.labels(by).astype(str)
    known = sorted(set(labels))
    if len(known) != _LABELS or baseline not in known:
        raise sb.InputError(
            f"Column {by!r} must have two labels, of which {baseline!r} is one; it has "
            f"{', '.join(map(repr, known[:6]))}{', ...' if len(known) > 6 else ''}."
        )
    law = f"recipe(grows={not constant})"
    print_text(f"Fitting law {law!r} to {len(runs)} runs of {runs.name!r}.\n")
    coded = runs.frame.assign(recipe=(labels != baseline).astype(float))
    return sb.fit(runs.with_frame(coded), law, seed=seed)
