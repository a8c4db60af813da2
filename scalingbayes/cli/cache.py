"""``scalingbayes cache``."""

import os
import subprocess
import sys
from typing import Annotated

import typer

import scalingbayes as sb
from scalingbayes._core.errors import InputError
from scalingbayes.cli.json_output import document
from scalingbayes.cli.printing import print_text

_MEGABYTE = 1e6
_WARMED_RUNS = (64, 96, 128, 192, 256, 384)  # tables of other sizes are padded to these


def cache_command(
    action: Annotated[
        str,
        typer.Argument(
            metavar="[show|clear|warm]",
            help="show: where the programs are, and their size; clear: delete them; warm: compile "
            "the programs of the default fit, for tables of up to 384 runs.",
        ),
    ] = "show",
) -> None:
    """Show, delete or make the compiled programs that new processes load.

    The first fit of a kind compiles programs, which takes most of its time. They are kept in a
    folder of your own. The environment variable SCALINGBAYES_CACHE names another folder, or is
    "off".
    """
    if action not in ("show", "clear", "warm"):
        raise InputError(f"The action must be show, clear or warm; got {action!r}.")
    from scalingbayes._core.programs.store import VARIABLE, open_store

    store = open_store()
    if store is None:
        if (found := document()) is not None:
            found.add(folder=None)
        print_text(f"Compiled programs are not kept: {VARIABLE} is off, or has no usable folder.")
        return
    if action == "clear":
        deleted = store.clear()
        if (found := document()) is not None:
            found.add(folder=store.folder, deleted=deleted)
        print_text(f"Deleted {deleted} programs in {store.folder}.")
        return
    if action == "warm":
        _warm()
    count, size = len(store.programs()), store.size() / _MEGABYTE
    if (found := document()) is not None:
        found.add(folder=store.folder, programs=count, megabytes=size)
        return
    print_text(f"{count} programs, {size:.1f} MB, in {store.folder}.")


def _warm() -> None:
    """Compile the programs of the default fit, for the command line and for Python.

    The command line makes a device of each CPU core; Python has one device, unless it is told
    otherwise.
    """
    for devices in sorted({"1", os.environ.get("JAX_NUM_CPU_DEVICES", "1")}):
        command = [
            sys.executable,
            "-c",
            "from scalingbayes.cli.cache import fit_tables; fit_tables()",
        ]
        done = subprocess.run(command, env={**os.environ, "JAX_NUM_CPU_DEVICES": devices})
        if done.returncode:
            raise typer.Exit(done.returncode)


def fit_tables() -> None:
    """Fit simulated tables of each padded length by default."""
    import numpy as np

    from scalingbayes._core.progress import report_progress

    random = np.random.default_rng(0)
    count = len(_WARMED_RUNS)
    with report_progress(None) as report:
        for place, runs in enumerate(_WARMED_RUNS):
            params = np.exp(random.uniform(np.log(1e7), np.log(1e10), runs))
            tokens = np.exp(random.uniform(np.log(1e8), np.log(1e11), runs))
            loss = 1.7 + 400 / params**0.34 + 410 / tokens**0.28
            loss *= np.exp(random.normal(0, 0.01, runs))
            part = report.part(place / count, (place + 1) / count, f"tables of {runs} runs")
            sb.fit({"params": params, "tokens": tokens, "loss": loss}, progress=part)
