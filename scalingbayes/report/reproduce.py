"""How to reproduce a fit: the call, the settings and the versions."""

from dataclasses import dataclass

from scalingbayes.data import datasets
from scalingbayes.posterior.posterior import Posterior


@dataclass(frozen=True)
class Reproduction:
    """What it takes to fit the same table again.

    Parameters
    ----------
    code
        The call in Python.
    facts
        Names and values of what identifies the fit.
    """

    code: str
    facts: tuple[tuple[str, str], ...]


def describe_reproduction(post: Posterior) -> Reproduction:
    """Return how to reproduce a fit."""
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
    return Reproduction(_code(post), facts)


def _code(post: Posterior) -> str:
    record = post.record
    columns = {name: source for name, source in record.data.sources.items() if source != name}
    named = "".join(f", {name}={source!r}" for name, source in columns.items())
    name = record.data.name
    bundled = name in datasets.names()
    read = f"sb.datasets.load({name!r})" if bundled else f"sb.read_runs({name!r}{named})"
    exact = ", exact=True" if post.exact and record.of == "posterior" else ""
    return (
        "import scalingbayes as sb\n\n"
        f"runs = {read}\n"
        f"model = sb.Model({record.law!r}, {record.noise!r})\n"
        f"post = sb.fit(runs, model, engine={record.engine!r}, seed={record.seed}{exact})\n"
        'post.report("report.html")'
    )
