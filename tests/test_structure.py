"""Limits that no linter checks: lengths of files and functions, and imports of private names."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "scalingbayes").rglob("*.py"))
FILES = [
    *PACKAGE,
    *sorted((ROOT / "tests").glob("*.py")),
    *sorted((ROOT / "benchmarks").rglob("*.py")),
]
MAX_LINES_OF_FILE = 400
MAX_LINES_OF_FUNCTION = 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def lines_of(function: Function) -> int:
    """Return the number of lines from ``def`` to the end, without the docstring."""
    lines = function.end_lineno - function.lineno + 1  # type: ignore[operator]
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= first.end_lineno - first.lineno + 1  # type: ignore[operator]
    return lines


def private_imports(tree: ast.Module) -> Iterator[str]:
    """Yield the names with a leading underscore that ``tree`` takes from other modules."""
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            modules.update(name.asname or name.name for name in node.names)
            yield from (name.name for name in node.names if is_private(name.name))
        elif isinstance(node, ast.Import):
            modules.update(name.asname or name.name.partition(".")[0] for name in node.names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            owner = node.value
            if isinstance(owner, ast.Name) and owner.id in modules:
                yield f"{owner.id}.{node.attr}"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_core"


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def trees() -> Iterator[tuple[str, ast.Module]]:
    return ((name_of(path), ast.parse(path.read_text("utf-8"))) for path in PACKAGE)


def test_files_are_short():
    lines = {name_of(path): path.read_text("utf-8").count("\n") for path in FILES}
    long = {name for name, count in lines.items() if count > MAX_LINES_OF_FILE}
    assert not long


def test_functions_are_short():
    long = {
        f"{name}::{function.name}"
        for name, tree in trees()
        for function in functions(tree)
        if lines_of(function) > MAX_LINES_OF_FUNCTION
    }
    assert not long


def test_no_private_name_is_imported():
    assert not [f"{name}: {private}" for name, tree in trees() for private in private_imports(tree)]


def test_the_checks_find_what_they_look_for():
    body = "\n".join("    x = 1" for _ in range(MAX_LINES_OF_FUNCTION))
    (long,) = functions(ast.parse(f'def f():\n    """Two\n    lines."""\n{body}\n'))
    assert lines_of(long) == MAX_LINES_OF_FUNCTION + 1
    source = "from a._core import f, _g as g\nimport b as c\nc._h, g.x, self._y"
    assert list(private_imports(ast.parse(source))) == ["_g", "c._h"]
