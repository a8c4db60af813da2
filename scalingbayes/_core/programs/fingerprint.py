"""Fingerprints: digests that are equal in two processes if the same program would be compiled."""

import functools
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache, singledispatch
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, NoneType
from typing import Any

import jax
import numpy as np

_PACKAGES = ("jax", "jaxlib", "numpy", "numpyro", "optax")
_STANDARD = ("builtins", "functools", "math", "operator", "_operator")
_TRUSTED = {*_PACKAGES, *_STANDARD, "scalingbayes"}
_ROOT = Path(__file__).parents[2]
# JAX's settings that cannot change a program, or that differ between processes.
_IRRELEVANT = (
    "cache",
    "dump",
    "jax_log_",
    "logging",
    "pprint",
    "traceback",
    "tracer",
    "transfer_guard",
)


class NoFingerprintError(Exception):
    """A program depends on something that has no digest, such as code outside the package."""


def digest(*values: Any) -> str:
    """Return the digest of values: numbers, texts, containers, functions, and objects of these.

    A function's digest is of its module, its name, its line, its bytecode, and the values that it
    closes over. The rest of the source, and the libraries, are in :func:`surroundings`.

    Raises
    ------
    NoFingerprintError
        If a function or a class is defined outside the package and its libraries, or if a value
        has no digest.
    """
    hashed = hashlib.sha256()
    for part in _parts(values, ()):
        hashed.update(part.encode() + b"\0")
    return hashed.hexdigest()


def structure(tree: jax.tree_util.PyTreeDef) -> tuple[Any, ...]:
    """Return the structure of a pytree as nested tuples, which have a digest."""
    node = tree.node_data()
    return node, tuple(structure(child) for child in tree.children())


def _parts(value: Any, above: tuple[int, ...]) -> Iterable[str]:
    """Yield texts that describe a value; ``above`` holds the objects that contain it."""
    if id(value) in above:
        yield f"repeated:{above.index(id(value))}"
        return
    text, inner = _describe(value)
    yield f"{text}:{len(inner)}"
    for each in inner:
        yield from _parts(each, (*above, id(value)))


@singledispatch
def _describe(value: Any) -> tuple[str, Sequence[Any]]:
    """Return a text that describes a value, and the values that the value consists of."""
    kind = _name(type(value), type(value).__module__)
    if hasattr(value, "__wrapped__"):  # a function that a library has compiled, or caches
        return f"wrapper:{kind}", (value.__wrapped__,)
    if not hasattr(value, "__dict__"):
        raise NoFingerprintError(kind)
    return f"object:{kind}", sorted(vars(value).items())


@_describe.register
def _(value: bool | int | float | complex | str | bytes | None) -> tuple[str, Sequence[Any]]:
    return f"{type(value).__name__}:{value!r}", ()


@_describe.register
def _(value: np.ndarray | np.generic | jax.Array) -> tuple[str, Sequence[Any]]:
    if not isinstance(value.dtype, np.dtype) or value.dtype.hasobject:  # a random key, objects
        raise NoFingerprintError(str(value.dtype))
    array = np.asarray(value)
    return f"array:{array.dtype}:{array.shape}:{array.tobytes().hex()}", ()


@_describe.register
def _(value: type) -> tuple[str, Sequence[Any]]:
    return f"type:{_name(value, value.__module__)}", ()


@_describe.register
def _(value: BuiltinFunctionType | np.ufunc) -> tuple[str, Sequence[Any]]:
    if not isinstance(getattr(value, "__self__", None), ModuleType | NoneType):
        raise NoFingerprintError(str(value))  # a method of an object
    module = getattr(value, "__module__", None) or "numpy"
    return f"builtin:{module}.{value.__name__}", ()


@_describe.register
def _(value: MethodType) -> tuple[str, Sequence[Any]]:
    return "method", (value.__func__, value.__self__)


@_describe.register
def _(value: functools.partial) -> tuple[str, Sequence[Any]]:  # type: ignore[type-arg]
    return "partial", (value.func, value.args, value.keywords)


@_describe.register
def _(value: FunctionType) -> tuple[str, Sequence[Any]]:
    code = value.__code__
    # functools.wraps copies the name of a module, and the globals are the function's own.
    name = _name(value, value.__globals__.get("__name__", ""))
    text = f"function:{name}:{code.co_firstlineno}:{code.co_code.hex()}:{code.co_names}"
    constants = [each for each in code.co_consts if isinstance(each, bool | int | float | str)]
    cells = [cell.cell_contents for cell in value.__closure__ or ()]
    return text, (constants, value.__defaults__, value.__kwdefaults__, cells)


@_describe.register
def _(value: dict) -> tuple[str, Sequence[Any]]:  # type: ignore[type-arg]
    return "dict", list(value.items())


@_describe.register
def _(value: set | frozenset) -> tuple[str, Sequence[Any]]:  # type: ignore[type-arg]
    return "set", sorted("\n".join(_parts(each, ())) for each in value)


@_describe.register
def _(value: tuple | list) -> tuple[str, Sequence[Any]]:  # type: ignore[type-arg]
    return _name(type(value), type(value).__module__), value


def _name(value: type | FunctionType, module: str) -> str:
    """Return the full name of a function or a class of the package or its libraries."""
    if module.partition(".")[0] not in _TRUSTED:
        raise NoFingerprintError(f"{module}.{value.__qualname__}")
    return f"{module}.{value.__qualname__}"


def surroundings() -> str:
    """Return the digest of everything else that shapes a program.

    These are the package's source, the versions of its libraries, the devices, the processor, and
    the settings of JAX and XLA.
    """
    named = [(name, str(value)) for name, value in zip(_settings(), settings(), strict=True)]
    devices = [(each.platform, each.device_kind, each.id) for each in jax.devices()]
    backend = jax.devices()[0].client.platform_version
    return digest(_fixed(), named, devices, backend, os.environ.get("XLA_FLAGS"))


def settings() -> tuple[Any, ...]:
    """Return the settings of JAX that may change a program, as they are in this thread."""
    values = jax.config.values
    return tuple(getattr(jax.config, name, values.get(name)) for name in _settings())


def source_is_unchanged() -> bool:
    """Return whether the source is still what this process has imported."""
    return _source() == SOURCE


@cache
def _settings() -> list[str]:
    names = sorted(jax.config.values)
    return [name for name in names if not any(word in name for word in _IRRELEVANT)]


@cache
def _fixed() -> str:
    """Return the digest of what does not change in a process."""
    return digest(SOURCE, _versions(), sys.version, _processor())


def _versions() -> list[tuple[str, str | None]]:
    """Return the versions of the libraries; None if a library has no metadata."""
    found: list[tuple[str, str | None]] = []
    for name in _PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            found.append((name, None))
    return found


def _source() -> str | None:
    """Return the digest of the package's source; None if the source is not there."""
    hashed, paths = hashlib.sha256(), sorted(_ROOT.rglob("*.py"))
    for path in paths:
        hashed.update(path.relative_to(_ROOT).as_posix().encode() + path.read_bytes())
    return hashed.hexdigest() if paths else None


SOURCE = _source()
"""The digest of the source that this process imports; None without source: nothing is stored."""


def _processor() -> str:
    """Return a description of the processor: compiled programs use the instructions that it has."""
    parts = [platform.machine(), platform.processor()]
    try:
        if sys.platform == "darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            parts.append(subprocess.run(command, capture_output=True, text=True).stdout)
        else:
            lines = Path("/proc/cpuinfo").read_text().splitlines()
            kept = ("flags", "Features", "model name", "CPU part")
            parts += sorted({line for line in lines if line.startswith(kept)})
    except OSError:  # a system that has neither; machine and processor have to do
        pass
    return "\n".join(parts)
