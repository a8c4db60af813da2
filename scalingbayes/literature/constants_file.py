"""The constants of a paper: read from a TOML file and checked."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import Float

from scalingbayes._core.errors import InputError, unknown
from scalingbayes.data.published import published_exponents
from scalingbayes.data.units import Units
from scalingbayes.laws import Law, get_law

_FOLDER = files(__package__) / "constants"


@dataclass(frozen=True, eq=False)
class Errors:
    """The errors of constants: a normal distribution, of the logarithm where it is said.

    Parameters
    ----------
    statement
        What the errors are and where they are from, as a phrase.
    names
        The parameters that have errors. The others are known.
    log
        Those of them whose logarithm is normal, about the logarithm of the constant.
    covariance
        Their covariance, of the logarithm for those in ``log``.
    """

    statement: str
    names: tuple[str, ...]
    log: tuple[str, ...]
    covariance: Float[np.ndarray, "names names"]

    @classmethod
    def of_fields(cls, fields: Mapping[str, Any]) -> "Errors":
        """Return the errors of a file's table ``errors``."""
        return cls(
            fields["statement"],
            tuple(fields["names"]),
            tuple(fields.get("log", ())),
            np.array(fields["covariance"], float),
        )

    def draw(
        self, constants: Mapping[str, float], count: int, seed: int
    ) -> dict[str, Float[np.ndarray, " draws"]]:
        """Draw constants."""
        normal = np.random.default_rng(seed).standard_normal((count, len(self.names)))
        errors = normal @ np.linalg.cholesky(self.covariance).T
        found = {name: np.full(count, value) for name, value in constants.items()}
        for name, error in zip(self.names, errors.T, strict=True):
            found[name] = found[name] * np.exp(error) if name in self.log else found[name] + error
        return found


@dataclass(frozen=True, eq=False)
class Constants:
    """The constants of a paper.

    Parameters
    ----------
    name
        The name of the file, such as ``"hoffmann_2022"``.
    law
        The law.
    paper, where
        The paper with its arXiv number, and the equation or table of the constants.
    constants
        The value of each parameter of the law.
    errors
        Their errors; None if none were published.
    runs
        A few runs that span those of the paper: each input of the law as an array, which is empty
        if the range of the paper's runs is not known.
    middle
        A run in the middle of them.
    units
        What the paper counts, and the unit of its loss.
    states
        A sentence that each answer shows, such as the unit of the target; empty if none is needed.
    notes
        What a reader must know, ``states`` first.
    digest
        A hash of the file.
    """

    name: str
    law: Law
    paper: str
    where: str
    constants: dict[str, float]
    errors: Errors | None
    runs: dict[str, Float[np.ndarray, " runs"]]
    middle: dict[str, float]
    units: Units
    states: str
    notes: tuple[str, ...]
    digest: str


@cache
def names() -> tuple[str, ...]:
    """Return the names of all papers' constants."""
    return tuple(sorted(f.name[:-5] for f in _FOLDER.iterdir() if f.name.endswith(".toml")))


@cache
def read(name: str) -> Constants:
    """Read the constants of a name.

    Raises
    ------
    InputError
        If no constants have this name.
    """
    if name not in names():
        _refuse(name)
    text = (_FOLDER / f"{name}.toml").read_bytes()
    fields = tomllib.loads(text.decode("utf-8"))
    law = get_law(fields["law"])
    constants = {each: float(fields["constants"][each]) for each in law.parameters}
    if set(fields["constants"]) != set(constants):
        raise ValueError(f"{name}: the constants must be {', '.join(law.parameters)}.")
    known = fields.get("runs", {})
    runs = {each: np.array(known[each] if known else [], float) for each in law.inputs}
    states = fields.get("states", "")
    return Constants(
        name=name,
        law=law,
        paper=fields["paper"],
        where=fields["where"],
        constants=constants,
        errors=Errors.of_fields(fields["errors"]) if "errors" in fields else None,
        runs=runs,
        middle=fields.get("middle") or {each: _middle(x) for each, x in runs.items()},
        units=Units(**fields.get("units", {})),
        states=states,
        notes=((states,) if states else ()) + tuple(fields.get("notes", ())),
        digest=hashlib.sha256(text).hexdigest(),
    )


def _middle(values: Float[np.ndarray, " runs"]) -> float:
    return float(np.exp(np.log(values).mean()) if (values > 0).all() else values.mean())


def _refuse(name: str) -> None:
    frontiers = published_exponents()
    if name in set(frontiers["name"].dropna()):
        raise InputError(
            f"{name} publishes the frontier of its IsoFLOP curves and no law of the loss, so "
            f"there is no posterior of it. sb.published_exponents() has its frontier."
        )
    if alike := [each for each in names() if _mentions(read(each), str(name))]:
        raise InputError(
            f"There is no published law {name!r}. Did you mean {' or '.join(map(repr, alike))}? "
            f"sb.list_published() lists all."
        )
    raise unknown("published law", name, names())


def _mentions(found: Constants, word: str) -> bool:
    """Return whether the name, the law or the paper contains a word."""
    return bool(word) and word.lower() in f"{found.name} {found.law.name} {found.paper}".lower()
