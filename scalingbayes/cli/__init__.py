"""The command line: one module a command.

The commands share ``table_options`` (tables of runs), ``saved`` (saved posteriors), ``options``,
``budgets``, ``printing`` and ``json_output``. Help is printed without importing JAX or pandas: the
modules take public names from ``scalingbayes`` when they are used, and import other names within
functions.
"""

import gc
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Annotated

import typer

import scalingbayes as sb
from scalingbayes._core.errors import InputError
from scalingbayes.cli.allocate import allocate_command
from scalingbayes.cli.approaches import approaches_command
from scalingbayes.cli.backtest import backtest_command
from scalingbayes.cli.cache import cache_command
from scalingbayes.cli.cheapest_run import cheapest_run_command
from scalingbayes.cli.check import check_command
from scalingbayes.cli.compare import compare_command
from scalingbayes.cli.compute_gain import compute_gain_command
from scalingbayes.cli.data_exhaustion import data_exhaustion_command
from scalingbayes.cli.datasets import datasets_command
from scalingbayes.cli.fit import fit_command
from scalingbayes.cli.frontier_gap import frontier_gap_command
from scalingbayes.cli.json_output import with_json
from scalingbayes.cli.laws import laws_command
from scalingbayes.cli.papers import papers_command
from scalingbayes.cli.plot import plot_command
from scalingbayes.cli.predict import predict_command
from scalingbayes.cli.printing import print_error, print_text, show_warning
from scalingbayes.cli.report import report_command
from scalingbayes.cli.show import show_command
from scalingbayes.cli.streams import discard_output, open_streams

FAILED_FILE = 1
"""Exit status if a file cannot be read or written."""

UNUSABLE_INPUT = 2
"""Exit status if the input cannot be used."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Fit neural scaling laws to training runs, and plan training from the posterior.",
)

_COMMANDS: dict[str, Callable[..., None]] = {
    "fit": fit_command,
    "show": show_command,
    "allocate": allocate_command,
    "cheapest-run": cheapest_run_command,
    "predict": predict_command,
    "plot": plot_command,
    "report": report_command,
    "check": check_command,
    "backtest": backtest_command,
    "compare": compare_command,
    "approaches": approaches_command,
    "compute-gain": compute_gain_command,
    "frontier-gap": frontier_gap_command,
    "data-exhaustion": data_exhaustion_command,
    "laws": laws_command,
    "papers": papers_command,
    "datasets": datasets_command,
    "cache": cache_command,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(with_json(_name, _command))


def _print_version(asked: bool) -> None:
    if asked:
        print_text(f"scalingbayes {sb.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line.

    The exit status is 0; 1 if a file cannot be read or written; 2 if the input cannot be used; 3
    if a fit failed its checks. Each error is a single message.
    """
    # Imports and tracing make many objects and few cycles; the collector took a tenth of a fit.
    gc.set_threshold(10_000, 20, 100)
    _configure_jax()
    open_streams()
    warnings.showwarning = show_warning
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # at the exit, Python would report a full disk in its own way
    except InputError as error:
        print_error(error)
        sys.exit(UNUSABLE_INPUT)
    except BrokenPipeError:  # the reader, such as `head`, has read enough
        discard_output()
        sys.exit(FAILED_FILE)
    except OSError as error:
        discard_output()
        print_error(error)
        sys.exit(FAILED_FILE)
    except (RuntimeError, AssertionError) as error:  # JAX asserts that CUDA has a device
        if (unusable := _describe_platform(error)) is None:
            raise
        print_error(unusable)
        sys.exit(UNUSABLE_INPUT)


def _describe_platform(error: Exception) -> InputError | None:
    """Return the error for a platform that JAX cannot start; None if this is another error."""
    platforms = os.environ.get("JAX_PLATFORMS")
    raised_in = traceback.extract_tb(error.__traceback__)[-1].filename
    if not platforms or "xla_bridge" not in raised_in:
        return None
    first = str(error).partition("\n")[0] or "it has no device."
    return InputError(
        f"JAX cannot start the platform of JAX_PLATFORMS={platforms!r}: {first} Unset the "
        f"variable, or set it to cpu."
    )


def _configure_jax() -> None:
    """Make one device of each CPU core, unless the caller has set the number of devices.

    JAX reads the variable when a command imports it.
    """
    if "XLA_FLAGS" not in os.environ and "JAX_NUM_CPU_DEVICES" not in os.environ:
        linux = hasattr(os, "sched_getaffinity")
        cores = len(os.sched_getaffinity(0)) if linux else os.cpu_count() or 1
        os.environ["JAX_NUM_CPU_DEVICES"] = str(cores)
