"""The influence of each run on a decision: what changes when the run is left out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from scalingbayes._core.arguments import Count, Positive, Probability, Seed
from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.progress import Progress, report_progress
from scalingbayes.data.units import PERPLEXITY
from scalingbayes.evaluation.residuals import replicate_residuals
from scalingbayes.fitting.batch import refit
from scalingbayes.inference.pareto import pareto_smooth
from scalingbayes.laws import Law
from scalingbayes.posterior.origin import require_fit
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import in_user_units, target_name
from scalingbayes.results import Check, Estimate, IntervalKind, Result, Verdict, View
from scalingbayes.results.intervals import interval_columns

GOOD_K = 0.7
"""Pareto k above which the draws cannot be reweighted reliably (Vehtari et al. 2024)."""

_BEYOND = 10.0  # the default budget, as a multiple of the largest run's compute
_LARGEST_SHARE = 0.2  # of the runs, that are left out together
_LARGEST_MOVE = 2.0  # posterior sds by which the decision may move without these runs
_LABELS = ("run_id", "run", "run_name", "name", "model")  # columns that name a run
_RUN = ("params", "tokens", "compute")


@dataclass(frozen=True, eq=False, repr=False)
class Influence(Result):
    """How far each run pulls the exponent a and the optimal size, or a prediction.

    Parameters
    ----------
    title
        What was examined.
    runs
        One row a run, the run that pulls hardest first. The index is the number of the row in the
        table, from 1. Columns: the label of the run, its counts and its target; ``residual``, the
        posterior median in sigma; for each quantity its shift without the run, and the shift in
        posterior sds; ``pareto_k``. A shift is reliable if ``pareto_k`` is at most 0.7.
    decision
        The decision from all runs.
    without
        The decision without the runs that pull hardest.
    left_out
        The row numbers of these runs.
    verdict
        Whether the decision depends on these runs, and what to do.
    notes
        How the decision was computed.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> found = sb.influence(post)  # doctest: +SKIP
    >>> found.summary().index[0]  # the run that pulls hardest  # doctest: +SKIP
    125
    """

    title: str
    runs: pd.DataFrame
    decision: Estimate
    without: Estimate
    left_out: tuple[int, ...]
    verdict: Verdict
    notes: tuple[str, ...]

    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return ``runs``.

        The table has no credible intervals: ``prob`` and ``kind`` are ignored.
        """
        return self.runs

    def decisions(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return the decision with and without the runs that pull hardest.

        Parameters
        ----------
        prob
            Posterior probability of the credible intervals.
        kind
            ``"eti"``, equal tails, or ``"hdi"``, the shortest interval.

        Returns
        -------
        pandas.DataFrame
            Two rows a quantity: its median and its interval from all runs, and without the runs.
        """
        lower, upper = interval_columns(prob, kind)
        rows = {}
        for name, estimate in {"all runs": self.decision, "without": self.without}.items():
            median, bounds = estimate.median(), estimate.interval(prob, kind)
            for quantity in map(str, estimate.draws.data_vars):
                low, high = bounds[quantity].to_numpy().ravel()
                rows[quantity, name] = {
                    "median": float(median[quantity]),
                    lower: float(low),
                    upper: float(high),
                }
        order = [(q, name) for q in map(str, self.decision) for name in ("all runs", "without")]
        frame = pd.DataFrame.from_dict(rows, orient="index").loc[order]
        frame.index = frame.index.set_names(["quantity", "runs"])
        frame.attrs["verdict"] = self.verdict.word
        return frame

    def plot(self, ax: Any = None) -> Any:
        """Plot the shifts without each run; see :func:`scalingbayes.plots.plot_influence`."""
        from scalingbayes.plots import plot_influence

        return plot_influence(self, ax=ax)

    def view(self, prob: Probability = 0.9) -> View:
        """Return the runs that pull hardest, the decision with and without them, the verdict."""
        listed = f"With and without rows {', '.join(map(str, self.left_out))}:"
        return View(
            self.title,
            self.runs.head(len(self.left_out)),
            self.notes,
            self.verdict,
            tables=((listed, self.decisions(prob)),),
        )


@checked
def influence(
    post: Posterior,
    compute: Positive | None = None,
    rows: Count = 5,
    seed: Seed = 0,
    progress: Progress = None,
    **inputs: float,
) -> Influence:
    """Compute how far each run pulls the exponent a and the optimal size at a budget.

    The draws that take the law as exact are reweighted to leave each run out, by Pareto smoothed
    importance sampling (Vehtari et al. 2024, JMLR 25, 72). The runs that pull hardest are then left
    out together in a refit that also takes the law as exact: with the engine of ``post``, or with
    engine ``"laplace"`` if ``post`` has an allowance for the law's error. For a law that does not
    allocate a budget, the quantity is the expected target of the largest run.

    Parameters
    ----------
    post
        A fit.
    compute
        The budget in FLOPs; by default ten times the compute of the largest run.
    rows
        How many runs are left out together; at most a fifth of the runs.
    seed
        Seed of the refit.
    progress
        As for :func:`scalingbayes.fit`.
    **inputs
        The law's inputs other than the model's size and tokens, such as ``unique_tokens=1e11``.

    Returns
    -------
    Influence
        ``summary()`` has one row a run; ``decisions()`` has the decision with and without the runs
        that pull hardest.

    Raises
    ------
    InputError
        If the log likelihoods were not kept, ``rows`` is not a positive integer, or the decision
        cannot be computed from the draws.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> runs = sb.datasets.load("chinchilla")
    >>> found = sb.influence(sb.fit(runs, "chinchilla", engine="laplace", exact=True), rows=3)
    >>> len(found.summary()), len(found.left_out)
    (245, 3)
    """
    require_fit(post.record, "sb.influence")
    exact = post.as_exact
    if "log_likelihood" not in exact.tree:
        raise InputError(
            "The influence of the runs of this fit cannot be computed: its log likelihoods were "
            "not kept, because the table is too large or the draws are not from a posterior."
        )
    budget = _budget(exact, compute)
    decision = _decide(exact, budget, inputs)
    quantities = _quantities(exact.law, decision)
    frame = _shifts(exact, quantities)
    in_sd = frame[[f"{name}_shift_in_sd" for name in quantities]].abs().max(axis=1)
    order = np.argsort(-in_sd.to_numpy(), kind="stable")
    chosen = order[: min(rows, max(1, int(_LARGEST_SHARE * len(frame))))]
    weights = exact.weights.copy()
    weights[chosen] = 0.0
    with report_progress(progress, "refit without the runs that pull hardest") as report:
        again = refit(exact, {"without": weights}, seed=seed, progress=report)["without"]
    without = _decide(again, budget, inputs)
    left_out = tuple(int(frame.index[i]) for i in chosen)
    verdict = _judge(quantities, _quantities(exact.law, without), left_out, exact, again)
    return Influence(
        f"Influence of the runs of {post.record.data.name!r} on {decision.title}",
        frame.iloc[order],
        decision,
        without,
        left_out,
        verdict,
        _notes(frame.iloc[chosen], again),
    )


def _budget(post: Posterior, compute: float | None) -> float | None:
    """Return the budget of the decision; None if the law does not allocate a budget."""
    if not post.counts_flops:
        if compute is not None:
            raise InputError(
                f"Law {post.law.name!r} does not divide compute between a model's size and tokens, "
                f"or the FLOPs of its runs are not known: leave compute out."
            )
        return None
    return float(_BEYOND * post.compute.max() if compute is None else compute)


def _decide(post: Posterior, budget: float | None, inputs: Mapping[str, Any]) -> Estimate:
    """Return the allocation of the budget, or the expected target of the largest run."""
    law = post.law
    if budget is not None:
        found = post.allocate(budget, **inputs)
        kept = ["a", law.budget.size, "tokens", target_name(post)]
        title = f"the allocation of {budget:.3g} FLOPs"
        return replace(found, title=title, draws=found.draws[kept].squeeze("compute", drop=True))
    data = post.tree["constant_data"]
    names = [name for name, each in law.inputs.items() if each.unit is None]
    size = sum((np.log(data[name].to_numpy()) for name in law.decreasing or names), np.zeros(1))
    sign = -1.0 if law.decreasing == ("loss",) else 1.0
    largest = int(np.argmax(sign * size))
    run: dict[str, Any] = {name: float(data[name].to_numpy()[largest]) for name in law.inputs}
    found = post.predict(**in_user_units(post, run))
    draws = found.draws[["expected"]].squeeze("run", drop=True)
    return replace(found, title=f"the expected {target_name(post)} of the largest run", draws=draws)


def _quantities(law: Law, decision: Estimate) -> dict[str, Float[np.ndarray, " draws"]]:
    """Return draws of the quantities that runs pull, by the names of columns."""
    draws = {name: x.to_numpy().ravel() for name, x in decision.draws.items()}
    if "expected" in draws:
        return {"expected": draws["expected"]}
    size = law.budget.size
    return {"a": draws["a"], "ln_N_opt" if size == "params" else f"ln_{size}": np.log(draws[size])}


def _shifts(post: Posterior, quantities: Mapping[str, Float[np.ndarray, " draws"]]) -> pd.DataFrame:
    """Return the table of runs, in the order of the fit."""
    target, table = post.law.target.column, post.runs.frame
    log_likelihood = post.tree["log_likelihood"][target].transpose("chain", "draw", "run")
    log_ratios = -post.weights * log_likelihood.to_numpy().reshape(-1, len(table))
    smoothed = [pareto_smooth(each) for each in log_ratios.T]
    label = next((name for name in _LABELS if name in table), None)
    columns = [name for name in (label, *_RUN, *post.law.inputs, target) if name in table]
    frame = table[list(dict.fromkeys(columns))].copy()
    if "loss" in frame and post.record.data.units.is_perplexity:
        frame["loss"] = np.exp(frame["loss"])
        frame = frame.rename(columns={"loss": PERPLEXITY})
    residuals, _ = replicate_residuals(post, 0)
    frame["residual"] = np.median(residuals.values, axis=0)
    weights = np.stack([each for each, _ in smoothed])
    for name, draws in quantities.items():
        shift, sd = weights @ draws - draws.mean(), draws.std()
        frame[f"{name}_shift"] = shift
        frame[f"{name}_shift_in_sd"] = shift / sd if sd > 0 else 0.0
    frame["pareto_k"] = [k for _, k in smoothed]
    frame.index = pd.Index(_row_numbers(table), name="row")
    return frame


def _row_numbers(table: pd.DataFrame) -> Int[np.ndarray, " runs"]:
    """Return the number of each row in the table that the user gave, from 1."""
    return table.index.to_numpy().astype(int) + 1


def _judge(
    before: Mapping[str, Float[np.ndarray, " draws"]],
    after: Mapping[str, Float[np.ndarray, " draws"]],
    left_out: tuple[int, ...],
    post: Posterior,
    again: Posterior,
) -> Verdict:
    """Return whether the decision depends on the runs that were left out."""
    listed = f"rows {', '.join(map(str, left_out))}"
    checks = []
    for name, draws in before.items():
        move = np.median(after[name]) - np.median(draws)
        sds = abs(move) / draws.std() if draws.std() > 0 else 0.0
        checks.append(
            Check(
                bool(sds <= _LARGEST_MOVE),
                f"without {listed} {name} moves by {move:+.3g}, {sds:.2g} posterior sds",
                "see whether these runs are undertuned, unfinished or failed; fit without them, or "
                "with noise='failures'",
            )
        )
    for which, each in {"the fit": post, "the refit without these runs": again}.items():
        if not each.verdict.passed:
            checks.append(Check(False, f"{which} failed its checks", "see its verdict"))
    return Verdict(tuple(checks), of="decision")


def _notes(chosen: pd.DataFrame, again: Posterior) -> tuple[str, ...]:
    notes = [
        "Both decisions take the law as exact, and the refit uses engine "
        f"{again.record.engine!r}. Shifts are those of leaving out one run."
    ]
    if len(far := chosen.index[chosen["pareto_k"] > GOOD_K]):
        notes.append(
            f"The shifts of rows {', '.join(map(str, far))} are rough: pareto_k is above {GOOD_K}, "
            f"so the draws say little about the fit without the run. The refit does not depend on "
            f"them."
        )
    return tuple(notes)
