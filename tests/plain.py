"""Short calls for tests: keyword options in place of models and engines as objects.

``fit``, ``fit_many`` and ``bind`` use Chinchilla's law, Student's t of one spread, weak priors and
the law taken as exact, unless a test asks for others: for these there are closed forms, published
numbers and other engines to compare with. The functions whose names end in ``_default`` use the
package's defaults.
"""

import inspect
from typing import Any

import numpyro.distributions as dist

import scalingbayes as sb
from scalingbayes.inference import get_engine

PLAIN: dict[str, Any] = {
    "law": "chinchilla",
    "noise": "student_t",
    "default_priors": "weak",
}
EXACT = PLAIN | {"exact": True}

_OF_MODEL = ("law", "noise", "priors", "default_priors", "groups", "reference")


def make_model(options: dict[str, Any]) -> sb.Model:
    """Take the options of a model out of ``options``, and return the model."""
    given = {name: options.pop(name) for name in _OF_MODEL if name in options}
    law = given.pop("law", "coupled")
    return sb.Model(law, given.pop("noise", None), **given)


def make_engine(function: Any, options: dict[str, Any]) -> Any:
    """Take the options of an engine out of ``options``, and return the engine."""
    engine = options.pop("engine", "nuts")
    known = inspect.signature(function).parameters
    return get_engine(engine, **{n: options.pop(n) for n in list(options) if n not in known})


def _call(function: Any, *arguments: Any, **options: Any) -> Any:
    model = make_model(options)
    if "engine" in inspect.signature(function).parameters:
        options["engine"] = make_engine(function, options)
    return function(*arguments, model, **options)


def fit_default(table: Any, law: Any = "coupled", **options: Any) -> Any:
    return _call(sb.fit, table, law=law, **options)


def fit_many_default(tables: Any, law: Any = "coupled", **options: Any) -> Any:
    return _call(sb.fit_many, tables, law=law, **options)


def fit(table: Any, law: Any = "chinchilla", **options: Any) -> Any:
    return fit_default(table, **EXACT | {"law": law} | options)


def priors_near(values: dict[str, float], spread: float = 0.02) -> dict[str, dist.Distribution]:
    return {n: dist.Uniform(x * (1 - spread), x * (1 + spread)) for n, x in values.items()}


def draw_near(table: Any, law: str, values: dict[str, float]) -> sb.Posterior:
    """Draw parameters near given values, without a search for the mode: a third of a fit's time."""
    return fit(table, law, priors=priors_near(values), engine="prior", draws=300)


def fit_many(tables: Any, **options: Any) -> Any:
    return fit_many_default(tables, **EXACT | options)


def bind_default(runs: Any, law: Any = "coupled", weights: Any = None, **how: Any) -> Any:
    return make_model({"law": law, **how}).bind(runs, weights)


def bind(runs: Any, law: Any = "chinchilla", noise: Any = "student_t", **how: Any) -> Any:
    return bind_default(runs, **PLAIN | {"law": law, "noise": noise} | how)


def backtest(table: Any, law: Any = "coupled", **options: Any) -> Any:
    return _call(sb.backtest, table, law=law, **options)


def simulate_tables(runs: Any = None, law: Any = "coupled", **options: Any) -> sb.Simulation:
    return _call(sb.simulate, runs, law=law, **options)


def calibrate(runs: Any = None, law: Any = "coupled", **options: Any) -> sb.Calibration:
    return _call(sb.calibrate, runs, law=law, **options)
