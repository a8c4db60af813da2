"""The choice of the allowance for a law's error, for several tables at once.

1. The law and the noise are fitted with likelihood power 1, for each exponent g of the rows'
   weights, to all runs and to the runs below each fold.
2. The posterior means of the noise are kept. The law is fitted again at each likelihood power T.
3. The residuals show how exact the law is; the folds show which g and T predict larger runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float, Int

from scalingbayes._core.precision import precision, to_dtype
from scalingbayes._core.progress import Report, silent
from scalingbayes.inference.allowance.lack_of_fit import exactness, residuals_at
from scalingbayes.inference.allowance.plain_fits import (
    PlainFit,
    fit_plainly,
    mean_noise,
    together,
)
from scalingbayes.inference.allowance.splits import Split, make_splits
from scalingbayes.inference.allowance.tempered import Tempered, temper
from scalingbayes.inference.draws import Draws
from scalingbayes.model.allowance import LIKELIHOOD_POWERS, ROW_EXPONENTS, Allowance
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.stacking import stack_densities

_TYPICAL_POWER = 0.2  # median of T if the law is not exact at all
_SPREAD = 0.5  # sd of log T
_ROWS_NATS = 10.0  # by g: how unlikely weights of rows are if the law is exact
_LEAST_WEIGHT = 0.03  # of a posterior, relative to the largest; a sampler pays for all of them
_FOLD_WEIGHT = 2.0  # observations that a fold counts as
_EXACT_DRAWS = 1000
_EXACT_FITS = 6  # sets of proposals for the posterior that takes the law as exact


@dataclass(frozen=True, eq=False)
class Allowed:
    """An allowance, and draws from the posteriors of likelihood power 1.

    Parameters
    ----------
    allowance
        The allowance.
    exact
        Draws of law and noise with the law taken as exact, by importance sampling.
    noise_points
        Draws of the noise, for each exponent g.
    """

    allowance: Allowance
    exact: Draws
    noise_points: Float[np.ndarray, "exponents draws noise"]

    def with_noise(
        self, points: Float[np.ndarray, "chains draws law"], random: np.random.Generator
    ) -> Float[np.ndarray, "chains draws dim"]:
        """Append draws of the noise to draws of the law."""
        shape = points.shape[:2]
        row = random.choice(len(ROW_EXPONENTS), shape, p=self.allowance.weights.sum(1))
        draw = random.integers(self.noise_points.shape[1], size=shape)
        return np.concatenate([points, self.noise_points[row, draw]], axis=-1)


def choose_allowances(
    models: Sequence[BoundModel], seeds: Sequence[int], dtype: str, progress: Report = silent
) -> list[Allowed]:
    """Choose the allowance of each table. One table's allowance does not depend on the others.

    Parameters
    ----------
    models
        Models of one law and one noise model, without random effects.
    seeds
        The seed of the random numbers of each model.
    dtype
        ``"float64"`` or ``"float32"``.
    progress
        Called with the fraction of the work that is done.
    """
    progress(0.0)
    with precision(dtype):
        return _choose(models, seeds, dtype, progress)


@dataclass(frozen=True, eq=False)
class _Table:
    """One table: its splits, its random numbers, and the place of its fits in the batch.

    The ``discounted`` fits are of each split with each exponent g. The ``repeats`` are fits to all
    runs with g = 0, as the first is.
    """

    model: BoundModel
    splits: list[Split]
    random: np.random.Generator
    discounted: range
    repeats: range

    @property
    def whole(self) -> range:
        """The fits to all runs, with each exponent."""
        return self.discounted[: len(ROW_EXPONENTS)]


def _make_batch(
    models: Sequence[BoundModel], seeds: Sequence[int]
) -> tuple[list[_Table], list[BoundModel]]:
    """Return the tables, and the models of all their fits."""
    tables: list[_Table] = []
    batch: list[BoundModel] = []
    for model, seed in zip(models, seeds, strict=True):
        splits, first = make_splits(model, fill=len(models) == 1), len(batch)
        batch += [each for split in splits for each in split.discounted_models]
        discounted = range(first, len(batch))
        batch += [model] * (_EXACT_FITS - 1)
        repeats = range(discounted.stop, len(batch))
        tables.append(_Table(model, splits, np.random.default_rng(seed), discounted, repeats))
    return tables, batch


def _choose(
    models: Sequence[BoundModel], seeds: Sequence[int], dtype: str, progress: Report
) -> list[Allowed]:
    tables, batch = _make_batch(models, seeds)
    densities = stack_densities(batch, dtype)
    generators = [table.random for table in tables for _ in (*table.discounted, *table.repeats)]
    plain = fit_plainly(densities, generators, dtype)
    progress(0.7)

    discounted = np.concatenate([table.discounted for table in tables])
    given = _select(densities, discounted)
    noise_values = mean_noise(given, [plain[i] for i in discounted], dtype)
    tempered = temper(
        given.given_noise(to_dtype(noise_values, dtype)),
        np.stack([plain[i].mode[: len(models[0].law.parameters)] for i in discounted]),
        [split.held_out for table in tables for split in table.splits for _ in ROW_EXPONENTS],
        [generators[i] for i in discounted],
        dtype,
    )
    progress(1.0)

    full = np.array([table.whole[0] for table in tables])
    modes = np.stack([plain[i].mode for i in full])
    residuals = residuals_at(_select(densities, full), modes, dtype)
    allowed = []
    for fit, table in enumerate(tables):
        own = np.flatnonzero(np.isin(discounted, table.discounted))
        v = exactness(table.model, _select(residuals, fit))
        of_noise = {name: x[own] for name, x in noise_values.items()}
        folds = [len(split.held_out) > 0 for split in table.splits]
        allowance = _allowance(v, [tempered[i] for i in own], folds, of_noise)
        allowed.append(_with_draws(allowance, table, plain))
    return allowed


def _select[Tree](stacked: Tree, fits: Int[np.ndarray, " chosen"] | int) -> Tree:
    """Return some of the fits of a stacked tree."""
    return jax.tree.map(lambda x: x[fits], stacked)


def _allowance(
    v: float,
    tempered: Sequence[Tempered],
    folds: Sequence[bool],
    noise_values: dict[str, Float[np.ndarray, " fits"]],
) -> Allowance:
    """Return the allowance of one table, given its fits of each split and exponent.

    ``folds`` says which splits hold runs out. The first split fits all runs.
    """
    rows = len(ROW_EXPONENTS)
    scores = np.stack([each.scores for each in tempered])
    scores = scores.reshape(-1, rows, len(LIKELIHOOD_POWERS))[np.array(folds)]
    return Allowance(
        mixture_weights(v, scores),
        np.stack([each.log_evidence for each in tempered[:rows]]),
        {name: x[:rows] for name, x in noise_values.items()},
        v,
        scores,
    )


def _with_draws(allowance: Allowance, table: _Table, plain: Sequence[PlainFit]) -> Allowed:
    """Return an allowance with draws: of the noise for each g, and with the law taken as exact."""
    law, random = len(table.model.law.parameters), table.random
    noise = [plain[i].resampled(_EXACT_DRAWS, random).points[0, :, law:] for i in table.whole]
    exact = together([plain[i] for i in (table.whole[0], *table.repeats)])
    return Allowed(allowance, exact.resampled(_EXACT_DRAWS, random), np.stack(noise))


def mixture_weights(
    exactness: float, fold_scores: Float[np.ndarray, "folds exponents powers"]
) -> Float[np.ndarray, "exponents powers"]:
    """Return the weight of each posterior: a prior that depends on exactness, times the folds.

    The prior of T is log-normal about 1 for an exact law, and about 0.2 for a law without any
    exactness. The exponent g has an exponential prior for an exact law, and a flat prior else.
    Each fold counts as two observations: its runs have the law's error in common.

    Parameters
    ----------
    exactness
        How exact the law is, from 0 to 1.
    fold_scores
        The mean log predictive density of each fold's runs.
    """
    center = (1 - exactness) * np.log(_TYPICAL_POWER)
    log = -(((np.log(LIKELIHOOD_POWERS) - center) / _SPREAD) ** 2) / 2
    log = log - _ROWS_NATS * np.array(ROW_EXPONENTS)[:, None] * exactness**2
    log = log + _FOLD_WEIGHT * np.nan_to_num(fold_scores, nan=-1e3, neginf=-1e3).sum(0)
    weights: Float[np.ndarray, "exponents powers"] = np.exp(log - log.max())
    weights = np.where(weights < _LEAST_WEIGHT, 0.0, weights)
    return weights / weights.sum()
