"""Write docs/papers.md: each published number beside ours, and why where they differ.

    python benchmarks/papers.py                          # print the table
    python benchmarks/papers.py --only allocation        # the entries of one subject
    python benchmarks/papers.py --write docs/papers.md

The numbers are entries in ``paper_entries/``, one module a subject. The exit status is 1 if a
number differs and its entry does not say why.
"""

from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer
from paper_entries import Entry, Ours, subjects

import scalingbayes as sb

HEADER = """\
# From the papers

Written by `python benchmarks/papers.py --write docs/papers.md`. Each published number is beside the
number that this package computes for the same quantity. *yes*: ours rounds to the published number,
or our 90 % interval contains it. Where they differ, the note says why.
"""
COLUMNS = ("paper", "quantity", "published", "ours", "agrees")


def as_text(ours: Ours) -> str:
    if isinstance(ours, tuple):
        return "{:.4g} ({:.4g} to {:.4g})".format(*ours)
    return f"{ours:.4g}"


def as_row(entry: Entry, notes: list[str]) -> str:
    """Return the row of an entry, and append its note to the notes."""
    mark = ""
    if text := " ".join(part for part in (entry.differs, entry.note) if part):
        if text not in notes:
            notes.append(text)
        mark = f" [{notes.index(text) + 1}]"
    published = entry.published + (f" ({entry.interval})" if entry.interval else "")
    ours = as_text(entry.ours) + (f", `{entry.call}`" if entry.call else "")
    agrees = "yes" if entry.agrees else "no"
    cells = (f"{entry.paper}, {entry.where}", entry.quantity, published, ours, agrees + mark)
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def as_section(subject: ModuleType) -> str:
    """Return a subject's heading, table and notes as Markdown."""
    title = (subject.__doc__ or "").splitlines()[0].rstrip(".")
    notes: list[str] = []
    rows = [as_row(entry, notes) for entry in subject.ENTRIES]
    lines = [f"## {title}", "", "| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    lines += rows
    lines += [f"\n[{place}] {note}" for place, note in enumerate(notes, start=1)]
    return "\n".join(lines) + "\n"


def constants() -> str:
    """Return the table of published constants as Markdown."""
    lines = [
        "## Constants as posteriors",
        "",
        "`sb.published(name)` returns the constants of a paper as a posterior, which allocates,",
        "plans and predicts as any other. All draws are equal if the paper publishes no errors.",
        "",
        "| name | law | paper | where | errors |",
        "|---|---|---|---|---|",
    ]
    for name, row in sb.list_published().iterrows():
        errors = "published" if row["errors"] else ""
        cells = (f"`{name}`", f"`{row['law']}`", row["paper"], row["where"], errors)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(
    only: Annotated[str | None, typer.Option(help="Only the subject of this name.")] = None,
    write: Annotated[Path | None, typer.Option(help="Write the page as Markdown.")] = None,
) -> None:
    """Print or write the table."""
    asked = [each for each in subjects() if only in (None, each.__name__.rpartition(".")[2])]
    page = "\n".join([HEADER, *map(as_section, asked), constants()])
    if write is None:
        print(page)
    else:
        write.write_text(page, encoding="utf-8")
    unexplained = [
        entry for each in asked for entry in each.ENTRIES if entry.agrees == bool(entry.differs)
    ]
    for entry in unexplained:
        should = "drop `differs`" if entry.agrees else "say why in `differs`"
        print(f"{entry.paper}, {entry.quantity}: {as_text(entry.ours)}; {should}.")
    if unexplained:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
