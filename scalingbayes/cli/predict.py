"""``scalingbayes predict``."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

import scalingbayes as sb
from scalingbayes.cli.options import AMOUNT, Prob, Seed
from scalingbayes.cli.printing import describe_fit, describe_interval, print_result
from scalingbayes.cli.saved import (
    OtherInputs,
    Out,
    PosteriorOrTable,
    check_out,
    finish,
    parse_inputs,
    read_posterior,
)


def predict_command(
    posterior: PosteriorOrTable,
    params: Annotated[
        list[float] | None,
        typer.Option(
            help="Parameters, such as 70B. Repeat the option for several runs; an input that is "
            "given once holds for all of them.",
            **AMOUNT,
        ),
    ] = None,
    tokens: Annotated[
        list[float] | None,
        typer.Option(help="Training tokens, such as 1.4T. May be repeated.", **AMOUNT),
    ] = None,
    other: OtherInputs = None,
    prob: Prob = 0.9,
    seed: Seed = 0,
    out: Out = None,
) -> None:
    """Predict the losses of new runs, with credible intervals.

    Exit status: 0 if the fit passed its checks, 3 if it failed them, 2 if the input cannot be
    used.
    """
    check_out(out)
    inputs = parse_inputs({"params": params, "tokens": tokens}, other, sb.Posterior.predict)
    _check_counts(inputs)
    post = read_posterior(posterior, seed)
    found = post.predict(seed=seed, **inputs)
    view = found.view(prob)
    lines = (
        "expected: what the law predicts. observed: what a single run would reach, with noise.",
        *describe_interval(post, prob),
        *view.lines,
    )
    title = f"{view.title}\n{describe_fit(post)}"
    table = found.summary(prob)
    print_result("predict", replace(view, title=title, lines=lines), table)
    finish(found.verdict, out, table)


def _check_counts(inputs: dict[str, Any]) -> None:
    """Check that each input was given once, or once for each run."""
    counts = {
        name: len(values) if isinstance(values, list) else 1 for name, values in inputs.items()
    }
    if len(set(counts.values()) - {1}) > 1:
        said = " and ".join(f"{count} {name}" for name, count in counts.items())
        raise sb.InputError(f"Give each input once, or once for each run; got {said}.")
