"""How to reproduce a fit: the code, what the code cannot state, the settings and the versions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from scalingbayes._core.errors import InputError
from scalingbayes.allocation import Hardware, Proportional, Transformer
from scalingbayes.data import datasets
from scalingbayes.data.units import Units, read_units
from scalingbayes.inference import get_engine
from scalingbayes.laws.base.registry import PACKAGE_LAWS
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.model import Model
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.report.decision import Asked

_LONGEST = 88  # characters of a line of code
_MOST_WEIGHTS = 100  # that the code lists

# What notes say of the options of a table.
_WHERE = re.compile(r"Kept \d+ of \d+ rows: (.*)\.", re.DOTALL)
_OPTIONS = {
    "Dropped ": ("drop_empty", True),
    "Kept the row of least ": ("keep", "best"),
    "Kept the row of most ": ("keep", "last"),
}


@dataclass(frozen=True)
class Reproduction:
    """What it takes to fit the same table again.

    Parameters
    ----------
    code
        Python that fits again, and checks that the table is the same.
    reservations
        Why the code alone cannot do so, one sentence each; none if it can.
    facts
        Names and values of what identifies the fit.
    """

    code: str
    reservations: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]


def describe_reproduction(
    post: Posterior, asked: Asked | None = None, hardware: Hardware | None = None
) -> Reproduction:
    """Return how to reproduce a fit and its report.

    Parameters
    ----------
    post
        The fit.
    asked, hardware
        What the report was asked, if the law divides compute, and the caller's accelerator.
    """
    record = post.record
    data = record.data
    engine = ", ".join(f"{name}={value!r}" for name, value in record.options.items())
    facts = (
        ("Table", f"{data.name}: {data.rows} runs"),
        ("SHA-256 of the table", data.digest),
        ("Law", f"{record.law}: {record.equation}"),
        ("Noise", record.noise),
        ("Default priors", record.origin_of_priors),
        ("Engine", f"{record.engine}({engine})"),
        ("Seed", str(record.seed)),
        ("Precision and device", f"{record.dtype}, {record.device}"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in record.versions.items())),
    )
    said: list[str] = []
    lines = [
        "import scalingbayes as sb\n",
        *_table(post, said),
        *_model(post, said),
        _fit(post, said),
        _report(post, asked, hardware, said),
    ]
    return Reproduction("\n".join(lines), tuple(said), facts)


def _call(name: str, *given: str, **named: str) -> str:
    """Return a call in Python; a long one has a line for each argument."""
    parts = [*given, *(f"{each}={code}" for each, code in named.items())]
    line = f"{name}({', '.join(parts)})"
    if len(line) <= _LONGEST:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + ")"


def _table(post: Posterior, said: list[str]) -> list[str]:
    data = post.record.data
    options = _table_options(post)
    code = {
        name: repr(value) if name.isidentifier() else "" for name, value in options.items()
    }  # a column of any other name goes into a dict
    others = {name: value for name, value in options.items() if not code[name]}
    named = {name: text for name, text in code.items() if text}
    unpacked = [f"**{others!r}"] if others else []
    if data.name in datasets.names():
        read = _call("runs = sb.datasets.load", repr(data.name), *unpacked, **named)
        try:
            differs = datasets.load(data.name, **options).digest != data.digest
        except InputError:
            differs = True
        if differs:
            said.append(
                f"The table is not the bundled table {data.name!r} as the code reads it: rows or "
                f"columns were changed before the fit. Change them in the same way, until the "
                f"SHA-256 agrees."
            )
    else:
        read = _call("runs = sb.read_runs", repr(data.name), *unpacked, **named)
        said.append(
            f"The report does not know where {data.name!r} lies, nor what was done to it before "
            f"it was read. Read the same table, until the SHA-256 agrees."
        )
    return [read, f'assert runs.digest == "{data.digest}"']


def _table_options(post: Posterior) -> dict[str, Any]:
    """Return the options with which the table was read, from its record."""
    data = post.record.data
    options: dict[str, Any] = {}
    for note in data.notes:
        if found := _WHERE.fullmatch(note):
            options["where"] = found[1]
        for start, (name, value) in _OPTIONS.items():
            if note.startswith(start):
                options[name] = value
    if units := _units(data.units, data.sources):
        options["units"] = units
    columns = {name: source for name, source in data.sources.items() if source != name}
    return options | columns


def _units(units: Units, sources: Mapping[str, str]) -> dict[str, str]:
    """Return the units that the names of the columns do not state."""
    names = {name: name for name in ("params", "tokens", "loss")} | dict(sources)
    stated, given = read_units({}, names), {}
    for column, usual in (("params", ""), ("tokens", "tokens"), ("loss", "")):
        unit, words = getattr(units, column), stated.get(column, [])
        if unit not in (usual, *words):
            given[column] = ", ".join([*words, unit])
    return given


def _model(post: Posterior, said: list[str]) -> list[str]:
    record = post.record
    if record.law.partition("(")[0] not in PACKAGE_LAWS:
        said.append(f"The law {record.law!r} is the user's own: define it first, as `law`.")
        law = "law"
    else:
        law = repr(record.law)
    named: dict[str, str] = {}
    try:
        named |= _priors(post, said)
    except InputError:  # a noise of the user's own
        said.append(f"The noise {record.noise!r} is the user's own: define it first, as `noise`.")
        return [_call("model = sb.Model", law, "noise")]
    return [_call("model = sb.Model", law, repr(record.noise), **named)]


def _priors(post: Posterior, said: list[str]) -> dict[str, str]:
    """Return the arguments of the model that give the priors of the record."""
    record, named = post.record, dict[str, str]()

    def bind(default: Any, reference: Any = None) -> BoundModel:
        model = Model(post.law, record.noise, default_priors=default, reference=reference)
        return model.bind(post.runs, post.weights)

    def differing(model: BoundModel) -> list[str]:
        found = {
            name: model.priors[name].as_record(name, parameter)
            for name, parameter in model.parameters.items()
        }
        return [name for name, prior in record.priors.items() if found.get(name) != prior]

    own = bind("weak").reference
    reference = None
    if any(not np.isclose(own[name], value) for name, value in record.reference.items()):
        reference = record.reference
        named["reference"] = repr(reference)
    default, others = min(
        ((each, differing(bind(each, reference))) for each in ("learned", "weak")),
        key=lambda pair: len(pair[1]),
    )
    named["default_priors"] = repr(default)
    if others:
        said.append(
            f"The priors of {', '.join(others)} were given. The table of priors above states them: "
            f"define them first, as `priors`."
        )
        named["priors"] = "priors"
    return named


def _fit(post: Posterior, said: list[str]) -> str:
    record = post.record
    engine = get_engine(record.engine, **record.options)
    named = {"engine": f"sb.{engine!r}"}
    if post.runs.digest != record.data.digest:
        said.append(
            "Some runs had weight 0, or the posterior was saved without them: give their weights, "
            "as `weights`."
        )
        named["weights"] = "weights"
    elif (post.weights != 1).any():
        few = len(post.weights) <= _MOST_WEIGHTS
        named["weights"] = repr(post.weights.tolist()) if few else "weights"
        if not few:
            said.append("Runs had weights other than 1: give them, as `weights`.")
    named |= {"seed": str(record.seed), "dtype": repr(record.dtype)}
    allows = getattr(engine, "supports_allowance", False) and not post.noise.has_random_effects
    if post.exact and allows:
        named["exact"] = "True"
    return _call("post = sb.fit", "runs", "model", **named)


def _report(
    post: Posterior, asked: Asked | None, hardware: Hardware | None, said: list[str]
) -> str:
    named: dict[str, str] = {}
    if asked is not None:
        if not asked.are_default:
            amounts = asked.amounts
            named["budget"] = repr(amounts[0] if len(amounts) == 1 else list(amounts))
        if asked.unit != "FLOPs":
            named["unit"] = repr(asked.unit)
        named |= _cost(post, asked, said)
        if asked.limits is not None:
            bounds = {name: repr(float(each)) for name, each in asked.limits.bounds.items()}
            named["limits"] = _call("sb.Limits", **bounds)
        named |= {n: repr(x) for n, x in asked.inputs.items() if n not in asked.assumed}
        if asked.hyperparameters:
            said.append("The fits of settings are the user's own: define `hyperparameters` first.")
            named["hyperparameters"] = "hyperparameters"
        if asked.prob != 0.9:
            named["prob"] = repr(asked.prob)
    if hardware is not None:
        given = {
            name: repr(float(value)) for name, value in vars(hardware).items() if value is not None
        }
        named["hardware"] = _call("sb.costs.Hardware", **given)
    return _call("post.report", '"report.html"', **named)


def _cost(post: Posterior, asked: Asked, said: list[str]) -> dict[str, str]:
    """Return the argument that states what a budget pays for, if it is not the table's training."""
    served, price = float(asked.cost.served_tokens), float(asked.cost.serving_price)
    training = replace(asked.cost, served_tokens=0.0, serving_price=1.0)
    if repr(training) == repr(post.cost):
        code = "post.cost"
    elif isinstance(training, (Proportional, Transformer)):
        values = {each: getattr(training, each.name) for each in fields(training)}
        given = {each.name: repr(x) for each, x in values.items() if x != each.default}
        code = _call(f"sb.costs.{type(training).__name__}", **given)
    else:
        said.append("The cost is the user's own: define it first, as `cost`.")
        return {"cost": "cost"}
    if served:
        code += f".serve({served!r}" + (f", {price!r})" if price != 1 else ")")
    return {} if code == "post.cost" else {"cost": code}
