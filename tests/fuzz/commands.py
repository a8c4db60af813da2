"""Runs of every command of the shell."""

import sys
import warnings
from dataclasses import dataclass
from random import Random

import click
from typer.main import get_command

from scalingbayes import cli

ODD = (
    "", "abc", "-1", "0", "nan", "inf", "-inf", "1e400", "1e-320", "1e300", "9" * 30, "9" * 5000,
    "1e21", "0.5", "a=b", "=", "x=", "=1", "self=loss", "path=loss", "seed=1", "compute=1", "-",
    "power_law(x='')", "laplace(draws=-1)", "laplace(", "a/" * 2100, "a" * 5000, "é∝\u202e", "/",
    "/dev/null", ".", "../..", "[red]x[/red]", "<b>", "\x1b[31m", "1,2", "70B", "1e9e9", "--",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A command line, without the name of the program."""

    arguments: tuple[str, ...]
    is_refused: bool

    def __str__(self) -> str:
        return " ".join(each if len(each) < 60 else f"{each[:57]}..." for each in self.arguments)


def all_commands() -> dict[str, click.Command]:
    return get_command(cli.app).commands


def make_run(name: str, command: click.Command, random: Random, saved: str, table: str) -> Run:
    """Return a command line with an odd value. A command that would fit a table gets no table."""
    options = [each for each in command.params if isinstance(each, click.Option)]
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    fits = any(each.metavar is None for each in arguments)
    line = [name]
    for each in arguments:
        usual = "missing.csv" if fits else saved
        if each.required or fits or random.random() < 0.3:
            line.append(random.choice(ODD) if random.random() < 0.3 else usual)
    for each in options:
        if each.name in ("help", "out", "clear") or each.opts[0] in ("--out", "--html"):
            continue
        if each.required or random.random() < 1.5 / len(options):
            line.append(each.opts[0])
            if not each.is_flag:
                usual = "1e21" if each.name in ("compute", "budget") else "1"
                line.append(random.choice(ODD) if random.random() < 0.5 else usual)
    return Run(tuple(line), fits)


def run_command(run: Run) -> str | None:
    """Run a command in this process, and return what is wrong with how it ended."""
    shown, argv, streams = warnings.showwarning, sys.argv, (sys.stdout, sys.stderr)
    sys.argv = ["scalingbayes", *run.arguments]
    try:
        cli.main()
    except SystemExit as ended:
        return None if ended.code in (0, 1, 2, 3, None) else f"status {ended.code}"
    finally:
        sys.argv, warnings.showwarning = argv, shown
        sys.stdout, sys.stderr = streams
    return "no exit status"
