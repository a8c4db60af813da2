"""What the law of a posterior expects of new runs, without the noise of single runs."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from scalingbayes._core.arguments import Numbers, check_numbers
from scalingbayes._core.precision import precision, to_device
from scalingbayes._core.programs import compiled
from scalingbayes.laws import Law
from scalingbayes.laws.base.inputs import check_inputs, side_by_side
from scalingbayes.posterior.extrapolation import shared_error
from scalingbayes.posterior.user_units import inputs_in_nats, predicts_perplexity

if TYPE_CHECKING:
    from scalingbayes.posterior.posterior import Posterior

_POINTS_AT_ONCE = 256  # so that one compiled program serves any number of runs


def expected_targets(
    post: "Posterior", inputs: Mapping[str, Numbers]
) -> Float[np.ndarray, "chains draws runs"]:
    """Compute what the law expects of new runs: see :meth:`Posterior.expected`."""
    law = post.law
    check_inputs(law, inputs)
    given = side_by_side(
        {name: check_numbers(name, inputs[name], each.domain) for name, each in law.inputs.items()}
    )
    points = inputs_in_nats(post, given)
    count = len(next(iter(points.values())))
    blocks = []
    with precision("float64"):
        values = to_device(post.values, "float64")
        for first in range(0, count, _POINTS_AT_ONCE):
            rows = np.minimum(np.arange(first, first + _POINTS_AT_ONCE), count - 1)
            block = to_device({name: x[rows] for name, x in points.items()}, "float64")
            blocks.append(np.asarray(_expected(law, values, block)))
    found = np.concatenate(blocks, axis=-1)[..., :count]
    if (shift := shared_error(post, points)) is not None:
        found = found * np.exp(shift)
    if predicts_perplexity(post):
        with np.errstate(over="ignore"):  # draws from priors may be huge
            found = np.exp(found)
    return found


def thin_tree(tree: xr.DataTree, draws: int) -> xr.DataTree:
    """Return a posterior's tree with at most this many draws in each group, evenly spaced."""
    groups = {path: _thin(group, draws) for path, group in tree.to_dict().items()}
    return xr.DataTree.from_dict(groups)


def _thin(group: xr.Dataset, draws: int) -> xr.Dataset:
    if "draw" not in group.dims:
        return group
    chains, count = group.sizes.get("chain", 1), group.sizes["draw"]
    kept = np.unique(np.linspace(0, count - 1, max(draws // chains, 1)).astype(int))
    return group.isel(draw=kept)


@partial(compiled, static=("law",))
def _expected(
    law: Law, values: dict[str, Float[Array, "*draws"]], inputs: dict[str, Float[Array, " points"]]
) -> Float[Array, "*draws points"]:
    return law(inputs, {name: value[..., None] for name, value in values.items()})
