"""The command line: one module a command.

The commands share ``options`` (tables of runs), ``saved`` (saved posteriors), ``budgets`` and
``printing``.
"""

import os
import sys
import warnings
from pathlib import Path

import jax
import typer

from scalingbayes._core.errors import InputError
from scalingbayes.cli.allocate import allocate_command
from scalingbayes.cli.approaches import approaches_command
from scalingbayes.cli.compare import compare_command
from scalingbayes.cli.data_exhaustion import data_exhaustion_command
from scalingbayes.cli.datasets import datasets_command
from scalingbayes.cli.fit import fit_command
from scalingbayes.cli.frontier_gap import frontier_gap_command
from scalingbayes.cli.laws import laws_command
from scalingbayes.cli.predict import predict_command
from scalingbayes.cli.printing import print_error, show_warning

FAILED_FILE = 1
"""Exit status if a file cannot be read or written."""

UNUSABLE_INPUT = 2
"""Exit status if the input cannot be used."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Fit neural scaling laws to training runs, and plan training from the posterior.",
)
app.command("fit")(fit_command)
app.command("compare")(compare_command)
app.command("approaches")(approaches_command)
app.command("predict")(predict_command)
app.command("allocate")(allocate_command)
app.command("frontier-gap")(frontier_gap_command)
app.command("data-exhaustion")(data_exhaustion_command)
app.command("laws")(laws_command)
app.command("datasets")(datasets_command)


def main() -> None:
    """Run the command line.

    The exit status is 0; 1 if a file cannot be read or written; 2 if the input cannot be used; 3
    if a fit failed its checks. Each error is a single message.
    """
    _use_compilation_cache()
    _use_every_core()
    warnings.showwarning = show_warning
    try:
        app()
    except InputError as error:
        print_error(error)
        sys.exit(UNUSABLE_INPUT)
    except OSError as error:
        print_error(error)
        sys.exit(FAILED_FILE)


def _use_compilation_cache() -> None:
    """Cache compiled programs on disk, unless the caller has set a cache."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        jax.config.update("jax_compilation_cache_dir", str(Path(caches) / "scalingbayes"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _use_every_core() -> None:
    """Make one JAX device of each CPU core, unless the caller has set the number of devices."""
    if "XLA_FLAGS" not in os.environ and "JAX_NUM_CPU_DEVICES" not in os.environ:
        linux = hasattr(os, "sched_getaffinity")
        cores = len(os.sched_getaffinity(0)) if linux else os.cpu_count() or 1
        jax.config.update("jax_num_cpu_devices", cores)
