"""How well posteriors predict runs that they have not seen."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float

from scalingbayes._core.arguments import check_seed
from scalingbayes._core.precision import precision, to_device
from scalingbayes.data.folds import Folds, as_folds
from scalingbayes.data.runs import Table, as_runs
from scalingbayes.fitting.batch import fit_many
from scalingbayes.fitting.fit import PowerChoice
from scalingbayes.inference import Engine, Progress
from scalingbayes.model.bound_model import known_errors
from scalingbayes.model.model import DEFAULT_LAW, ModelLike
from scalingbayes.posterior.collection import Posteriors
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.prediction import log_predictive, predict
from scalingbayes.results import IntervalKind, Result, Verdict, View

_PROBS = (0.5, 0.9)


def score(post: Posterior, runs: Table, seed: int = 0) -> pd.DataFrame:
    """Score what a posterior predicts of runs against what they reached.

    All is on the scale on which the target scatters: log loss, so that a difference of 0.01 is one
    per cent. Where the noise has known errors, those of these runs are foreseen.

    Parameters
    ----------
    post
        A posterior.
    runs
        Runs that it was not fitted to.
    seed
        Seed of the noise of predicted runs.

    Returns
    -------
    pandas.DataFrame
        A row a run: ``error``, the predicted median less what was observed; ``width90`` of the
        90 % interval; ``in50`` and ``in90``, whether the intervals of equal tails hold it; ``pit``,
        the probability that was given to less; ``crps``, the continuous ranked probability score
        (Gneiting & Raftery 2007; the mean absolute error for a certain prediction); and
        ``log_score``, the log predictive density.

    Raises
    ------
    InputError
        If the runs lack a column or hold what cannot be used, or ``seed`` is none.
    """
    check_seed(seed)
    runs = as_runs(runs)
    law, noise = post.law, post.noise
    scale = law.target.on_scale
    inputs = {name: runs.column(name, each.domain) for name, each in law.inputs.items()}
    target = runs.column(law.target.column, scale.domain)
    errors = known_errors(noise, runs, target)
    reference = post.record["reference"]
    with precision("float64"):
        arrays = to_device((post.values, inputs, reference, post.discrepancy_draws), "float64")
        draws = predict(law, noise, *arrays, seed, 0, to_device(errors, "float64"))["observed"]
        predicted = np.asarray(scale.link(draws)).reshape(-1, len(target))
        observed = np.asarray(scale.link(jnp.asarray(target)))
        slope = np.asarray(scale.slope(jnp.asarray(target)))
    density = log_predictive(
        law, noise, post.values, inputs, target, reference, errors, post.discrepancy_draws
    )
    columns: dict[str, Any] = {"error": np.median(predicted, axis=0) - observed}
    for prob in _PROBS:
        low, high = np.quantile(predicted, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
        columns[f"in{100 * prob:.0f}"] = (low <= observed) & (observed <= high)
    columns["width90"] = high - low  # of the last, the widest
    columns["pit"] = (predicted < observed).mean(0)
    columns["crps"] = crps(predicted, observed)
    columns["log_score"] = density - np.log(np.abs(slope))
    return pd.DataFrame(columns, index=runs.frame.index)


def crps(
    predicted: Float[np.ndarray, "draws runs"], observed: Float[np.ndarray, " runs"]
) -> Float[np.ndarray, " runs"]:
    """Compute the continuous ranked probability score from draws, E|X - y| - E|X - X'| / 2.

    Parameters
    ----------
    predicted
        Draws of each run.
    observed
        What each run reached.
    """
    count = len(predicted)
    ordered = np.sort(predicted, axis=0)
    ranks = (2 * np.arange(1, count + 1) - count - 1)[:, None]
    # Unbiased (Zamo & Naveau 2018, eq. 8): pairs of different draws only.
    spread = 2 * (ranks * ordered).sum(0) / (count * (count - 1))
    return np.abs(predicted - observed).mean(0) - spread / 2


@dataclass(frozen=True, eq=False, repr=False)
class Backtest(Result):
    """How a law would have done: its predictions of runs held out.

    Parameters
    ----------
    pointwise
        A row a run held out, as :func:`score` gives it; indexed by fold and row of the table.
    posteriors
        The posterior of each fold.
    """

    pointwise: pd.DataFrame
    posteriors: Posteriors

    @property
    def title(self) -> str:
        """What was predicted from what."""
        law = next(iter(self.posteriors.models.values())).law
        return f"Runs held out, predicted by {law.equation} from the others"

    @property
    def verdict(self) -> Verdict:
        """Whether all fits passed their checks."""
        return self.posteriors.verdict

    def summary(self, prob: float = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return the number of runs, mean scores and coverage: a row a fold, and one of all runs.

        The table has no credible intervals: ``prob`` and ``kind`` are ignored.
        """
        folds = self.pointwise.groupby(level="fold", sort=False)
        frame = pd.concat([folds.apply(_means), _means(self.pointwise).to_frame("all").T])
        frame.attrs["verdict"] = self.verdict.word
        return frame

    def view(self) -> View:
        """Return the table and the verdict."""
        return replace(super().view(), verdict=self.verdict)


def backtest(
    runs: Table,
    model: ModelLike = DEFAULT_LAW,
    *,
    by: str | Folds = "largest",
    engine: Engine | str = "nuts",
    likelihood_power: PowerChoice = "auto",
    seed: int = 0,
    dtype: str | None = None,
    progress: Progress | None = None,
) -> Backtest:
    """Fit a model to some of the runs, and score how well it predicts the others.

    Parameters
    ----------
    runs
        The table.
    model
        The law or the model, as for :func:`scalingbayes.fit`.
    by
        Which runs are held out together: the ``"largest"`` runs, each level of ``"compute"``, each
        label of a column, or masks by label as :func:`scalingbayes.data.folds.largest` returns.
    engine, likelihood_power, seed, dtype, progress
        As for :func:`scalingbayes.fit_many`.

    Raises
    ------
    InputError
        If there are no such folds, or a fold leaves too few runs to fit.
    """
    runs = as_runs(runs)
    folds = as_folds(by, runs)
    posts = fit_many(
        dict.fromkeys(folds, runs),
        model,
        engine=engine,
        weights={label: 1.0 - mask for label, mask in folds.items()},
        likelihood_power=likelihood_power,
        seed=seed,
        dtype=dtype,
        progress=progress,
    )
    return Backtest(
        _scored({label: runs.filter(mask) for label, mask in folds.items()}, posts), posts
    )


def _scored(held: Mapping[Hashable, Any], posts: Posteriors) -> pd.DataFrame:
    frames = {label: score(posts[label], runs) for label, runs in held.items()}
    return pd.concat(frames, names=["fold", "run"])


def _means(scores: pd.DataFrame) -> pd.Series:
    means = {name: scores[name].mean() for name in ("in50", "in90", "crps", "log_score", "width90")}
    return pd.Series({"runs": len(scores), **means, "bias": scores["error"].mean()})
