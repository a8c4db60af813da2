"""Find roots of functions of one variable, elementwise and under jit."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Values = Float[Array, "*#shape"]

_BISECTIONS = 60
_MAX_ITERATIONS = 50
_NEAR = 1e-4  # relative; two quadratic steps from there are exact


def root(
    function: Callable[..., Array], guess: Values, *arguments: Values
) -> Float[Array, "*shape"]:
    """Find where ``function(x, *arguments)`` is 0, elementwise, by Newton's method.

    The search itself is not differentiated. Two Newton steps after it are: the first makes first
    derivatives exact, the second those up to the third.

    Parameters
    ----------
    function
        Monotone in x, and convex or concave, so that Newton's method converges from ``guess``.
    guess
        Where to begin.
    *arguments
        What else the function depends on.
    """
    shape = jnp.broadcast_shapes(*(jnp.shape(each) for each in (guess, *arguments)))

    def newton(x: Array, *arguments: Array) -> Array:
        value, slope = jax.jvp(lambda x: function(x, *arguments), (x,), (jnp.ones_like(x),))
        return x - value / slope

    start, *fixed = (lax.stop_gradient(each) for each in (guess, *arguments))

    def searching(search: tuple[Array, Array, Array]) -> Array:
        x, last, iteration = search
        moved = jnp.abs(x - last) > _NEAR * (1 + jnp.abs(x))
        return (iteration < _MAX_ITERATIONS) & jnp.any(moved)

    def step(search: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, _, iteration = search
        return newton(x, *fixed), x, iteration + 1

    start = jnp.broadcast_to(start, shape)
    nowhere = jnp.full(shape, jnp.inf, start.dtype)
    x, _, _ = lax.while_loop(searching, step, (start, nowhere, jnp.zeros((), int)))
    return newton(newton(x, *arguments), *arguments)


def bisect(
    excess: Callable[[Array], Array], low: Float[Array, "*shape"], high: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Find where a function that rises passes 0; the upper end where it does not."""

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        half = (low + high) / 2
        above = excess(half) > 0
        return jnp.where(above, low, half), jnp.where(above, half, high)

    low, high = lax.fori_loop(0, _BISECTIONS, halve, (low, high))
    return high
