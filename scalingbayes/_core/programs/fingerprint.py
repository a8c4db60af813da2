"""Fingerprints: digests that are equal in two processes if the same program would be compiled."""

import functools
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache, singledispatch
from importlib.metadata import version
from pathlib import Path
from types import FunctionType
from typing import Any

import jax
import numpy as np

_PACKAGES = ("jax", "jaxlib", "numpy", "numpyro", "optax")
_STANDARD = ("builtins", "functools", "math", "operator", "_operator")
_TRUSTED = {*_PACKAGES, *_STANDARD, "scalingbayes"}
_ROOT = Path(__file__).parents[2]
# JAX's settings that cannot change a program, or that differ between processes.
_IRRELEVANT = ("cache", "log", "dump", "traceback", "tracer", "pprint", "transfer_guard")


# Of dataclasses, by identity: a law is a part of most programs.
_digests: dict[int, tuple[Any, str]] = {}


class NoFingerprintError(Exception):
    """A program depends on code outside the package, which may change without a trace."""


def digest(*values: Any) -> str:
    """Return the digest of values: numbers, texts, containers, functions, and objects of these.

    A function is named by its module, its name and its line, and by the values that it closes over.
    The digests of the package's own source and of the versions of the libraries (:func:`platform`)
    stand for the rest.

    Raises
    ------
    NoFingerprintError
        If a function or a class is defined outside the package and its libraries.
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
    if id(value) in _digests:
        yield _digests[id(value)][1]
        return
    text, inner = _describe(value)
    parts = [f"{text}:{len(inner)}"]
    for each in inner:
        parts += _parts(each, (*above, id(value)))
    if getattr(value, "__dataclass_params__", None) is not None and not isinstance(value, type):
        parts = [hashlib.sha256("\0".join(parts).encode()).hexdigest()]
        _digests[id(value)] = value, parts[0]  # with the object, whose id stays its own
    yield from parts


@singledispatch
def _describe(value: Any) -> tuple[str, Sequence[Any]]:
    """Return a text that describes a value, and the values that the value consists of."""
    if hasattr(value, "__qualname__"):  # a function that another library has compiled
        return f"callable:{_name(value)}", ()
    return f"object:{_name(type(value))}", sorted(vars(value).items())


@_describe.register
def _(value: bool | int | float | complex | str | bytes | None) -> tuple[str, Sequence[Any]]:
    return f"{type(value).__name__}:{value!r}", ()


@_describe.register
def _(value: np.ndarray | np.generic | jax.Array) -> tuple[str, Sequence[Any]]:
    array = np.asarray(value)
    return f"array:{array.dtype}:{array.shape}:{array.tobytes().hex()}", ()


@_describe.register
def _(value: type) -> tuple[str, Sequence[Any]]:
    return f"type:{_name(value)}", ()


@_describe.register
def _(value: functools.partial) -> tuple[str, Sequence[Any]]:  # type: ignore[type-arg]
    return "partial", (value.func, value.args, value.keywords)


@_describe.register
def _(value: FunctionType) -> tuple[str, Sequence[Any]]:
    code = value.__code__
    text = f"function:{_name(value)}:{code.co_firstlineno}:{code.co_code.hex()}:{code.co_names}"
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
    return _name(type(value)), value


def _name(value: Callable[..., Any]) -> str:
    """Return the full name of a function or a class of the package or its libraries."""
    module = getattr(value, "__module__", None) or ""
    if module.partition(".")[0] not in _TRUSTED:
        raise NoFingerprintError(f"{module}.{value.__qualname__}")
    return f"{module}.{value.__qualname__}"


def surroundings() -> str:
    """Return the digest of everything else that shapes a program.

    These are the package's source, the versions of its libraries, the devices, the processor, and
    the settings of JAX and XLA.
    """
    settings = [(name, str(getattr(jax.config, name, None))) for name in _settings()]
    devices = [(each.platform, each.device_kind, each.id) for each in jax.devices()]
    backend = jax.devices()[0].client.platform_version
    return digest(_fixed(), settings, devices, backend, os.environ.get("XLA_FLAGS"))


@cache
def _settings() -> list[str]:
    names = sorted(jax.config.values)
    return [name for name in names if not any(word in name for word in _IRRELEVANT)]


@cache
def _fixed() -> str:
    """Return the digest of what does not change in a process."""
    versions = [(name, version(name)) for name in _PACKAGES]
    return digest(_source(), versions, sys.version, _processor())


def _source() -> str:
    """Return the digest of the package's source."""
    hashed = hashlib.sha256()
    for path in sorted(_ROOT.rglob("*.py")):
        hashed.update(path.relative_to(_ROOT).as_posix().encode() + path.read_bytes())
    return hashed.hexdigest()


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
