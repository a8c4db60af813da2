"""A function whose compiled programs are kept on disk."""

import inspect
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import serialize_executable

from scalingbayes._core.forks import refuse_forked_process
from scalingbayes._core.programs import fingerprint
from scalingbayes._core.programs.store import open_store
from scalingbayes._core.progress import announce

_MOST_PROGRAMS = 256  # in memory; each holds about thirty memory maps, of which Linux allows 65,530


class _Program(NamedTuple):
    """A compiled program from arrays to arrays, and the structure of what it returns."""

    run: jax.stages.Compiled
    returned: jax.tree_util.PyTreeDef


class _Call(NamedTuple):
    """The arguments of a call: values that shape the program, and arrays that it reads."""

    fixed: tuple[tuple[str, Any], ...]
    leaves: list[Any]
    structure: jax.tree_util.PyTreeDef


_programs: OrderedDict[Any, _Program] = OrderedDict()
_lock = Lock()  # of _programs


def let_go() -> None:
    """Let go of all programs in memory. Those on disk stay."""
    with _lock:
        _programs.clear()


class compiled:  # noqa: N801 - a decorator, as jax.jit
    """Compile a function, and keep the programs on disk: ``jax.jit`` for the package's functions.

    A program is found by a digest of all that shapes it: the package's source, the libraries'
    versions, the devices, JAX's settings, static arguments, and the structure, shapes and types of
    the others. Neither tracing nor lowering is needed. If a law, a noise model or an optimizer is
    defined outside the package, its source cannot be known for certain. Then the function is
    traced, and the digest is of the lowered program.

    Under a transformation of JAX, such as ``jax.jit`` or ``jax.vmap``, the function is compiled as
    a part of the caller's program. Arrays on other devices than the default one are left to
    ``jax.jit``. Defaults of arguments that are not static are arrays of the program, too.

    Parameters
    ----------
    function
        A pure function at the top level of a module of the package.
    static
        The names of arguments that shape the program. Their values are hashable.
    """

    def __init__(self, function: Callable[..., Any], static: Sequence[str] = ()) -> None:
        self.__wrapped__ = function
        self.__doc__ = function.__doc__
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._static = frozenset(static)
        self._signature = inspect.signature(function)
        self._jitted = jax.jit(function, static_argnames=tuple(static))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the function's value."""
        refuse_forked_process()
        call = self._bind(args, kwargs)
        if not _plain(call.leaves):
            return self._jitted(*args, **kwargs)
        program = self._program(call)
        return jax.tree.unflatten(program.returned, program.run(call.leaves))

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        fixed = tuple((name, given[name]) for name in given if name in self._static)
        others = {name: each for name, each in given.items() if name not in self._static}
        return _Call(fixed, *jax.tree.flatten(others))

    def _program(self, call: _Call) -> _Program:
        """Return the program for a call: from memory, from disk, or compiled."""
        types = tuple(_type(leaf) for leaf in call.leaves)
        classes = tuple(type(value) for _, value in call.fixed)  # 1, 1.0 and True are equal
        context = fingerprint.settings(), len(jax.devices())
        key = self._name, call.fixed, classes, call.structure, types, context
        with _lock:
            if (program := _programs.get(key)) is not None:
                _programs.move_to_end(key)
                return program
        program = self._load_or_compile(call, types)
        with _lock:
            _programs[key] = program
            if len(_programs) > _MOST_PROGRAMS:
                _programs.popitem(last=False)
        return program

    def _load_or_compile(self, call: _Call, types: tuple[Any, ...]) -> _Program:
        store = open_store() if jax.process_count() == 1 else None
        if store is None or fingerprint.SOURCE is None:
            with announce("compiling"):
                computation, returned = self._lower(call)
                return _Program(computation.compile(), returned)
        lowered: tuple[jax.stages.Lowered, jax.tree_util.PyTreeDef] | None = None
        try:
            described = call.fixed, fingerprint.structure(call.structure), str(types)
            name = fingerprint.digest(self._name, fingerprint.surroundings(), *described)
        except fingerprint.NoFingerprintError:
            lowered = self._lower(call)
            texts = lowered[0].as_text(), str(lowered[1]), str(types)
            name = fingerprint.digest(self._name, fingerprint.surroundings(), *texts)
        stored = store.read(name)
        if stored is not None and (program := _load(stored, len(types))) is not None:
            return program
        with announce("compiling, once on this machine"), _loads_of_jax() as loads:
            computation, returned = lowered or self._lower(call)
            program = _Program(computation.compile(), returned)
        # JAX's own cache, if the user has one, gives programs that cannot be stored again.
        storable = not loads and fingerprint.source_is_unchanged()
        if storable and (content := _dump(program)) is not None:
            store.write(name, content)
        return program

    def _lower(self, call: _Call) -> tuple[jax.stages.Lowered, jax.tree_util.PyTreeDef]:
        """Trace the function for the types of the arguments."""
        returned = []

        def flat(leaves: Sequence[Any]) -> list[Any]:
            given = jax.tree.unflatten(call.structure, leaves)
            found, structure = jax.tree.flatten(self.__wrapped__(**given, **dict(call.fixed)))
            returned.append(structure)
            return found

        flat.__name__ = self.__wrapped__.__name__
        lowered = jax.jit(flat, keep_unused=True).lower(call.leaves)
        return lowered, returned[-1]


def _plain(leaves: Sequence[Any]) -> bool:
    """Return whether a program can run by itself, on arrays of the default device."""
    chosen = jax.config.jax_default_device
    default = {chosen if isinstance(chosen, jax.Device) else jax.devices()[0]}
    return not jax.config.jax_disable_jit and all(
        not isinstance(leaf, jax.core.Tracer)
        and (not isinstance(leaf, jax.Array) or leaf.devices() == default)
        for leaf in leaves
    )


def _type(leaf: Any) -> tuple[Any, ...]:
    """Return the shape and the type of an argument."""
    if isinstance(leaf, np.ndarray | np.generic):
        return leaf.shape, leaf.dtype, False
    found = jax.typeof(leaf)
    return found.shape, found.dtype, found.weak_type


@contextmanager
def _loads_of_jax() -> Iterator[list[str]]:
    """Yield a list that grows with each program that JAX loads from its own cache."""
    found: list[str] = []

    def listen(event: str, **_: Any) -> None:
        if event == "/jax/compilation_cache/cache_hits":
            found.append(event)

    jax.monitoring.register_event_listener(listen)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_listener(listen)


def _dump(program: _Program) -> bytes | None:
    """Return a program as bytes; None if it cannot be stored."""
    try:
        payload, _, leaves = serialize_executable.serialize(program.run)
        skeleton = jax.tree.unflatten(program.returned, range(leaves.num_leaves))
        shardings = jax.tree.leaves((program.run.input_shardings, program.run.output_shardings))
        used = {device for sharding in shardings for device in sharding.device_set}
        devices = {device.id for device in used}, next(iter(used)).platform
        return pickle.dumps((payload, leaves.num_leaves, skeleton, devices))
    except (ValueError, NotImplementedError, TypeError, AttributeError, pickle.PicklingError):
        return None


def _load(content: bytes, arguments: int) -> _Program | None:
    """Return a stored program; None if this version of JAX cannot load it."""
    try:
        payload, count, skeleton, (ids, platform) = pickle.loads(content)
        if platform == "cpu":
            _prepare_lapack()
        given = jax.tree.structure((([0] * arguments,), {}))
        leaves = jax.tree.structure([0] * count)
        loaded = serialize_executable.deserialize_and_load(
            payload,
            given,
            leaves,
            backend=platform,
            execution_devices=[each for each in jax.devices(platform) if each.id in ids],
        )
        return _Program(loaded, jax.tree.structure(skeleton))
    except Exception:  # whatever is wrong with it, the function can be compiled again
        return None


@cache
def _prepare_lapack() -> None:
    """Lower a program that calls LAPACK.

    JAX looks for LAPACK when it lowers such a program. A loaded program was not lowered: it would
    end the process with a segmentation fault.
    """
    traced = jax.jit(jax.lax.linalg.cholesky).trace(jax.ShapeDtypeStruct((1, 1), np.float32))
    traced.lower(lowering_platforms=("cpu",))
