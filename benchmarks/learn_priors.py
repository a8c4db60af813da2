"""Learn default priors: the distribution of each parameter over public sweeps.

    python benchmarks/learn_priors.py --data FOLDER            # print the populations
    python benchmarks/learn_priors.py --data FOLDER --write    # and write them into the package

FOLDER holds the public tables as CSV files, as for scoreboard.py. Every sweep is fitted with weak
priors, as if its law were exact. The draws of all sweeps then give a normal population of the
parameters, in logarithms, by expectation maximisation: draws are weighted by the density of the
population over that of the weak prior. A study with n sweeps weighs as much as sqrt(n) sweeps. The
prior of a new sweep is a little wider than the population, since few sweeps determine it.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import typer
from common import console, seconds, show
from numpyro.distributions import constraints
from sweeps import Sweep, public_sweeps

import scalingbayes as sb
from scalingbayes import model
from scalingbayes._core.precision import precision
from scalingbayes.inference.importance import effective_sample_size

VERSION = 1
WRITTEN = Path(model.__path__[0]) / "learned_priors.json"
LAWS = ("coupled", "chinchilla", "chinchilla(tied=True)", "overtrained", "kaplan")
NOISE = "student_t(varying=compute)"

RIDGE = 0.15  # added to every sd in quadrature: no parameter is the same in all sweeps
INFLATION = 1.3  # of the covariance for a new sweep
ITERATIONS = 100


class SweepDraws(NamedTuple):
    """Draws from the posterior of one sweep, in coordinates in which the population is normal."""

    study: str
    name: str
    points: np.ndarray
    log_prior: np.ndarray


class Population(NamedTuple):
    """The mean and covariance of parameters over sweeps, and of each sweep within."""

    mean: np.ndarray
    covariance: np.ndarray
    of_sweeps: np.ndarray
    effective_draws: np.ndarray

    @property
    def sds(self) -> np.ndarray:
        return np.sqrt(np.diag(self.covariance))


def normal_coordinates(post: sb.Posterior, bound: sb.BoundModel) -> tuple[np.ndarray, np.ndarray]:
    """Return draws of the numbers that priors describe, and the log density of the priors.

    Positive numbers are replaced by their logarithms.
    """
    points, log_priors = [], []
    with precision("float64"):
        values = {name: jnp.asarray(draws.ravel()) for name, draws in post.values.items()}
        values = bound.density("float64").coordinates.to_reference(values)
        ones = dict.fromkeys(bound.reference, 1.0)
        for name, parameter in bound.parameters.items():
            number = parameter.number(values[name], {**ones, **values})
            positive = parameter.prior.support is not constraints.real
            z = jnp.log(number) if positive else number
            points.append(np.asarray(z))
            density = bound.priors[name].distribution.log_prob(number) + (z if positive else 0.0)
            log_priors.append(np.asarray(density))
    return np.stack(points, 1), np.sum(log_priors, 0)


def fit_sweeps(board: Sequence[Sweep], law: str, draws: int) -> list[SweepDraws]:
    """Fit every sweep with weak priors, as if the law were exact."""
    weak = sb.Model(law, NOISE, default_priors="weak")
    tables = {sweep.name: sb.Runs(sweep.frame, name=sweep.name) for sweep in board}
    posts = sb.fit_many(tables, weak, engine=sb.NUTS(draws=draws), exact=True)
    failed = [name for name, verdict in posts.verdicts.items() if not verdict.passed]
    if failed:
        console.print(f"{law}: failed {', '.join(failed)}")
    found = []
    for sweep in board:
        points, log_prior = normal_coordinates(posts[sweep.name], posts.models[sweep.name])
        found.append(SweepDraws(sweep.study, sweep.name, points, log_prior))
    return found


def learn(
    tables: Sequence[SweepDraws], ridge: float = RIDGE, inflation: float = INFLATION
) -> Population:
    """Return the normal population of parameters over sweeps, by expectation maximisation."""
    studies = [table.study for table in tables]
    counts = np.array([studies.count(study) for study in studies])
    shares = counts**-0.5 / (counts**-0.5).sum()
    points = np.stack([table.points for table in tables])
    log_prior = np.stack([table.log_prior for table in tables])
    dim = points.shape[-1]
    mean = shares @ points.mean(1)
    covariance = np.cov(points.reshape(-1, dim), rowvar=False).reshape(dim, dim)
    for _ in range(ITERATIONS):
        z = np.linalg.solve(np.linalg.cholesky(covariance), (points - mean).reshape(-1, dim).T)
        log_weights = -(z**2).sum(0).reshape(log_prior.shape) / 2 - log_prior
        weights = np.exp(log_weights - log_weights.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        of_sweeps = np.einsum("sd,sdp->sp", weights, points)
        mean = shares @ of_sweeps
        spread = (points - mean).reshape(-1, dim)
        covariance = (spread.T * (shares[:, None] * weights).ravel()) @ spread
        covariance += ridge**2 * np.eye(dim)
    effective = np.array([effective_sample_size(each) for each in weights])
    return Population(mean, inflation * covariance, of_sweeps, effective)


def learn_all(tables: Sequence[SweepDraws], names: Sequence[str]) -> dict[str, Any]:
    """Return the mean and sd of each parameter over all sweeps, and without each study."""

    def marginals(chosen: Sequence[SweepDraws]) -> dict[str, list[float]]:
        found = learn(chosen)
        pairs = zip(names, found.mean, found.sds, strict=True)
        return {name: [round(float(loc), 3), round(float(sd), 3)] for name, loc, sd in pairs}

    found = {"all": marginals(tables)}
    for study in dict.fromkeys(table.study for table in tables):
        found[study] = marginals([table for table in tables if table.study != study])
    return found


def over_sweeps(tables: Sequence[SweepDraws], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return medians of the parameters, and of a: of the population, a study and a sweep a row."""
    found = learn(tables)
    log_a = names.index("beta"), names.index("alpha")

    def row(title: str, sweeps: Any, at: np.ndarray) -> dict[str, Any]:
        values = {name: at[names.index(name)] for name in names}
        shown = {n: z if n == "spread_exponent" else np.exp(z) for n, z in values.items()}
        shown["nu"] += 1
        shown["a"] = 1 / (1 + np.exp(at[log_a[1]] - at[log_a[0]]))
        return {"sweeps": title, "n": sweeps, **{name: float(x) for name, x in shown.items()}}

    rows = [row("median", len(tables), found.mean)]
    sds = found.sds
    for probability, quantile in ((5, -1.645), (95, 1.645)):
        limits = row(f"{probability} % of new sweeps are below", "", found.mean + quantile * sds)
        gap = np.zeros(len(names))
        gap[log_a[0]], gap[log_a[1]] = 1, -1
        logit = gap @ found.mean + quantile * np.sqrt(gap @ found.covariance @ gap)
        rows.append(limits | {"a": float(1 / (1 + np.exp(-logit)))})
    for study in dict.fromkeys(table.study for table in tables):
        of_study = [i for i, table in enumerate(tables) if table.study == study]
        rows.append(row(study, len(of_study), found.of_sweeps[of_study].mean(0)))
    return rows


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a Markdown table."""
    headings = list(rows[0])

    def cell(value: Any) -> str:
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    lines = [headings, ["---"] * len(headings)]
    lines += [[cell(row[heading]) for heading in headings] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(
    data: Annotated[Path, typer.Option(help="Folder of the public tables.")],
    only: Annotated[str, typer.Option(help="Laws whose names start with this.")] = "",
    draws: Annotated[int, typer.Option(help="Draws of each of four chains.")] = 500,
    write: Annotated[bool, typer.Option(help="Write the priors into the package.")] = False,
) -> None:
    """Print the distribution of each parameter over public sweeps; write it into the package."""
    board = public_sweeps(data)
    studies: dict[str, list[str]] = {}
    for sweep in board:
        studies.setdefault(sweep.study, []).append(sweep.name)
    populations: dict[str, dict[str, Any]] = {}
    for law in LAWS:
        if not law.startswith(only):
            continue
        took, tables = seconds(partial(fit_sweeps, board, law, draws))
        names = list(sb.Model(law, NOISE).parameters)
        populations[law] = learn_all(tables, names)
        least = learn(tables).effective_draws.min()
        console.print(f"{law}: {took:.0f} s; least effective draws of a sweep {least:.0f}")
        if "beta" in names:
            console.print(as_markdown(over_sweeps(tables, names)), soft_wrap=True)
        show(
            f"{law}: mean (sd) of the prior",
            [
                {"without": "" if study == "all" else study}
                | {name: f"{loc:.2f} ({sd:.2f})" for name, (loc, sd) in each.items()}
                for study, each in populations[law].items()
            ],
        )
    if write:
        record = {"version": VERSION, "studies": studies, "populations": populations}
        WRITTEN.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
