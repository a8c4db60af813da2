"""The best learning rate, batch size and other settings of one planned run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from scalingbayes._core.errors import InputError
from scalingbayes.combine.average import Average
from scalingbayes.decisions.law_draws import as_posterior
from scalingbayes.posterior.point_estimate import PointEstimate
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import Estimate

_BOWL = "hyperparameter_bowl"
"""The law whose optimum is in its own parameters."""

_OF_BOWL = {"learning_rate": ("c_lr", "lr_N", "lr_D"), "batch_size": ("c_bs", "bs_N", "bs_D")}


def best_settings(
    planned: Posterior | Average,
    posts: Sequence[Posterior | PointEstimate],
    run: Mapping[str, float],
) -> dict[str, Estimate]:
    """Return the best settings of a run, by name.

    Parameters
    ----------
    planned
        The fit whose run it is. If it is of ``hyperparameter_bowl``, it has settings too.
    posts
        Fits of laws that predict a setting from the run, such as ``hyperparameters``, or of
        ``hyperparameter_bowl``, which has two settings. A point has no intervals.
    run
        The run: ``params``, ``tokens``, ``compute``.

    Raises
    ------
    InputError
        If a law reads something else, predicts a loss, or two laws predict one setting.
    """
    found: dict[str, Estimate] = {}
    own = [planned] if isinstance(planned, Posterior) and planned.law.name == _BOWL else []
    for given in (*posts, *own):
        post = as_posterior(given)
        if isinstance(post, Average):
            raise InputError("hyperparameters= takes posteriors, not an average of them.")
        of_post = _of_bowl(post, run) if post.law.name == _BOWL else _of_law(post, run)
        if twice := set(found) & set(of_post):
            raise InputError(
                f"Two of hyperparameters= predict {', '.join(twice)}: leave one of them out."
            )
        found |= of_post
    return found


def _of_bowl(post: Posterior, run: Mapping[str, float]) -> dict[str, Estimate]:
    """Return the optimum of a bowl: c N^a D^b for each setting."""
    values = post.values
    found = {}
    for name, (scale, on_params, on_tokens) in _OF_BOWL.items():
        logs = np.log(values[scale]) + values[on_params] * np.log(run["params"])
        best = np.exp(logs + values[on_tokens] * np.log(run["tokens"]))
        found[name] = Estimate(
            f"Best {name}", xr.Dataset({name: (("chain", "draw"), best)}), post.verdict
        )
    return found


def _of_law(post: Posterior, run: Mapping[str, float]) -> dict[str, Estimate]:
    """Return the setting that a law predicts for the run."""
    law, name = post.law, post.law.target.column
    if not set(law.inputs) <= set(run) or name == "loss":
        raise InputError(
            f"hyperparameters= takes fits of laws that predict a setting, such as a learning rate, "
            f"from {', '.join(run)}; law {law.name!r} predicts {name} from "
            f"{', '.join(law.inputs)}."
        )
    inputs: dict[str, Any] = {each: run[each] for each in law.inputs}
    predicted = post.predict(**inputs)
    draws = predicted.draws[["expected"]].squeeze("run", drop=True).rename(expected=name)
    exact = predicted.exact
    if exact is not None:
        exact = exact[["expected"]].squeeze("run", drop=True).rename(expected=name)
    return {name: Estimate(f"Best {name}", draws, post.verdict, post.caveats, exact)}
