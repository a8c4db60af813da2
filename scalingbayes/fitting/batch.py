"""Many fits at once: one compiled program, all devices, and nothing lost if it is stopped."""

import hashlib
import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float
from numpyro.distributions import Distribution

from scalingbayes._core.arguments import check_seed
from scalingbayes._core.atomic_files import atomic_write
from scalingbayes._core.devices import agree, side_by_side
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import default_dtype
from scalingbayes.data.runs import Table, as_runs
from scalingbayes.fitting.fit import (
    PowerChoice,
    check_likelihood_power,
    check_random_effects,
    describe_run,
    run_engine,
)
from scalingbayes.inference import Draws, Engine, Optimize, Progress, get_engine, silent
from scalingbayes.laws.base.parameters import recorded_priors
from scalingbayes.model.bound_model import BoundModel, padded_length
from scalingbayes.model.model import DEFAULT_LAW, Model, ModelLike, as_model
from scalingbayes.posterior.collection import Posteriors
from scalingbayes.posterior.posterior import Posterior

_FITS_AT_ONCE = 8  # on a CPU core: some seconds of work, so that little is lost to a kill
_FITS_SIDE_BY_SIDE = 256  # on an accelerator
_ROWS_AT_ONCE = 1 << 22  # of all tables of a chunk, on one device
_RECORD = "batch.json"


def fit_many(
    tables: Mapping[Any, Table] | Sequence[Table],
    model: ModelLike = DEFAULT_LAW,
    *,
    engine: Engine | str = "nuts",
    weights: Mapping[Any, Float[np.ndarray, " runs"]]
    | Sequence[Float[np.ndarray, " runs"]]
    | None = None,
    likelihood_power: PowerChoice = "auto",
    seed: int = 0,
    dtype: str | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Posteriors:
    """Fit a model to many tables at once.

    Tables of similar length share a compiled program. Fits are spread over all of JAX's devices,
    and over several hosts with ``jax.distributed`` if every host makes the same call.

    Parameters
    ----------
    tables
        Tables by name, such as ``runs.split("corpus")``, or a sequence of tables, which are named
        by their position. The same table may occur several times.
    model
        The law or the model, as for :func:`scalingbayes.fit`.
    engine
        Any engine except ``"optimize"``, as for :func:`scalingbayes.fit`.
    weights
        How much each run of each table counts, under the same names as the tables.
    likelihood_power
        As for :func:`scalingbayes.fit`; ``"auto"`` chooses a power for each table.
    seed
        Seed of the random numbers. Each fit has its own seed, derived from this seed and the
        table's position.
    dtype
        As for :func:`scalingbayes.fit`.
    out
        A folder to which finished chunks of fits are written. After an interruption, the same call
        continues from there.
    progress
        A function that is called with the fraction of the fits that is done.

    Returns
    -------
    Posteriors
        The posteriors, by the tables' names.

    Raises
    ------
    InputError
        If a table cannot be used (the message names it), or if ``out`` holds another batch.
    """
    chosen = get_engine(engine)
    if isinstance(chosen, Optimize):
        raise InputError("fit_many fits posteriors: engine 'optimize' gives points. Use 'laplace'.")
    check_seed(seed)
    check_likelihood_power(likelihood_power, chosen)
    named = _by_name(tables, "tables")
    own = _by_name(weights, "weights") if weights is not None else {}
    if weights is not None and own.keys() != named.keys():
        raise InputError("weights must have the same names as tables, one array for each.")
    model = as_model(model)
    models = {}
    for name, table in named.items():
        try:
            models[name] = model.bind(as_runs(table, str(name)), own.get(name))
            check_random_effects(models[name], chosen)
        except InputError as error:
            raise InputError(f"Table {name!r}: {error}") from error
    dtype = dtype or default_dtype(max(len(each.runs) for each in models.values()))
    seeds = [
        int(each.generate_state(1, np.uint64)[0] >> 1)
        for each in np.random.SeedSequence(seed).spawn(len(models))
    ]
    records = [describe_run(chosen, each, dtype) for each in seeds]
    batch = _Batch(list(models.values()), seeds, None if out is None else Path(out))
    if out is None:
        batch.cut()
    else:
        batch.open(_fingerprint(models, records, likelihood_power))
    draws = batch.run(chosen, dtype, likelihood_power, progress or silent)
    fitted = {
        name: each.with_likelihood_power(own.facts["likelihood_power"])
        for (name, each), own in zip(models.items(), draws, strict=True)
    }
    return Posteriors(fitted, draws, records)


def refit(
    post: Posterior,
    weights: Mapping[Any, Float[np.ndarray, " runs"]],
    *,
    priors: Mapping[str, Distribution] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Posteriors:
    """Fit a posterior's model to its runs again, with other weights of the runs.

    Parameters
    ----------
    post
        A posterior, which may have been loaded from a file. Law, noise, table, priors, engine and
        settings are the posterior's own.
    weights
        For each new fit, how much each of ``post.runs`` counts.
    priors
        Priors that replace the posterior's own, by parameter, in the units of the table.
    seed
        Seed of the random numbers.
    progress
        A function that is called with the fraction of the fits that is done.

    Raises
    ------
    InputError
        If the posterior does not hold its table, or the weights leave too few runs.
    """
    record = post.record
    given = {**recorded_priors(record["priors"]), **(priors or {})}
    engine = get_engine(record["engine"], **record["options"])
    assert isinstance(engine, Engine)
    return fit_many(
        dict.fromkeys(weights, post.runs),
        Model(post.law, post.noise, priors=given),
        engine=engine,
        weights=weights,
        likelihood_power=post.likelihood_power,
        seed=seed,
        dtype=record["dtype"],
        progress=progress,
    )


class _Batch:
    """Models cut into chunks of like length, and the folder of those that are done."""

    def __init__(
        self, models: Sequence[BoundModel], seeds: Sequence[int], out: Path | None
    ) -> None:
        self.models = models
        self.seeds = seeds
        self.out = out
        self.chunks: list[list[int]] = []

    def cut(self) -> None:
        """Decide on chunks."""
        self.chunks = list(_chunks([padded_length(len(model.runs)) for model in self.models]))

    def open(self, fingerprint: str) -> None:
        """Take the chunks of the batch that the folder holds, or cut and begin it."""
        assert self.out is not None
        if (self.out / _RECORD).is_file():
            record = json.loads((self.out / _RECORD).read_text())
            if record["fingerprint"] != fingerprint:
                raise InputError(
                    f"{self.out} holds another batch: other tables, law, priors, settings, "
                    f"seed or version of scalingbayes. Give another folder, or delete this one."
                )
            self.chunks = record["chunks"]
            return
        self.cut()
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise InputError(f"out must be a folder; {self.out} is a file.") from error
        with atomic_write(self.out / _RECORD) as path:
            path.write_text(json.dumps({"fingerprint": fingerprint, "chunks": self.chunks}))

    def run(
        self, engine: Engine, dtype: str, likelihood_power: PowerChoice, progress: Progress
    ) -> list[Draws]:
        """Run the chunks that are not done; return the draws of all."""
        draws: dict[int, Draws] = {}
        missing = []
        for number, chunk in enumerate(self.chunks):
            stored = self._path(number)
            if agree(stored is not None and stored.is_file()):
                assert stored is not None
                draws |= dict(zip(chunk, _read(stored), strict=True))
            else:
                missing.append(number)
        total = len(self.models)
        lengths = [padded_length(len(self.models[chunk[0]].runs)) for chunk in self.chunks]
        room = dict.fromkeys(lengths, 0)
        for length, chunk in zip(lengths, self.chunks, strict=True):
            room[length] = max(room[length], len(chunk))
        for number in missing:
            chunk = self.chunks[number]
            done = len(draws)

            def report(part: float, done: int = done, size: int = len(chunk)) -> None:
                progress((done + part * size) / total)

            # Chunks of one length have one size, so that one program is compiled for them: the
            # smaller ones repeat a model.
            size = room[lengths[number]]
            filled = (chunk + chunk[-1:] * size)[:size]
            models, seeds = [self.models[i] for i in filled], [self.seeds[i] for i in filled]
            found = run_engine(engine, models, seeds, dtype, likelihood_power, report)
            found = found[: len(chunk)]
            if (path := self._path(number)) is not None:
                _write(path, found)
            draws |= dict(zip(chunk, found, strict=True))
        return [draws[i] for i in range(total)]

    def _path(self, number: int) -> Path | None:
        return None if self.out is None else self.out / f"chunk-{number:05}.nc"


def _chunks(lengths: Sequence[int]) -> Iterable[list[int]]:
    """Cut tables into chunks of like length, as even as may be."""
    devices = len(jax.devices())
    each = _FITS_SIDE_BY_SIDE if side_by_side() else _FITS_AT_ONCE
    for length in sorted(set(lengths)):
        places = np.flatnonzero(np.asarray(lengths) == length)
        most = max(1, min(each, _ROWS_AT_ONCE // length)) * devices
        for part in np.array_split(places, -(-len(places) // most)):
            yield [int(i) for i in part]


def _by_name(given: Any, what: str) -> dict[Hashable, Any]:
    if not isinstance(given, (Mapping, Sequence)) or isinstance(given, str):
        raise InputError(f"{what} must be several: a mapping by name or a sequence. For one: fit.")
    named = dict(given) if isinstance(given, Mapping) else dict(enumerate(given))
    if not named:
        raise InputError(f"There are no {what}: give at least one.")
    return named


def _fingerprint(
    models: Mapping[Hashable, BoundModel],
    records: Sequence[Mapping[str, Any]],
    likelihood_power: PowerChoice,
) -> str:
    """Tell batches apart: by tables, weights, law, noise, priors, engine, settings and seeds."""
    hashed = hashlib.sha256()
    for (name, model), record in zip(models.items(), records, strict=True):
        about = {
            "name": str(name),
            "runs": model.runs.digest,
            "law": model.law.equation,
            "noise": model.noise.equation,
            "version": version("scalingbayes"),
            "likelihood_power": likelihood_power,
            "priors": {n: p.as_record(n, model.parameters[n]) for n, p in model.priors.items()},
            "reference": model.reference,
            **{key: value for key, value in record.items() if key != "device"},
        }
        hashed.update(json.dumps(about, sort_keys=True).encode())
        hashed.update(model.weights.tobytes())
    return hashed.hexdigest()


def _write(path: Path, draws: Sequence[Draws]) -> None:
    dims = ("fit", "chain", "draw")
    stacked: dict[str, Any] = {
        "points": ((*dims, "coordinate"), np.stack([each.points for each in draws]))
    }
    for name in draws[0].stats:
        stacked[f"stat_{name}"] = (dims, np.stack([each.stats[name] for each in draws]))
    facts = [dict(each.facts) for each in draws]
    dataset = xr.Dataset(stacked, attrs={"facts": json.dumps(facts), "of": draws[0].of})
    with atomic_write(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf")


def _read(path: Path) -> list[Draws]:
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        dataset = opened.load()
    facts = json.loads(dataset.attrs["facts"])
    stats = {
        str(name).removeprefix("stat_"): values.to_numpy()
        for name, values in dataset.items()
        if str(name).startswith("stat_")
    }
    return [
        Draws(
            dataset["points"].to_numpy()[fit],
            {name: values[fit] for name, values in stats.items()},
            facts[fit],
            dataset.attrs["of"],
        )
        for fit in range(len(facts))
    ]
