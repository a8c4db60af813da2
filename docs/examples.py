"""Run the Python blocks of the documentation, and write what each prints into its page.

    python docs/examples.py                # all pages
    python docs/examples.py docs/start.md  # one page

The blocks of a page run in order, in one namespace and in a folder that holds ``runs.csv``. A block
of text below a Python block is what it prints; a picture below it is the figure that it draws. A
block below the comment ``<!-- not run -->`` needs something that is not at hand, and is only read.
"""

import ast
import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NOT_RUN = "<!-- not run -->\n"
BLOCK = re.compile(
    rf"^(?P<skip>{NOT_RUN})?```python\n(?P<code>.*?)^```\n"
    r"(?:\n```text\n(?P<text>.*?)^```\n|\n!\[[^\]]*\]\((?P<picture>[^)]*)\))?",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A Python block of a page, with the text or the picture below it."""

    match: re.Match[str]

    @property
    def code(self) -> str:
        """The Python of the block."""
        return self.match["code"]

    @property
    def runs(self) -> bool:
        """Whether the block can be run."""
        return not self.match["skip"]

    @property
    def text(self) -> str | None:
        """What the page says that the block prints, if it does."""
        return self.match["text"]


def pages() -> list[Path]:
    """Return the README and the pages of the site."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """Return the Python blocks of a page."""
    return [Block(match) for match in BLOCK.finditer(page.read_text("utf-8"))]


def run(page: Path, draw: bool = False) -> Iterator[tuple[Block, str]]:
    """Run the blocks of a page in order; yield each with what it printed.

    Parameters
    ----------
    page
        The page.
    draw
        Whether to write the figures into the pictures below the blocks.
    """
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    import scalingbayes as sb

    mpl.use("agg")
    names: dict[str, Any] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        sb.datasets.load("chinchilla").frame.to_csv("runs.csv", index=False)
        for block in blocks(page):
            if block.runs:
                yield block, printed_by(block.code, names)
                if draw and block.match["picture"]:
                    save_figure(plt.gcf(), page.parent / block.match["picture"])
                plt.close("all")


def printed_by(code: str, names: dict[str, Any]) -> str:
    """Run the code as the cell of a notebook; return what it printed, and its last value."""
    body = ast.parse(code).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(ast.Module(body, []), "<page>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<page>", "eval"), names)
            if value is not None:
                print(value if isinstance(value, str) else repr(value))
    return "\n".join(line.rstrip() for line in out.getvalue().strip("\n").split("\n")) + "\n"


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure as a PNG of few colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=130, bbox_inches="tight", facecolor="white")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(with_few_colors(buffer.getvalue()))


def with_few_colors(picture: bytes) -> bytes:
    """Return a PNG with 128 colours, which takes a third of the bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(128)
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def write(page: Path) -> None:
    """Run the blocks of a page, and write the texts and the pictures below them."""
    source = page.read_text("utf-8")
    for block, text in reversed(list(run(page, draw=True))):
        if block.text is not None:
            start, end = block.match.span("text")
            source = source[:start] + text + source[end:]
    page.write_text(source, "utf-8")


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "100")
    for chosen in [Path(name).resolve() for name in sys.argv[1:]] or pages():
        print(chosen)
        write(chosen)
