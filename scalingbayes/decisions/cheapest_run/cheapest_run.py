"""The cheapest run that reaches a loss or an accuracy, with the cost of serving."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from scalingbayes._core.arguments import Numbers, PositiveNumbers, Seed, check_numbers
from scalingbayes._core.checked import checked
from scalingbayes._core.domains import OPEN_FRACTION
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision
from scalingbayes.allocation import (
    ANY_BUDGET,
    Cost,
    Limits,
    cheapest_run_to_reach,
    cost_of,
    optimum,
)
from scalingbayes.combine.average import Average
from scalingbayes.decisions.cheapest_run.goals import AccuracyGoal, LossGoal, accuracy_goal
from scalingbayes.decisions.law_draws import (
    LawDraws,
    as_posterior,
    dataset,
    draws_on_device,
    estimate,
    inputs_by_posterior,
    largest_share,
)
from scalingbayes.posterior.extrapolation import (
    beyond,
    compute_of_runs,
    shared_error,
    training_cost,
)
from scalingbayes.posterior.point_estimate import PointEstimate
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import predicts_perplexity, target_name, with_units
from scalingbayes.results import SAMPLE_DIMS, Estimate

_LEAST_LOSS = 1e-300  # in place of 0, whose logarithm is infinite
_ANY_LOSS = 1e3  # in place of infinity, where any run suffices
_ROUNDS = 4
"""Rounds in which the run and its error beyond the runs follow each other: each gains a digit."""


@checked
def cheapest_run(
    post: Posterior | Average | PointEstimate,
    loss: PositiveNumbers | None = None,
    cost: Cost | None = None,
    limits: Limits | None = None,
    *,
    accuracy: Annotated[Numbers, OPEN_FRACTION] | None = None,
    downstream: Posterior | None = None,
    seed: Seed = 0,
    **inputs: float,
) -> Estimate:
    """Estimate the model size and tokens of the cheapest run that reaches a loss or an accuracy.

    If ``cost`` includes serving, as ``post.cost.serve(1e13)`` does, this minimises the total cost
    of training and serving (Sardana & Frankle 2023, arXiv:2401.00448, eq. 3): smaller models on
    more tokens.

    An accuracy is reached through a second fit, ``downstream``, of the accuracy as a function of
    the loss: each draw of that fit says which loss is needed, and a draw of ``post`` which run
    reaches it, so that the interval carries both uncertainties. If ``downstream`` reads compute in
    place of the loss, it says which compute is needed, and ``post`` divides that compute.

    Parameters
    ----------
    post
        A fit of a law that divides compute, a point, published constants, or an average of fits.
    loss
        Losses to reach, in the table's unit; shape (losses,).
    cost
        What a budget pays for; by default :attr:`Posterior.cost`, the training FLOPs as the
        table counts them.
    limits
        Bounds on the run, without ``shapes``.
    accuracy
        Accuracies to reach, in place of losses; shape (accuracies,). If ``downstream`` predicts an
        error, the error is 1 - accuracy; if it predicts a pass rate, that is the accuracy.
    downstream
        A fit of a law that predicts an accuracy, an error or a pass rate from the loss, such as
        ``accuracy`` or ``downstream``, or from compute, such as ``accuracy(x=compute)`` or
        ``pass_rate``.
    seed
        Seed of the pairing of the draws of the two fits.
    **inputs
        The laws' inputs other than the model's size, tokens, loss and compute.

    Returns
    -------
    Estimate
        Draws of shape (chains, draws, losses): ``compute``, the FLOPs of training and serving,
        ``params``, ``tokens`` and ``tokens_per_param``. Infinite in draws in which no budget
        reaches the loss; a note gives their share. For accuracies, the run is the one whose
        expected accuracy is the accuracy; 0 in draws in which guessing has the accuracy.

    Raises
    ------
    InputError
        If no draw reaches a loss or an accuracy, guessing has the accuracy in 5 % of the draws, a
        loss is not a positive number, an accuracy is not between 0 and 1, only one of ``accuracy``
        and ``downstream`` is given, or the laws, cost, limits or inputs do not fit together.

    Notes
    -----
    The losses of ``post`` and of ``downstream`` must be of the same held-out text, under the same
    tokenizer. Beyond the runs of ``post``, its interval allows for the law's error; beyond those of
    ``downstream`` nothing is added.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> alone = sb.cheapest_run(post, 2.2)
    >>> served = sb.cheapest_run(post, 2.2, post.cost.serve(1e12))
    >>> bool((served["params"] < alone["params"]).all())
    True

    Accuracies of public models say which compute an accuracy on MMLU needs. Models of one family
    share an error:

    >>> law = "accuracy(x=compute, chance=0.25, target=accuracy_mmlu)"
    >>> model = sb.Model(law, groups="family")
    >>> mmlu = sb.fit(sb.datasets.load("base_llms"), model)  # doctest: +SKIP
    >>> sb.cheapest_run(post, accuracy=0.6, downstream=mmlu)  # doctest: +SKIP
    """
    if (loss is None) == (accuracy is None) or (accuracy is None) != (downstream is None):
        raise InputError(
            "Give a loss to reach, as loss=..., or an accuracy with the fit that predicts it from "
            "the loss, as accuracy=..., downstream=..."
        )
    post = as_posterior(post)
    if downstream is None:
        asked = inputs_by_posterior(post, inputs)
        target = target_name(next(iter(asked)))
        goal: LossGoal | AccuracyGoal = LossGoal(target, check_numbers("loss", loss).ravel())
    else:
        exact = isinstance(post, Posterior) and post.exact
        goal, others = accuracy_goal(downstream, accuracy, inputs, seed, exact=exact)
        asked = inputs_by_posterior(post, others)
    found = estimate(
        post, asked, lambda each, others: _cheapest_run(each, others, goal, cost, limits)
    )
    lost = np.isinf(found.draws["tokens"].to_numpy())
    if (everywhere := lost.all((0, 1))).any():
        raise InputError(
            f"No draw of the posterior reaches {_article(goal)} of "
            f"{goal.values[everywhere][0]:.4g} with any budget. Choose {_article(goal)} "
            f"{goal.easier}{'' if limits is None else ', or loosen a limit'}.{_floor(goal, asked)}"
        )
    if not lost.any():
        return found
    note = (
        f"No budget reaches the {goal.name} in {largest_share(lost)} of the draws: these are "
        f"infinite."
    )
    return replace(found, notes=(*found.notes, note))


def _floor(goal: LossGoal | AccuracyGoal, asked: Iterable[Posterior]) -> str:
    """Return a sentence on the loss that no run goes below, of the laws that have one."""
    floors = [post.values["E"] for post in asked if "E" in post.law.parameters]
    if isinstance(goal, AccuracyGoal) or not floors:
        return ""
    post = next(iter(asked))
    floor = float(np.median(np.concatenate([each.ravel() for each in floors])))
    shown = np.exp(floor) if predicts_perplexity(post) else floor
    return f" No run goes below the law's E, whose median is {shown:.4g}."


def _article(goal: LossGoal | AccuracyGoal) -> str:
    return f"{'an' if goal.name[0] in 'aeiou' else 'a'} {goal.name}"


def _cheapest_run(
    post: Posterior,
    inputs: Mapping[str, float],
    goal: LossGoal | AccuracyGoal,
    cost: Cost | None,
    limits: Limits | None,
) -> Estimate:
    """Estimate the cheapest run of one law; infinite where no budget reaches the goal."""
    paid = cost_of(post.law, post.cost if cost is None else cost, inputs)
    needed = goal.needed(post)
    with precision("float64"):
        draws = draws_on_device(post, inputs)
        solve = _of_loss if goal.quantity == "loss" else _of_compute
        compute, best, lost = solve(post, draws, needed, paid, limits)
    law, free = draws.law, goal.suffices(needed)
    sizes = [name for name in (law.budget.size, "tokens", "tokens_per_param") if name in best]
    amounts = {"compute": compute, **{name: best[name] for name in sizes}}
    found = {n: np.where(free, 0.0, np.where(lost, np.inf, x)) for n, x in amounts.items()}
    runs = dataset(post, found, goal.name, goal.values)
    run = (np.asarray(best[name]) for name in (law.budget.size, "tokens"))
    counted = training_cost(post, paid)
    spent = counted.at(draws.fixed).training_flops(*run)
    usual = np.median(np.where(free, 0.0, np.where(lost, np.inf, spent)), (0, 1))
    seen = compute_of_runs(post, counted)
    notes = (*beyond("FLOPs", usual[np.isfinite(usual)], seen), *goal.notes(needed))
    title = f"Cheapest run that reaches {_article(goal)}, {paid.equation}"
    within = "" if limits is None else f"; {limits}"
    verdict = post.verdict if goal.verdict is None else post.verdict and goal.verdict
    return Estimate(with_units(post, title + within), runs, verdict, notes=notes)


def _of_loss(
    post: Posterior,
    draws: LawDraws,
    loss: Float[np.ndarray, "*#draws cases"],
    paid: Cost,
    limits: Limits | None,
) -> tuple[Array, dict[str, Array], Bool[np.ndarray, "*draws cases"]]:
    """Return the compute and the run that reach a loss, and where none does.

    The loss is in the unit of the law. A loss of 0 is reached by none, an infinite one by all.
    """
    law, values, fixed = draws.law, draws.values, draws.fixed
    chains_and_draws = [post.draws.sizes[name] for name in SAMPLE_DIMS]
    shift = np.zeros((*chains_and_draws, loss.shape[-1]))
    aim = np.where(np.isinf(loss), _ANY_LOSS, np.maximum(loss, _LEAST_LOSS))
    for _ in range(_ROUNDS):
        goal = jnp.asarray(aim * np.exp(-shift))
        compute, best, some = cheapest_run_to_reach(law, values, goal, fixed, paid, limits)
        reached = np.asarray(some) & (loss > 0)
        run = {name: np.asarray(best[name]) for name in (law.budget.size, "tokens")}
        if (error := shared_error(post, {**draws.numbers, **run})) is None:
            break
        shift = np.where(reached, error, 0.0)
    return jnp.where(reached, compute, jnp.inf), best, ~reached


def _of_compute(
    post: Posterior,
    draws: LawDraws,
    compute: Float[np.ndarray, "*draws cases"],
    paid: Cost,
    limits: Limits | None,
) -> tuple[Array, dict[str, Array], Bool[np.ndarray, "*draws cases"]]:
    """Return the compute, the run that it is divided into, and where it is infinite.

    Raises
    ------
    InputError
        If the cost includes serving.
    """
    if paid.served_tokens:
        raise InputError(
            f"The accuracy is a function of the compute of training, and cost = {paid.equation} "
            f"includes serving. Leave the served tokens out, or fit the accuracy as a function of "
            f"the loss."
        )
    lost = ~np.isfinite(compute)
    budgets = jnp.asarray(np.where(lost | (compute == 0), ANY_BUDGET, compute))
    best = optimum(draws.law, draws.values, budgets, draws.fixed, paid, limits)
    return jnp.asarray(compute), best, lost
