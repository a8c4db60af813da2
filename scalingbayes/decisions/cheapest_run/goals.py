"""Goals of a run: a loss, or an accuracy that a second fit predicts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from scalingbayes._core.arguments import check_number, check_numbers
from scalingbayes._core.domains import OPEN_FRACTION
from scalingbayes._core.errors import InputError
from scalingbayes._core.numbers import write
from scalingbayes._core.precision import precision, to_device
from scalingbayes._core.programs import compiled
from scalingbayes._core.roots import bisect
from scalingbayes.decisions.law_draws import largest_share
from scalingbayes.laws import Law
from scalingbayes.posterior.pairing import independent_order
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import from_user_unit
from scalingbayes.results import SAMPLE_DIMS, Verdict

Quantity = Literal["loss", "compute"]
"""What a goal says is needed."""

_RANGES: Mapping[Quantity, tuple[float, float]] = {
    "loss": (np.log(1e-3), np.log(1e3)),
    "compute": (0.0, np.log(1e60)),
}
"""Logs of losses and FLOPs that are searched; what lies outside is reached by none or by all."""

_MOST_BY_GUESSING = 0.05
"""Share of draws in which any run may suffice: fewer leave a 90 % interval as it is."""


@dataclass(frozen=True)
class LossGoal:
    """Losses to reach.

    Parameters
    ----------
    name
        The name of the target in answers, such as ``"loss"``.
    values
        The losses, in the unit of the user's table.
    """

    name: str
    values: Float[np.ndarray, " losses"]
    quantity: ClassVar[Quantity] = "loss"
    easier: ClassVar[str] = "above the law's irreducible one (E, in many laws)"
    verdict: ClassVar[Verdict | None] = None

    def needed(self, post: Posterior) -> Float[np.ndarray, " losses"]:
        """Return the losses in the unit of the law."""
        return np.asarray(from_user_unit(post, self.values))

    def suffices(self, needed: Float[np.ndarray, " losses"]) -> Bool[np.ndarray, " losses"]:
        """Return which losses any run reaches: none."""
        return np.zeros(needed.shape, bool)

    def notes(self, needed: Float[np.ndarray, "..."]) -> tuple[str, ...]:
        """Return no notes: the run's own are enough."""
        return ()


@dataclass(frozen=True)
class AccuracyGoal:
    """Accuracies to reach, and the fit that predicts them from the loss or from compute.

    Parameters
    ----------
    downstream
        The fit.
    values
        The accuracies; 1 - error if the fit predicts an error.
    inputs
        Inputs of its law other than the loss or compute.
    seed
        Seed of the pairing of draws.
    exact
        Whether the fit that reaches the accuracy takes its law as exact. The allowance of
        ``downstream`` then stays in the answer.
    """

    downstream: Posterior
    values: Float[np.ndarray, " accuracies"]
    inputs: Mapping[str, float]
    seed: int
    exact: bool
    name: ClassVar[str] = "accuracy"
    easier: ClassVar[str] = "below what the law of the accuracy allows at the irreducible loss"

    @property
    def quantity(self) -> Quantity:
        """What the accuracy is a function of."""
        return "loss" if "loss" in self.downstream.law.inputs else "compute"

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the fit of the accuracy."""
        return self.downstream.verdict

    def needed(self, post: Posterior) -> Float[np.ndarray, "chains draws accuracies"]:
        """Return the loss in nats, or the FLOPs, that each draw needs.

        A loss of 0, or infinite FLOPs, where no run suffices; an infinite loss, or 0 FLOPs, where
        any run suffices.

        Raises
        ------
        InputError
            If any run suffices in 5 % of the draws or more.
        """
        if_exact = post.exact and not self.exact
        fit = self.downstream.as_exact if if_exact else self.downstream
        law, shape = fit.law, tuple(post.draws.sizes[dim] for dim in SAMPLE_DIMS)
        count = int(np.prod([fit.draws.sizes[dim] for dim in SAMPLE_DIMS]))
        order = independent_order(count, int(np.prod(shape)), [self.seed, 3]).reshape(shape)
        drawn = {name: x.ravel()[order] for name, x in fit.values.items()}
        better = law.target.higher_is_better
        target = self.values if better else 1 - self.values
        with precision("float64"):
            values, fixed, aim = to_device((drawn, dict(self.inputs), target), "float64")
            found, easy, out_of_reach = _invert(law, self.quantity, values, fixed, aim)
        always = np.asarray(easy).mean((0, 1))
        if always.max() >= _MOST_BY_GUESSING:
            raise InputError(
                f"An accuracy of {self.values[always.argmax()]:.4g} is reached by any "
                f"{self.quantity} in {always.max():.0%} of the draws of {law.name!r}: it is what "
                f"guessing gives. Choose a higher accuracy."
            )
        impossible, free = (0.0, np.inf) if self.quantity == "loss" else (np.inf, 0.0)
        return np.where(out_of_reach, impossible, np.where(easy, free, found))

    def suffices(
        self, needed: Float[np.ndarray, "chains draws accuracies"]
    ) -> Bool[np.ndarray, "chains draws accuracies"]:
        """Return in which draws any run suffices."""
        return np.isinf(needed) if self.quantity == "loss" else needed == 0

    def notes(self, needed: Float[np.ndarray, "chains draws accuracies"]) -> tuple[str, ...]:
        """Return notes on the second fit, on guessing, and on what lies beyond its runs."""
        notes = tuple(self.downstream.caveats)
        runs = self.downstream.record.data.name
        if self.quantity == "loss":
            notes += (
                f"The loss of the run and that of {runs!r} must be of one text, under one "
                f"tokenizer.",
            )
        if (free := self.suffices(needed)).any():
            notes += (
                f"Any run has the accuracy in {largest_share(free)} of the draws: its compute is "
                f"0 there.",
            )
        return notes + self._beyond(np.median(needed, (0, 1)), runs)

    def _beyond(self, needed: Float[np.ndarray, " accuracies"], runs: str) -> tuple[str, ...]:
        """Return a note for each end of the range of the second fit's runs that is left."""
        seen = self.downstream.tree["constant_data"][self.quantity].to_numpy()
        if not seen.size:  # published constants, of runs whose range is not known
            return ()
        asked = needed[np.isfinite(needed) & (needed > 0)]
        least, most = asked.min(initial=np.inf), asked.max(initial=0.0)
        ends = (
            (least < seen.min(), least, "below the smallest", seen.min()),
            (most > seen.max(), most, "above the largest", seen.max()),
        )
        what = "a loss of " if self.quantity == "loss" else ""
        return tuple(
            f"Extrapolated: the accuracy needs {what}{self._written(x)}, {where} of the runs of "
            f"{runs!r} ({self._written(end)}). Nothing is added to the interval for an error of "
            f"{self.downstream.law.name!r} beyond these runs."
            for outside, x, where, end in ends
            if outside
        )

    def _written(self, number: np.floating) -> str:
        """Return a loss or a number of FLOPs with its unit."""
        if self.quantity == "loss":
            return f"{number:.4g} nats"
        return f"{write(float(number), 'flops')} FLOPs"


def accuracy_goal(
    downstream: Any, accuracy: Any, inputs: Mapping[str, float], seed: int, *, exact: bool
) -> tuple[AccuracyGoal, dict[str, float]]:
    """Return the goal of an accuracy, and the inputs that are not those of its law.

    Raises
    ------
    InputError
        If ``downstream`` is no fit of an accuracy, an error or a pass rate as a function of loss or
        compute, an accuracy is not between 0 and 1, or an input of its law is missing.
    """
    if not isinstance(downstream, Posterior):
        raise InputError(
            f"downstream must be a posterior of an accuracy, as sb.fit(runs, 'accuracy') returns; "
            f"got {type(downstream).__name__}."
        )
    law = downstream.law
    main = [name for name in ("loss", "compute") if name in law.inputs]
    if law.target.scale != "logit" or len(main) != 1:
        raise InputError(
            f"downstream must predict an accuracy, an error or a pass rate from the loss or from "
            f"compute, as the law 'accuracy' does; {law.name!r} predicts {law.target.column} from "
            f"{' and '.join(law.inputs)}."
        )
    others = {name: each for name, each in law.inputs.items() if name not in main}
    if missing := [name for name in others if name not in inputs]:
        raise InputError(f"Law {law.name!r} also reads {missing[0]}: give {missing[0]}=...")
    own = {name: check_number(name, inputs[name], each.domain) for name, each in others.items()}
    rest = {name: x for name, x in inputs.items() if name not in own}
    values = check_numbers("accuracy", accuracy, OPEN_FRACTION).ravel()
    return AccuracyGoal(downstream, values, own, seed, exact), rest


@partial(compiled, static=("law", "quantity"))
def _invert(
    law: Law,
    quantity: Quantity,
    values: dict[str, Float[Array, "*draws"]],
    fixed: dict[str, Array],
    target: Float[Array, " cases"],
) -> tuple[Float[Array, "*draws cases"], Array, Array]:
    """Bisect for the loss or the compute at which a law predicts a target.

    Return also where any loss or compute suffices, and where none does.
    """
    there = {name: x[..., None] for name, x in values.items()}
    sign = 1.0 if law.target.higher_is_better == (quantity == "compute") else -1.0

    def above(log_x: Array) -> Array:
        """Increases with the loss if it exceeds what is needed, with compute if it suffices."""
        return sign * (law({**fixed, quantity: jnp.exp(log_x)}, there) - target)

    shape = jnp.broadcast_shapes(target.shape, *(x.shape for x in there.values()))
    low, high = (jnp.full(shape, end, target.dtype) for end in _RANGES[quantity])
    found = jnp.exp(bisect(above, low, high))
    # The least loss and the largest compute are the hardest to have.
    at_low, at_high = above(low) > 0, above(high) <= 0
    easy, hard = (at_high, at_low) if quantity == "loss" else (at_low, at_high)
    return found, easy, hard
