"""How exact a law is, as far as the residuals of the runs show."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float
from scipy.special import logsumexp

from scalingbayes._core.devices import fetch, map_each
from scalingbayes._core.precision import to_dtype
from scalingbayes._core.programs import compiled
from scalingbayes.inference.mode import working_rows
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.log_density import LogDensity

_LENGTH = 1.5  # correlation length of a discrepancy, in nats of each input
_RATIOS = np.geomspace(1e-3, 1e2, 47)  # variance of the discrepancy over that of the noise
_TYPICAL_RATIO = (0.3, 2.0)  # median of the prior of the ratio, and sd of its logarithm
_EXACT_FACTOR = 0.5  # share of the information that remains, above which a law counts as exact
_MAX_ROWS = 600  # the matrices are of rows x rows


class Residuals(NamedTuple):
    """Residuals at a mode, and the derivatives of the locations by the law's parameters.

    Parameters
    ----------
    deviation
        Observed less expected, on the target's scale; see :class:`WorkingRows`.
    jacobian
        Derivatives of the expected values there.
    precision
        The weight of each row in the least squares that has the gradient of the likelihood.
    """

    deviation: Float[Array | np.ndarray, "*fits rows"]
    jacobian: Float[Array | np.ndarray, "*fits rows parameters"]
    precision: Float[Array | np.ndarray, "*fits rows"]


def residuals_at(
    densities: LogDensity, points: Float[np.ndarray, "fits dim"], dtype: str
) -> Residuals:
    """Return the residuals of each fit at its mode."""
    found = fetch(_residuals(densities, to_dtype(points, dtype)))
    return Residuals(*(each.astype(float) for each in found))


@compiled
def _residuals(densities: LogDensity, points: Float[ArrayLike, "fits dim"]) -> Residuals:
    def one(density: LogDensity, point: Array) -> Residuals:
        location = density.location(point)
        jacobian = jax.jacfwd(density.location)(point)[:, : density.location_size]
        rows = working_rows(density, point, location)
        return Residuals(rows.deviation, jacobian, rows.precision)

    return map_each(one, densities, jnp.asarray(points))


def exactness(model: BoundModel, residuals: Residuals) -> float:
    """Return how exact the law is: from 0 to 1.

    The residuals are compared with two models: independent noise, and noise plus a smooth
    discrepancy, a Gaussian process of the logarithms of the law's inputs (Kennedy & O'Hagan 2001).
    The variance of the discrepancy has a prior, and a posterior given the residuals. The result is
    the factor by which the discrepancy reduces what the runs say about the law's parameters: its
    geometric mean, and 1 for half or more. It is a design effect (Kish 1965): runs with a common
    error count for less.

    Parameters
    ----------
    model
        The model and its runs.
    residuals
        The residuals of one fit, padding included.
    """
    keep = _kept(model)
    x = _positions(model, keep)
    precision = residuals.precision[: len(model.runs)][keep]
    # A row that the law fits exactly has a precision of 0 divided by 0, which is set to 0.
    root = np.sqrt(np.where(precision > 0, precision, precision.max(initial=0.0) or 1.0))
    y = root * residuals.deviation[: len(model.runs)][keep]
    jacobian = root[:, None] * residuals.jacobian[: len(model.runs)][keep]
    covariance = _covariance(x, root)
    parameters = jacobian.shape[1]
    directions = np.linalg.qr(jacobian, mode="complete").Q
    of_parameters, others = directions[:, :parameters], directions[:, parameters:]
    variances, vectors = np.linalg.eigh(others.T @ covariance @ others)
    z = vectors.T @ (others.T @ y)
    count = max(len(z), 1)
    scale = 1 + _RATIOS[:, None] * np.maximum(variances, 0)
    with_discrepancy = np.where(len(z) > 0, (z**2 / scale).sum(1) / count, 1.0)
    without = (z**2).sum() / count if len(z) else 1.0
    center, spread = _TYPICAL_RATIO
    log_density = -(((np.log(_RATIOS) - np.log(center)) / spread) ** 2) / 2
    log_density -= np.log(scale).sum(1) / 2 + len(z) / 2 * np.log(with_discrepancy)
    weights = np.exp(log_density - logsumexp(log_density))
    along = np.einsum("ip,ij,jp->", of_parameters, covariance, of_parameters) / parameters
    inflation = with_discrepancy * (1 + _RATIOS * along) / without
    factor = np.exp(-weights @ np.log(np.maximum(inflation, 1.0)))
    return float(min(1.0, factor / _EXACT_FACTOR))


def _kept(model: BoundModel) -> Bool[np.ndarray, " runs"]:
    """Return which runs are used: those that count, or a random part of many."""
    rows = np.flatnonzero(model.counted)
    if len(rows) > _MAX_ROWS:
        rows = np.random.default_rng(0).choice(rows, _MAX_ROWS, replace=False)
    keep = np.zeros(len(model.runs), bool)
    keep[rows] = True
    return keep


def _positions(
    model: BoundModel, keep: Bool[np.ndarray, " runs"]
) -> Float[np.ndarray, "inputs kept"]:
    """Return the inputs in which the discrepancy is smooth.

    They are logarithms, but for inputs without a unit of their own, which may be 0: these are
    divided by their standard deviation.
    """
    found = []
    for name, values in model.inputs.items():
        plain = model.law.inputs[name].unit == "1" or not (values[keep] > 0).all()
        x = values[keep] if plain else np.log(values[keep])
        found.append(x / (x.std() or 1.0) if plain else x)
    return np.array(found)


def _covariance(
    x: Float[np.ndarray, "inputs runs"], root: Float[np.ndarray, " runs"]
) -> Float[np.ndarray, "runs runs"]:
    """Return the covariance of the discrepancy, a Matérn 3/2 process, in units of the noise."""
    distance = np.sqrt(((x[:, :, None] - x[:, None, :]) ** 2).sum(0)) * np.sqrt(3) / _LENGTH
    amplitude = np.sqrt(root / np.exp(np.log(root).mean()))
    return amplitude * amplitude[:, None] * (1 + distance) * np.exp(-distance)
