"""What it takes to reach a loss, serving counted in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float

from scalingbayes._core.arguments import check_numbers
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision
from scalingbayes.allocation import Cost, Limits, compute_to_reach, cost_of, optimum
from scalingbayes.combine.average import Average
from scalingbayes.decisions.law_draws import (
    dataset,
    draws_on_device,
    inputs_by_posterior,
    largest_share,
    mix,
)
from scalingbayes.posterior.extrapolation import beyond
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import Estimate


def cheapest_run(
    post: Posterior | Average,
    loss: ArrayLike | Sequence[float],
    cost: Cost | None = None,
    limits: Limits | None = None,
    **inputs: float,
) -> Estimate:
    """Estimate the cheapest model and tokens that reach a loss.

    Counting in the tokens that the model will serve, ``sb.costs.Proportional().serve(1e13)``, it is
    the choice of Sardana & Frankle 2023 (arXiv:2401.00448), eq. 3: smaller models on more tokens.

    Parameters
    ----------
    post
        A fit of a law that divides compute, or an average of such.
    loss
        The loss to reach; several are estimated side by side.
    cost
        What a budget pays for; what the law says by default.
    limits
        What may not be exceeded; without shapes.
    **inputs
        The law's inputs other than the model's size and tokens.

    Returns
    -------
    Estimate
        For each loss ``compute``, training and serving together, ``params``, ``tokens`` and
        ``tokens_per_param``; infinite in the draws that cannot reach it, whose share a note says.

    Raises
    ------
    InputError
        If no draw reaches a loss, or the law, cost, limits or inputs cannot be used.
    """
    losses = check_numbers("loss", loss).ravel()
    asked = inputs_by_posterior(post, inputs)
    target = next(iter(asked)).law.target.column
    found = mix(post, [_cheapest_run(*each, losses, cost, limits) for each in asked.items()])
    lost = np.isinf(found.draws["tokens"].to_numpy())
    if (everywhere := lost.all((0, 1))).any():
        raise InputError(
            f"No draw of the posterior reaches a {target} of {losses[everywhere].min():.4g} with "
            f"any budget: ask for one above what the law approaches (E, in many laws)"
            f"{'' if limits is None else ', or loosen a limit'}."
        )
    if not lost.any():
        return found
    note = f"Infinite, no budget reaches it: in {largest_share(lost)} of the draws."
    return replace(found, notes=(*found.notes, note))


def _cheapest_run(
    post: Posterior,
    inputs: Mapping[str, float],
    losses: Float[np.ndarray, " losses"],
    cost: Cost | None,
    limits: Limits | None,
) -> Estimate:
    """Ask one law; infinite where no budget reaches a loss."""
    target, paid = post.law.target.column, cost_of(post.law, cost)
    with precision("float64"):
        draws = draws_on_device(post, inputs)
        law, values, fixed = draws.law, draws.values, draws.fixed
        compute = compute_to_reach(law, values, jnp.asarray(losses), fixed, paid, limits)
        reached = (compute > 0) & jnp.isfinite(compute)
        best = optimum(law, values, jnp.where(reached, compute, 1e20), fixed, paid, limits)
    lost = ~np.asarray(reached)
    sizes = [name for name in (law.budget.size, "tokens", "tokens_per_param") if name in best]
    found = {name: np.where(lost, np.inf, best[name]) for name in sizes}
    estimate = dataset(post, {"compute": compute, **found}, target, losses)
    usual = np.median(compute, (0, 1))
    notes = beyond("FLOPs", usual[np.isfinite(usual)], post.compute)
    title = f"Cheapest model that reaches a {target}, {paid.equation}"
    within = "" if limits is None else f"; {limits}"
    return Estimate(title + within, estimate, post.verdict, has_sd=False, notes=notes)
