"""The methods that the scoreboard scores, and how to enter another.

A method is an object with a ``name`` and ``fit_many(cases, settings)``, which returns one
`Forecast` for each `Case`, or None where the method does not apply. For a law whose parameters a
method draws, `law_forecast` makes the forecast:

    class Mine(EachCase):
        name = "mine"

        def fit(self, case, settings):
            values, scatter = my_package.fit(case.frame)  # rows E, A, B, alpha, beta; log loss sd
            return law_forecast(values, scatter, settings.seed)

    METHODS["mine"] = Mine()
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from jaxtyping import Float
from peers import NAMES, simple_scaling_laws_bootstrap
from sweeps import budgets_of, parabola_vertex

import scalingbayes as sb
from scalingbayes.inference import get_engine

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Case:
    """A table to fit: columns ``params``, ``tokens``, ``loss`` and, of IsoFLOP sweeps, ``budget``.

    The study is the one that may not have taught the method anything.
    """

    study: str
    name: str
    frame: pd.DataFrame


@dataclass(frozen=True)
class Settings:
    """Options of a scoreboard's run that methods may follow.

    Parameters
    ----------
    engine
        The engine of this package's own methods.
    draws
        Draws of a chain of NUTS, a quarter of the resamples of a bootstrap.
    seed
        Seed of the random numbers.
    """

    engine: str = "nuts"
    draws: int = 500
    seed: int = 0

    @property
    def resamples(self) -> int:
        return 4 * self.draws


@dataclass(frozen=True)
class Forecast:
    """What a method says after it has seen a table.

    Parameters
    ----------
    exponent
        Draws of a, of N_opt ∝ C^a. Up to 5 % of draws may be infinite or NaN: they are left out.
    log_params_opt
        Draws of log N_opt at budgets in FLOPs, shape (draws, budgets); the same holds.
    log_loss
        Draws of the log loss of new runs of given params and tokens, noise included; shape
        (draws, runs). None if the method predicts no losses.
    log_score
        The log predictive density of the log loss of runs (columns params, tokens, loss), if the
        method has one.
    passed
        Whether the method trusts its fit.
    """

    exponent: Float[Array, " draws"]
    log_params_opt: Callable[[Float[Array, " budgets"]], Float[Array, "draws budgets"]]
    log_loss: (
        Callable[[Float[Array, " runs"], Float[Array, " runs"]], Float[Array, "draws runs"]] | None
    ) = None
    log_score: Callable[[pd.DataFrame], Float[Array, " runs"]] | None = None
    passed: bool = True


class Method(Protocol):
    """Anything that answers tables with forecasts."""

    @property
    def name(self) -> str: ...

    def fit_many(self, cases: Sequence[Case], settings: Settings) -> Sequence[Forecast | None]: ...


class EachCase:
    """A method that fits one table after another."""

    name: str

    def fit(self, case: Case, settings: Settings) -> Forecast | None:
        raise NotImplementedError

    def fit_many(self, cases: Sequence[Case], settings: Settings) -> Sequence[Forecast | None]:
        return [self.fit(case, settings) for case in cases]


# This package


def options_of(exact: bool) -> dict[str, Any]:
    """Return the arguments of sb.fit that say whether the law is taken as exact."""
    return {"exact": exact}


def model_of(law: str, noise: str | None, study: str | None) -> sb.Model:
    """Return a model with priors learned without a study, or with weak priors if it is None."""
    if study is None:
        return sb.Model(law, noise, default_priors="weak")
    return sb.Model(law, noise, default_priors=sb.learned_priors(law, noise, without=study))


@dataclass(frozen=True)
class Posterior:
    """A model of this package.

    Parameters
    ----------
    name, law, noise
        The name of the method, the law, and the noise; the law's default noise if None.
    exact
        Whether the law is taken as exact.
    learned
        Whether priors are learned from the other studies.
    resamples
        Whether to resample tables by the package's bootstrap, rather than to sample a posterior.
    """

    name: str
    law: str = "coupled"
    noise: str | None = None
    exact: bool = False
    learned: bool = True
    resamples: bool = False

    def fit_many(self, cases: Sequence[Case], settings: Settings) -> Sequence[Forecast | None]:
        if self.resamples:
            how: dict[str, Any] = {"engine": sb.Bootstrap(settings.resamples)}
        else:
            engine = get_engine(settings.engine, draws=settings.draws)
            how = {"engine": engine, **options_of(self.exact)}
        found: dict[int, Forecast] = {}
        studies = [case.study if self.learned else None for case in cases]
        for places in batches(cases, studies, side_by_side=not self.resamples):
            model = model_of(self.law, self.noise, studies[places[0]])
            tables, weights = zip(*(table_of(cases[i]) for i in places), strict=True)
            posts = sb.fit_many(tables, model, weights=weights, seed=settings.seed, **how)
            found |= {i: posterior_forecast(posts[j]) for j, i in enumerate(places)}
        return [found[i] for i in range(len(cases))]


# A batch of fits has one study, one of these numbers of rows and one of these numbers of tables, so
# that few programs are compiled.
_LENGTHS = (64, 128, 256, 768)
_TABLES = (1, 4, 8)
_AT_ONCE = 64  # new runs are padded to a multiple of this
_LARGEST = 30.0  # log loss


def batches(
    cases: Sequence[Case], studies: Sequence[str | None], side_by_side: bool
) -> list[list[int]]:
    """Return batches of positions of cases; a position may be repeated to fill a batch.

    Parameters
    ----------
    cases, studies
        The cases, and the study that the priors of each may not have seen.
    side_by_side
        Whether a program fits several tables, so that their number should be a usual one.
    """
    alike: dict[tuple[str | None, int], list[int]] = {}
    for place, (case, study) in enumerate(zip(cases, studies, strict=True)):
        alike.setdefault((study, _length(len(case.frame))), []).append(place)
    if not side_by_side:
        return list(alike.values())
    found = []
    for places in alike.values():
        for first in range(0, len(places), _TABLES[-1]):
            part = places[first : first + _TABLES[-1]]
            size = min(each for each in _TABLES if each >= len(part))
            found.append(part + part[-1:] * (size - len(part)))
    return found


def table_of(case: Case) -> tuple[sb.Runs, Float[Array, " rows"]]:
    """Return the runs of a case and their weights, with rows of weight 0 up to a usual length."""
    rows = len(case.frame)
    places = np.minimum(np.arange(_length(rows)), rows - 1)
    return _runs(case.frame.iloc[places], case.name), (np.arange(len(places)) < rows).astype(float)


def _length(rows: int) -> int:
    return next((length for length in _LENGTHS if length >= rows), rows)


def posterior_forecast(post: sb.Posterior) -> Forecast:
    """Return what a posterior says."""

    def flat(draws: Any) -> np.ndarray:
        values = draws.to_numpy()
        return values.reshape(values.shape[0] * values.shape[1], -1)

    def closed_form() -> Forecast:  # for draws of which some have no optimum
        return law_forecast(np.stack([post.values[name].ravel() for name in NAMES], axis=1), 0.0)

    def exponent() -> np.ndarray:
        try:
            return flat(post.exponents()["a"]).ravel()
        except sb.InputError:
            return closed_form().exponent

    def log_params_opt(compute: np.ndarray) -> np.ndarray:
        try:
            return np.log(flat(post.allocate(compute)["params"]))
        except sb.InputError:
            return closed_form().log_params_opt(compute)

    def log_loss(params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        rows = _padded(len(params))
        observed = post.predict(params=params[rows], tokens=tokens[rows])["observed"]
        with np.errstate(divide="ignore"):  # heavy tails reach 0 and infinity
            return np.clip(np.log(flat(observed))[:, : len(params)], -_LARGEST, _LARGEST)

    def log_score(frame: pd.DataFrame) -> np.ndarray:
        scores = sb.score(post, _runs(frame.iloc[_padded(len(frame))], "held out"))
        return scores["log_score"].to_numpy()[: len(frame)]

    return Forecast(
        exponent=exponent(),
        log_params_opt=log_params_opt,
        log_loss=log_loss,
        log_score=log_score,
        passed=post.verdict.passed,
    )


def _runs(frame: pd.DataFrame, name: str) -> sb.Runs:
    with warnings.catch_warnings(action="ignore", category=sb.InputWarning):
        return sb.Runs(frame.reset_index(drop=True), name=name)  # some sweeps repeat rows


def _padded(count: int) -> np.ndarray:
    return np.minimum(np.arange(-(-count // _AT_ONCE) * _AT_ONCE), count - 1)


# Rivals


def law_forecast(
    values: Float[Array, "draws 5"], scatter: float | Float[Array, " draws"], seed: int = 0
) -> Forecast:
    """Return the forecast of draws of Chinchilla's law with normal scatter of log loss.

    Parameters
    ----------
    values
        Draws of E, A, B, alpha and beta.
    scatter
        Sd of the log loss of a run about the law, or its draws.
    seed
        Seed of the scatter of new runs.
    """
    _, A, B, alpha, beta = values.T[..., None]
    sd = np.broadcast_to(scatter, len(values))[:, None]
    a = beta / (alpha + beta)

    def log_loss(params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        at = law_log_loss(values, params, tokens)
        return at + sd * np.random.default_rng(seed).standard_normal(at.shape)

    def log_score(frame: pd.DataFrame) -> np.ndarray:
        at = law_log_loss(values, *frame[["params", "tokens"]].to_numpy().T)
        z = (np.log(frame["loss"].to_numpy()) - at) / sd
        density = -(z**2) / 2 - np.log(sd) - np.log(2 * np.pi) / 2
        return np.logaddexp.reduce(density, axis=0) - np.log(len(values))

    def log_params_opt(compute: np.ndarray) -> np.ndarray:
        return np.log(alpha * A / (beta * B)) / (alpha + beta) + a * np.log(compute / 6)

    return Forecast(a[:, 0], log_params_opt, log_loss, log_score)


def law_log_loss(
    values: Float[Array, "draws 5"], params: Float[Array, " runs"], tokens: Float[Array, " runs"]
) -> Float[Array, "draws runs"]:
    """Return the log of E + A/N^alpha + B/D^beta."""
    E, A, B, alpha, beta = values.T[..., None]
    return np.log(E + A * params**-alpha + B * tokens**-beta)


_LINES = 400  # resamples of approach 2


class Approach2(EachCase):
    """Hoffmann's approach 2: the vertex of each budget, and a power law through the vertices.

    Parabolas are of log loss in log params, through the runs within a factor of 4 of the budget's
    best. Runs are resampled within their budgets.
    """

    name = "approach 2"

    def fit(self, case: Case, settings: Settings) -> Forecast | None:
        if "budget" not in case.frame:
            return None
        random = np.random.default_rng(settings.seed)
        log = np.log(case.frame[["params", "loss"]].to_numpy())
        points = []
        for budget, rows in budgets_of(case.frame).items():
            x, y = log[rows].T
            near = np.abs(x - x[np.argmin(y)]) <= np.log(4.0) + 1e-9
            if parabola_vertex(x[near], y[near]) is not None:
                points.append((np.log(budget), x[near], y[near]))
        lines = [self._line(points, random) for _ in range(_LINES)]
        kept = np.array([line for line in lines if line is not None])
        if len(kept) < _LINES / 2:
            return None
        return Forecast(kept[:, 0], lambda compute: kept[:, :1] * np.log(compute) + kept[:, 1:])

    @staticmethod
    def _line(
        points: Sequence[tuple[float, np.ndarray, np.ndarray]], random: np.random.Generator
    ) -> np.ndarray | None:
        """Return slope and intercept through the vertices of resampled budgets."""
        found = []
        for log_budget, x, y in points:
            rows = random.integers(len(x), size=len(x))
            vertex = parabola_vertex(x[rows], y[rows])
            if vertex is not None:
                found.append((log_budget, vertex))
        if len(found) < 2:
            return None
        log_budgets, vertices = np.array(found).T
        return np.polyfit(log_budgets, vertices, 1)


_REFITS = 200  # of the package's bootstrap, which takes seconds


class SimpleScalingLaws(EachCase):
    """The package on PyPI: least squares of the loss, and its own bootstrap."""

    name = "simple-scaling-laws"

    def fit(self, case: Case, settings: Settings) -> Forecast | None:
        params, tokens, loss = case.frame[["params", "tokens", "loss"]].to_numpy().T
        values = simple_scaling_laws_bootstrap(params, tokens, loss, _REFITS, settings.seed)
        best = np.median(law_log_loss(values, params, tokens), axis=0)
        scatter = np.sqrt(np.sum((np.log(loss) - best) ** 2) / max(len(loss) - 5, 1))
        return law_forecast(values, float(scatter), settings.seed)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Posterior("default"),
        Posterior("exact", exact=True),
        Posterior("separable, exact", "chinchilla", "student_t", exact=True, learned=False),
        Approach2(),
        Posterior("Huber bootstrap", "chinchilla", "huber", learned=False, resamples=True),
        SimpleScalingLaws(),
    )
}
"""The methods by name."""
