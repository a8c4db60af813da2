"""Roots of functions of one variable, elementwise and under jit."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Values = Float[Array, "*#shape"]

_BISECTIONS = 60
_MAX_ITERATIONS = 50
_MAX_BRACKET_ITERATIONS = 100
_NEAR = 1e-4  # relative; two more quadratic steps reach machine precision


def root(
    function: Callable[..., Array], guess: Values, *arguments: Values
) -> Float[Array, "*shape"]:
    """Return the roots x of ``function(x, *arguments)``, elementwise, by Newton's method.

    The iterations are not differentiated. The two Newton steps after them are: with the first,
    first derivatives are exact; with the second, derivatives up to the third.

    Parameters
    ----------
    function
        Monotone in x, and convex or concave, so that Newton's method converges from ``guess``.
    guess
        The start of the iterations.
    *arguments
        Other arguments of the function.
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
    """Return the root of an increasing function; the upper end where it stays negative."""

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        half = (low + high) / 2
        above = excess(half) > 0
        return jnp.where(above, low, half), jnp.where(above, half, high)

    low, high = lax.fori_loop(0, _BISECTIONS, halve, (low, high))
    return high


class BracketedRoot(NamedTuple):
    """Result of :func:`newton_in_bracket`, elementwise.

    The root is found where both ``below`` and ``above`` are true.
    """

    x: Array
    """The root; where it is not found, the point at which the search ended."""
    below: Array
    """Whether the search found a point at which the function is below 0, or the root."""
    above: Array
    """Whether the search found a point at which the function is at least 0, or the root."""


def newton_in_bracket(
    value_and_slope: Callable[[Array], tuple[Array, Array]],
    start: Float[Array, "*shape"],
    low: Float[Array, "*#shape"],
    high: Float[Array, "*#shape"],
) -> BracketedRoot:
    """Search a bracket for the root of an increasing function: Newton's method with bisection.

    A Newton step that would leave the bracket is replaced by bisection. The search is not
    differentiated; see :func:`root_slope`.

    Parameters
    ----------
    value_and_slope
        The function and its derivative. Where the derivative is NaN, the function counts as
        undefined, and the search turns back towards ``start``.
    start
        First guess.
    low, high
        Ends of the bracket.
    """
    shape = jnp.broadcast_shapes(start.shape, low.shape, high.shape)
    # One more Newton step than this tolerance: its error is of the order of its square.
    tolerance = jnp.sqrt(jnp.finfo(start.dtype).eps)
    start, low, high = (jnp.broadcast_to(each, shape) for each in (start, low, high))

    def searching(search: tuple[Array, ...]) -> Array:
        iteration, *_, done = search
        return (iteration < _MAX_BRACKET_ITERATIONS) & ~done.all()

    def step(search: tuple[Array, ...]) -> tuple[Array, ...]:
        iteration, x, low, high, below, above, done = search
        value, slope = value_and_slope(x)
        defined = ~jnp.isnan(slope)
        root_is_above = jnp.where(defined, value < 0, x < start)
        low, high = jnp.where(root_is_above, x, low), jnp.where(root_is_above, high, x)
        newton = x - value / slope
        inside = defined & (newton >= low) & (newton <= high)
        following = jnp.where(inside, newton, (low + high) / 2)
        small = jnp.abs(following - x) <= tolerance
        # Newton steps may approach the root from one side only.
        converged = inside & small
        below |= converged | (defined & (value < 0))
        above |= converged | (defined & (value >= 0))
        return iteration + 1, jnp.where(done, x, following), low, high, below, above, done | small

    none = jnp.zeros(shape, bool)
    search: tuple[Array, ...] = (jnp.asarray(0), start, low, high, none, none, none)
    _, x, _, _, below, above, _ = lax.while_loop(searching, step, search)
    return BracketedRoot(x, below, above)


def root_slope(
    function: Callable[[Array, Array], Array], x: Float[Array, "*shape"], a: Float[Array, "*#shape"]
) -> Float[Array, "*shape"]:
    """Compute dx/da along the roots of ``function(x, a) = 0``, elementwise.

    The implicit function theorem gives -(df/da) / (df/dx), evaluated at the root ``x``.
    """
    a, one = jnp.broadcast_to(a, x.shape), jnp.ones_like(x)
    _, by_x = jax.jvp(lambda x: function(x, a), (x,), (one,))
    _, by_a = jax.jvp(lambda a: function(x, a), (a,), (one,))
    return -by_a / by_x
