"""The command line: a file a command, and what they share in ``options`` and ``printing``."""

import os
import sys
import warnings
from pathlib import Path

import jax
import typer

from scalingbayes._core.errors import InputError
from scalingbayes.cli.allocate import allocate_command
from scalingbayes.cli.approaches import approaches_command
from scalingbayes.cli.catalogue import datasets_command, laws_command
from scalingbayes.cli.compare import compare_command
from scalingbayes.cli.data_exhaustion import data_exhaustion_command
from scalingbayes.cli.fit import fit_command
from scalingbayes.cli.frontier_gap import frontier_gap_command
from scalingbayes.cli.predict import predict_command
from scalingbayes.cli.printing import print_error, show_warning

UNUSABLE_INPUT = 2

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Bayesian neural scaling laws: posteriors, exponents and their credible intervals.",
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
    """Run the command line; input that cannot be used ends in one message and status 2."""
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
        sys.exit(1)


def _use_compilation_cache() -> None:
    """Keep compiled programs between processes, where the caller has not said otherwise."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        jax.config.update("jax_compilation_cache_dir", str(Path(caches) / "scalingbayes"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _use_every_core() -> None:
    """Make a device of each core, if JAX runs on the CPU and the caller has not said otherwise."""
    if "XLA_FLAGS" not in os.environ and "JAX_NUM_CPU_DEVICES" not in os.environ:
        linux = hasattr(os, "sched_getaffinity")
        cores = len(os.sched_getaffinity(0)) if linux else os.cpu_count() or 1
        jax.config.update("jax_num_cpu_devices", cores)
