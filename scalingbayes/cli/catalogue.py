"""``scalingbayes laws`` and ``scalingbayes datasets``."""

from typing import Annotated

import typer

from scalingbayes.cli.printing import console
from scalingbayes.data import datasets
from scalingbayes.laws import get_law, list_laws


def laws_command(
    name: Annotated[
        str | None, typer.Argument(help="One law, with its options: 'power_law(x=tokens)'.")
    ] = None,
) -> None:
    """List the scaling laws, or show one: its equation, inputs, parameters, priors and source."""
    if name is not None:
        console.print(repr(get_law(name)))
        return
    for each, row in list_laws().iterrows():
        options = f"\n    options  {row['options']}" if row["options"] else ""
        console.print(
            f"{each}: {row['equation']}\n    predicts {row['predicts']} from {row['inputs']}"
            f"{options}\n    source   {row['source']}\n"
        )


def datasets_command() -> None:
    """List the bundled data sets, each with its source and licence."""
    for name in datasets.names():
        typer.echo(f"{datasets.info(name)}\n")
