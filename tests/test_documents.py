"""The code of the documentation: names and options exist, blocks run and print what pages say."""

import ast
import inspect
import re
import shlex
import warnings
from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import Path

import examples
import numpy as np
import pytest
from typer.main import get_command

import scalingbayes as sb
from scalingbayes.cli import app

PAGES = examples.pages()
DOCS = Path(examples.__file__).parent
OBJECTS = {"sb": sb, "post": sb.Posterior, "runs": sb.Runs}  # what pages call by these names
SHELL = re.compile(r"^```(?:sh|console)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"([-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?)([MBT]?)\b")
MULTIPLE = {"": 1.0, "M": 1e6, "B": 1e9, "T": 1e12}
NEAR = 0.3  # relative, for draws of another machine
MOST = 0.7  # share of words and numbers: a remark, or the end of an interval near 0, may differ


def named(page: Path) -> str:
    return page.name


def find(node: ast.expr) -> object:
    """Return what an expression such as ``sb.fit`` names; None if it is of a variable."""
    if isinstance(node, ast.Name):
        return OBJECTS.get(node.id)
    if isinstance(node, ast.Attribute) and (owner := find(node.value)) is not None:
        fields = getattr(owner, "__annotations__", {})
        assert hasattr(owner, node.attr) or node.attr in fields, f"no {ast.unparse(node)}"
        found = getattr(owner, node.attr, None)
        return None if isinstance(found, property | cached_property) else found
    return None


def check_call(call: ast.Call) -> None:
    """Assert that the keywords of a call are parameters of what it calls."""
    function = find(call.func)
    if callable(function):
        known = inspect.signature(function).parameters
        if all(each.kind is not each.VAR_KEYWORD for each in known.values()):
            given = {keyword.arg for keyword in call.keywords if keyword.arg}
            assert given <= set(known), f"{ast.unparse(call)}: {given - set(known)}"


def commands(page: Path) -> Iterator[list[str]]:
    for block in SHELL.findall(page.read_text("utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            _, found, arguments = line.rpartition("scalingbayes ")
            if found and not line.lstrip().startswith("#"):
                yield shlex.split(arguments, comments=True)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_names_and_parameters_in_python_exist(page: Path):
    for block in examples.blocks(page):
        for node in ast.walk(ast.parse(block.code)):
            if isinstance(node, ast.Call):
                check_call(node)
            elif isinstance(node, ast.Attribute):
                find(node)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_and_options_exist(page: Path):
    known = get_command(app).commands
    for name, *arguments in commands(page):
        if name in {"--help", "--version"}:
            continue
        options = {option for each in known[name].params for option in each.opts}
        given = {each.partition("=")[0] for each in arguments if each.startswith("--")}
        assert given <= options | {"--help"}, f"{name}: {given - options}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_rows_of_tables_have_all_cells(page: Path):
    cells: list[int] = []
    for line in page.read_text("utf-8").splitlines():
        if not line.startswith("|"):
            cells = []
            continue
        cells.append(len(re.findall(r"(?<!\\)\|", line)))
        assert cells[-1] == cells[0], line


def test_every_public_name_is_in_the_reference():
    reference = "".join(page.read_text("utf-8") for page in (DOCS / "reference").glob("*.md"))
    listed = set(re.findall(r"^ {3}([\w.]+)$", reference, re.MULTILINE))
    names = {name for name in sb.__all__ if callable(getattr(sb, name))}
    names |= set(sb.plots.__all__) - {"KINDS"}
    assert not names - listed


def test_every_figure_is_in_the_gallery():
    gallery = (DOCS / "gallery.md").read_text("utf-8")
    pictures = {Path(each).stem for each in re.findall(r"\((figures/\S+)\)", gallery)}
    figures = {name.removeprefix("plot_") for name in sb.plots.__all__ if name.islower()}
    assert figures == pictures


def comparable(text: str) -> tuple[list[str], list[float]]:
    """Return the words of a text, and its numbers."""
    found = NUMBER.findall(text)
    numbers = [float(each.replace(",", "")) * MULTIPLE[unit] for each, unit in found]
    return NUMBER.sub("", text).split(), numbers


def assert_alike(printed: str, page: str) -> None:
    """Assert that most words are the same, and most numbers near: draws differ by machine."""
    words, numbers = comparable(page)
    words_now, numbers_now = comparable(printed)
    assert SequenceMatcher(None, words_now, words, autojunk=False).ratio() >= MOST, printed
    if numbers and len(numbers_now) == len(numbers):
        assert np.isclose(numbers_now, numbers, rtol=NEAR).mean() >= MOST, printed


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if examples.blocks(p)], ids=named)
def test_blocks_print_what_pages_say(page: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block, printed in examples.run(page):
            if block.text:
                assert_alike(printed, block.text)
