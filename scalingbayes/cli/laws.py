"""``scalingbayes laws``."""

from typing import Annotated

import typer

from scalingbayes.cli.printing import console
from scalingbayes.laws import get_law, list_laws


def laws_command(
    name: Annotated[
        str | None,
        typer.Argument(help="One law, with options if it has any: 'power_law(x=tokens)'."),
    ] = None,
) -> None:
    """List the scaling laws, or show one: equation, inputs, parameters, priors and source."""
    if name is not None:
        console.print(repr(get_law(name)))
        return
    for each, row in list_laws().iterrows():
        options = f"\n    options  {row['options']}" if row["options"] else ""
        console.print(
            f"{each}: {row['equation']}\n    predicts {row['predicts']} from {row['inputs']}"
            f"{options}\n    source   {row['source']}\n"
        )
