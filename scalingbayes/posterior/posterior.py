"""The posterior: draws of a law's parameters, and what they say of themselves."""

import json
import warnings
import zlib
from collections.abc import Mapping, Sequence
from functools import cache, cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.arguments import check_numbers, check_seed
from scalingbayes._core.atomic_files import atomic_write
from scalingbayes._core.errors import InputError, InputWarning
from scalingbayes._core.precision import precision, to_device
from scalingbayes.allocation import (
    Cost,
    Limits,
    cost_of,
    exponents,
    optimum,
    reference_budget,
    require_allocation,
)
from scalingbayes.data.runs import Runs
from scalingbayes.inference import Draws
from scalingbayes.laws import Law, get_law
from scalingbayes.laws.base.inputs import beside_budget, check_inputs, side_by_side
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.discrepancy import Discrepancy, log_scale
from scalingbayes.model.log_density import LogDensity
from scalingbayes.model.noise import Noise
from scalingbayes.model.noise_models import get_noise
from scalingbayes.model.random_effects import DenseDesign, Design, design_of_groups
from scalingbayes.posterior.diagnostics import judge
from scalingbayes.posterior.extrapolation import beyond, runs_beyond
from scalingbayes.posterior.prediction import DiscrepancyDraws, predict
from scalingbayes.results import (
    SAMPLE_DIMS,
    DrawsResult,
    Estimate,
    IntervalKind,
    Verdict,
    View,
    check_interval,
    interval_columns,
)

ATTRIBUTE = "scalingbayes"
"""Of a tree: what was run, as JSON."""

_OF_CHAINS = ("ess_bulk", "ess_tail", "r_hat", "mcse_mean", "mcse_sd")
_LARGEST_LOG_LIKELIHOOD = 30_000_000  # values, 240 MB; a larger one is left out of the tree


class Posterior(DrawsResult):
    """Draws from the posterior of a law, whichever engine made them.

    Parameters
    ----------
    tree
        ArviZ's DataTree. ``tree["posterior"]`` holds each parameter in the table's units, with
        dims ``chain`` and ``draw``; beside it are ``sample_stats``, ``log_likelihood`` (of each
        run's target; left out where it would not fit memory), ``log_prior`` (of the number that
        each parameter's prior speaks of), ``observed_data``, ``constant_data`` and ``table``, with
        all columns; runs of weight 0 are in none of these. Its attribute ``scalingbayes`` says, as
        JSON, what was run.
    law, noise
        What was fitted.
    """

    def __init__(self, tree: xr.DataTree, law: Law, noise: Noise) -> None:
        self.tree = tree
        self.law = law
        self.noise = noise

    @classmethod
    def from_draws(
        cls, model: BoundModel, draws: Draws, settings: Mapping[str, Any]
    ) -> "Posterior":
        """Make a posterior of an engine's draws.

        Parameters
        ----------
        model
            What was fitted.
        draws
            What the engine returned.
        settings
            What the engine ran with, for the record.
        """
        counted = model.counted
        pointwise = draws.points[..., 0].size * int(counted.sum()) <= _LARGEST_LOG_LIKELIHOOD
        with precision("float64"):
            effects = draws.points.shape[-1] - len(model.parameters)
            density = model.density("float64", effects=effects)
            points = jnp.asarray(draws.points)
            values, log_likelihood, log_priors, shares = jax.tree.map(
                np.asarray, describe(density, points, pointwise)
            )
            shared = np.asarray(_random_effects(density, points)) if effects else None
        values = {name: values[name] for name in model.parameters}  # jit returns them sorted
        coords = {
            name: np.arange(size)
            for name, size in zip(SAMPLE_DIMS, draws.points.shape[:2], strict=True)
        }
        rows = {"run": np.flatnonzero(counted)}
        target = model.law.target.column
        constant = {name: x[counted] for name, x in model.inputs.items()}
        constant["weights"] = model.weights[counted]
        groups = {
            "posterior": _dataset(values, SAMPLE_DIMS, coords),
            "sample_stats": _dataset(draws.stats, SAMPLE_DIMS, coords),
            "observed_data": _dataset({target: model.observed[counted]}, ("run",), rows),
            "constant_data": _dataset(constant, ("run",), rows),
            "table": _pack(model.runs.frame[counted], rows),
        }
        if pointwise:
            # The density of the target in the table's unit, not over its reference value.
            in_units = log_likelihood[..., rows["run"]] - np.log(model.reference[target])
            groups["log_likelihood"] = _dataset(
                {target: in_units}, (*SAMPLE_DIMS, "run"), {**coords, **rows}
            )
        if shared is not None and model.shared is not None:
            labels, _ = model.shared
            groups["random_effects"] = _dataset(
                {target: shared[..., : len(labels)]},
                (*SAMPLE_DIMS, "effect"),
                {**coords, "effect": labels.astype(object)},
            )
        if draws.of == "posterior":
            named = {name: log_priors[name] for name in model.parameters}
            groups["log_prior"] = _dataset(named, SAMPLE_DIMS, coords)
        tree = xr.DataTree.from_dict(groups)
        shares = {name: float(shares[name]) for name in model.parameters}
        settings = {**settings, **draws.facts, "of": draws.of}
        record = _record(model, settings, shares if draws.of == "posterior" else {})
        tree.attrs[ATTRIBUTE] = json.dumps(record)
        return cls(tree, model.law, model.noise)

    @cached_property
    def record(self) -> dict[str, Any]:
        """What was run: law, noise, priors, data, engine and its settings, seed, versions."""
        return json.loads(self.tree.attrs[ATTRIBUTE])

    @property
    def values(self) -> dict[str, Float[np.ndarray, "chains draws"]]:
        """Draws of each parameter, in the table's units."""
        posterior = self.tree["posterior"].to_dataset()
        return {str(name): array.to_numpy() for name, array in posterior.items()}

    @cached_property
    def runs(self) -> Runs:
        """The table that was fitted, without runs of weight 0.

        Raises
        ------
        InputError
            If the posterior was saved before tables were kept.
        """
        if "table" not in self.tree:
            raise InputError("This posterior was saved without its table: fit it again.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InputWarning)  # it was warned of when it came
            return Runs(_unpack(self.tree["table"].to_dataset()), name=self.record["data"]["name"])

    @property
    def discrepancy_draws(self) -> DiscrepancyDraws | None:
        """Draws of the law's own error, where the noise has a discrepancy."""
        if not self.noise.discrepancy:
            return None
        shared = self.tree["random_effects"][self.law.target.column]
        return DiscrepancyDraws(
            Discrepancy(*self.record["discrepancy"]), shared.transpose(..., "effect").to_numpy()
        )

    @property
    def effects_design(self) -> Design | None:
        """The map from random effects to runs; None if the noise has no random effects."""
        noise = self.noise
        if noise.groups:
            return design_of_groups(self.runs.labels(noise.groups))[1]
        if not noise.discrepancy:
            return None
        data = self.tree["constant_data"]
        inputs = {name: data[name].to_numpy() for name in noise.discrepancy}
        here = log_scale(noise.discrepancy, inputs, self.record["reference"])
        with precision("float64"):
            return DenseDesign(np.asarray(Discrepancy(*self.record["discrepancy"]).basis(here)))

    @property
    def likelihood_power(self) -> float:
        """The power of the likelihood: below 1 it is discounted for errors that runs share."""
        return float(self.record.get("likelihood_power", 1.0))

    @property
    def weights(self) -> Float[np.ndarray, " runs"]:
        """How much each of the runs counts, before the likelihood_power."""
        return self.tree["constant_data"]["weights"].to_numpy() / self.likelihood_power

    @cached_property
    def verdict(self) -> Verdict:
        """Whether to believe the fit, why, and what to do if not."""
        posterior, stats = (self.tree[name].to_dataset() for name in ("posterior", "sample_stats"))
        return judge(posterior, stats, self.record)

    def summary(self, prob: float = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Summarise each parameter under ArviZ's column names.

        Parameters
        ----------
        prob
            Posterior probability of the credible intervals.
        kind
            ``"eti"``, equal tails, or ``"hdi"``, the shortest.

        Returns
        -------
        pandas.DataFrame
            A row a parameter: mean, sd, interval and, of chains, effective sample sizes, R-hat and
            Monte Carlo errors, in the table's units. ``attrs["verdict"]`` says whether the fit
            passed.

        Raises
        ------
        InputError
            If ``prob`` or ``kind`` cannot be used.
        """
        import arviz_stats

        check_interval(prob, kind)
        with np.errstate(over="ignore", invalid="ignore"):  # draws from priors may be huge
            frame = arviz_stats.summary(
                self.tree["posterior"].to_dataset(), ci_prob=prob, ci_kind=kind, round_to="none"
            )
        # ArviZ cuts the probability to whole per cents: eti95 for 0.955.
        bounds = [column for column in frame if column.startswith(kind)]
        frame = frame.rename(columns=dict(zip(bounds, interval_columns(prob, kind), strict=True)))
        if self.tree["posterior"].sizes["chain"] == 1:  # no chains, no diagnostics of chains
            frame = frame.drop(columns=list(_OF_CHAINS))
        frame.attrs["verdict"] = self.verdict.word
        return frame

    def exponents(
        self,
        compute: ArrayLike | Sequence[float] | None = None,
        cost: Cost | None = None,
        **inputs: float,
    ) -> Estimate:
        """Estimate a and b of N_opt ∝ C^a and D_opt ∝ C^b.

        Parameters
        ----------
        compute
            Budgets in FLOPs at which to take the local exponents, d log N_opt / d log C. Without
            it, they are taken amid the runs; Chinchilla's are the same everywhere.
        cost
            What a budget pays for, as for :meth:`allocate`.
        **inputs
            The law's inputs other than the model's size and tokens, such as ``unique_tokens=1e11``.

        Raises
        ------
        InputError
            If the law has no compute-optimal allocation, lacks an input, or a budget is not a
            positive number.
        """
        require_allocation(self.law)
        amid = reference_budget(self.law, self.record["reference"])
        budgets = check_numbers("compute", amid if compute is None else compute).ravel()
        draws = self._per_budget(exponents, budgets, inputs, cost=cost_of(self.law, cost))
        if compute is None:
            draws = draws.squeeze("compute", drop=True)
        size = "N_opt" if self.law.budget.size == "params" else self.law.budget.size
        notes = () if compute is None else self._beyond(budgets)
        title = f"Exponents of {size} ∝ C^a, D_opt ∝ C^b"
        return Estimate(title, draws, self.verdict, notes=notes)

    def allocate(
        self,
        compute: ArrayLike | Sequence[float],
        cost: Cost | None = None,
        limits: Limits | None = None,
        **inputs: float,
    ) -> Estimate:
        """Estimate the model and tokens of least loss for training budgets.

        Parameters
        ----------
        compute
            Budgets in FLOPs; ``Hardware.flops`` turns money and GPU hours into these.
        cost
            What a budget pays for: what the law says by default, for most 6 * params * tokens; a
            :class:`Transformer` with attention and embeddings; either with the tokens that the
            model will serve, ``sb.costs.Proportional().serve(1e13)``.
        limits
            What may not be exceeded.
        **inputs
            The law's inputs other than the model's size and tokens, such as ``unique_tokens=1e11``.

        Returns
        -------
        Estimate
            For each budget ``params``, ``tokens``, ``tokens_per_param``, the law's ``loss``, and
            the exponents there, ``a`` and ``b``; for a law that reads unique tokens also
            ``epochs`` and ``next_epoch``, by how much a further one would lower the loss.

        Raises
        ------
        InputError
            If the law has no compute-optimal allocation, lacks an input, a budget is not a
            positive number, or the limits leave nothing of one.
        """
        require_allocation(self.law)
        budgets = check_numbers("compute", compute).ravel()
        paid = cost_of(self.law, cost)
        draws = self._per_budget(optimum, budgets, inputs, cost=paid, limits=limits)
        if "unique_tokens" in self.law.inputs:
            draws = self._epochs(draws, inputs)
        within = "" if limits is None else f"; {limits}"
        title = f"Compute-optimal allocation, {paid.equation}{within}"
        notes = self._runs_beyond(draws)
        if limits is not None and (left := limits.unspent(paid, budgets)).any():
            where = "" if len(left) == 1 else f" at {left.sum()} of {len(left)} budgets"
            notes += (f"The limits leave some of the budget unspent{where}.",)
        return Estimate(title, draws, self.verdict, notes=notes)

    def _epochs(self, draws: xr.Dataset, inputs: Mapping[str, float]) -> xr.Dataset:
        """Say how often the unique tokens are seen, and what once more would be worth."""
        unique = float(inputs["unique_tokens"])
        epochs = np.maximum(draws["tokens"] / unique, 1.0)
        with precision("float64"):
            values = {n: jnp.asarray(x)[..., None] for n, x in self.values.items()}
            run = {n: jnp.asarray(draws[n].to_numpy()) for n in (self.law.budget.size, "tokens")}
            others = {name: jnp.asarray(float(x)) for name, x in inputs.items()}
            more = {**run, "tokens": run["tokens"] + jnp.minimum(run["tokens"], unique)}
            after = np.asarray(self.law({**others, **more}, values))
        worth = draws[self.law.target.column] - after
        return draws.assign(epochs=epochs, next_epoch=worth)

    @property
    def compute(self) -> Float[np.ndarray, " runs"]:
        """Training compute of the runs in FLOPs, as the law counts it."""
        require_allocation(self.law)
        constant, budget = self.tree["constant_data"], self.law.budget
        return budget.flops * constant[budget.size].to_numpy() * constant["tokens"].to_numpy()

    def _beyond(self, budgets: Float[np.ndarray, " budgets"]) -> tuple[str, ...]:
        return beyond("FLOPs", budgets, self.compute)

    def _runs_beyond(self, draws: xr.Dataset) -> tuple[str, ...]:
        """Say how far the median runs of an allocation are from those fitted."""
        names = (self.law.budget.size, "tokens")
        middle, constant = draws[list(names)].median(SAMPLE_DIMS), self.tree["constant_data"]
        asked, seen = ({n: each[n].to_numpy() for n in names} for each in (middle, constant))
        return runs_beyond(asked, seen, self.law.budget.flops)

    def predict(self, *, seed: int = 0, **inputs: "ArrayLike | Estimate") -> Estimate:
        """Predict what runs will reach.

        Parameters
        ----------
        seed
            Seed of the noise of the new runs.
        **inputs
            The law's inputs, such as ``params=70e9, tokens=1.4e12``; arrays are runs side by side.
            An input may also be what another posterior predicts, ``loss=post.predict(...)``: then
            its uncertainty goes into the prediction.

        Returns
        -------
        Estimate
            For each run ``expected``, the target by the law, and ``observed``, what one such run
            would reach, noise included.

        Raises
        ------
        InputError
            If an input is missing, not one of the law's, or cannot be used, or ``seed`` is none.
        """
        law = self.law
        check_seed(seed)
        check_inputs(law, inputs)
        chained: dict[str, Estimate] = {}
        given: dict[str, np.ndarray] = {}
        for name, each in law.inputs.items():
            value = inputs[name]
            if isinstance(value, Estimate):
                chained[name] = value
            else:
                given[name] = check_numbers(name, value, each.domain)
        index: dict[str, np.ndarray] = {}
        points: dict[str, np.ndarray] = {}
        verdict = self.verdict
        for name, estimate in chained.items():
            points[name], runs = self._paired(name, estimate, seed)
            index |= runs
            verdict = estimate.verdict if verdict.passed else verdict
        flat = side_by_side(given)
        points |= flat
        index = side_by_side(index | flat)
        with precision("float64"):
            values = to_device(self.values, "float64")
            found = predict(
                law,
                self.noise,
                values,
                to_device(points, "float64"),
                to_device(self.record["reference"], "float64"),
                to_device(self.discrepancy_draws, "float64"),
                seed,
                self._stream,
            )
        rows = pd.MultiIndex.from_arrays(list(index.values()), names=list(index))
        coords = xr.Coordinates.from_pandas_multiindex(rows, "run")
        draws = self.named(found, "run").assign_coords(coords)
        title = f"Predicted {law.target.column}, after the runs of {self.record['data']['name']!r}"
        notes: tuple[str, ...] = ()
        if law.allocates and {law.budget.size, "tokens"} <= set(flat):
            notes = self._beyond(law.budget.flops * flat[law.budget.size] * flat["tokens"])
        return Estimate(title, draws, verdict, has_sd=False, notes=notes)

    @property
    def _stream(self) -> int:
        """A number of this posterior's own, for random numbers that others' do not share."""
        return zlib.crc32(f"{self.record['law']} {self.record['data']['digest']}".encode())

    def _paired(
        self, name: str, estimate: Estimate, seed: int
    ) -> tuple[Float[np.ndarray, "chains draws runs"], dict[str, np.ndarray]]:
        """Draws of a predicted input, one for each draw of this posterior, and their runs."""
        if "observed" not in estimate.draws:
            raise InputError(
                f"{name} must be numbers or what a posterior predicts, {name}=post.predict(...); "
                f"got the estimate {estimate.title!r}."
            )
        draws = estimate.draws["observed"].transpose(*SAMPLE_DIMS, "run")
        chains, count = (self.tree["posterior"].sizes[dim] for dim in SAMPLE_DIMS)
        runs = draws["run"].to_index()
        index = {str(n): runs.get_level_values(i).to_numpy() for i, n in enumerate(runs.names)}
        # Chains of one seed take like steps: shuffled, the two posteriors' draws are independent.
        flat = np.random.default_rng(seed).permutation(draws.to_numpy().reshape(-1, len(runs)))
        return flat[np.arange(chains * count) % len(flat)].reshape(chains, count, -1), index

    def save(self, path: str | Path) -> None:
        """Write the posterior as netCDF, whole or not at all; :func:`load` reads it back exactly.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        with atomic_write(path) as temporary:
            self.tree.to_netcdf(temporary, engine="h5netcdf")

    def _per_budget(
        self,
        function: Any,
        budgets: Float[np.ndarray, " budgets"],
        inputs: Mapping[str, float],
        **how: Any,
    ) -> xr.Dataset:
        law = self.law
        fixed = beside_budget(law, inputs)
        with precision("float64"):
            values = to_device(self.values, "float64")
            scalars = to_device(fixed, "float64")
            found = function(law, values, jnp.asarray(budgets), scalars, **how)
        for values in found.values():
            if lost := int((~np.isfinite(values)).any(axis=(0, 1)).sum()):
                share = float((~np.isfinite(values)).mean(axis=(0, 1)).max())
                raise InputError(
                    f"Law {law.name!r} has no compute-optimal {law.budget.size} at {lost} of the "
                    f"{len(budgets)} budgets in up to {share:.2g} of the draws: along the budget "
                    f"the {law.target.column} has no lowest point. Ask nearer the runs."
                )
        return self.named(found, "compute").assign_coords(compute=budgets)

    def named(self, arrays: Mapping[str, Any], dim: str) -> xr.Dataset:
        """Name the axes of arrays of shape (chains, draws, cases), the last as ``dim``."""
        coords = {name: self.tree["posterior"][name].values for name in SAMPLE_DIMS}
        return _dataset(arrays, (*SAMPLE_DIMS, dim), coords)

    def headline(self) -> str:
        """Say in two lines what was fitted to what."""
        data = self.record["data"]
        of = {"bootstrap": "Bootstrapped best fits"}.get(self.record["of"], self.record["of"])
        power = (
            "" if self.likelihood_power == 1 else f"likelihood_power {self.likelihood_power:.2g}; "
        )
        return (
            f"{of.capitalize()} of {self.law.equation} ({self.law.source})\n"
            f"{data['rows']} runs of {data['name']!r}; {self.noise.equation}; {power}"
            f"{self.record['engine']}, seed {self.record['seed']}"
        )

    def describe_priors(self) -> str:
        """Say each parameter's prior, and the reference point at which it is stated."""
        if self.record["options"].get("objective") == "likelihood":
            return "Priors were not used."
        reference = ", ".join(f"{name} {at:.4g}" for name, at in self.record["reference"].items())
        statements = "\n".join(f"  {p['statement']}" for p in self.record["priors"].values())
        return f"Priors, at the reference point of the data ({reference}):\n{statements}"

    @property
    def title(self) -> str:
        """What was fitted to what, in two lines."""
        return self.headline()

    @property
    def draws(self) -> xr.Dataset:
        """Draws of each parameter in the table's units, with dims ``chain`` and ``draw``."""
        return self.tree["posterior"].to_dataset()

    def plot(self, ax: Any = None) -> Any:
        """Plot the exponent a and the frontier, or the parameters of a law that has neither.

        See :func:`scalingbayes.plots.overview` and :func:`scalingbayes.plots.plot_draws`.
        """
        from scalingbayes.plots import overview, plot_draws

        return overview(self, axes=ax) if self.law.allocates else plot_draws(self, axes=ax)

    def view(self) -> View:
        """Return the parameters, the priors and the verdict."""
        table = self.summary().drop(columns=["mcse_mean", "mcse_sd"], errors="ignore")
        priors = tuple(self.describe_priors().splitlines())
        return View(self.title, table, verdict=self.verdict, details=priors)


def load(
    path: str | Path, *, law: str | Law | None = None, noise: str | Noise | None = None
) -> Posterior:
    """Read a posterior that :meth:`Posterior.save` wrote.

    Parameters
    ----------
    path
        The file.
    law, noise
        What was fitted; found by the names in the file if not given.

    Raises
    ------
    InputError
        If there is no such file, it is not a saved posterior, or its law or noise model is not
        known by its name or is another one.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}: give one that Posterior.save wrote.")
    try:
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            tree = opened.load()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a netCDF file: {error}") from error
    if ATTRIBUTE not in tree.attrs:
        raise InputError(f"{path} was not written by Posterior.save of scalingbayes.")
    record = json.loads(tree.attrs[ATTRIBUTE])
    known = get_law(law or record["law"])
    found = known, get_noise(noise or record["noise"], known)
    names = [*found[0].parameters, *found[1].parameters]
    if found[0].equation != record["equation"] or set(names) != set(record["priors"]):
        raise InputError(
            f"{path} holds a fit of {record['equation']} with the parameters "
            f"{', '.join(record['priors'])}; the law and noise model of these names here are "
            f"{found[0].equation} with {', '.join(names)}. Give load the ones that were fitted."
        )
    return Posterior(tree, *found)


@jax.jit
def _random_effects(
    density: LogDensity, points: Float[Array, "chains draws dim"]
) -> Float[Array, "chains draws effects"]:
    return jax.vmap(jax.vmap(density.coordinates.random_effects))(points)


@partial(jax.jit, static_argnames=("pointwise",))
def describe(
    density: LogDensity, points: Float[Array, "chains draws dim"], pointwise: bool
) -> tuple[dict[str, Array], Array, dict[str, Array], dict[str, Array]]:
    """Find values in the table's units, log likelihoods, log priors, and the priors' shares.

    Parameters
    ----------
    density
        What was sampled.
    points
        The draws.
    pointwise
        Whether log likelihoods are wanted; if not, a zero stands for them.
    """
    each_draw = jax.vmap(jax.vmap(density.coordinates.in_units))(points)
    log_likelihood = (
        jax.vmap(jax.vmap(density.log_likelihood))(points) if pointwise else jnp.zeros(())
    )
    log_priors = jax.vmap(jax.vmap(density.prior.of_numbers))(points)
    shares = density.prior.shares(points.reshape(-1, points.shape[-1]))
    return each_draw, log_likelihood, log_priors, shares


def _dataset(
    arrays: Mapping[str, Any], dims: Sequence[str], coords: Mapping[str, Any]
) -> xr.Dataset:
    variables = {name: (tuple(dims), np.asarray(values)) for name, values in arrays.items()}
    return xr.Dataset(variables, coords=coords)


def _pack(frame: pd.DataFrame, rows: Mapping[str, Any]) -> xr.Dataset:
    """Write a table as netCDF can hold it.

    Columns are numbered, since their names may be anything: ``run``, or ``loss/byte``. What is not
    a number is text, empty where it is missing.
    """
    columns = {}
    for number, (name, values) in enumerate(frame.items()):
        if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf":
            array = values.to_numpy()
        else:
            missing = values.isna()
            array = np.array(
                ["" if m else str(x) for m, x in zip(missing, values, strict=True)], object
            )
        columns[f"column_{number}"] = (("run",), array, {"name": str(name)})
    return xr.Dataset(columns, coords=rows)


def _unpack(table: xr.Dataset) -> pd.DataFrame:
    """Invert :func:`_pack`."""
    columns = {}
    for number in range(len(table.data_vars)):  # a file may give them in another order
        column = table[f"column_{number}"]
        values = column.to_numpy()
        text = values.dtype.kind not in "biuf"
        columns[column.attrs["name"]] = (
            pd.Series(values.astype(object)).replace("", None) if text else values
        )
    return pd.DataFrame(columns)


def _record(
    model: BoundModel, settings: Mapping[str, Any], prior_shares: Mapping[str, float]
) -> dict[str, Any]:
    return {
        "law": model.law.name,
        "equation": model.law.equation,
        "noise": model.noise.name,
        "priors": {
            name: model.priors[name].as_record(name, parameter)
            for name, parameter in model.parameters.items()
        },
        "prior_shares": prior_shares,
        "reference": model.reference,
        "discrepancy": model.discrepancy,
        "data": {
            "name": model.runs.name,
            "rows": int(model.counted.sum()),
            "digest": model.runs.digest,
        },
        **settings,
        "versions": _versions(),
    }


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("scalingbayes", "jax", "jaxlib", "numpyro", "numpy")}
