"""The command line."""

import os
import re
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import jax
import pandas as pd
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scalingbayes import datasets
from scalingbayes.comparison import Comparison, compare
from scalingbayes.errors import InputError, InputWarning, unknown
from scalingbayes.estimates import check_interval, interval_columns
from scalingbayes.fitting import fit
from scalingbayes.folds import as_folds
from scalingbayes.laws import catalogue, get_law
from scalingbayes.model import DEFAULT_LAW
from scalingbayes.noise import NOISES
from scalingbayes.posterior import Posterior
from scalingbayes.progress import progress_bar
from scalingbayes.runs import Runs, read_runs
from scalingbayes.storage import written_whole

UNUSABLE_INPUT = 2
FAILED_CHECKS = 3

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Bayesian neural scaling laws: posteriors, exponents and their credible intervals.",
)
console = Console(
    markup=False, highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 100
)
errors = Console(markup=False, stderr=True, soft_wrap=True, highlight=False)

Source = Annotated[
    str, typer.Argument(help="A CSV or Parquet file, or the name of a bundled data set.")
]
Column = Annotated[str | None, typer.Option(metavar="COLUMN", help="Its name in the table.")]
OtherColumns = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=COLUMN",
        help="What another column that the law needs is called; may be repeated.",
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of all that is random.")]


@app.callback()
def _commands() -> None:
    """Keep ``fit`` a subcommand."""


@app.command("fit")
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
            help=f"How runs scatter about it: {', '.join(NOISES)}, with options such as "
            "student_t(varying=compute), the default where the law divides compute."
        ),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column whose labels say which runs share an error: curves."
        ),
    ] = None,
    temperature: Annotated[
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
    prob: Annotated[float, typer.Option(help="Probability of the credible intervals.")] = 0.9,
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
    runs = _read(source, columns, column)
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
    if engine == "optimize":
        raise InputError("A point has no interval: engine 'optimize' is for Python only.")
    with progress_bar() as bar:
        post = fit(
            runs,
            law,
            noise=noise,
            groups=groups,
            temperature=_temperature(temperature),
            engine=engine,
            seed=seed,
            progress=bar,
            **options,
        )
    summary = post.summary(prob)
    exponents = _exponents(post, prob)
    _print(post, summary, exponents, prob)
    if out is not None:
        _write(out, post, summary, exponents)
    if not post.verdict.passed:
        raise typer.Exit(FAILED_CHECKS)


@app.command("compare")
def compare_command(
    source: Source,
    laws: Annotated[
        str, typer.Option(help="The scaling laws, by name, with commas between.")
    ] = "chinchilla,coupled",
    by: Annotated[
        str | None,
        typer.Option(
            help="What is held out together: a column's labels, the levels of `compute`, or the "
            "`largest` of these; each run alone by default."
        ),
    ] = None,
    engine: Annotated[str, typer.Option(help="nuts, laplace or grid.")] = "nuts",
    noise: Annotated[
        str | None, typer.Option(help=f"How runs scatter about a law: {', '.join(NOISES)}.")
    ] = None,
    params: Column = None,
    tokens: Column = None,
    compute: Column = None,
    loss: Column = None,
    column: OtherColumns = None,
    seed: Seed = 0,
) -> None:
    """Fit several scaling laws and say which predicts runs best that it has not seen.

    Exit status: 0; 2 if the input cannot be used; 3 if a fit failed its own checks.
    """
    columns = {"params": params, "tokens": tokens, "compute": compute, "loss": loss}
    runs = _read(source, columns, column)
    # Commas within parentheses separate a law's options.
    names = [name.strip() for name in re.split(r",(?![^(]*\))", laws)]
    if len(set(names)) < 2:
        raise InputError(f"--laws takes two laws or more, such as chinchilla,coupled; got {laws}.")
    if engine in ("optimize", "bootstrap"):
        raise InputError(f"Laws are compared by their posteriors: {engine!r} gives none.")
    for name in names:
        get_law(name)
    if by is not None:
        as_folds(by, runs)  # better known before the fits than after
    with progress_bar() as bar:
        posts = {name: fit(runs, name, noise=noise, engine=engine, seed=seed) for name in names}
        comparison = compare(posts, by, seed=seed, progress=bar)
    _print_comparison(comparison)
    if not comparison.checks.passed:
        raise typer.Exit(FAILED_CHECKS)


@app.command("laws")
def laws_command(
    name: Annotated[
        str | None, typer.Argument(help="One law, with its options: 'power_law(x=tokens)'.")
    ] = None,
) -> None:
    """List the scaling laws, or show one: its equation, inputs, parameters, priors and source."""
    if name is not None:
        console.print(repr(get_law(name)))
        return
    for each, row in catalogue().iterrows():
        options = f"\n    options  {row['options']}" if row["options"] else ""
        console.print(
            f"{each}: {row['equation']}\n    predicts {row['predicts']} from {row['inputs']}"
            f"{options}\n    source   {row['source']}\n"
        )


@app.command("datasets")
def datasets_command() -> None:
    """List the bundled data sets, each with its source and licence."""
    for name in datasets.names():
        typer.echo(f"{datasets.info(name)}\n")


def main() -> None:
    """Run the command line; input that cannot be used ends in one message and status 2."""
    _use_compilation_cache()
    _use_every_core()
    warnings.showwarning = _show_warning
    try:
        app()
    except InputError as error:
        errors.print(Text.assemble(("error", "red"), f": {error}"))
        sys.exit(UNUSABLE_INPUT)
    except OSError as error:
        errors.print(Text.assemble(("error", "red"), f": {error}"))
        sys.exit(1)


def _read(source: str, given: dict[str, str | None], others: list[str] | None) -> Runs:
    columns = {name: column for name, column in given.items() if column is not None}
    columns |= dict(_renaming(each) for each in others or ())
    if not Path(source).is_file() and source in datasets.names():
        runs = datasets.load(source)
        return Runs(runs.frame, name=runs.name, **columns) if columns else runs
    if not Path(source).exists():
        raise unknown("file or bundled data set", source, datasets.names())
    return read_runs(source, **columns)


def _exponents(post: Posterior, prob: float) -> pd.DataFrame | None:
    """Exponents of a law of size and tokens only; what keeps them from being found is no error."""
    if not post.law.allocates or len(post.law.inputs) > 2:
        return None
    try:
        return post.exponents().to_dataframe(prob)
    except InputError as error:
        warnings.warn(str(error), InputWarning, stacklevel=1)
        return None


def _renaming(text: str) -> tuple[str, str]:
    name, equals, column = text.partition("=")
    if not (name and equals and column):
        raise InputError(f"--column takes NAME=COLUMN, such as accuracy=acc_mmlu; got {text!r}.")
    return name, column


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
        with written_whole(out / name) as path:
            table.assign(verdict=post.verdict.word).to_csv(path)
    console.print(f"Written to {out}: {', '.join(['posterior.nc', *tables])}.")


def _print(
    post: Posterior, summary: pd.DataFrame, exponents: pd.DataFrame | None, prob: float
) -> None:
    console.print(post.headline())
    console.print(f"\n{post.describe_priors()}")
    diagnostics = {"ess_bulk": ".0f", "ess_tail": ".0f", "r_hat": ".4f"}
    diagnostics = {name: how for name, how in diagnostics.items() if name in summary}
    _print_table("parameter", summary, prob, {"mean": ".4g", "sd": ".2g"}, diagnostics)
    if exponents is not None:
        title = "N_opt ∝ C^a, D_opt ∝ C^b"
        _print_table(title, exponents, prob, {"median": ".4g", "sd": ".2g"}, {})
    kind = "confidence interval" if post.record["of"] == "bootstrap" else "credible interval"
    console.print(f"{100 * prob:g}% CI: equal-tailed {kind}.\n")
    console.print(str(post.verdict), style=None if post.verdict.passed else "bold red")


def _print_comparison(comparison: Comparison) -> None:
    formats = {"elpd": ".1f", "se": ".1f", "elpd_diff": ".1f", "dse": ".1f", "p": ".1f"}
    formats |= {"weight": ".2f"}
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column("law", no_wrap=True)
    for heading in formats:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, row in comparison.table.iterrows():
        table.add_row(str(name), *(format(row[each], how) for each, how in formats.items()))
    console.print(f"{len(comparison.table)} laws compared, {comparison.held_out}")
    console.print(table)
    console.print(f"{comparison.verdict}\n± and se: standard errors; elpd in nats.\n")
    passed = comparison.checks.passed
    console.print(str(comparison.checks), style=None if passed else "bold red")


def _print_table(
    title: str, frame: pd.DataFrame, prob: float, before: dict[str, str], after: dict[str, str]
) -> None:
    """Print columns, each with its number format, before and after the credible interval."""
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column(title, no_wrap=True)
    for heading in (*before, f"{100 * prob:g}% CI", *after):
        table.add_column(heading, justify="right", no_wrap=True)
    lower, upper = interval_columns(prob)
    for name, row in frame.iterrows():
        interval = f"{row[lower]:.4g} to {row[upper]:.4g}"
        cells = [format(row[column], how) for column, how in before.items()]
        cells += [interval, *(format(row[column], how) for column, how in after.items())]
        table.add_row(str(name), *cells)
    console.print(table)


def _use_compilation_cache() -> None:
    """Keep compiled programs between processes, where the caller has not said otherwise."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        jax.config.update("jax_compilation_cache_dir", str(Path(caches) / "scalingbayes"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _temperature(text: str) -> Any:
    """Read a number where there is one; what is neither that nor auto is refused by fit."""
    try:
        return float(text)
    except ValueError:
        return text


def _use_every_core() -> None:
    """Make a device of each core, if JAX runs on the CPU and the caller has not said otherwise."""
    if "XLA_FLAGS" not in os.environ and "JAX_NUM_CPU_DEVICES" not in os.environ:
        linux = hasattr(os, "sched_getaffinity")
        cores = len(os.sched_getaffinity(0)) if linux else os.cpu_count() or 1
        jax.config.update("jax_num_cpu_devices", cores)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    style = "yellow" if issubclass(category, InputWarning) else "dim"
    errors.print(Text.assemble(("warning", style), f": {message}"))
