"""The record of a fit: what was fitted to what, by which engine, with which versions."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from scalingbayes._core.errors import InputError
from scalingbayes.data.units import Units
from scalingbayes.inference import Draws
from scalingbayes.model.bound_model import BoundModel

ATTRIBUTE = "scalingbayes"
"""The attribute of a posterior's tree that holds the record as JSON."""

SCHEMA = 4
"""The version of the record's fields. A change of the fields raises it by 1."""


@dataclass(frozen=True)
class DataRecord:
    """The table that was fitted.

    Parameters
    ----------
    name
        The name of the table.
    rows
        The number of runs whose weight is not 0.
    digest
        A hash of the whole table.
    notes
        What was converted, dropped or assumed when the table was read.
    units
        The units of the table's columns.
    sources
        The name in the user's table of each column that has another name there.
    """

    name: str
    rows: int
    digest: str
    notes: tuple[str, ...]
    units: Units
    sources: Mapping[str, str]

    @classmethod
    def of_model(cls, model: BoundModel) -> "DataRecord":
        """Return the record of the table that a model is bound to."""
        runs, rows = model.runs, int(model.counted.sum())
        return cls(runs.name, rows, runs.digest, runs.notes, runs.units, dict(runs.sources))


def prior_records(model: BoundModel) -> dict[str, dict[str, Any]]:
    """Return the prior of each parameter of a model, for a record."""
    return {
        name: model.priors[name].as_record(name, parameter)
        for name, parameter in model.parameters.items()
    }


@dataclass(frozen=True)
class Record:
    """The record of a fit.

    Parameters
    ----------
    law, noise
        The names of the law and of the noise model.
    equation
        The equation of the law.
    priors
        The prior of each parameter, as :meth:`scalingbayes.laws.base.parameters.Prior.as_record`
        returns it.
    origin_of_priors
        Where the default priors come from, in a few words.
    prior_shares
        The fraction of the posterior precision of each parameter that comes from its prior; empty
        unless the draws are from a posterior.
    reference
        The reference point at which default priors are stated: a number for each input of the law
        and for the target.
    discrepancy
        The ends of the discrepancy in log scale, if the noise model has a discrepancy.
    data
        The table.
    engine, options
        The name of the engine and its settings.
    seed, dtype, device
        The seed, the precision, and a description of the device.
    of
        What the draws are from: ``"posterior"``, ``"prior"``, ``"bootstrap"``, ``"point"`` (the one
        point of a best fit) or ``"published"`` (constants of a paper, without runs).
    facts
        Numbers of the whole run, such as ``gradients``, ``pareto_k``, ``effective_draws`` or
        ``log_evidence``; which ones depends on the engine.
    allowance
        The allowance for the law's error, as
        :meth:`scalingbayes.model.allowance.Allowance.as_record` returns it; None if the law was
        taken as exact.
    exact_facts
        Facts of the draws that take the law as exact, if there is an allowance.
    versions
        The versions of this package and of those that it computes with.
    """

    law: str
    noise: str
    equation: str
    priors: dict[str, dict[str, Any]]
    origin_of_priors: str
    prior_shares: dict[str, float]
    reference: dict[str, float]
    discrepancy: tuple[float, float] | None
    data: DataRecord
    engine: str
    options: dict[str, Any]
    seed: int
    dtype: str
    device: Any
    of: str
    facts: dict[str, Any]
    allowance: dict[str, Any] | None
    exact_facts: dict[str, Any]
    versions: dict[str, str]

    @classmethod
    def of_fit(
        cls,
        model: BoundModel,
        draws: Draws,
        settings: Mapping[str, Any],
        prior_shares: Mapping[str, float],
    ) -> "Record":
        """Return the record of an engine's draws.

        Parameters
        ----------
        model
            The model that was fitted.
        draws
            The draws.
        settings
            ``engine``, ``options``, ``seed``, ``dtype`` and ``device``.
        prior_shares
            The fraction of the precision of each parameter that comes from its prior.
        """
        ends = model.discrepancy
        return cls(
            law=model.law.name,
            noise=model.noise.name,
            equation=model.law.equation,
            priors=prior_records(model),
            origin_of_priors=model.origin_of_priors,
            prior_shares=dict(prior_shares) if draws.of == "posterior" else {},
            reference=model.reference,
            discrepancy=None if ends is None else (ends.first, ends.last),
            data=DataRecord.of_model(model),
            of=draws.of,
            facts=dict(draws.facts),
            allowance=None if draws.allowance is None else draws.allowance.as_record(),
            exact_facts={} if draws.exact is None else dict(draws.exact.facts),
            versions=versions(),
            **settings,
        )

    def to_json(self) -> str:
        """Return the record as JSON, with the schema version."""
        return json.dumps({"schema": SCHEMA, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> "Record":
        """Read a record from JSON.

        Raises
        ------
        InputError
            If the JSON has no schema version, or another one than this version of the package.
        """
        fields = json.loads(text)
        schema = fields.pop("schema", None)
        if schema is None:
            raise InputError(
                "This posterior has no schema version: it was saved by a development version of "
                "scalingbayes. Fit the table again."
            )
        if schema != SCHEMA:
            raise InputError(
                f"This posterior was saved with schema version {schema}; this version of "
                f"scalingbayes reads version {SCHEMA}. Install the version that saved it "
                f"({fields.get('versions', {}).get('scalingbayes', 'unknown')}), or fit again."
            )
        ends = fields.pop("discrepancy")
        data = fields.pop("data")
        data["notes"], data["units"] = tuple(data["notes"]), Units(**data["units"])
        return cls(
            **fields, discrepancy=None if ends is None else tuple(ends), data=DataRecord(**data)
        )


@cache
def versions() -> dict[str, str]:
    """Return the versions of this package and of those that it computes with."""
    return {name: version(name) for name in ("scalingbayes", "jax", "jaxlib", "numpyro", "numpy")}
