"""Answers agree: of one table alone and among others, and in float32 and float64.

Processes with one and two devices are compared in test_batch_processes.py.
"""

import numpy as np
import pytest
from plain import fit, fit_many

import scalingbayes as sb

pytestmark = pytest.mark.slow
NAMES = ("alpha", "beta", "E", "sigma")


def differences(ours: sb.Posterior, theirs: sb.Posterior) -> dict[str, float]:
    """Return the distances of medians and of ends of 90 % intervals, in posterior sds."""
    return {
        name: np.max(
            np.abs(
                np.quantile(ours.values[name], [0.05, 0.5, 0.95])
                - np.quantile(theirs.values[name], [0.05, 0.5, 0.95])
            )
        )
        / theirs.values[name].std()
        for name in NAMES
    }


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-6), ("float32", 0.2)])
def test_a_table_has_one_answer_alone_and_among_nine(runs, dtype, bound):
    tables = {str(number): runs for number in range(9)}
    options = {"engine": "laplace", "seed": 1, "dtype": dtype}
    alone = fit_many({"0": runs}, **options)["0"]
    among = fit_many(tables, **options)["0"]
    assert alone.record.seed == among.record.seed
    assert max(differences(alone, among).values()) < bound


def test_nuts_in_float32_and_float64_agree_within_monte_carlo_error(runs):
    single, double = (fit(runs, seed=1, dtype=dtype) for dtype in ("float32", "float64"))
    for name in NAMES:
        ess = min(post.summary().loc[name, "ess_bulk"] for post in (single, double))
        distance = abs(single.values[name].mean() - double.values[name].mean())
        # Eight means at 4.5 standard errors of a difference fail by chance once in 20,000.
        assert distance < 4.5 * double.values[name].std() * np.sqrt(2 / ess)
