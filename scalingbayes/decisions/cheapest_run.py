"""The cheapest run that reaches a loss, with the cost of serving."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float

from scalingbayes._core.arguments import check_numbers
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision
from scalingbayes.allocation import (
    Cost,
    Limits,
    compute_to_reach,
    cost_of,
    optimum,
)
from scalingbayes.combine.average import Average
from scalingbayes.decisions.law_draws import (
    dataset,
    draws_on_device,
    estimate,
    inputs_by_posterior,
    largest_share,
)
from scalingbayes.posterior.extrapolation import beyond, shared_error
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import from_user_unit, target_name, with_units
from scalingbayes.results import SAMPLE_DIMS, Estimate

_ROUNDS = 4
"""Rounds in which the run and its error beyond the runs follow each other: each gains a digit."""


def cheapest_run(
    post: Posterior | Average,
    loss: ArrayLike | Sequence[float],
    cost: Cost | None = None,
    limits: Limits | None = None,
    **inputs: float,
) -> Estimate:
    """Estimate the model size and tokens of the cheapest run that reaches a loss.

    If ``cost`` includes serving, as ``post.cost.serve(1e13)`` does, this minimises the total cost
    of training and serving (Sardana & Frankle 2023, arXiv:2401.00448, eq. 3): smaller models on
    more tokens.

    Parameters
    ----------
    post
        A fit of a law that divides compute, or an average of such fits.
    loss
        Losses to reach, in the table's unit; shape (losses,).
    cost
        What a budget pays for; by default :attr:`Posterior.cost`, the training FLOPs as the
        table counts them.
    limits
        Bounds on the run, without ``shapes``.
    **inputs
        The law's inputs other than the model's size and tokens.

    Returns
    -------
    Estimate
        Draws of shape (chains, draws, losses): ``compute``, the FLOPs of training and serving,
        ``params``, ``tokens`` and ``tokens_per_param``. Infinite in draws in which no budget
        reaches the loss; a note gives their share.

    Raises
    ------
    InputError
        If no draw reaches a loss, a loss is not a positive number, or the law, cost, limits or
        inputs do not fit together.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> alone = sb.cheapest_run(post, 2.2)
    >>> served = sb.cheapest_run(post, 2.2, post.cost.serve(1e12))
    >>> bool((served["params"] < alone["params"]).all())
    True
    """
    losses = check_numbers("loss", loss).ravel()
    asked = inputs_by_posterior(post, inputs)
    target = target_name(next(iter(asked)))
    found = estimate(
        post, asked, lambda each, others: _cheapest_run(each, others, losses, cost, limits)
    )
    lost = np.isinf(found.draws["tokens"].to_numpy())
    if (everywhere := lost.all((0, 1))).any():
        raise InputError(
            f"No draw of the posterior reaches a {target} of {losses[everywhere].min():.4g} with "
            f"any budget. Choose a {target} above the law's irreducible one (E, in many laws)"
            f"{'' if limits is None else ', or loosen a limit'}."
        )
    if not lost.any():
        return found
    note = (
        f"No budget reaches the {target} in {largest_share(lost)} of the draws: these are infinite."
    )
    return replace(found, notes=(*found.notes, note))


def _cheapest_run(
    post: Posterior,
    inputs: Mapping[str, float],
    losses: Float[np.ndarray, " losses"],
    cost: Cost | None,
    limits: Limits | None,
) -> Estimate:
    """Estimate the cheapest run of one law; infinite where no budget reaches a loss."""
    target, paid = target_name(post), cost_of(post.law, post.cost if cost is None else cost)
    with precision("float64"):
        draws = draws_on_device(post, inputs)
        law, values, fixed = draws.law, draws.values, draws.fixed
        in_nats = np.asarray(from_user_unit(post, losses))
        shift = np.zeros((*(post.draws.sizes[name] for name in SAMPLE_DIMS), len(losses)))
        for _ in range(_ROUNDS):
            law_reaches = jnp.asarray(in_nats * np.exp(-shift))
            compute = compute_to_reach(law, values, law_reaches, fixed, paid, limits)
            reached = (compute > 0) & jnp.isfinite(compute)
            best = optimum(law, values, jnp.where(reached, compute, 1e20), fixed, paid, limits)
            run = {name: np.asarray(best[name]) for name in (law.budget.size, "tokens")}
            if (error := shared_error(post, run)) is None:
                break
            shift = np.where(reached, error, 0.0)
    lost = ~np.asarray(reached)
    sizes = [name for name in (law.budget.size, "tokens", "tokens_per_param") if name in best]
    found = {name: np.where(lost, np.inf, best[name]) for name in sizes}
    runs = dataset(post, {"compute": compute, **found}, target, losses)
    usual = np.median(np.where(lost, np.inf, post.cost.training_flops(*run.values())), (0, 1))
    notes = beyond("FLOPs", usual[np.isfinite(usual)], post.compute)
    title = f"Cheapest run that reaches a {target}, {paid.equation}"
    within = "" if limits is None else f"; {limits}"
    return Estimate(with_units(post, title + within), runs, post.verdict, notes=notes)
