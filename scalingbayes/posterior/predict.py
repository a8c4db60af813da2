"""Predictions of a posterior for new runs."""

import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from scalingbayes._core.arguments import Numbers, check_numbers
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision, to_device
from scalingbayes.data.units import PERPLEXITY
from scalingbayes.laws.base.inputs import check_inputs, side_by_side
from scalingbayes.model.noise import NO_SCATTER
from scalingbayes.posterior.extrapolation import beyond, shared_error
from scalingbayes.posterior.pairing import independent_order
from scalingbayes.posterior.predictive_distribution import predict
from scalingbayes.posterior.user_units import (
    from_user_unit,
    in_user_units,
    inputs_in_nats,
    target_name,
    to_user_unit,
    with_units,
)
from scalingbayes.results import SAMPLE_DIMS, Estimate

if TYPE_CHECKING:
    from scalingbayes.posterior.posterior import Posterior


def predict_runs(
    post: "Posterior", seed: int, inputs: Mapping[str, Numbers | Estimate]
) -> Estimate:
    """Predict what new runs will reach: see :meth:`Posterior.predict`."""
    law, record = post.law, post.record
    check_inputs(law, inputs)
    predicted = {name: x for name, x in inputs.items() if isinstance(x, Estimate)}
    given = side_by_side(
        {
            name: check_numbers(name, inputs[name], each.domain)
            for name, each in law.inputs.items()
            if name not in predicted
        }
    )
    points: dict[str, np.ndarray] = inputs_in_nats(post, given)
    index: dict[str, np.ndarray] = {}
    verdict = post.verdict
    for name, estimate in predicted.items():
        points[name], runs = _paired(post, name, estimate, seed)
        index |= runs
        verdict = verdict and estimate.verdict
    index = side_by_side(index | given)
    stream = zlib.crc32(f"{record.law} {record.data.digest}".encode())
    with precision("float64"):
        arrays = (post.values, points, record.reference, post.discrepancy_draws)
        shift = to_device(shared_error(post, points), "float64")
        found = predict(law, post.noise, *to_device(arrays, "float64"), (seed, stream), shift=shift)
    rows = pd.MultiIndex.from_arrays(list(index.values()), names=list(index))
    coords = xr.Coordinates.from_pandas_multiindex(rows, "run")
    draws = post.named(found, "run").assign_coords(coords)
    draws = to_user_unit(post, draws, *found)
    title = f"Predicted {target_name(post)}, after the runs of {record.data.name!r}"
    notes: tuple[str, ...] = ()
    if post.noise.name == NO_SCATTER:
        notes = ("The scatter of single runs is not published: observed is expected.",)
    if post.counts_flops and set(law.inputs) <= set(given):
        compute = post.cost.at(given).training_flops(given[law.budget.size], given["tokens"])
        notes += beyond("FLOPs", compute, post.compute)
    return Estimate(with_units(post, title), draws, verdict, notes=notes)


def with_posterior_predictive(post: "Posterior", seed: int) -> xr.DataTree:
    """Return the tree of a posterior with the group ``posterior_predictive``."""
    constant = post.tree["constant_data"]
    given = {name: constant[name].to_numpy() for name in post.law.inputs}
    predicted = predict_runs(post, seed, in_user_units(post, given))["observed"]
    values = from_user_unit(post, predicted.transpose(*SAMPLE_DIMS, "run").to_numpy())
    found = post.named({post.law.target.column: values}, "run")
    groups = post.tree.to_dict()
    groups["/posterior_predictive"] = found.assign_coords(run=constant["run"].to_numpy())
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = dict(post.tree.attrs)
    return tree


def _paired(
    post: "Posterior", name: str, estimate: Estimate, seed: int
) -> tuple[Float[np.ndarray, "chains draws runs"], dict[str, np.ndarray]]:
    """Return one draw of a predicted input for each draw of the posterior, and its runs."""
    if "observed" not in estimate:
        raise InputError(
            f"{name} must be numbers or what a posterior predicts, {name}=post.predict(...); "
            f"got the estimate {estimate.title!r}."
        )
    draws = estimate["observed"].transpose(*SAMPLE_DIMS, "run")
    if estimate.draws.attrs.get("unit") == PERPLEXITY:
        draws = draws.copy(data=np.log(draws))
    chains, count = (post.draws.sizes[dim] for dim in SAMPLE_DIMS)
    runs = draws["run"].to_index()
    index = {str(n): runs.get_level_values(i).to_numpy() for i, n in enumerate(runs.names)}
    flat = draws.to_numpy().reshape(-1, len(runs))
    order = independent_order(len(flat), chains * count, seed)
    return flat[order].reshape(chains, count, -1), index
