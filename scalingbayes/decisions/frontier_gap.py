"""The distance of real models from a posterior's compute-optimal frontier."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

from scalingbayes._core.arguments import Probability, check_numbers
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError, unknown
from scalingbayes._core.numbers import kind_of, write, write_with_interval
from scalingbayes._core.precision import precision, to_device
from scalingbayes.allocation import compute_to_reach
from scalingbayes.data.published import published_models
from scalingbayes.decisions.law_draws import require_params_and_tokens, require_tokens
from scalingbayes.posterior.extrapolation import shared_error
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import from_user_unit, predicts_perplexity, target_name
from scalingbayes.results import SAMPLE_DIMS, Estimate, View

_SHOWN = {
    "excess_loss": "excess loss",
    "compute_wasted": "compute wasted",
    "params_ratio": "N / N_opt",
}

_LEGEND = (
    "Losses are those of the law, not published ones.",
    "decades: compute C beyond the largest fitted run, in powers of 10.",
    "excess loss: the model's loss above the least loss of the same compute.",
    "compute wasted: the share of its compute that the model's loss does not need. Serving costs "
    "are not counted: a small model may be intended.",
)

_IN_NATS = "Losses are in nats: ln(perplexity)."


class FrontierGap(Estimate):
    """Gaps between models and the compute-optimal frontier; made by :func:`frontier_gap`.

    The draws have the dim ``model``. Its coordinates are ``params``, ``tokens``, ``compute`` in
    FLOPs, and ``extrapolated``, the decades of compute beyond the largest run of the fit.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> found = sb.frontier_gap(post, {"model": ["A"], "params": [280e9], "tokens": [300e9]})
    >>> found["params_ratio"].dims
    ('chain', 'draw', 'model')
    """

    def by_model(self, prob: Probability = 0.9) -> pd.DataFrame:
        """Return one row a model, as text: medians and equal-tailed intervals of the main columns.

        Parameters
        ----------
        prob
            Posterior probability of an interval.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1.
        """
        middle, bounds = self.median(), self.interval(prob)
        columns: dict[str, Any] = {
            "C (FLOPs)": [write(float(f"{x:.2g}"), "flops") for x in middle["compute"].values],
            "decades": [f"{x:+.1f}" for x in middle["extrapolated"].values],
        }
        for name, heading in _SHOWN.items():
            ends = bounds[name].transpose("model", "bound").values
            columns[heading] = [
                " ".join(write_with_interval(m, low, high, kind_of(name)))
                for m, (low, high) in zip(middle[name].values, ends, strict=True)
            ]
        frame = pd.DataFrame(columns, index=pd.Index(middle["model"].values, name="model"))
        frame.attrs["verdict"] = self.verdict.word
        return frame

    def plot(self, ax: Any = None, prob: Probability = 0.9) -> Any:
        """Plot the gaps, a row a model; see :func:`scalingbayes.plots.plot_frontier_gap`."""
        from scalingbayes.plots import plot_frontier_gap

        return plot_frontier_gap(self, prob, ax)

    def view(self, prob: Probability = 0.9) -> View:
        """Return the table of :meth:`by_model` and its legend."""
        medians = f"Medians, with {100 * prob:g}% intervals in brackets."
        lines = (medians, *_LEGEND, *self.notes)
        return replace(super().view(prob), table=self.by_model(prob), lines=lines)


@checked
def frontier_gap(
    post: Posterior, models: pd.DataFrame | Mapping[str, Any] | None = None
) -> FrontierGap:
    """Estimate how far models are from the compute-optimal frontier of a fit.

    Losses are not the models' published losses. They are the losses that the law expects of each
    size and number of tokens, as if the model had been trained as the runs of the fit were, on the
    same data and with the same tokenizer. Mixtures of experts are left out, because a law of params
    and tokens alone describes dense models.

    Parameters
    ----------
    post
        A fit of a law of params and tokens alone, to a table that has both as counts.
    models
        A table with the columns ``params`` and ``tokens``, as counts, and ``model``, the names;
        without this column the index has the names. A model whose ``active_params``, if there is
        such a column, are fewer than its ``params`` is a mixture of experts. By default
        :func:`scalingbayes.published_models`.

    Returns
    -------
    FrontierGap
        Draws of shape (chains, draws, models): ``loss``, by the law, in nats for a table of
        perplexities; ``least_loss`` of the model's compute C, which is counted as
        :attr:`Posterior.cost` does, for most fits as 6 N D; ``excess_loss``, the difference of the
        two; ``compute_needed``, the FLOPs with which the frontier reaches the model's loss;
        ``compute_wasted``, 1 - compute_needed / C; and ``params_ratio``, N / N_opt(C).

    Raises
    ------
    InputError
        If the law has other inputs or another target, a column is missing, names are not unique, a
        number is not positive, all models are mixtures of experts, the frontier does not reach a
        model's loss, or the fit's table counts samples or bytes in place of tokens and ``models``
        are the published ones.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> found = sb.frontier_gap(post, {"model": ["A"], "params": [280e9], "tokens": [300e9]})
    >>> bool(found.median()["params_ratio"].sel(model="A") > 3)  # four times too large
    True
    """
    post = require_params_and_tokens(post)
    if models is None:
        require_tokens(post, "published models", "Pass models=..., with tokens in the same unit.")
    frame, experts = _dense(_read(published_models() if models is None else models))
    names = frame.index.to_numpy()
    params, tokens = (frame[name].to_numpy() for name in ("params", "tokens"))
    compute = post.cost.training_flops(params, tokens)

    expected = post.predict(params=params, tokens=tokens).draws["expected"]
    loss = from_user_unit(post, expected.transpose(*SAMPLE_DIMS, "run").to_numpy())
    best = post.allocate(compute).draws.transpose(*SAMPLE_DIMS, "compute")
    least = from_user_unit(post, best[target_name(post)].to_numpy())
    # The frontier has the same error beyond the runs, so the error does not change the compute.
    shift = shared_error(post, {"params": params, "tokens": tokens})
    by_law = loss if shift is None else loss * np.exp(-shift)
    with precision("float64"):
        values = to_device(post.values, "float64")
        needed = np.asarray(compute_to_reach(post.law, values, jnp.asarray(by_law), {}, post.cost))
    if lost := names[~np.isfinite(needed).all((0, 1))].tolist():
        raise InputError(
            f"The frontier of law {post.law.name!r} does not reach the loss of "
            f"{', '.join(map(repr, lost))} in up to "
            f"{(~np.isfinite(needed)).mean((0, 1)).max():.0%} of the draws: these models are too "
            f"far from the runs of the fit. Leave them out."
        )
    found = {
        "loss": loss,
        "least_loss": least,
        "excess_loss": loss - least,
        "compute_needed": needed,
        "compute_wasted": 1 - needed / compute,
        "params_ratio": params / best["params"].to_numpy(),
    }
    along = {"params": params, "tokens": tokens, "compute": compute}
    along["extrapolated"] = np.log10(compute / post.compute.max())
    draws = xr.Dataset(
        {name: ((*SAMPLE_DIMS, "model"), x) for name, x in found.items()},
        {name: best[name] for name in SAMPLE_DIMS}
        | {"model": names}
        | {name: ("model", x) for name, x in along.items()},
    )
    title = f"Models against the frontier of the runs of {post.record.data.name!r}"
    notes = [f"Compute is counted as {post.cost.equation}."]
    if predicts_perplexity(post):
        notes.append(_IN_NATS)
    if experts:
        notes.append(
            f"Left out, because the law describes dense models and these are mixtures of experts: "
            f"{', '.join(experts)}."
        )
    return FrontierGap(title, draws, post.verdict, notes=(*post.caveats, *notes))


def _read(models: pd.DataFrame | Mapping[str, Any]) -> pd.DataFrame:
    """Return a checked table of params, active params and tokens, by the models' names."""
    try:
        frame = pd.DataFrame(models)
    except ValueError as error:
        raise InputError(
            f"models must be a table whose columns have the same length: {error}."
        ) from error
    for name in ("params", "tokens"):
        if name not in frame:
            raise unknown("column", name, map(str, frame.columns))
    named = frame.set_index("model") if "model" in frame else frame
    if not named.index.is_unique:
        twice = named.index[named.index.duplicated()].unique().tolist()
        raise InputError(f"Names of models must be unique; {twice} occur more than once.")
    columns = {name: check_numbers(name, named[name].to_numpy()) for name in ("params", "tokens")}
    columns["active_params"] = columns["params"]
    if "active_params" in named:
        columns["active_params"] = check_numbers("active_params", named["active_params"].to_numpy())
    return pd.DataFrame(columns, index=named.index.astype(str))


def _dense(models: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the dense models, and the names of the mixtures of experts."""
    experts = (models["active_params"] < models["params"]).to_numpy()
    if experts.all():
        raise InputError(
            "All models are mixtures of experts, with fewer active_params than params: the law "
            "describes dense models. Add a dense model."
        )
    return models[~experts], models.index[experts].tolist()
