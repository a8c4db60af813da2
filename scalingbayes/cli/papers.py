"""``scalingbayes papers``."""

import scalingbayes as sb
from scalingbayes.cli.json_output import document, rows
from scalingbayes.cli.printing import print_text


def papers_command() -> None:
    """List the published constants: name, law, paper, and whether errors were published."""
    table = sb.list_published()
    if (found := document()) is not None:
        found.add(papers=rows(table))
        return
    for name, row in table.iterrows():
        errors = "with published errors" if row["errors"] else "no errors published"
        print_text(f"{name}: {row['law']}, {errors}\n    {row['paper']}, {row['where']}\n")
