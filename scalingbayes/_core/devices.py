"""Spread independent work over all devices that JAX has, and over more hosts than one.

The unit of work is a lane: a chain, a start of a search, a resample, a cell of a grid. Lanes are
cut into one part for each device of a mesh; nothing passes between them.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, ArrayLike, Int, Shaped

_AXIS = "lanes"
_NUMBERS_AT_ONCE = 1 << 15  # of a kind on a CPU core: as many as its nearest cache holds
_ACCELERATOR = 1 << 8  # times as many on an accelerator


def describe_devices() -> str:
    """Say which devices work is spread over: ``"2 x cpu"``."""
    devices = jax.devices()
    kind = devices[0].device_kind
    return f"{len(devices)} x {kind}" if len(devices) > 1 else kind


def side_by_side() -> bool:
    """Whether the lanes of a device run side by side: they do on an accelerator.

    On a CPU one after the other is faster, since none waits for the longest of the others.
    """
    return jax.default_backend() != "cpu"


def over_devices(function: Callable[..., Any], shared: Any, lanes: Any) -> Any:
    """Call ``function(shared, lanes)`` on each device with its part of the lanes; under jit.

    Parameters
    ----------
    function
        Returns arrays whose first axis is that of its lanes.
    shared
        Arrays that every device gets whole.
    lanes
        Arrays whose first axis is cut. Where it does not divide by the number of devices, the last
        lane is repeated.
    """
    devices = jax.devices()
    count = len(jax.tree.leaves(lanes)[0])
    missing = -count % len(devices)

    def fill(values: Array) -> Array:
        return jnp.concatenate([values, jnp.repeat(values[-1:], missing, axis=0)])

    spread = jax.shard_map(
        function,
        mesh=Mesh(np.array(devices), (_AXIS,)),
        in_specs=(P(), P(_AXIS)),
        out_specs=P(_AXIS),
        check_vma=False,  # loops begin with constants, which are the same everywhere
    )
    found = spread(shared, jax.tree.map(fill, lanes) if missing else lanes)
    return jax.tree.map(lambda values: values[:count], found) if missing else found


def as_lanes(values: Any) -> np.ndarray:
    """Order as lanes what each owner has several of; shape (owners, each, ...).

    Each owner's first come first, then their second ones, and so on: devices, which get neighbours,
    have about as much to do where some owners take longer.
    """
    return np.concatenate(np.swapaxes(np.asarray(values), 0, 1))


def by_owner(lanes: Shaped[np.ndarray, "lanes *shape"], owners: int) -> np.ndarray:
    """Invert :func:`as_lanes`."""
    return np.swapaxes(lanes.reshape(-1, owners, *lanes.shape[1:]), 0, 1)


def map_lanes(
    function: Callable[[Any, Any], Any], shared: Any, owner: Int[ArrayLike, " lanes"], lanes: Any
) -> Any:
    """Call ``function`` for every lane and what it belongs to, on all devices; under jit.

    Parameters
    ----------
    function
        ``function(owner, lane)``.
    shared
        Owners' arrays, one row each: tables, for instance.
    owner
        Which row of ``shared`` a lane belongs to.
    lanes
        Arrays with one row a lane.
    """

    def part(shared: Any, part: Any) -> Any:
        def one(lane: Any) -> Any:
            index, own = lane
            return function(jax.tree.map(lambda values: values[index], shared), own)

        return jax.vmap(one)(part) if side_by_side() else lax.map(one, part)

    return over_devices(part, shared, (owner, lanes))


def map_each(function: Callable[[Any, Any], Any], shared: Any, lanes: Any) -> Any:
    """Call ``function`` for every owner and its one lane; see :func:`map_lanes`."""
    return map_lanes(function, shared, jnp.arange(len(jax.tree.leaves(lanes)[0])), lanes)


def queue_width(rows: int) -> int:
    """Say how many tables of so many rows a device should work on at once."""
    return max(1, _NUMBERS_AT_ONCE * (_ACCELERATOR if side_by_side() else 1) // rows)


def run_queue(
    begin: Callable[[Any], Any],
    step: Callable[[Any, Any], Any],
    finished: Callable[[Any], Array],
    items: Any,
    width: int,
) -> Any:
    """Iterate on many items, some of which take much longer than others; under jit.

    Lanes step side by side; one that has finished takes the next item, so that none waits for the
    slowest. Small programs are mostly overhead, which is shared by the lanes.

    Parameters
    ----------
    begin
        ``begin(item)``, the state before the first step: it should be cheap.
    step
        ``step(item, state)``, the next state.
    finished
        Whether a state is final.
    items
        Arrays with one row an item.
    width
        How many lanes there are at most.

    Returns
    -------
    The final states, one row an item.
    """
    count = len(jax.tree.leaves(items)[0])
    width = min(count, width)

    def take(index: Array) -> Any:
        return jax.tree.map(lambda values: values[jnp.minimum(index, count - 1)], items)

    def advance(carry: Any) -> Any:
        index, states, results, ended, following = carry
        states = jax.vmap(step)(take(index), states)
        done = jax.vmap(finished)(states)
        at = jnp.where(done, index, count)
        results = jax.tree.map(lambda a, b: a.at[at].set(b, mode="drop"), results, states)
        ended += jnp.sum(done & (index < count))
        index = jnp.where(done, following + jnp.cumsum(done) - 1, index)
        fresh = jax.vmap(begin)(take(index))

        def pick(new: Array, old: Array) -> Array:
            return jnp.where(done.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        states = jax.tree.map(pick, fresh, states)
        return index, states, results, ended, following + jnp.sum(done)

    index = jnp.arange(width)
    states = jax.vmap(begin)(take(index))
    results = jax.tree.map(lambda a: jnp.zeros((count, *a.shape[1:]), a.dtype), states)
    start = (index, states, results, jnp.zeros((), int), jnp.full((), width))
    return lax.while_loop(lambda carry: carry[3] < count, advance, start)[2]


def agree(flag: bool) -> bool:
    """Say whether a flag is true on every host."""
    if jax.process_count() == 1:
        return flag
    from jax.experimental.multihost_utils import process_allgather

    return bool(process_allgather(np.array(flag)).all())


def fetch(tree: Any) -> Any:
    """Bring arrays to the host as NumPy's; with several hosts, each gets all of them."""

    def one(values: jax.Array) -> np.ndarray:
        if values.is_fully_addressable:
            return np.asarray(values)
        from jax.experimental.multihost_utils import process_allgather

        return np.asarray(process_allgather(values, tiled=True))

    return jax.tree.map(one, tree)
