"""The cheapest model of two modalities that is no worse than two models of one each."""

import jax.numpy as jnp
import numpy as np

from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision, to_device
from scalingbayes.allocation import Cost, cheapest_run_to_reach, cost_of
from scalingbayes.decisions.law_draws import largest_share
from scalingbayes.laws import get_law
from scalingbayes.laws.mixed_modal import mixed_modal
from scalingbayes.posterior.extrapolation import beyond
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import Estimate


@checked
def competition_barrier(post: Posterior, cost: Cost | None = None) -> Estimate:
    """Estimate the cheapest run at which synergy of two modalities makes up for competition.

    It is the compute-optimal run whose excess loss is 0 (Aghajanyan et al. 2023, arXiv:2301.03728):
    of all runs with A / N^alpha + B / D^beta = C, the one of least compute. Larger runs of both
    modalities beat two separate models.

    Parameters
    ----------
    post
        A fit of law ``mixed_modal``.
    cost
        What a run costs; by default :attr:`Posterior.cost`.

    Returns
    -------
    Estimate
        Draws of ``compute``, ``params``, ``tokens`` and ``tokens_per_param``. Infinite in draws
        without synergy; a note gives their share.

    Raises
    ------
    InputError
        If ``post`` is not a fit of law ``mixed_modal``, or no draw has synergy.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(runs, "mixed_modal")  # doctest: +SKIP
    >>> sb.competition_barrier(post).median()["params"]  # doctest: +SKIP
    """
    if not isinstance(post, Posterior) or post.law is not mixed_modal:
        raise InputError("post must be a fit of law 'mixed_modal': sb.fit(runs, 'mixed_modal').")
    return post.with_exact(lambda each: _barrier(each, cost))


def _barrier(post: Posterior, cost: Cost | None) -> Estimate:
    law = get_law("chinchilla")
    paid = cost_of(law, post.cost if cost is None else cost, {})
    with precision("float64"):
        values = to_device(post.values, "float64")
        synergy = values.pop("C")
        competition = {**values, "E": jnp.zeros_like(synergy)}
        some = synergy > 0
        level = jnp.where(some, synergy, 1.0)[..., None]
        compute, best, reached = cheapest_run_to_reach(law, competition, level, {}, paid)
        found = reached & some[..., None]
    names = ("params", "tokens", "tokens_per_param")
    runs = {"compute": compute, **{name: best[name] for name in names}}
    lost = ~np.asarray(found)
    if lost.all():
        raise InputError(
            "No draw has synergy (C above 0): by these runs, one model of both modalities is worse "
            "than two at every size."
        )
    draws = post.named({name: np.where(lost, np.inf, x) for name, x in runs.items()}, "barrier")
    usual = np.median(draws["compute"].to_numpy(), (0, 1))
    notes = beyond("FLOPs", usual[np.isfinite(usual)], post.compute)
    if lost.any():
        share = largest_share(lost)
        notes += (f"In {share} of the draws there is no synergy: these are infinite.",)
    return Estimate(
        f"Cheapest run at which synergy makes up for competition, {paid.equation}",
        draws.squeeze("barrier", drop=True),
        post.verdict,
        notes=notes,
    )
