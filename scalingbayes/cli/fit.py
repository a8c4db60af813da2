"""``scalingbayes fit``."""

import warnings
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from scalingbayes._core.atomic_files import atomic_write
from scalingbayes._core.errors import InputError, InputWarning
from scalingbayes._core.progress_bar import progress_bar
from scalingbayes.cli.options import Column, OtherColumns, Prob, Seed, Source, read_table
from scalingbayes.cli.printing import (
    console,
    exit_if_failed,
    print_table,
    print_verdict,
    say_interval,
)
from scalingbayes.fitting.fit import fit
from scalingbayes.inference import Optimize, get_engine
from scalingbayes.model.model import DEFAULT_LAW, Model
from scalingbayes.model.noise_models import NOISE_MODELS
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import check_interval


def fit_command(
    source: Source,
    law: Annotated[
        str, typer.Option(help="The scaling law, by name: `scalingbayes laws` lists them.")
    ] = DEFAULT_LAW,
    engine: Annotated[
        str, typer.Option(help="nuts, laplace, grid or bootstrap (confidence intervals).")
    ] = "nuts",
    noise: Annotated[
        str | None,
        typer.Option(
            help=f"How runs scatter about it: {', '.join(NOISE_MODELS)}, with options such as "
            "student_t(varying=compute), the default where the law divides compute."
        ),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column whose labels say which runs share an error: curves."
        ),
    ] = None,
    likelihood_power: Annotated[
        str,
        typer.Option(
            help="Power of the likelihood: auto, chosen by predicting large runs from small; or a "
            "number, 1 if runs err independently about an exact law."
        ),
    ] = "auto",
    params: Column = None,
    tokens: Column = None,
    compute: Column = None,
    loss: Column = None,
    column: OtherColumns = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for posterior.nc, summary.csv and exponents.csv."),
    ] = None,
    prob: Prob = 0.9,
    seed: Seed = 0,
    chains: Annotated[int | None, typer.Option(help="Chains of nuts; 4.")] = None,
    draws: Annotated[
        int | None, typer.Option(help="Draws kept: 1000 of each chain; 4000 of laplace and grid.")
    ] = None,
    warmup: Annotated[
        int | None, typer.Option(help="Draws of each chain of nuts for adaptation; 300.")
    ] = None,
    target_accept: Annotated[
        float | None, typer.Option(help="Acceptance rate that nuts adapts to; 0.9.")
    ] = None,
    resamples: Annotated[int | None, typer.Option(help="Tables of the bootstrap; 1000.")] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Column whose values the bootstrap resamples, in place of rows."),
    ] = None,
) -> None:
    """Fit a scaling law and print its parameters and exponents with credible intervals.

    Exit status: 0; 2 if the input cannot be used; 3 if the fit failed its own checks.
    """
    check_interval(prob, "eti")
    columns = {"params": params, "tokens": tokens, "compute": compute, "loss": loss}
    runs = read_table(source, columns, column)
    if out is not None:
        _make_folder(out)
    given = {
        "chains": chains,
        "draws": draws,
        "warmup": warmup,
        "target_accept": target_accept,
        "resamples": resamples,
        "by": by,
    }
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    chosen = get_engine(engine, **options)
    if isinstance(chosen, Optimize):
        raise InputError(
            "Engine 'optimize' gives a point without an interval: use it in Python only."
        )
    with progress_bar() as bar:
        post = fit(
            runs,
            Model(law, noise, groups=groups),
            engine=chosen,
            likelihood_power=_likelihood_power(likelihood_power),
            seed=seed,
            progress=bar,
        )
    summary = post.summary(prob)
    exponents = _exponents(post, prob)
    _print(post, summary, exponents, prob)
    if out is not None:
        _write(out, post, summary, exponents)
    exit_if_failed(post.verdict)


def _exponents(post: Posterior, prob: float) -> pd.DataFrame | None:
    """Exponents of a law of size and tokens only; what keeps them from being found is no error."""
    if not post.law.allocates or len(post.law.inputs) > 2:
        return None
    try:
        return post.exponents().summary(prob)
    except InputError as error:
        warnings.warn(str(error), InputWarning, stacklevel=1)
        return None


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out} cannot be made a folder: {error}") from error


def _write(
    out: Path, post: Posterior, summary: pd.DataFrame, exponents: pd.DataFrame | None
) -> None:
    post.save(out / "posterior.nc")
    tables = {"summary.csv": summary}
    if exponents is not None:
        tables["exponents.csv"] = exponents
    for name, table in tables.items():
        with atomic_write(out / name) as path:
            table.assign(verdict=post.verdict.word).to_csv(path)
    console.print(f"Written to {out}: {', '.join(['posterior.nc', *tables])}.")


def _print(
    post: Posterior, summary: pd.DataFrame, exponents: pd.DataFrame | None, prob: float
) -> None:
    console.print(post.headline())
    console.print(f"\n{post.describe_priors()}")
    diagnostics = {"ess_bulk": ".0f", "ess_tail": ".0f", "r_hat": ".4f"}
    diagnostics = {name: how for name, how in diagnostics.items() if name in summary}
    print_table("parameter", summary, prob, {"mean": ".4g", "sd": ".2g"}, diagnostics)
    if exponents is not None:
        title = "N_opt ∝ C^a, D_opt ∝ C^b"
        print_table(title, exponents, prob, {"median": ".4g", "sd": ".2g"}, {})
    console.print(f"{say_interval(post, prob)}\n")
    print_verdict(post.verdict)


def _likelihood_power(text: str) -> Any:
    """Read a number where there is one; what is neither that nor auto is refused by fit."""
    try:
        return float(text)
    except ValueError:
        return text
