"""Engines: each turns models into draws from their posteriors."""

import inspect
from typing import Any

from scalingbayes._core.errors import InputError, unknown
from scalingbayes.inference.bootstrap import Bootstrap
from scalingbayes.inference.draws import Draws
from scalingbayes.inference.engine import Engine
from scalingbayes.inference.grid import Grid
from scalingbayes.inference.hmc import HMC
from scalingbayes.inference.laplace import Laplace
from scalingbayes.inference.nuts import NUTS
from scalingbayes.inference.optimize import Optimize, Optimum
from scalingbayes.inference.prior import PriorDraws
from scalingbayes.laws.base.family import read_call

__all__ = [
    "ENGINES",
    "HMC",
    "NUTS",
    "Bootstrap",
    "Draws",
    "Engine",
    "Grid",
    "Laplace",
    "Optimize",
    "Optimum",
    "PriorDraws",
    "engine_name",
    "get_engine",
]

ENGINES: dict[str, type[Engine] | type[Optimize]] = {
    "nuts": NUTS,
    "hmc": HMC,
    "laplace": Laplace,
    "grid": Grid,
    "bootstrap": Bootstrap,
    "optimize": Optimize,
    "prior": PriorDraws,
}
"""The engines by name."""


def get_engine(engine: str | Engine | Optimize, **options: Any) -> Engine | Optimize:
    """Return an engine by its name; return an engine object as it is.

    Parameters
    ----------
    engine
        An engine, its name, or a name with options: ``"nuts(draws=500)"``.
    **options
        Fields of the engine, in addition to those in ``engine``.

    Raises
    ------
    InputError
        If no engine has the name, or it has no such option.
    """
    if isinstance(engine, Engine | Optimize):
        return engine
    if not isinstance(engine, str):
        raise InputError(
            f"engine must be a name such as 'nuts' or an engine such as NUTS(draws=500); got "
            f"{engine!r}."
        )
    name, given = (engine, {}) if engine in ENGINES else read_call(engine)
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)
    known = inspect.signature(ENGINES[name]).parameters
    options = given | options
    for option in options:
        if option not in known:
            raise unknown("option", option, known, of=f"engine {name!r}")
    return ENGINES[name](**options)


def engine_name(engine: Engine | Optimize) -> str:
    """Return the name of an engine: its key in :data:`ENGINES`, or the name of its class."""
    names = {kind: name for name, kind in ENGINES.items()}
    return names.get(type(engine), type(engine).__name__)
