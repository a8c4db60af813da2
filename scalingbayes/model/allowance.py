"""The allowance for a law's error: which posteriors are mixed, and with which weights.

No law is exact, and runs have the law's error in common. A posterior that takes the runs as
independent evidence is too narrow, more so the further it extrapolates. The allowance is a mixture
of posteriors that discount the runs: all runs alike, by a likelihood power T below 1 (Grünwald &
van Ommen 2017; Miller & Dunson 2019), and small runs more than large runs, by weights
(C / C_max)^g.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

ROW_EXPONENTS = (0.0, 0.3, 0.6)
"""The candidates of g."""

LIKELIHOOD_POWERS = (1.0, 0.6, 0.36, 0.22, 0.13, 0.08, 0.05)
"""The candidates of T, evenly spaced in the logarithm."""


@dataclass(frozen=True, eq=False)
class Allowance:
    """A mixture of posteriors over the exponents g (rows) and the likelihood powers T (columns).

    Parameters
    ----------
    weights
        The weight of each posterior; the sum is 1.
    log_evidence
        The log of the integral of each posterior density over the law's parameters.
    noise_values
        For each g, the parameters of the noise at the reference point. They are posterior means of
        the fit with likelihood power 1: the likelihood power is about the law alone.
    exactness
        From 0 to 1: how exact the law is, as far as the residuals of the runs show.
    fold_scores
        For each fold, the mean log predictive density of its held-out runs under each posterior.
    """

    weights: Float[np.ndarray, "exponents powers"]
    log_evidence: Float[np.ndarray, "exponents powers"]
    noise_values: Mapping[str, Float[np.ndarray, " exponents"]]
    exactness: float
    fold_scores: Float[np.ndarray, "folds exponents powers"]

    @property
    def largest(self) -> tuple[int, int]:
        """The indices (g, T) of the posterior of largest weight."""
        row, column = np.unravel_index(self.weights.argmax(), self.weights.shape)
        return int(row), int(column)

    @property
    def likelihood_power(self) -> float:
        """The geometric mean of the likelihood powers."""
        return float(np.exp(self.weights.sum(0) @ np.log(LIKELIHOOD_POWERS)))

    @property
    def row_exponent(self) -> float:
        """The mean of the exponents g."""
        return float(self.weights.sum(1) @ np.array(ROW_EXPONENTS))

    def as_record(self) -> dict[str, Any]:
        """Return the allowance as a record for JSON."""
        return {
            "weights": self.weights.tolist(),
            "log_evidence": self.log_evidence.tolist(),
            "noise_values": {name: x.tolist() for name, x in self.noise_values.items()},
            "exactness": self.exactness,
            "fold_scores": self.fold_scores.tolist(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Allowance":
        """Return the allowance of a record that :meth:`as_record` returned."""
        shape = (-1, len(ROW_EXPONENTS), len(LIKELIHOOD_POWERS))
        return cls(
            np.array(record["weights"]),
            np.array(record["log_evidence"]),
            {name: np.array(x) for name, x in record["noise_values"].items()},
            record["exactness"],
            np.array(record["fold_scores"]).reshape(shape),
        )
