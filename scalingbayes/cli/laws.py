"""``scalingbayes laws``."""

from typing import Annotated

import typer

import scalingbayes as sb
from scalingbayes.cli.json_output import document, rows
from scalingbayes.cli.printing import print_text


def laws_command(
    name: Annotated[
        str | None,
        typer.Argument(help="One law, with options if it has any: 'power_law(x=tokens)'."),
    ] = None,
) -> None:
    """List the scaling laws, or show one: equation, inputs, parameters, priors and source."""
    found = document()
    if name is not None:
        law = sb.get_law(name)
        if found is None:
            print_text(repr(law))
            return
        priors = {each: p.describe_prior(each) for each, p in law.parameters.items()}
        inputs = {each: x.description for each, x in law.inputs.items()}
        found.add(name=law.name, equation=law.equation, source=law.source)
        found.add(predicts=law.target.column, inputs=inputs, priors=priors)
        return
    table = sb.list_laws()
    if found is not None:
        found.add(laws=rows(table))
        return
    for each, row in table.iterrows():
        options = f"\n    options  {row['options']}" if row["options"] else ""
        print_text(
            f"{each}: {row['equation']}\n    predicts {row['predicts']} from {row['inputs']}"
            f"{options}\n    source   {row['source']}\n"
        )
