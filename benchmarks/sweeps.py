"""Public sweeps of training runs: their tables, their scales, and the optima of their budgets."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from scalingbayes.data.folds import levels

ALIKE = 0.1  # budgets, or sizes, within this fraction are one

_NEAR_BEST = 4.0  # a parabola is fitted to sizes within this factor of the budget's best
_RESAMPLES = 200
_FEWEST = 3  # points of a parabola


@dataclass(frozen=True, eq=False)
class Sweep:
    """A sweep of one study.

    Parameters
    ----------
    study, name
        The study, and the name of the sweep within all sweeps.
    frame
        Columns ``params``, ``tokens``, ``loss`` and, if the sweep has IsoFLOP budgets, ``budget``.
    level
        The number of each row's budget, or of its model size if there are no budgets; 0 is the
        largest.
    """

    study: str
    name: str
    frame: pd.DataFrame
    level: Int[np.ndarray, " runs"]

    @property
    def compute(self) -> Float[np.ndarray, " runs"]:
        """Training FLOPs of each run."""
        return (6 * self.frame["params"] * self.frame["tokens"]).to_numpy(float)

    @property
    def has_budgets(self) -> bool:
        return "budget" in self.frame


def public_sweeps(data: Path) -> list[Sweep]:
    """Return the 21 public sweeps that have at least four budgets or sizes.

    Parameters
    ----------
    data
        A folder with the tables as CSV files: ``chinchilla_epoch.csv`` and others.
    """
    found = []

    def add(study: str, name: str, frame: pd.DataFrame, scale: str) -> None:
        frame = frame.reset_index(drop=True)
        level = levels(frame[scale].to_numpy(float), ALIKE)
        columns = ["params", "tokens", "loss"]
        if scale == "isoflop_budget":
            frame = frame.rename(columns={scale: "budget"})
            columns.append("budget")
        found.append(Sweep(study, name, frame[columns].astype(float), level))

    def read(name: str) -> pd.DataFrame:
        return pd.read_csv(data / f"{name}.csv")

    octiles = read("chinchilla_epoch")
    octiles["scale"] = np.exp(pd.qcut(np.log(octiles["compute"]), 8, labels=False))
    add("chinchilla", "chinchilla, octiles of compute", octiles, "scale")
    add("chinchilla", "chinchilla, IsoFLOP", read("chinchilla_scalefit_isoflop"), "isoflop_budget")
    add("llama3", "llama3", read("llama3_isoflop"), "isoflop_budget")
    for name, part in read("porian_isoflop").groupby("group"):
        add("porian", f"porian {name}", part, "isoflop_budget")
    for name, part in read("gemstones").groupby("group"):
        add("gemstones", f"gemstones {name}", part, "params")
    add("misfitting", "misfitting", read("misfitting"), "params")
    for name, part in read("overtraining_gadre").groupby("dataset"):
        add("overtraining", f"overtraining {name}", part, "params")
    return found


@dataclass(frozen=True)
class Vertex:
    """The log of the model size of least loss at one budget, and its standard error."""

    log_params: float
    sd: float


def find_vertex(
    log_params: Float[np.ndarray, " runs"], log_loss: Float[np.ndarray, " runs"], seed: int = 0
) -> Vertex | None:
    """Return the vertex of a parabola of log loss in log params, near a budget's best run.

    The parabola is fitted to the runs whose size is within a factor of 4 of the best run's. The
    standard error is the sd of the vertex over 200 resamples of these runs. Resamples that have
    no vertex within their points are left out.

    Returns
    -------
    Vertex or None
        None if the parabola opens downward, or its vertex is outside of its points.
    """
    near = np.abs(log_params - log_params[np.argmin(log_loss)]) <= np.log(_NEAR_BEST) + 1e-9
    x, y = log_params[near], log_loss[near]
    middle = parabola_vertex(x, y)
    if middle is None:
        return None
    random = np.random.default_rng(seed)
    rows = random.integers(len(x), size=(_RESAMPLES, len(x)))
    resampled = [parabola_vertex(x[row], y[row]) for row in rows]
    found = [each for each in resampled if each is not None]
    return Vertex(middle, float(np.std(found))) if len(found) > 1 else None


def parabola_vertex(
    x: Float[np.ndarray, " points"], y: Float[np.ndarray, " points"]
) -> float | None:
    """Return the vertex of the best parabola, or None if it is not a minimum within the points."""
    if len(np.unique(np.round(x, 6))) < _FEWEST:
        return None
    center = x.mean()
    curvature, slope, _ = np.polyfit(x - center, y, 2)
    if curvature <= 0:
        return None
    vertex = float(center - slope / (2 * curvature))
    return vertex if x.min() <= vertex <= x.max() else None


def budgets_of(frame: pd.DataFrame) -> dict[float, Bool[np.ndarray, " runs"]]:
    """Return the rows of each budget of a table, by the budget, the largest first."""
    budget = frame["budget"].to_numpy(float)
    number = levels(budget, ALIKE)
    return {
        float(np.median(budget[number == each])): number == each for each in range(number.max() + 1)
    }
