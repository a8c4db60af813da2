"""Tables that an exact law made, on the designs of public sweeps, and the least possible sds.

The law is `coupled`, L = E + (A/N^alpha + B/D^beta)^k. Nothing here uses the package's fits, so
that the tables stay the same when its priors or its samplers change.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.optimize import least_squares
from sweeps import Sweep

TYPICAL = np.array([-0.36, -1.0, -1.0, -0.71, -0.42, -0.68])
"""Usual log(E/Lmin), log A, log B, log alpha, log beta and log k at the reference point."""

SPREAD = np.array([0.25, 0.49, 0.49, 0.39, 0.44, 0.44])
"""Their sds over public sweeps."""

_TAIL = 0.01  # residual of log loss where squares end; the misfit of usual sweeps


@dataclass(frozen=True)
class ExactLaw:
    """The law `coupled` at the reference point of a table: geometric mean inputs, least loss.

    Parameters
    ----------
    point
        log(E/Lmin), log A, log B, log alpha, log beta, log k at the reference point.
    log_params, log_tokens, log_loss
        The reference point.
    """

    point: Float[np.ndarray, " 6"]
    log_params: float
    log_tokens: float
    log_loss: float

    def log_loss_at(
        self, log_params: Float[np.ndarray, " runs"], log_tokens: Float[np.ndarray, " runs"]
    ) -> Float[np.ndarray, " runs"]:
        inputs = log_params - self.log_params, log_tokens - self.log_tokens
        return self.log_loss + _log_loss(self.point, *inputs)[0]

    @property
    def a(self) -> float:
        """The exponent of N_opt ∝ C^a."""
        alpha, beta = np.exp(self.point[3:5])
        return float(beta / (alpha + beta))

    def log_params_opt(self, compute: float) -> float:
        return self.log_params + self._log_ratio_opt(compute)

    def _log_ratio_opt(self, compute: float) -> float:
        """Return log(N_opt/N_ref), from alpha A / N^alpha = beta B / D^beta and C = 6 N D."""
        alpha, beta = np.exp(self.point[3:5])
        budget = np.log(compute / 6) - self.log_params - self.log_tokens
        log_odds = self.point[3] + self.point[1] - self.point[4] - self.point[2]
        return float((log_odds + beta * budget) / (alpha + beta))

    def least_sds(
        self,
        log_params: Float[np.ndarray, " runs"],
        log_tokens: Float[np.ndarray, " runs"],
        scatter: float,
        compute: float,
        prior: Float[np.ndarray, " 6"] | None = None,
    ) -> tuple[float, float]:
        """Return the least sds of a and of log N_opt: the Cramér-Rao bound for normal scatter.

        That the scatter itself is unknown costs nothing: its information is orthogonal.

        Parameters
        ----------
        log_params, log_tokens
            The runs.
        scatter
            Sd of log loss.
        compute
            The budget of N_opt.
        prior
            Sds of a normal prior of the point, whose precision is added to the information.
        """
        inputs = log_params - self.log_params, log_tokens - self.log_tokens
        jacobian = _log_loss(self.point, *inputs)[1] / scatter
        information = jacobian.T @ jacobian
        if prior is not None:
            information += np.diag(prior**-2.0)
        gradients = np.stack([self._gradient_of_a(), self._gradient_of_log_params(compute)], 1)
        variances = np.sum(gradients * np.linalg.solve(information, gradients), axis=0)
        first, second = np.sqrt(np.maximum(variances, 0.0))
        return float(first), float(second)

    def _gradient_of_a(self) -> Float[np.ndarray, " 6"]:
        slope = self.a * (1 - self.a)
        return np.array([0.0, 0.0, 0.0, -slope, slope, 0.0])

    def _gradient_of_log_params(self, compute: float) -> Float[np.ndarray, " 6"]:
        alpha, beta = np.exp(self.point[3:5])
        budget = np.log(compute / 6) - self.log_params - self.log_tokens
        ratio = self._log_ratio_opt(compute)
        slopes = [0.0, 1.0, -1.0, 1.0 - alpha * ratio, beta * (budget - ratio) - 1.0, 0.0]
        return np.array(slopes) / (alpha + beta)


def _log_loss(
    point: Float[np.ndarray, " 6"], x: Float[np.ndarray, " runs"], y: Float[np.ndarray, " runs"]
) -> tuple[Float[np.ndarray, " runs"], Float[np.ndarray, "runs 6"]]:
    """Return log(L/Lmin) and its Jacobian; x and y are log inputs over the reference point."""
    log_e, log_a, log_b = point[:3]
    alpha, beta, k = np.exp(point[3:])
    size, data = log_a - alpha * x, log_b - beta * y
    log_sum = np.logaddexp(size, data)
    log_reducible = k * log_sum
    log_loss = np.logaddexp(log_e, log_reducible)
    share, of_size = np.exp(log_reducible - log_loss), np.exp(size - log_sum)
    of_data = 1 - of_size
    columns = [
        1 - share,
        share * k * of_size,
        share * k * of_data,
        -share * k * of_size * alpha * x,
        -share * k * of_data * beta * y,
        share * log_reducible,
    ]
    return log_loss, np.stack(columns, axis=-1)


def fit_truth(sweep: Sweep) -> ExactLaw:
    """Fit `coupled` to all runs of a sweep, with the prior of a usual law: the truth of its tables.

    Runs scatter by one per cent in the fit, and count for less beyond it (SciPy's ``soft_l1``).
    """
    logs = [np.log(sweep.frame[name].to_numpy(float)) for name in ("params", "tokens", "loss")]
    reference = float(logs[0].mean()), float(logs[1].mean()), float(logs[2].min())
    x, y, z = (log - at for log, at in zip(logs, reference, strict=True))

    def residuals(point: np.ndarray) -> np.ndarray:
        error = (_log_loss(point, x, y)[0] - z) / _TAIL
        robust = np.sqrt(2 * (np.sqrt(1 + error**2) - 1))
        return np.concatenate([np.sign(error) * robust, (point - TYPICAL) / SPREAD])

    return ExactLaw(least_squares(residuals, TYPICAL).x, *reference)


def choose_rows(sweep: Sweep, count: int, seed: int) -> Int[np.ndarray, " count"]:
    """Choose rows of a sweep that keep its budgets, or sizes, and the runs of each, spread.

    A quarter as many levels as rows are evenly spaced over the sweep's levels (all levels, if it
    has no more). Each level in turn gives one more row, evenly spaced over the sizes of its runs.
    """
    random = np.random.default_rng(seed)
    number = sweep.level.max() + 1
    chosen = np.round(np.linspace(0, number - 1, min(number, max(3, count // 4)))).astype(int)
    sizes = np.bincount(sweep.level, minlength=number)
    share = np.zeros(number, int)
    order = list(chosen) + [level for level in range(number) if level not in chosen]
    for levels in (order[: len(chosen)], order):  # other levels only if these have too few rows
        while share.sum() < count and np.any(share[levels] < sizes[levels]):
            for level in levels:
                if share[level] < sizes[level] and share.sum() < count:
                    share[level] += 1
    rows = [
        _evenly(sweep, np.flatnonzero(sweep.level == level), share[level], random)
        for level in range(number)
    ]
    return np.sort(np.concatenate(rows))


def _evenly(
    sweep: Sweep, rows: Int[np.ndarray, " rows"], count: int, random: np.random.Generator
) -> Int[np.ndarray, " count"]:
    """Choose rows of one level, evenly spaced in the order of params, then of tokens."""
    columns = [sweep.frame[name].to_numpy(float)[rows] for name in ("tokens", "params")]
    ordered = rows[np.lexsort(columns)]
    places = (np.arange(count) + random.uniform(0.0, 1.0)) * len(rows) / max(count, 1)
    return ordered[places.astype(int) % len(rows)]


def simulate(law: ExactLaw, frame: pd.DataFrame, scatter: float, seed: int) -> pd.DataFrame:
    """Return the runs of a table with the losses of a law, and log-normal scatter."""
    log_loss = law.log_loss_at(
        np.log(frame["params"].to_numpy()), np.log(frame["tokens"].to_numpy())
    )
    noise = np.random.default_rng(seed).standard_normal(len(frame))
    return frame.assign(loss=np.exp(log_loss + scatter * noise))
