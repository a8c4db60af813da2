"""The bootstrap: best fits to resampled tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, override

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from scalingbayes._core.arguments import Count, OpenFraction, at_least
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision, to_dtype
from scalingbayes._core.progress import Report, silent
from scalingbayes.inference.draws import Draws
from scalingbayes.inference.engine import Engine
from scalingbayes.inference.mode import TIGHT
from scalingbayes.inference.optimize import Objective, Optimize, search
from scalingbayes.model.bound_model import BoundModel, padded_length

_WEIGHTS_AT_ONCE = 1 << 25  # weights of all tables of one call; 256 MB


@checked
@dataclass(frozen=True)
class Bootstrap(Engine):
    """Refit the law to resampled tables, all in one compiled program.

    The draws are best fits to resampled tables, not draws from a posterior. Their quantiles are
    confidence intervals.

    Parameters
    ----------
    resamples
        Number of tables.
    by
        Column whose values define the resampled groups, such as an IsoFLOP budget or a run's id:
        all rows of one value are drawn together, because they share errors. By default single rows
        are drawn.
    kind
        ``"multinomial"`` draws with replacement. ``"bayesian"`` draws Dirichlet weights (Rubin
        1981), which leave out no row. ``"subsample"`` draws a fraction of the rows without
        replacement; its standard errors are sqrt(1/part - 1) times those of the other kinds
        (Politis & Romano 1994).
    part
        Fraction of the table in a subsample.
    objective
        ``"likelihood"`` or ``"posterior"``.
    starts
        Number of searches for the best fit to the table itself, where all refits start.

    Raises
    ------
    InputError
        If a setting is out of range.

    Examples
    --------
    >>> Bootstrap(resamples=500, by="run_id").kind
    'multinomial'
    """

    supports_random_effects: ClassVar[bool] = False

    resamples: Annotated[int, at_least(4)] = 1000
    by: str | None = None
    kind: Literal["multinomial", "bayesian", "subsample"] = "multinomial"
    part: OpenFraction = 0.8
    objective: Objective = "likelihood"
    starts: Count = 256

    @override
    def run(
        self, models: Sequence[BoundModel], seeds: Sequence[int], dtype: str, progress: Report
    ) -> list[Draws]:

        count = len(models)
        return [
            self._run(model, seeds[fit], dtype, progress.part(fit / count, (fit + 1) / count))
            for fit, model in enumerate(models)
        ]

    def _run(self, model: BoundModel, seed: int, dtype: str, progress: Report) -> Draws:
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
        """Return the number of the group that each row is drawn with; -1 for rows of weight 0."""
        labels = np.arange(len(model.runs)) if self.by is None else model.runs.labels(self.by)
        units = np.full(len(labels), -1)
        units[model.counted] = pd.factorize(labels[model.counted])[0]
        if units.max() < 1:
            raise InputError(
                f"Column {self.by!r} has one value in all runs that count, so that every resampled "
                f"table would be the same. Give a column with several values."
            )
        return units

    def _draw(
        self, random: np.random.Generator, units: Int[np.ndarray, " runs"], count: int
    ) -> Float[np.ndarray, "count runs"]:
        """Draw how often each row occurs in each resampled table."""
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
    """Draw a fraction of the units without replacement, ``count`` times; 1 where one was drawn."""
    kept = np.arange(units) < round(part * units)
    return random.permuted(np.tile(kept, (count, 1)), axis=1).astype(float)
