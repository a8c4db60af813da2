"""The precision of the training that is compute-optimal."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from scalingbayes._core.arguments import PositiveNumbers, check_number, check_numbers
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import write
from scalingbayes._core.precision import precision, to_device
from scalingbayes._core.programs import compiled
from scalingbayes._core.roots import bisect
from scalingbayes.data.architecture import FLOPS_PER_PARAM_TOKEN
from scalingbayes.laws import chinchilla
from scalingbayes.laws.base.family import read_call
from scalingbayes.laws.precision import POST_BITS, effective_share
from scalingbayes.posterior.extrapolation import beyond, shared_error
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import to_user_unit, with_units
from scalingbayes.results import SAMPLE_DIMS, Estimate

_FULL = 16.0  # bits of the training whose cost is 6 N D
_FEWEST, _MOST = 0.01, 64.0  # bits that are searched


@checked
def optimal_precision(
    post: Posterior,
    compute: PositiveNumbers | None = None,
    params: float | None = None,
) -> Estimate:
    """Estimate the bits of the training that reach the least loss for their cost.

    All parts are trained in the same precision of P bits, at the cost C = 6 N D P / 16 (Kumar et
    al. 2024, eq. 5). If N and D are chosen too, the optimal P is where a further percent of bits
    raises the effective params by a percent; it is the same for every budget and exponent (eq. 7).
    If the model's size is given, P grows with the budget.

    Parameters
    ----------
    post
        A fit of the law ``precision`` without ``post``.
    compute
        Budgets in FLOPs; shape (budgets,). Without budgets only the bits are computed.
    params
        The model's size, if it is given.

    Returns
    -------
    Estimate
        Draws of ``bits`` and, for budgets, of ``params``, ``tokens`` and ``loss``; shape (chains,
        draws) or (chains, draws, budgets).

    Raises
    ------
    InputError
        If the fit is of another law, a number is not positive, or a size is given without a budget.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit("runs.csv", "precision(columns=(w, a, kv))")  # doctest: +SKIP
    >>> sb.optimal_precision(post, compute=1e22)  # doctest: +SKIP
    """
    columns, parts = _check(post)
    if params is not None and compute is None:
        raise InputError(
            "The best precision of a model of a given size depends on the budget: give compute."
        )
    size = None if params is None else check_number("params", params)
    budgets = None if compute is None else check_numbers("compute", compute).ravel()
    return post.with_exact(lambda each: _estimate(each, columns, parts, budgets, size))


def _check(post: Any) -> tuple[tuple[str, ...], int]:
    """Return the columns of bits of a fit's law, and how many parts each is the precision of.

    Raises
    ------
    InputError
        If the fit is not of the law ``precision``, or the law has no best precision.
    """
    if not isinstance(post, Posterior):
        raise InputError(
            f"post must be a posterior, as sb.fit(runs, 'precision(...)') returns; got "
            f"{type(post).__name__}."
        )
    name, options = read_call(post.law.name)
    if name != "precision" or POST_BITS in post.law.inputs:
        raise InputError(
            f"post must be a fit of the law 'precision' without post=True; got one of "
            f"{post.law.name!r}."
        )
    columns = tuple(each for each in post.law.inputs if each not in ("params", "tokens"))
    parts = int(options.get("parts", 1))
    if len(columns) * parts == 1 and not options.get("offset", False):
        raise InputError(
            f"Law {post.law.name!r} has one part without an offset: the fewest bits are then "
            f"always best. Fit columns of all parts of the model, or parts=3 if one column holds "
            f"the bits of weights, activations and cache."
        )
    return columns, parts


def _estimate(
    post: Posterior,
    columns: tuple[str, ...],
    parts: int,
    budgets: Float[np.ndarray, " budgets"] | None,
    size: float | None,
) -> Estimate:
    """Estimate the best precision of one posterior."""
    with precision("float64"):
        values = to_device({n: x[..., None] for n, x in post.values.items()}, "float64")
        at = jnp.asarray(np.ones(1) if budgets is None else budgets)
        fixed = None if size is None else jnp.asarray(size)
        found = {n: np.asarray(x) for n, x in _solve(values, at, fixed, columns, parts).items()}
    dims = (*SAMPLE_DIMS, "compute")
    labels = {dim: post.draws[dim].to_numpy() for dim in SAMPLE_DIMS}
    draws = xr.Dataset({name: (dims, x) for name, x in found.items()}, labels)
    if budgets is None:
        draws = draws[["bits"]].squeeze("compute", drop=True)
        notes: tuple[str, ...] = ("The bits are the same for every budget.",)
    else:
        draws = draws.assign_coords(compute=budgets)
        run = {name: draws[name].to_numpy() for name in ("params", "tokens")}
        if (shift := shared_error(post, run)) is not None:
            draws["loss"] = draws["loss"] * np.exp(shift)
        draws = to_user_unit(post, draws, "loss")
        notes = beyond("FLOPs", budgets, post.compute)
    bits = np.concatenate([post.tree["constant_data"][name].to_numpy() for name in columns])
    middle = np.median(draws["bits"].to_numpy(), (0, 1))
    if np.any((middle < bits.min()) | (middle > bits.max())):
        notes += (f"Extrapolated: the runs have {bits.min():g} to {bits.max():g} bits.",)
    title = "Compute-optimal precision, C = 6 N D bits / 16"
    which = "" if size is None else f", for {write(size, 'count')} params"
    return Estimate(with_units(post, title + which), draws, post.verdict, notes=notes)


@partial(compiled, static=("columns", "parts"))
def _solve(
    values: dict[str, Float[Array, "*draws 1"]],
    compute: Float[Array, " budgets"],
    size: Array | None,
    columns: tuple[str, ...],
    parts: int,
) -> dict[str, Float[Array, "*draws budgets"]]:
    """Bisect for the log bits at which the derivative of the loss is 0."""
    surface = {name: values[name] for name in ("E", "A", "B", "alpha", "beta")}

    def log_share(log_bits: Array) -> Array:
        bits = dict.fromkeys(columns, jnp.exp(log_bits))
        return jnp.log(effective_share(bits, values, parts))

    def slope(log_bits: Array) -> Array:
        return jax.jvp(log_share, (log_bits,), (jnp.ones_like(log_bits),))[1]

    def tokens(log_bits: Array, params: Array) -> Array:
        return compute * _FULL / (FLOPS_PER_PARAM_TOKEN * params * jnp.exp(log_bits))

    def excess(log_bits: Array) -> Array:
        if size is None:
            return 1 - slope(log_bits)
        effective = size * jnp.exp(log_share(log_bits))
        gain = values["alpha"] * values["A"] * effective ** -values["alpha"] * slope(log_bits)
        data = values["B"] * tokens(log_bits, size) ** -values["beta"]
        return values["beta"] * data - gain

    shape = jnp.broadcast_shapes(compute.shape, *(x.shape for x in values.values()))
    least = jnp.full(shape, _FEWEST)
    for name in columns:  # below its offset, a column leaves no effective params
        least = jnp.maximum(least, values.get(f"n_{name}", 0.0) * values[f"gamma_{name}"] + _FEWEST)
    log_bits = bisect(excess, jnp.log(least), jnp.full(shape, jnp.log(_MOST)))
    share = jnp.exp(log_share(log_bits))
    if size is None:
        # The optimum of Chinchilla's law in effective params, at the cost of params in full.
        budget = compute * _FULL / jnp.exp(log_bits)
        scaled = {**surface, "A": surface["A"] * share ** -surface["alpha"]}
        params, data = chinchilla.optimum(budget, **scaled)
    else:
        params, data = jnp.broadcast_to(size, shape), tokens(log_bits, size)
    loss = chinchilla.loss(params * share, data, **surface)
    return {"bits": jnp.exp(log_bits), "params": params, "tokens": data, "loss": loss}
