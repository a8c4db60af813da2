"""Make a posterior from given values: the constants of a paper, or the point of a best fit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from scalingbayes.laws import Law
from scalingbayes.model.noise import Noise
from scalingbayes.posterior.io import pack_table
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.record import ATTRIBUTE, Record, versions
from scalingbayes.posterior.tree import make_dataset
from scalingbayes.results import SAMPLE_DIMS

SAME_DRAWS = 1000
"""Number of equal draws if there are no errors: noise and assumptions differ between them."""


def posterior_from_values(
    law: Law,
    noise: Noise,
    values: Mapping[str, Float[np.ndarray, " draws"]],
    runs: Mapping[str, Float[np.ndarray, " runs"]],
    frame: pd.DataFrame,
    record: Mapping[str, Any],
) -> Posterior:
    """Return a posterior of given values of the parameters, which no engine has drawn.

    Parameters
    ----------
    law, noise
        The law and the noise model.
    values
        Draws of their parameters, in the units of the runs; all equal if there are no errors.
    runs
        The law's inputs and its target, NaN where it is unknown, and ``weights``.
    frame
        The table of the runs; without rows if it is not stored.
    record
        The fields of the record that are not those of every such posterior: ``data``,
        ``reference``, ``engine``, ``options``, ``of`` and ``facts``; ``priors`` and
        ``origin_of_priors`` if there are such.
    """
    target = law.target.column
    count = len(runs[target])
    by_run = {"run": np.arange(count)}
    draws = {name: np.asarray(x, float)[None] for name, x in values.items()}
    sizes = next(iter(draws.values())).shape
    coords = {name: np.arange(size) for name, size in zip(SAMPLE_DIMS, sizes, strict=True)}
    constant = {name: x for name, x in runs.items() if name != target}
    groups = {
        "posterior": make_dataset(draws, SAMPLE_DIMS, coords),
        "sample_stats": make_dataset({}, SAMPLE_DIMS, coords),
        "observed_data": make_dataset({target: runs[target]}, ("run",), by_run),
        "constant_data": make_dataset(constant, ("run",), by_run),
        "table": pack_table(frame, np.arange(len(frame))),
    }
    fields: dict[str, Any] = {
        "law": law.name,
        "noise": noise.name,
        "equation": law.equation,
        "priors": {},
        "origin_of_priors": "",
        "prior_shares": {},
        "discrepancy": None,
        "seed": 0,
        "dtype": "float64",
        "device": None,
        "allowance": None,
        "exact_facts": {},
        "versions": versions(),
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs[ATTRIBUTE] = Record(**{**fields, **record}).to_json()
    return Posterior(tree, law, noise)
