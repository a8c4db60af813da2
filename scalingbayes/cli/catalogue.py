"""``scalingbayes laws`` and ``scalingbayes datasets``."""

from typing import Annotated

import typer

from scalingbayes import datasets
from scalingbayes.cli.printing import console
from scalingbayes.laws import catalogue, get_law


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


def datasets_command() -> None:
    """List the bundled data sets, each with its source and licence."""
    for name in datasets.names():
        typer.echo(f"{datasets.info(name)}\n")
