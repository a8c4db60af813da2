"""The bootstrap: how the best fit scatters when the table is drawn again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, override

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision, to_dtype
from scalingbayes.inference.draws import Draws, Progress, silent
from scalingbayes.inference.engine import Engine
from scalingbayes.inference.mode import TIGHT
from scalingbayes.inference.optimize import OBJECTIVES, Objective, Optimize, search
from scalingbayes.inference.settings import check_between, check_choice, check_whole
from scalingbayes.model.bound_model import BoundModel, padded_length

KINDS = ("multinomial", "bayesian", "subsample")

_WEIGHTS_AT_ONCE = 1 << 25  # numbers: 256 MB of weights


@dataclass(frozen=True)
class Bootstrap(Engine):
    """Refit the law to resampled tables, all in one compiled program.

    The draws are best fits to tables drawn anew from the table, not draws from a posterior: their
    quantiles are confidence intervals.

    Parameters
    ----------
    resamples
        How many tables.
    by
        What is drawn: rows, or all rows of one value of a column, such as an IsoFLOP budget or a
        run's id, since these share errors.
    kind
        ``"multinomial"`` draws with replacement; ``"bayesian"`` gives Dirichlet weights (Rubin
        1981), under which no row is ever left out; ``"subsample"`` draws a part without
        replacement, whose scatter is sqrt(1/part - 1) of the others' (Politis & Romano 1994).
    part
        How much of the table a subsample holds.
    objective
        ``"likelihood"`` or ``"posterior"``.
    starts
        Searches for the best fit to the table itself, where all others begin.

    Raises
    ------
    InputError
        If a setting is out of range.
    """

    uses_likelihood_power: ClassVar[bool] = False
    supports_random_effects: ClassVar[bool] = False

    resamples: int = 1000
    by: str | None = None
    kind: Literal["multinomial", "bayesian", "subsample"] = "multinomial"
    part: float = 0.8
    objective: Objective = "likelihood"
    starts: int = 256

    def __post_init__(self) -> None:
        check_whole(self, resamples=4, starts=1)
        check_choice(self, kind=KINDS, objective=OBJECTIVES)
        check_between(self, 0.0, 1.0, "part")

    @override
    def run(
        self, models: Sequence[BoundModel], seeds: Sequence[int], dtype: str, progress: Progress
    ) -> list[Draws]:

        def one(fit: int) -> Draws:
            def report(part: float) -> None:
                progress((fit + part) / len(models))

            return self._run(models[fit], seeds[fit], dtype, report)

        return [one(fit) for fit in range(len(models))]

    def _run(self, model: BoundModel, seed: int, dtype: str, progress: Progress) -> Draws:
        best = Optimize(self.starts, self.objective).run_point(model, seed, dtype, silent)
        random = np.random.default_rng([seed, 1])
        units = self._units(model)
        at_once = max(1, _WEIGHTS_AT_ONCE // padded_length(len(model.runs)))
        found = []
        with precision(dtype):
            density = model.density(dtype)
            for first in range(0, self.resamples, at_once):
                count = min(at_once, self.resamples - first)
                weights = np.zeros((count, len(density.weights)))
                weights[:, : len(model.runs)] = model.weights * self._draw(random, units, count)
                starts = to_dtype(np.tile(best.point, (count, 1)), dtype)
                found.append(
                    search(density, starts, self.objective, TIGHT, to_dtype(weights, dtype))
                )
                progress((first + count) / self.resamples)
        return Draws(
            np.concatenate([each.best.point for each in found])[None].astype(float),
            {
                "lp": np.concatenate([each.best.log_density for each in found])[None],
                "converged": np.concatenate([each.converged for each in found])[None],
            },
            of="bootstrap",
        )

    def _units(self, model: BoundModel) -> Int[np.ndarray, " runs"]:
        """Give each row the number of what it is drawn with, and -1 if it does not count."""
        labels = np.arange(len(model.runs)) if self.by is None else model.runs.labels(self.by)
        units = np.full(len(labels), -1)
        units[model.counted] = pd.factorize(labels[model.counted])[0]
        if units.max() < 1:
            raise InputError(
                f"Column {self.by!r} has one value in all runs that count: resampling by it draws "
                f"the same table again and again. Give a column with several."
            )
        return units

    def _draw(
        self, random: np.random.Generator, units: Int[np.ndarray, " runs"], count: int
    ) -> Float[np.ndarray, "count runs"]:
        """Say how often each row is in each resample."""
        number = units.max() + 1
        if self.kind == "multinomial":
            drawn = random.multinomial(number, np.full(number, 1 / number), count).astype(float)
        elif self.kind == "subsample":
            drawn = draw_parts(random, int(number), self.part, count)
        else:
            drawn = random.dirichlet(np.ones(number), count) * number
        return np.where(units >= 0, drawn[:, units], 0.0)


def draw_parts(
    random: np.random.Generator, units: int, part: float, count: int
) -> Float[np.ndarray, "count units"]:
    """Draw a part of the units without replacement, so many times: 1 where one was drawn."""
    kept = np.arange(units) < round(part * units)
    return random.permuted(np.tile(kept, (count, 1)), axis=1).astype(float)
