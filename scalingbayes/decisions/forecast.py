"""The loss of a run under its learning-rate schedule, before it starts or while it is in flight."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float

from scalingbayes._core.arguments import Probability, Seed, check_number, check_numbers
from scalingbayes._core.checked import checked
from scalingbayes._core.domains import NONNEGATIVE
from scalingbayes._core.errors import InputError, unknown
from scalingbayes._core.numbers import write_with_interval
from scalingbayes.data.runs import Runs
from scalingbayes.data.schedules import as_table, schedule_columns, with_numbers
from scalingbayes.fitting.fit import fit
from scalingbayes.inference import Engine
from scalingbayes.model.model import Model, ModelLike, as_model
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import Estimate, View

_CURVE = "curve"
_IN_FLIGHT = "in flight"
_POINTS = 100  # of the forecast
_ROWS = 60  # of a curve that are fitted: its points share their errors
_TIME_FOLDS = (0.5, 0.75)  # shares of the run in flight that predict its rest
_FEWEST = 12  # rows of a run in flight, from which its rest is predicted
_RECENT = 3  # rows of the run in flight whose mean deviation is that of now
_DRAWS = 400  # of a fold, to predict the curve that it holds out
_OFF_COURSE = 0.95  # probability

Rows = pd.DataFrame | Mapping[str, Any]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Forecast(Estimate):
    """The loss of a run at steps of its schedule; made by :func:`forecast`.

    Parameters
    ----------
    so_far
        The rows of the run in flight: ``step`` and ``loss``; None if it has not started.
    target
        Draws of the loss that the run should reach at its end; None if there is no target.
    growth
        The sd of the law's relative error of a curve whose loss falls by a factor of e, as the
        curves show that are predicted from the others. The variance grows with the log of the loss.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> found = sb.forecast(curves, schedule)  # doctest: +SKIP
    >>> float(found.end.median()["observed"])  # doctest: +SKIP
    2.62
    """

    so_far: pd.DataFrame | None
    target: Float[np.ndarray, " draws"] | None
    growth: float

    @property
    def end(self) -> Estimate:
        """The loss at the end of the schedule."""
        last = self.draws.isel(step=-1, drop=True)
        return Estimate(self.title, last, self.verdict, self.notes)

    @property
    def above_target(self) -> float | None:
        """The probability that the run ends above its target; None if there is no target."""
        if self.target is None:
            return None
        reached = self.draws["observed"].isel(step=-1).to_numpy().ravel()
        random = np.random.default_rng(0)
        return float((reached > random.choice(self.target, len(reached))).mean())

    def sentence(self, prob: Probability = 0.9) -> str:
        """Return what the run will reach, and whether it is on course."""
        low, high = self.end.interval(prob)["observed"].to_numpy()
        middle = float(self.end.median()["observed"])
        step = int(self.draws["step"][-1])
        reach = f"At step {step:,} the run reaches {_written(middle, low, high)}"
        failed = "" if self.verdict.passed else "; the fit failed its checks"
        above = self.above_target
        if self.target is None or above is None:
            return f"{reach}{failed}."
        words = "on course"
        if above > _OFF_COURSE:
            words = "worse than its target"
        elif above < 1 - _OFF_COURSE:
            words = "better than its target"
        aim = _written(*np.quantile(self.target, [0.5, (1 - prob) / 2, (1 + prob) / 2]))
        aimed = f"the target is {aim}: {words} (above it with probability {above:.0%})"
        return f"{reach}; {aimed}{failed}."

    def view(self, prob: Probability = 0.9) -> View:
        """Return the sentence, and the losses at quarters of the schedule."""
        steps = len(self.draws["step"])
        some = np.unique(np.linspace(0, steps - 1, 5).round().astype(int))[1:]
        few = Estimate(self.title, self.draws.isel(step=some), self.verdict, self.notes)
        shown = few.view(prob)
        return replace(shown, lines=(self.sentence(prob), *shown.lines))

    def plot(self, ax: Any = None, prob: Probability = 0.9) -> Any:
        """Plot the curve so far and the forecast; see :func:`scalingbayes.plots.plot_forecast`."""
        from scalingbayes.plots import plot_forecast

        return plot_forecast(self, prob, ax)


@checked
def forecast(
    curves: Rows | None,
    schedule: Rows | Float[np.ndarray, " steps"],
    so_far: Rows | None = None,
    *,
    curve: str | None = None,
    target: float | Estimate | None = None,
    model: ModelLike = "multi_power",
    engine: Engine | str = "nuts",
    warmup: float = 0,
    seed: Seed = 0,
) -> Forecast:
    """Forecast the loss of a run from finished training curves, and from the run's own curve.

    A law of learning-rate schedules is fitted to the curves. Points of one curve share the law's
    error, which no fit of three curves shows: each finished curve is predicted from the other ones.
    If there are no two, the run in flight is predicted from its first half and its first three
    quarters. The error is a random walk that moves as the expected loss falls; the predictions show
    how fast it grows. In flight the walk starts anew, but a decay that is ahead is as uncertain as
    before the start: what a run shows before a decay says nothing of the decay.

    Fitted to three of nine public schedules of three sizes, 90 % intervals hold 96 to 100 % of the
    points in the last 20 % of the other six before the start, and 92 % of the 72 ends in flight
    from 50 to 94 % of the steps (benchmarks/schedules.py, the engine Laplace). The 6 ends that
    they miss are of one size, before a decay. The rule in flight was chosen on these curves.

    Parameters
    ----------
    curves
        Finished curves: columns ``step``, ``learning_rate``, ``loss``, and ``curve``. None
        forecasts from the run's own curve alone; its interval is wide if the learning rate is yet
        to fall.
    schedule
        The planned schedule: the learning rate of each step, or a table of ``step`` and
        ``learning_rate``.
    so_far
        The curve of the run in flight: ``step`` and ``loss``; None if it has not started.
    curve
        The column that names the curve of each row of ``curves``; None if ``curves`` is one curve.
    target
        The loss to reach at the end: a number, or ``post.predict(...)`` of a sweep.
    model
        A law that reads the columns of :func:`scalingbayes.schedule_columns`, or a model with it.
    engine
        The engine of the fit to all curves, as for :func:`scalingbayes.fit`. The fits that hold a
        part of a curve out, of which the median alone is used, have the engine ``"laplace"``.
    warmup
        Steps of linear warm-up that the tables leave out, as for
        :func:`scalingbayes.schedule_columns`.
    seed
        Seed of the random numbers.

    Returns
    -------
    Forecast
        Draws of ``expected`` and ``observed``, without and with the noise of a point, at steps of
        the schedule: those that are ahead, if the run is in flight.

    Raises
    ------
    InputError
        If a column is missing, or there are too few curves: two finished ones, or one in flight.

    Examples
    --------
    >>> import numpy as np
    >>> import scalingbayes as sb
    >>> frame = sb.datasets.load("lr_schedules").frame
    >>> small = frame[(frame["params"] == 25e6) & ~frame["schedule"].str.contains("wsdld")]
    >>> decay = np.interp(np.arange(1, 24001), [20000, 24000], [3e-4, 3e-5])
    >>> found = sb.forecast(small, decay, curve="schedule", warmup=2160)  # doctest: +SKIP
    >>> found.sentence()  # doctest: +SKIP
    'At step 24,000 the run reaches 3.279 [3.268, 3.290].'
    """
    planned, aim = _schedule(schedule), _target(target)
    tables = [] if curves is None else [_named(curves, curve)]
    running = None if so_far is None else _running(so_far, planned)
    if running is not None:
        tables.append(running.assign(**{_CURVE: _IN_FLIGHT}))
    names = [name for each in tables for name in each[_CURVE].unique()]
    if len(names) < 2 and running is None:
        raise InputError(
            "A forecast needs two finished curves or more, or the curve of the run so far: give "
            "curve= the column that names the curves, or so_far= a table of step and loss."
        )
    table = schedule_columns(pd.concat(tables), _CURVE, warmup=warmup, points=_ROWS)
    fits = _Fits(Runs(table, name="curves"), table, as_model(model), seed)
    whole = fits.fit(np.ones(len(table), bool), engine)
    growth, looks = _growth(fits)
    ahead = schedule_columns(planned, warmup=warmup, points=_POINTS)
    past, deviation = ahead[:1], 0.0
    if running is not None:
        past = table[table[_CURVE] == _IN_FLIGHT]
        ahead = ahead[ahead["step"] > past["step"].max()]
        deviation = _deviation(whole, past[-_RECENT:])
    draws = _draws(whole, ahead, _fall(whole, ahead, past), growth, looks, seed)
    return Forecast(
        title=f"Loss under the schedule, law {whole.law.name!r}, from {len(names)} curves",
        draws=draws * np.exp(deviation),
        verdict=whole.verdict,
        notes=(_note(growth, looks), *_unseen_fall(table, ahead)),
        so_far=None if running is None else running[["step", "loss"]],
        target=aim,
        growth=growth,
    )


@dataclass(frozen=True, eq=False)
class _Fits:
    """Fits of a law to some rows of one table of curves; one compiled program serves them all."""

    runs: Runs
    table: pd.DataFrame
    model: Model
    seed: int

    def fit(self, rows: Bool[np.ndarray, " rows"], engine: Engine | str = "laplace") -> Posterior:
        """Fit the law to some of the rows."""
        weights, seed = rows.astype(float), self.seed
        return fit(
            self.runs,
            self.model,
            engine=engine,
            weights=weights,
            exact=True,
            seed=seed,
            progress=False,
        )


def _expected(post: Posterior, rows: pd.DataFrame) -> Float[np.ndarray, " rows"]:
    """Return the median of the loss that a fit expects at each row."""
    inputs = {name: rows[name].to_numpy() for name in post.law.inputs}
    return np.median(post.thin(_DRAWS).expected(**inputs), (0, 1))


def _growth(fits: _Fits) -> tuple[float, int]:
    """Return the sd of a curve's error for a fall of the loss by e, and the number of looks.

    What a run shows before its decay says nothing of the decay, so the run in flight is looked at
    only if there are no two finished curves.
    """
    table, variances = fits.table, []
    curves, step = table[_CURVE].to_numpy(), table["step"].to_numpy()
    own = curves == _IN_FLIGHT
    finished = pd.unique(curves[~own])
    for name in finished if len(finished) > 1 else ():
        held = curves == name
        variances.append(_variance(fits.fit(~(held | own)), table[held], table[held][:1]))
    if variances:
        return float(np.sqrt(np.mean(variances))), len(variances)
    if own.sum() < _FEWEST:
        raise InputError(
            f"The run in flight has {own.sum()} rows and there are no two finished curves: "
            f"{_FEWEST} rows or two finished curves are needed. Forecast later, or give curves."
        )
    for share in _TIME_FOLDS:
        before = own & (step <= share * step[own].max())
        held = own & ~before
        post = fits.fit(~held)
        deviation = _deviation(post, table[before][-_RECENT:])
        variances.append(_variance(post, table[held], table[before], deviation))
    return float(np.sqrt(np.mean(variances))), len(variances)


def _variance(
    post: Posterior, rows: pd.DataFrame, past: pd.DataFrame, deviation: float = 0.0
) -> float:
    """Return the mean squared error of predicted rows over the mean log fall of the loss."""
    squares = (np.log(rows["loss"].to_numpy() / _expected(post, rows)) - deviation) ** 2
    return float(squares.mean() / _fall(post, rows, past).mean())


def _fall(post: Posterior, ahead: pd.DataFrame, past: pd.DataFrame) -> Float[np.ndarray, " steps"]:
    """Return the log fall of the loss through which the error has moved at rows ahead.

    The error starts anew at the last row of the past. As the learning rate falls, the fall so far
    counts again, in the share of the whole annealing that is gained from now on: a run does not
    show before a decay what the law has wrong about it.
    """
    first, now = _expected(post, past)[[0, -1]]
    fall = np.maximum(np.log(now / _expected(post, ahead)), 0.0)
    area, done = ahead["lr_annealing"].to_numpy(), past["lr_annealing"].iloc[-1]
    gained = np.maximum(area - done, 0.0) / (area.max() if area.max() > 0 else 1.0)
    return fall + gained * max(float(np.log(first / now)), 0.0)


def _deviation(post: Posterior, rows: pd.DataFrame) -> float:
    """Return the mean log ratio of the observed and the expected losses."""
    return float(np.log(rows["loss"].to_numpy() / _expected(post, rows)).mean())


def _draws(
    post: Posterior,
    ahead: pd.DataFrame,
    fall: Float[np.ndarray, " steps"],
    growth: float,
    looks: int,
    seed: int,
) -> xr.Dataset:
    """Return draws of the loss at steps ahead, with the law's error of this curve."""
    inputs = {name: ahead[name].to_numpy() for name in post.law.inputs}
    found = post.predict(seed=seed, **inputs).draws
    random = np.random.default_rng([seed, 2])
    shape = found.sizes["chain"], found.sizes["draw"]
    error = xr.DataArray(growth * random.standard_t(looks, shape), dims=("chain", "draw"))
    walk = xr.DataArray(np.sqrt(fall), dims="step")
    steps = ahead["step"].to_numpy()
    plain = {
        name: (("chain", "draw", "step"), x.transpose("chain", "draw", "run").to_numpy())
        for name, x in found.items()
    }
    return xr.Dataset(plain, coords={"step": steps}) * np.exp(error * walk)


def _schedule(schedule: Rows | Float[np.ndarray, " steps"]) -> pd.DataFrame:
    """Return a schedule as a table of steps and learning rates."""
    if not isinstance(schedule, pd.DataFrame | Mapping):
        schedule = {"learning_rate": check_numbers("schedule", schedule, NONNEGATIVE).ravel()}
    frame = as_table(schedule, "schedule")
    if "step" not in frame:
        frame = frame.assign(step=np.arange(1, len(frame) + 1))
    columns = ["step", "learning_rate"]
    return with_numbers(frame, columns, "schedule")[columns]


def _named(curves: Rows, curve: str | None) -> pd.DataFrame:
    """Return finished curves with the column that names them."""
    columns = ["step", "learning_rate", "loss"]
    frame = with_numbers(as_table(curves, "curves"), columns, "curves")
    if curve is not None and curve not in frame:
        raise unknown("column", curve, map(str, frame.columns))
    names = "finished" if curve is None else frame[curve].astype(str)
    return frame[columns].assign(**{_CURVE: names})


def _running(so_far: Rows, planned: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the run in flight with the learning rates of its schedule."""
    columns = ["step", "loss"]
    frame = with_numbers(as_table(so_far, "so_far"), columns, "so_far")[columns].sort_values("step")
    if not frame["step"].iloc[-1] < planned["step"].max():
        raise InputError(
            f"so_far reaches step {frame['step'].iloc[-1]:g}, the end of the schedule: nothing is "
            f"left to forecast. Give the whole planned schedule."
        )
    rates = np.interp(frame["step"], planned["step"], planned["learning_rate"])
    return frame.assign(learning_rate=rates)


def _target(target: float | Estimate | None) -> Float[np.ndarray, " draws"] | None:
    """Return draws of the target.

    Raises
    ------
    InputError
        If it is neither a positive number nor a prediction.
    """
    if target is None:
        return None
    if isinstance(target, Estimate):
        if "observed" not in target.draws:
            raise InputError("target must be a number, or what post.predict(...) returns.")
        return np.asarray(target["observed"].to_numpy().ravel(), float)
    return np.array([check_number("target", target)])


def _note(growth: float, looks: int) -> str:
    return (
        f"The law's error of a curve has an sd of {growth:.2%} times the square root of the fall "
        f"of the log loss, as {looks} predictions of held-out parts of curves show."
    )


def _unseen_fall(table: pd.DataFrame, ahead: pd.DataFrame) -> tuple[str, ...]:
    """Return a note if the learning rate is to fall and fell in none of the curves."""
    if table["lr_annealing"].max() > 0 or ahead["lr_annealing"].max() == 0:
        return ()
    return (
        "The schedule lets the learning rate fall, and it fell in none of the curves: what this "
        "gains is known from the priors alone. Add a finished curve with a decay.",
    )


def _written(middle: float, low: float, high: float) -> str:
    return " ".join(filter(None, write_with_interval(middle, low, high, "loss")))
