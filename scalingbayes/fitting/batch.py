"""Fit a model to many tables: one compiled program, all devices, resumable from a folder."""

import hashlib
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpyro.distributions import Distribution

from scalingbayes._core.arguments import Seed
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import default_dtype
from scalingbayes._core.progress import Progress, Report, report_progress
from scalingbayes.data.runs import Table, as_runs
from scalingbayes.fitting.chunks import ChunkFolder, Chunks, make_chunks
from scalingbayes.fitting.fit import (
    check_random_effects,
    describe_run,
    run_engine,
)
from scalingbayes.fitting.size import check_fit_size
from scalingbayes.inference import Draws, Engine, Optimize, get_engine
from scalingbayes.laws.base.resolved_priors import recorded_priors
from scalingbayes.model.bound_model import BoundModel, padded_length
from scalingbayes.model.model import DEFAULT_LAW, Model, ModelLike, as_model
from scalingbayes.posterior.collection import Posteriors
from scalingbayes.posterior.origin import require_fit
from scalingbayes.posterior.posterior import Posterior


@checked
def fit_many(
    tables: Mapping[Any, Table] | Sequence[Table],
    model: ModelLike = DEFAULT_LAW,
    *,
    engine: Engine | str = "nuts",
    weights: Mapping[Any, Float[np.ndarray, " runs"]]
    | Sequence[Float[np.ndarray, " runs"]]
    | None = None,
    exact: bool = False,
    seed: Seed = 0,
    dtype: str | None = None,
    out: str | Path | None = None,
    progress: Progress = None,
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
    exact
        As for :func:`scalingbayes.fit`; each table has an allowance of its own.
    seed
        Seed of the random numbers. Each fit has its own seed, derived from this seed and the
        table's position.
    dtype
        As for :func:`scalingbayes.fit`.
    out
        A folder to which finished chunks of fits are written. After an interruption, the same call
        continues from there. Files that are damaged or of other fits are found, and their fits are
        computed again.
    progress
        As for :func:`scalingbayes.fit`.

    Returns
    -------
    Posteriors
        The posteriors, by the tables' names.

    Raises
    ------
    InputError
        If a table cannot be used (the message names it), or ``out`` holds another batch.
    OSError
        If a file cannot be written to ``out``. Finished chunks stay.

    Warns
    -----
    InputWarning
        If a file in ``out`` is missing, damaged or of other fits.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> tables = {"all": runs, "half": runs.filter(runs.frame.index % 2 == 0)}
    >>> posts = sb.fit_many(tables, "chinchilla", engine="laplace")
    >>> list(posts), posts.verdict.passed
    (['all', 'half'], True)
    """
    chosen = get_engine(engine)
    if isinstance(chosen, Optimize):
        raise InputError(
            "fit_many fits posteriors, and engine 'optimize' returns a point. Use 'laplace'."
        )
    models = _bind_all(as_model(model), tables, weights, chosen)
    check_fit_size(chosen, [max(models.values(), key=lambda each: len(each.runs))])
    dtype = dtype or default_dtype(max(len(each.runs) for each in models.values()))
    with report_progress(progress) as report:
        return _fit_models(models, chosen, seed, dtype, exact=exact, out=out, report=report)


@checked
def refit(
    post: Posterior,
    weights: Mapping[Any, Float[np.ndarray, " runs"]],
    *,
    priors: Mapping[str, Distribution] | None = None,
    seed: Seed = 0,
    progress: Progress = None,
) -> Posteriors:
    """Fit a posterior's model to its runs again, with other weights.

    Parameters
    ----------
    post
        A posterior, which may have been loaded from a file. The new fits use its law, noise, table,
        priors, engine and settings.
    weights
        For each new fit, how much each of ``post.runs`` counts.
    priors
        Priors that replace the posterior's own, by parameter, in the units of the table.
    seed
        Seed of the random numbers.
    progress
        As for :func:`scalingbayes.fit`.

    Raises
    ------
    InputError
        If the posterior does not hold its table, or the weights leave too few runs.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> half = post.runs.frame["compute"] < 1e21
    >>> fits = sb.refit(post, {"small runs alone": half.to_numpy(float)})  # doctest: +SKIP
    >>> list(fits)  # doctest: +SKIP
    ['small runs alone']
    """
    require_fit(post.record, "sb.refit")
    record = post.record
    given = recorded_priors(record.priors, at_reference=False)
    defaults = recorded_priors(record.priors, at_reference=True)
    engine = get_engine(record.engine, **record.options)
    assert isinstance(engine, Engine)
    model = Model(post.law, post.noise, priors={**given, **(priors or {})}, default_priors=defaults)
    models = _bind_all(model, dict.fromkeys(weights, post.runs), weights, engine)
    with report_progress(progress) as report:
        return _fit_models(models, engine, seed, record.dtype, exact=post.exact, report=report)


def _fit_models(
    models: dict[Any, BoundModel],
    engine: Engine,
    seed: int,
    dtype: str,
    *,
    exact: bool,
    report: Report,
    out: str | Path | None = None,
) -> Posteriors:
    """Fit models chunk by chunk."""
    seeds = [
        int(each.generate_state(1, np.uint64)[0] >> 1)
        for each in np.random.SeedSequence(seed).spawn(len(models))
    ]
    records = [describe_run(engine, each, dtype) for each in seeds]
    lengths = [padded_length(len(each.runs)) for each in models.values()]
    if out is None:
        folder, chunks = None, make_chunks(lengths)
    else:
        folder = ChunkFolder(Path(out), _fingerprint(models, records, exact))
        chunks = folder.open(make_chunks(lengths))
    in_order = list(models.values())

    def run(positions: Sequence[int], report: Report) -> list[Draws]:
        return run_engine(
            engine,
            [in_order[i] for i in positions],
            [seeds[i] for i in positions],
            dtype,
            exact=exact,
            report=report,
        )

    return Posteriors(models, _run_chunks(run, chunks, lengths, folder, report), records)


def _bind_all(model: Model, tables: Any, weights: Any, engine: Engine) -> dict[Any, BoundModel]:
    """Join a model with each table, and check that the engine can fit each."""
    named = _by_name(tables, "tables")
    own = _by_name(weights, "weights") if weights is not None else {}
    if weights is not None and own.keys() != named.keys():
        raise InputError("weights must have the same names as tables, and one array for each.")
    models = {}
    for name, table in named.items():
        try:
            models[name] = model.bind(as_runs(table, str(name)), own.get(name))
            check_random_effects(models[name], engine)
        except InputError as error:
            raise InputError(f"Table {name!r}: {error}") from error
    return models


def _by_name(given: Any, argument: str) -> dict[Hashable, Any]:
    """Return several tables or weights by name; those in a sequence by position."""
    if not isinstance(given, (Mapping, Sequence)) or isinstance(given, str):
        raise InputError(
            f"{argument} must be a mapping by name or a sequence; got {type(given).__name__}. "
            f"To fit one table, use sb.fit."
        )
    named = dict(given) if isinstance(given, Mapping) else dict(enumerate(given))
    if not named:
        raise InputError(f"{argument} is empty: pass at least one.")
    return named


def _run_chunks(
    run: Callable[[Sequence[int], Report], list[Draws]],
    chunks: Chunks,
    lengths: Sequence[int],
    folder: ChunkFolder | None,
    report: Report,
) -> list[Draws]:
    """Read finished chunks, run the others, and return the draws of all fits in order.

    Parameters
    ----------
    run
        A function that fits the tables at some positions.
    chunks
        Positions of the fits of each chunk.
    lengths
        The padded length of each table.
    folder
        Where chunks are read from and written to.
    report
        Where progress is reported.
    """
    draws: dict[int, Draws] = {}
    missing = []
    for number, chunk in enumerate(chunks):
        stored = None if folder is None else folder.read(number, chunk)
        if stored is None:
            missing.append(number)
        else:
            draws |= dict(zip(chunk, stored, strict=True))
    largest = dict.fromkeys(lengths, 0)
    for chunk in chunks:
        largest[lengths[chunk[0]]] = max(largest[lengths[chunk[0]]], len(chunk))
    for number in missing:
        chunk = chunks[number]
        part = _part(report, len(draws), len(draws) + len(chunk), len(lengths))
        # All chunks of one length share a compiled program: smaller chunks repeat their last fit.
        size = largest[lengths[chunk[0]]]
        found = run((chunk + chunk[-1:] * size)[:size], part)[: len(chunk)]
        if folder is not None:
            folder.write(number, chunk, found)
        draws |= dict(zip(chunk, found, strict=True))
    return [draws[position] for position in range(len(lengths))]


def _part(report: Report, first: int, last: int, count: int) -> Report:
    """Return the report of the fits ``first`` to ``last``, of ``count``."""
    which = f"fits {first + 1} to {last}" if last - first > 1 else f"fit {last}"
    return report.part(first / count, last / count, f"{which} of {count}" if count > 1 else "")


def _fingerprint(
    models: Mapping[Hashable, BoundModel],
    records: Sequence[Mapping[str, Any]],
    exact: bool,
) -> str:
    """Return a hash of the tables, weights, law, noise, priors, engine, settings and seeds."""
    hashed = hashlib.sha256()
    for (name, model), record in zip(models.items(), records, strict=True):
        about = {
            "name": str(name),
            "runs": model.runs.digest,
            "law": model.law.equation,
            "noise": model.noise.equation,
            "version": version("scalingbayes"),
            "exact": exact,
            "priors": {n: p.as_record(n, model.parameters[n]) for n, p in model.priors.items()},
            "reference": model.reference,
            **{key: value for key, value in record.items() if key != "device"},
        }
        hashed.update(json.dumps(about, sort_keys=True).encode())
        hashed.update(model.weights.tobytes())
    return hashed.hexdigest()
