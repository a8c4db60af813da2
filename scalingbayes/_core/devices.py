"""Run independent tasks on all devices that JAX has, on one host or several.

A task is one chain, one start of a search, one resampled table or one cell of a grid. Tasks never
exchange data. Several tasks may have the same owner: the four chains of a fit read the fit's table.
"""

from collections.abc import Callable
from math import gcd
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, ArrayLike, Int, Shaped

_AXIS = "tasks"
_NUMBERS_AT_ONCE = 1 << 15  # as many numbers of one array as the L1 cache of a CPU core holds
_DRAWS_PER_TASK = 100
_ACCELERATOR = 1 << 8  # an accelerator works on this many times more numbers at once
_ROWS_AT_ONCE = 1 << 17  # a dozen arrays of so many numbers fit the cache that CPU cores share


def describe_devices() -> str:
    """Return the number and kind of the devices in use, such as ``"2 x cpu"``."""
    devices = jax.devices()
    kind = devices[0].device_kind
    return f"{len(devices)} x {kind}" if len(devices) > 1 else kind


def side_by_side() -> bool:
    """Return whether a device runs its tasks side by side (``vmap``) or in sequence.

    Accelerators run tasks side by side. A CPU is faster in sequence, because no task then waits
    for a longer one.
    """
    return jax.default_backend() != "cpu"


def over_devices(function: Callable[..., Any], shared: Any, tasks: Any) -> Any:
    """Compute ``function(shared, part)`` on each device with its part of the tasks; under jit.

    Parameters
    ----------
    function
        Returns arrays whose first axis is the axis of its tasks.
    shared
        Arrays that are copied to every device.
    tasks
        Arrays that are split along their first axis. If the number of tasks is not a multiple of
        the number of devices, the last task is repeated.
    """
    devices = jax.devices()
    count = len(jax.tree.leaves(tasks)[0])
    missing = -count % len(devices)

    spread = jax.shard_map(
        function,
        mesh=Mesh(np.array(devices), (_AXIS,)),
        in_specs=(P(), P(_AXIS)),
        out_specs=P(_AXIS),
        check_vma=False,  # loops begin with constants, which are the same on every device
    )
    found = spread(shared, _repeat_last(tasks, missing) if missing else tasks)
    return jax.tree.map(lambda values: values[:count], found) if missing else found


def _repeat_last(tasks: Any, times: int) -> Any:
    """Return tasks with the last one repeated so many times more."""
    return jax.tree.map(lambda x: jnp.concatenate([x, jnp.repeat(x[-1:], times, axis=0)]), tasks)


def interleave(values: Any) -> np.ndarray:
    """Return values of shape (owners, each, ...) as tasks, of shape (owners * each, ...).

    The first task of every owner comes first, then the second task of every owner, and so on.
    Devices receive neighbouring tasks, so a slow owner's tasks are spread over the devices.
    """
    return np.concatenate(np.swapaxes(np.asarray(values), 0, 1))


def by_owner(tasks: Shaped[np.ndarray, "tasks *shape"], owners: int) -> np.ndarray:
    """Return tasks as an array of shape (owners, each, ...): the inverse of :func:`interleave`."""
    return np.swapaxes(tasks.reshape(-1, owners, *tasks.shape[1:]), 0, 1)


def map_tasks(
    function: Callable[[Any, Any], Any], shared: Any, owner: Int[ArrayLike, " tasks"], tasks: Any
) -> Any:
    """Compute ``function`` for every task and its owner, on all devices; under jit.

    Parameters
    ----------
    function
        Called as ``function(owner, task)``.
    shared
        Arrays with one row per owner, such as tables.
    owner
        The row of ``shared`` that each task reads.
    tasks
        Arrays with one row per task.
    """

    def part(shared: Any, part: Any) -> Any:
        def one(task: Any) -> Any:
            index, own = task
            return function(jax.tree.map(lambda values: values[index], shared), own)

        return jax.vmap(one)(part) if side_by_side() else lax.map(one, part)

    return over_devices(part, shared, (owner, tasks))


def map_each(function: Callable[[Any, Any], Any], shared: Any, tasks: Any) -> Any:
    """Compute ``function`` for every owner and its single task; see :func:`map_tasks`."""
    return map_tasks(function, shared, jnp.arange(len(jax.tree.leaves(tasks)[0])), tasks)


def map_parts(function: Callable[[Any], Any], tasks: Any, size: int) -> Any:
    """Compute ``function(part)`` for parts of many small tasks, one part after another; under jit.

    On a CPU, what is computed of one part stays in the cache, and a search in it ends when its own
    tasks are done. An accelerator works on all tasks at once.

    Parameters
    ----------
    function
        Takes and returns arrays with one row per task.
    tasks
        Arrays with one row per task.
    size
        Number of tasks in a part.
    """
    count = len(jax.tree.leaves(tasks)[0])
    parts = 1 if side_by_side() else -(-count // size)
    if parts == 1:
        return function(tasks)
    filled = _repeat_last(tasks, parts * size - count)
    divided = jax.tree.map(lambda x: x.reshape(parts, size, *x.shape[1:]), filled)
    found = lax.map(function, divided)
    return jax.tree.map(lambda x: x.reshape(parts * size, *x.shape[2:])[:count], found)


def map_draws(
    function: Callable[[Any, Any], Any],
    shared: Any,
    draws: Shaped[Array, "owners draws *shape"],
) -> Any:
    """Compute ``function`` for each of many draws of every owner, on all devices; under jit.

    A task is a part of an owner's draws. What depends on the owner alone, such as the logarithms of
    a table's columns, is computed once a task.

    Parameters
    ----------
    function
        Called as ``function(owner, draw)``.
    shared
        Arrays with one row per owner, such as tables.
    draws
        The draws of each owner.

    Returns
    -------
    Arrays whose first axes are the owners and their draws.
    """
    owners, count, *shape = draws.shape
    size = gcd(count, _DRAWS_PER_TASK)

    def one(own: Any, part: Array) -> Any:
        def at(draw: Array) -> Any:
            return function(own, draw)

        return jax.vmap(at)(part) if side_by_side() else lax.map(at, part)

    owner = jnp.repeat(jnp.arange(owners), count // size)
    found = map_tasks(one, shared, owner, draws.reshape(-1, size, *shape))
    return jax.tree.map(lambda x: x.reshape(owners, count, *x.shape[2:]), found)


def queue_width(rows: int) -> int:
    """Return how many tables with this number of rows one device should work on at once."""
    return max(1, _NUMBERS_AT_ONCE * (_ACCELERATOR if side_by_side() else 1) // rows)


def rows_at_once() -> int:
    """Return how many rows of one large table a device should work on at once.

    XLA divides the work on them among the cores of a CPU.
    """
    return _ROWS_AT_ONCE * (_ACCELERATOR if side_by_side() else 1)


def run_queue(
    begin: Callable[[Any], Any],
    step: Callable[[Any, Any], Any],
    finished: Callable[[Any], Array],
    tasks: Any,
    width: int,
) -> Any:
    """Iterate on tasks of very different lengths until all are finished; under jit.

    ``width`` tasks step side by side, which shares the overhead of small programs. A finished task
    is replaced by the next one in the queue, so no task waits for the slowest.

    Parameters
    ----------
    begin
        Called as ``begin(task)``; returns the state before the first step. It should be cheap.
    step
        Called as ``step(task, state)``; returns the next state.
    finished
        Called as ``finished(state)``; returns whether the state is final.
    tasks
        Arrays with one row per task.
    width
        The largest number of tasks that step side by side.

    Returns
    -------
    The final states, with one row per task.
    """
    count = len(jax.tree.leaves(tasks)[0])
    width = min(count, width)

    def select(index: Array) -> Any:
        return jax.tree.map(lambda values: values[jnp.minimum(index, count - 1)], tasks)

    def advance(carry: Any) -> Any:
        index, states, results, ended, following = carry
        states = jax.vmap(step)(select(index), states)
        done = jax.vmap(finished)(states)
        at = jnp.where(done, index, count)
        results = jax.tree.map(lambda a, b: a.at[at].set(b, mode="drop"), results, states)
        ended += jnp.sum(done & (index < count))
        index = jnp.where(done, following + jnp.cumsum(done) - 1, index)
        fresh = jax.vmap(begin)(select(index))

        def pick(new: Array, old: Array) -> Array:
            return jnp.where(done.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        states = jax.tree.map(pick, fresh, states)
        return index, states, results, ended, following + jnp.sum(done)

    index = jnp.arange(width)
    states = jax.vmap(begin)(select(index))
    results = jax.tree.map(lambda a: jnp.zeros((count, *a.shape[1:]), a.dtype), states)
    start = (index, states, results, jnp.zeros((), int), jnp.full((), width))
    return lax.while_loop(lambda carry: carry[3] < count, advance, start)[2]


def agree(flag: bool) -> bool:
    """Return whether a flag is true on every host."""
    if jax.process_count() == 1:
        return flag
    from jax.experimental.multihost_utils import process_allgather

    return bool(process_allgather(np.array(flag)).all())


def fetch(tree: Any) -> Any:
    """Return arrays as NumPy arrays on the host; with several hosts, each host gets all values."""

    def one(values: jax.Array) -> np.ndarray:
        if values.is_fully_addressable:
            return np.asarray(values)
        from jax.experimental.multihost_utils import process_allgather

        return np.asarray(process_allgather(values, tiled=True))

    return jax.tree.map(one, tree)
