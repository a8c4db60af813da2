"""The posterior: draws of a law's parameters, and what they say of themselves."""

import json
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

from scalingbayes.allocation import budget_amid, exponents, optimum, require_allocation
from scalingbayes.density import LogDensity
from scalingbayes.domains import POSITIVE, Domain
from scalingbayes.errors import InputError
from scalingbayes.estimates import (
    SAMPLE_DIMS,
    Estimate,
    IntervalKind,
    check_interval,
    format_number,
    format_table,
    interval_columns,
)
from scalingbayes.inference import Draws
from scalingbayes.laws import Law, get_law
from scalingbayes.model import Model
from scalingbayes.noise import Noise, get_noise
from scalingbayes.precision import precision, to_device
from scalingbayes.prediction import predict
from scalingbayes.storage import written_whole
from scalingbayes.verdict import Verdict, judge

_ATTRIBUTE = "scalingbayes"
_OF_CHAINS = ("ess_bulk", "ess_tail", "r_hat", "mcse_mean", "mcse_sd")
_LARGEST_LOG_LIKELIHOOD = 30_000_000  # values, 240 MB; a larger one is left out of the tree


class Posterior:
    """Draws from the posterior of a law, whichever engine made them.

    Parameters
    ----------
    tree
        ArviZ's DataTree. ``tree["posterior"]`` holds each parameter in the table's units, with
        dims ``chain`` and ``draw``; beside it are ``sample_stats``, ``log_likelihood`` (of each
        run's target; left out where it would not fit memory), ``log_prior`` (of the number that
        each parameter's prior speaks of), ``observed_data`` and ``constant_data``; runs of weight
        0 are in none of these. Its attribute ``scalingbayes`` says, as JSON, what was run.
    law, noise
        What was fitted.
    """

    def __init__(self, tree: xr.DataTree, law: Law, noise: Noise) -> None:
        self.tree = tree
        self.law = law
        self.noise = noise

    @classmethod
    def from_draws(cls, model: Model, draws: Draws, settings: Mapping[str, Any]) -> "Posterior":
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
            density = model.density("float64")
            values, log_likelihood, log_priors, shares = jax.tree.map(
                np.asarray, describe(density, jnp.asarray(draws.points), pointwise)
            )
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
        }
        if pointwise:
            # The density of the target in the table's unit, not over its reference value.
            in_units = log_likelihood[..., rows["run"]] - np.log(model.reference[target])
            groups["log_likelihood"] = _dataset(
                {target: in_units}, (*SAMPLE_DIMS, "run"), {**coords, **rows}
            )
        if draws.of == "posterior":
            named = {name: log_priors[name] for name in model.parameters}
            groups["log_prior"] = _dataset(named, SAMPLE_DIMS, coords)
        tree = xr.DataTree.from_dict(groups)
        shares = {name: float(shares[name]) for name in model.parameters}
        settings = {**settings, **draws.facts, "of": draws.of}
        record = _record(model, settings, shares if draws.of == "posterior" else {})
        tree.attrs[_ATTRIBUTE] = json.dumps(record)
        return cls(tree, model.law, model.noise)

    @cached_property
    def record(self) -> dict[str, Any]:
        """What was run: law, noise, priors, data, engine and its settings, seed, versions."""
        return json.loads(self.tree.attrs[_ATTRIBUTE])

    @property
    def values(self) -> dict[str, Float[np.ndarray, "chains draws"]]:
        """Draws of each parameter, in the table's units."""
        posterior = self.tree["posterior"].to_dataset()
        return {str(name): array.to_numpy() for name, array in posterior.items()}

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
        self, compute: ArrayLike | Sequence[float] | None = None, **inputs: float
    ) -> Estimate:
        """Estimate a and b of N_opt ∝ C^a and D_opt ∝ C^b.

        Parameters
        ----------
        compute
            Budgets in FLOPs at which to take the local exponents, d log N_opt / d log C. Without
            it, they are taken amid the runs; Chinchilla's are the same everywhere.
        **inputs
            The law's inputs other than the model's size and tokens, such as ``unique_tokens=1e11``.

        Raises
        ------
        InputError
            If the law has no compute-optimal allocation, lacks an input, or a budget is not a
            positive number.
        """
        require_allocation(self.law)
        amid = budget_amid(self.law, self.record["reference"])
        budgets = _numbers("compute", amid if compute is None else compute).ravel()
        draws = self._per_budget(exponents, budgets, inputs)
        if compute is None:
            draws = draws.squeeze("compute", drop=True)
        size = "N_opt" if self.law.budget.size == "params" else self.law.budget.size
        return Estimate(f"Exponents of {size} ∝ C^a, D_opt ∝ C^b", draws, self.verdict)

    def allocate(self, compute: ArrayLike | Sequence[float], **inputs: float) -> Estimate:
        """Estimate the model and tokens of least loss for training budgets.

        Parameters
        ----------
        compute
            Budgets in FLOPs; for most laws training costs 6 * params * tokens.
        **inputs
            The law's inputs other than the model's size and tokens, such as ``unique_tokens=1e11``.

        Returns
        -------
        Estimate
            For each budget ``params``, ``tokens``, ``tokens_per_param`` and the law's ``loss``.

        Raises
        ------
        InputError
            If the law has no compute-optimal allocation, lacks an input, or a budget is not a
            positive number.
        """
        require_allocation(self.law)
        budgets = _numbers("compute", compute).ravel()
        draws = self._per_budget(optimum, budgets, inputs)
        size, flops = self.law.budget.size, self.law.budget.flops
        cost = "6 N D" if size == "params" else f"{flops:g} {size} tokens"
        return Estimate(f"Compute-optimal allocation, C = {cost}", draws, self.verdict)

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
            If an input is missing, not one of the law's, or cannot be used.
        """
        law = self.law
        if set(inputs) != set(law.inputs):
            raise InputError(
                f"Law {law.name!r} predicts from {' and '.join(law.inputs)}; "
                f"got {', '.join(inputs) or 'nothing'}."
            )
        chained: dict[str, Estimate] = {}
        given: dict[str, np.ndarray] = {}
        for name, each in law.inputs.items():
            value = inputs[name]
            if isinstance(value, Estimate):
                chained[name] = value
            else:
                given[name] = _numbers(name, value, each.domain)
        index: dict[str, np.ndarray] = {}
        points: dict[str, np.ndarray] = {}
        verdict = self.verdict
        for name, estimate in chained.items():
            points[name], runs = self._paired(name, estimate, seed)
            index |= runs
            verdict = estimate.verdict if verdict.passed else verdict
        try:
            flat = dict(
                zip(given, map(np.ravel, np.broadcast_arrays(*given.values())), strict=True)
            )
            shape = np.broadcast_shapes(*(x.shape[-1:] for x in (*points.values(), *flat.values())))
        except ValueError as error:
            shapes = {n: x.shape for n, x in given.items()} | {
                n: x.shape[-1:] for n, x in points.items()
            }
            listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise InputError(f"Inputs must have shapes that broadcast; got {listed}.") from error
        points |= flat
        index |= flat
        index = {name: np.broadcast_to(x, shape) for name, x in index.items()}
        with precision("float64"):
            values = to_device(self.values, "float64")
            found = predict(
                law, self.noise, values, to_device(points, "float64"), seed, self._stream
            )
        rows = pd.MultiIndex.from_arrays(list(index.values()), names=list(index))
        coords = xr.Coordinates.from_pandas_multiindex(rows, "run")
        draws = self._dataset(found, "run").assign_coords(coords)
        title = f"Predicted {law.target.column}, after the runs of {self.record['data']['name']!r}"
        return Estimate(title, draws, verdict, has_sd=False)

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
        with written_whole(path) as temporary:
            self.tree.to_netcdf(temporary, engine="h5netcdf")

    def _per_budget(
        self, function: Any, budgets: Float[np.ndarray, " budgets"], inputs: Mapping[str, float]
    ) -> xr.Dataset:
        law = self.law
        others = {n: x for n, x in law.inputs.items() if n not in (law.budget.size, "tokens")}
        if set(inputs) != set(others):
            raise InputError(
                f"Law {law.name!r} also reads {', '.join(others) or 'nothing'}: give "
                f"{', '.join(f'{name}=...' for name in others) or 'compute only'}; "
                f"got {', '.join(inputs) or 'none'}."
            )
        fixed = {n: _numbers(n, inputs[n], x.domain) for n, x in others.items()}
        for name, numbers in fixed.items():
            if numbers.size != 1:
                raise InputError(f"{name} must be one number; got {inputs[name]!r}.")
        with precision("float64"):
            values = to_device(self.values, "float64")
            scalars = to_device({n: x.reshape(()) for n, x in fixed.items()}, "float64")
            found = function(law, values, jnp.asarray(budgets), scalars)
        for values in found.values():
            if lost := int((~np.isfinite(values)).any(axis=(0, 1)).sum()):
                share = float((~np.isfinite(values)).mean(axis=(0, 1)).max())
                raise InputError(
                    f"Law {law.name!r} has no compute-optimal {law.budget.size} at {lost} of the "
                    f"{len(budgets)} budgets in up to {share:.0%} of the draws: along the budget "
                    f"the {law.target.column} has no lowest point. Ask nearer the runs."
                )
        return self._dataset(found, "compute").assign_coords(compute=budgets)

    def _dataset(self, arrays: Mapping[str, Array], dim: str) -> xr.Dataset:
        coords = {name: self.tree["posterior"][name].values for name in SAMPLE_DIMS}
        return _dataset(arrays, (*SAMPLE_DIMS, dim), coords)

    def headline(self) -> str:
        """Say in two lines what was fitted to what."""
        data = self.record["data"]
        of = {"bootstrap": "Bootstrapped best fits"}.get(self.record["of"], self.record["of"])
        return (
            f"{of.capitalize()} of {self.law.equation} ({self.law.source})\n"
            f"{data['rows']} runs of {data['name']!r}; {self.noise.equation}; "
            f"{self.record['engine']}, seed {self.record['seed']}"
        )

    def describe_priors(self) -> str:
        """Say each parameter's prior, and the reference point at which it is stated."""
        if self.record["options"].get("objective") == "likelihood":
            return "Priors were not used."
        reference = ", ".join(f"{name} {at:.4g}" for name, at in self.record["reference"].items())
        statements = "\n".join(f"  {p['statement']}" for p in self.record["priors"].values())
        return f"Priors, at the reference point of the data ({reference}):\n{statements}"

    def _table(self) -> pd.DataFrame:
        return self.summary().drop(columns=["mcse_mean", "mcse_sd"], errors="ignore")

    def __repr__(self) -> str:
        table = format_table(self._table())
        return f"{self.headline()}\n\n{table}\n\n{self.describe_priors()}\n\n{self.verdict}"

    def _repr_html_(self) -> str:
        headline = self.headline().replace("\n", "<br>")
        verdict = str(self.verdict).replace("\n", "<br>")
        title, *statements = self.describe_priors().splitlines()
        priors = f"<summary>{title}</summary>{'<br>'.join(statements)}"
        table = self._table().to_html(float_format=format_number)
        return f"<p>{headline}</p>{table}<p>{verdict}</p><details>{priors}</details>"


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
    if _ATTRIBUTE not in tree.attrs:
        raise InputError(f"{path} was not written by Posterior.save of scalingbayes.")
    record = json.loads(tree.attrs[_ATTRIBUTE])
    known = get_law(law or record["law"])
    found = known, get_noise(noise or record["noise"], known.target)
    names = [*found[0].parameters, *found[1].parameters]
    if found[0].equation != record["equation"] or set(names) != set(record["priors"]):
        raise InputError(
            f"{path} holds a fit of {record['equation']} with the parameters "
            f"{', '.join(record['priors'])}; the law and noise model of these names here are "
            f"{found[0].equation} with {', '.join(names)}. Give load the ones that were fitted."
        )
    return Posterior(tree, *found)


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
    each_draw = jax.vmap(jax.vmap(density.in_units))(points)
    log_likelihood = (
        jax.vmap(jax.vmap(density.log_likelihood))(points) if pointwise else jnp.zeros(())
    )
    log_priors = jax.vmap(jax.vmap(density.log_prior_of_numbers))(points)
    shares = density.prior_shares(points.reshape(-1, points.shape[-1]))
    return each_draw, log_likelihood, log_priors, shares


def _dataset(
    arrays: Mapping[str, Any], dims: Sequence[str], coords: Mapping[str, Any]
) -> xr.Dataset:
    variables = {name: (tuple(dims), np.asarray(values)) for name, values in arrays.items()}
    return xr.Dataset(variables, coords=coords)


def _record(
    model: Model, settings: Mapping[str, Any], prior_shares: Mapping[str, float]
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


def _numbers(
    name: str, values: ArrayLike | Sequence[float], domain: Domain = POSITIVE
) -> Float[np.ndarray, "..."]:
    try:
        numbers = np.atleast_1d(np.asarray(values, float))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be numbers, each {domain.name}; got {values!r}.") from error
    if numbers.size == 0 or not np.all(np.isfinite(numbers)) or np.any(domain.excludes(numbers)):
        raise InputError(f"{name} must be finite numbers, each {domain.name}; got {values!r}.")
    return numbers
