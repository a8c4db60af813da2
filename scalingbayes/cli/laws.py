"""``scalingbayes laws``."""

from typing import Annotated

import typer

import scalingbayes as sb
from scalingbayes.cli.printing import print_text


def laws_command(
    name: Annotated[
        str | None,
        typer.Argument(help="One law, with options if it has any: 'power_law(x=tokens)'."),
    ] = None,
) -> None:
    """List the scaling laws, or show one: equation, inputs, parameters, priors and source."""
    if name is not None:
        print_text(repr(sb.get_law(name)))
        return
    for each, row in sb.list_laws().iterrows():
        options = f"\n    options  {row['options']}" if row["options"] else ""
        print_text(
            f"{each}: {row['equation']}\n    predicts {row['predicts']} from {row['inputs']}"
            f"{options}\n    source   {row['source']}\n"
        )
