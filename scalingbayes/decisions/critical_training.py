"""Compute-optimal size, batch and steps of training at the critical batch size."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from scalingbayes._core.arguments import PositiveNumbers, Probability, check_number, check_numbers
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision, to_device
from scalingbayes._core.programs import compiled
from scalingbayes.data.architecture import FLOPS_PER_PARAM_TOKEN
from scalingbayes.laws.kaplan_steps import critical_batch_size
from scalingbayes.posterior.allocate import Budgets
from scalingbayes.posterior.extrapolation import beyond
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import to_user_unit, with_units
from scalingbayes.results import Estimate

_PARAMETERS = ("N_c", "S_c", "alpha_N", "alpha_S", "B_star", "alpha_B")
_ORDER = (
    *("params", "batch_size", "steps", "tokens", "loss", "above_converged"),
    *("a", "batch_exponent", "steps_exponent", "b"),
    *("params_ratio", "steps_ratio", "tokens_ratio", "compute_ratio"),
)
_SIZES = (0.25, 0.5, 0.6, 0.75, 1.0, 1.5, 2.2, 3.0, 4.0)  # over the optimal size; two of the paper
_CURVE = np.geomspace(0.2, 5.0, 81)
_POINTS = 41


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class CriticalTraining(Estimate):
    """Compute-optimal training at the critical batch size; made by :func:`critical_training`.

    Parameters
    ----------
    post
        The fit of the law of steps.
    batch
        The batch size over the critical batch size.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(runs, "kaplan_steps(batch=True)")  # doctest: +SKIP
    >>> sb.critical_training(post, [1e20, 1e21]).sizes()  # doctest: +SKIP
    """

    post: Posterior
    batch: float

    def sizes(self, factors: PositiveNumbers = _SIZES) -> Estimate:
        """Estimate what other model sizes cost at the same loss (Kaplan et al. 2020, app. B.4).

        Parameters
        ----------
        factors
            Model sizes over the compute-optimal size.

        Returns
        -------
        Estimate
            For each factor, at any budget: ``compute_ratio``, ``steps_ratio`` and ``tokens_ratio``,
            each over that of the optimal size; infinite for sizes that never reach the loss.

        Raises
        ------
        InputError
            If a factor is not a positive number.
        """
        given = check_numbers("factors", factors).ravel()
        title = "Other model sizes, at the loss of the compute-optimal one"
        return self.post.with_exact(
            partial(_ask, _other_sizes, given, "size_factor", title, in_loss=False)
        )

    def converged(self, above: float = 0.02) -> Estimate:
        """Compare with smaller models that are trained nearly to convergence (app. B.3).

        Parameters
        ----------
        above
            How far above its converged loss the smaller model stops: 0.02 is 2 %.

        Returns
        -------
        Estimate
            ``params_ratio``, ``steps_ratio``, ``tokens_ratio`` and ``compute_ratio``:
            compute-optimal training over that of the smaller model, at the same loss and any
            budget.

        Raises
        ------
        InputError
            If ``above`` is not a positive number.
        """
        given = np.array([check_number("above", above)])
        title = (
            f"Compute-optimal training over training to {100 * above:.3g}% above the converged loss"
        )
        found = self.post.with_exact(
            partial(_ask, _over_converged, given, "above", title, in_loss=False)
        )
        exact = None if found.exact is None else found.exact.squeeze("above", drop=True)
        return replace(found, draws=found.draws.squeeze("above", drop=True), exact=exact)

    @cached_property
    def size_curve(self) -> Estimate:
        """What sizes from a fifth to five times the optimum cost, as :meth:`sizes`."""
        return self.sizes(_CURVE)

    @cached_property
    def compute_curve(self) -> Estimate:
        """The same quantities at many budgets, over the range of these or a decade to each side."""
        budgets = self.draws["compute"].to_numpy()
        low, high = budgets.min(), budgets.max()
        ends = (low, high) if high > low else (low / 10, 10 * high)
        return critical_training(self.post, np.geomspace(*ends, _POINTS), self.batch)

    def plot(self, ax: Any = None, prob: Probability = 0.9) -> Any:
        """Plot the optimum; see :func:`scalingbayes.plots.plot_critical_training`."""
        from scalingbayes.plots import plot_critical_training

        return plot_critical_training(self, prob, ax)


@checked
def critical_training(post: Posterior, compute: Budgets, batch: float = 1.0) -> CriticalTraining:
    """Estimate the compute-optimal size, batch, steps and tokens from the law of steps.

    Kaplan et al. 2020 (arXiv:2001.08361, section 6 and appendix B) minimise the loss of their law
    of size and steps, where the batch is the critical batch size of the loss that the run reaches.
    A run at a batch of k times the critical one takes (1 + 1/k) times the least steps and (1 + k)
    times the least tokens.

    The paper's constants imply the exponents of compute .68 for params, .25 for the batch, .07 for
    steps and .32 for tokens (eq. B.7 to B.10). The paper reports .73, .24, .03 and .27, which it
    fits to its runs (table 6): a tenfold budget goes to 5.4 times the params, 1.7 times the batch,
    1.07 times the steps and 1.9 times the tokens.

    Parameters
    ----------
    post
        A fit of ``kaplan_steps(batch=True)``, with ``batch_size`` in tokens.
    compute
        Budgets in FLOPs, 6 params * tokens.
    batch
        The batch size over the critical batch size at the end of the run. Smaller batches need more
        steps and less compute.

    Returns
    -------
    CriticalTraining
        Draws of shape (chains, draws, budgets): ``params``, ``batch_size``, ``steps``, ``tokens``,
        ``loss``; ``above_converged``, by which share the run stops above the loss that its model
        reaches with unlimited steps, alpha_N / alpha_S (eq. B.5); and the exponents of compute of
        the first four, ``a``, ``batch_exponent``, ``steps_exponent`` and ``b``.

    Raises
    ------
    InputError
        If the law is another, or a number is not positive.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(runs, "kaplan_steps(batch=True)")  # doctest: +SKIP
    >>> sb.critical_training(post, [1e20, 1e21]).median()["params"]  # doctest: +SKIP
    """
    if not isinstance(post, Posterior) or not set(_PARAMETERS) <= set(post.law.parameters):
        name = repr(post.law.name) if isinstance(post, Posterior) else type(post).__name__
        raise InputError(
            f"post must be a fit of the law 'kaplan_steps(batch=True)', which has a critical batch "
            f"size; got {name}."
        )
    budgets = check_numbers("compute", compute).ravel()
    ratio = check_number("batch", batch)
    times = "the critical batch size" if ratio == 1 else f"{ratio:.3g} of the critical batch size"
    title = f"Compute-optimal training at {times}, C = 6 N D"

    def solve(values: Mapping[str, Array], budgets: Array) -> dict[str, Array]:
        return _optimum(values, budgets, jnp.asarray(ratio))

    found = post.with_exact(partial(_ask, solve, budgets, "compute", title, in_loss=True))
    return CriticalTraining(
        found.title,
        found.draws,
        found.verdict,
        found.notes,
        found.exact,
        post=post,
        batch=ratio,
    )


def _ask(
    solve: Any,
    at: Float[np.ndarray, " cases"],
    dim: str,
    title: str,
    post: Posterior,
    *,
    in_loss: bool,
) -> Estimate:
    """Evaluate a function of the parameters and of cases for each draw."""
    names = {name: post.values[name][..., None] for name in _PARAMETERS}
    with precision("float64"):
        values, cases = to_device((names, at), "float64")
        answers = solve(values, cases)
        found = {name: np.asarray(answers[name]) for name in _ORDER if name in answers}
    draws = post.named(found, dim).assign_coords({dim: at})
    if not in_loss:
        return Estimate(title, draws, post.verdict)
    return Estimate(
        with_units(post, title),
        to_user_unit(post, draws, "loss"),
        post.verdict,
        _notes(post, draws),
    )


def _notes(post: Posterior, draws: xr.Dataset) -> tuple[str, ...]:
    seen = post.tree["constant_data"]
    notes: tuple[str, ...] = ()
    for name in ("params", "steps", "batch_size"):
        asked = np.median(draws[name].to_numpy(), axis=(0, 1))
        notes += beyond(name, asked, seen[name].to_numpy())
    return notes


@compiled
def _optimum(
    values: Mapping[str, Array], compute: Float[Array, " budgets"], ratio: Float[Array, ""]
) -> dict[str, Array]:
    """Return Kaplan's closed form (eq. B.6 to B.10), at a batch of ``ratio`` times the critical.

    There C_min, the compute at a batch far below the critical one, is C / (1 + ratio).
    """
    N_c, S_c, alpha_N, alpha_S, B_star, alpha_B = (values[name] for name in _PARAMETERS)
    above = alpha_N / alpha_S
    alpha_C = 1 / (1 / alpha_S + 1 / alpha_B + 1 / alpha_N)
    log_C_c = (
        jnp.log(FLOPS_PER_PARAM_TOKEN * N_c * B_star * S_c)
        + (1 / alpha_S + 1 / alpha_N) * jnp.log1p(above)
        - jnp.log(above) / alpha_S
    )
    log_loss = alpha_C * (log_C_c - jnp.log(compute / (1 + ratio)))
    loss = jnp.exp(log_loss)
    params = N_c * jnp.exp((jnp.log1p(above) - log_loss) / alpha_N)
    tokens = compute / (FLOPS_PER_PARAM_TOKEN * params)
    batch_size = ratio * critical_batch_size(loss, B_star=B_star, alpha_B=alpha_B)
    same = jnp.ones_like(params)
    return {
        "params": params,
        "batch_size": batch_size,
        "steps": tokens / batch_size,
        "tokens": tokens,
        "loss": loss,
        "above_converged": above * same,
        "a": alpha_C / alpha_N * same,
        "batch_exponent": alpha_C / alpha_B * same,
        "steps_exponent": alpha_C / alpha_S * same,
        "b": (1 - alpha_C / alpha_N) * same,
    }


@compiled
def _other_sizes(
    values: Mapping[str, Array], factors: Float[Array, " factors"]
) -> dict[str, Array]:
    """Return steps and compute over those of the optimal size (eq. B.16 and B.17)."""
    alpha_N, alpha_S = values["alpha_N"], values["alpha_S"]
    left = 1 + alpha_S / alpha_N * -jnp.expm1(-alpha_N * jnp.log(factors))
    reached = left > 0
    steps = jnp.exp(-jnp.log(jnp.where(reached, left, 1.0)) / alpha_S)
    steps = jnp.where(reached, steps, jnp.inf)
    return {"compute_ratio": factors * steps, "steps_ratio": steps, "tokens_ratio": steps}


@compiled
def _over_converged(values: Mapping[str, Array], other: Float[Array, " cases"]) -> dict[str, Array]:
    """Return ratios to runs that stop nearer to their converged loss (eq. B.12 to B.14)."""
    alpha_N, alpha_S = values["alpha_N"], values["alpha_S"]
    above = alpha_N / alpha_S
    params = jnp.exp((jnp.log1p(above) - jnp.log1p(other)) / alpha_N)
    steps = jnp.exp((jnp.log1p(1 / above) - jnp.log1p(1 / other)) / alpha_S)
    return {
        "params_ratio": params,
        "steps_ratio": steps,
        "tokens_ratio": steps,
        "compute_ratio": params * steps,
    }
