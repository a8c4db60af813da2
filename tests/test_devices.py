"""Work that is spread over devices: queues and tasks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scalingbayes._core.devices import describe_devices, map_tasks, run_queue


@pytest.mark.parametrize("width", [1, 3, 100])
def test_a_queue_returns_the_result_of_each_item(width, rng):
    # The lengths of Collatz sequences differ widely.
    def follow(number):
        return jnp.where(number % 2 == 0, number // 2, 3 * number + 1)

    def steps(number):
        return 0 if number == 1 else 1 + steps(number // 2 if number % 2 == 0 else 3 * number + 1)

    def begin(item):
        return 2 * item, jnp.full_like(item, -1)  # one step is always taken

    def step(_, state):
        return follow(state[0]), state[1] + 1

    items = rng.permutation(np.arange(1, 40))[:25]
    found = jax.jit(lambda items: run_queue(begin, step, lambda s: s[0] == 1, items, width))(items)
    np.testing.assert_array_equal(found[0], 1)
    np.testing.assert_array_equal(found[1], [steps(int(item)) for item in items])


@pytest.mark.parametrize("tasks", [1, 2, 5])
def test_tasks_are_spread_over_devices_and_returned_in_order(tasks):
    assert f"{len(jax.devices())} x " in describe_devices() or len(jax.devices()) == 1
    shared = {"x": jnp.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])}
    owner = np.arange(tasks) % 3
    own = jnp.arange(tasks, dtype=float)
    found = jax.jit(
        lambda shared, owner, own: map_tasks(lambda s, n: s["x"] * n, shared, owner, own)
    )(shared, owner, own)
    np.testing.assert_array_equal(found, np.asarray(shared["x"])[owner] * np.arange(tasks)[:, None])
