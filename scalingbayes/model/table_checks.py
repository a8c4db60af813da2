"""Warnings and errors about rows and targets that a law cannot describe."""

import re
import warnings

import numpy as np
import pandas as pd

from scalingbayes._core.errors import InputError, InputWarning
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.column_names import find_words, snake_case
from scalingbayes.model.curves import find_curves
from scalingbayes.model.undecayed import find_undecayed

_CERTAIN = 6.0  # t statistic of a slope, above which a target rises beyond doubt
_ENOUGH = 8  # rows, below which no target rises beyond doubt
_LARGEST_LOSS = 12.0  # ln of a vocabulary of 160,000: a loss in nats above it is worse than chance
_DIGITS = 6  # of log inputs, beyond which runs are of one size and number of tokens
_OFTEN = 0.5  # share of the groups of equal runs in which a setting differs
_SETTING_VALUES = 0.25  # distinct values of a setting over rows

_SETTINGS = re.compile(
    r"lr|learning_?rate|batch|warm_?up|decay|schedule|optimi[sz]er|momentum|beta_?[12]|dropout|"
    r"weight_decay|clip|init|width|depth|dataset|corpus|tokeni[sz]er|data"
)
_NOT_SETTINGS = re.compile(
    r"seed|loss|ppl|perplexity|bpb|acc|accuracy|score|error|eval|val|valid|test|metric|stderr|"
    r"compute|flops?|steps?|iter|run|id|name|uuid|url|hash|date|time|runtime|timestamp|created|"
    r"model|state|host|user|path|notes|tags|grad|norm|throughput|speed|mfu|memory|index|raw|final|unused"
)


def check_target(model: BoundModel) -> None:
    """Check that the target of a law of a loss is a loss.

    Warns if the values look like perplexities.

    Raises
    ------
    InputError
        If the target rises with the inputs that should reduce it, beyond doubt: in a regression of
        its ranks on the logs of these inputs, every slope is above 6 standard errors.
    """
    law, counted = model.law, model.counted
    target = model.observed[counted]
    if law.target.scale != "log" or not law.decreasing or "loss" in law.inputs:
        return
    logs = np.log([model.inputs[name][counted] for name in law.decreasing])
    if _rises(logs, target):
        raise InputError(_rising(model))
    if law.target.column != "loss" or model.runs.units.is_perplexity:
        return
    if np.median(target) > _LARGEST_LOSS:
        warnings.warn(
            f"The median of column {model.runs.shown('loss')} is {np.median(target):.3g}. A loss "
            f"in nats per token above {_LARGEST_LOSS:g} is worse than chance, so these values look "
            f"like perplexities. If they are, the law is one of their logarithm: give "
            f"units={{'loss': 'perplexity'}} to sb.Runs or sb.read_runs, or --unit loss=perplexity "
            f"in the shell.",
            InputWarning,
            stacklevel=5,
        )


def _rises(logs: np.ndarray, target: np.ndarray) -> bool:
    """Return whether the ranks of a target rise with every log input, beyond doubt."""
    if len(target) < max(_ENOUGH, len(logs) + 2):
        return False
    ranks = pd.Series(target).rank().to_numpy()
    design = np.stack([np.ones(len(target)), *(logs - logs.mean(axis=1, keepdims=True))], axis=1)
    slopes, _, rank, _ = np.linalg.lstsq(design, ranks, rcond=None)
    free = len(target) - design.shape[1]
    if rank < design.shape[1]:
        return False
    variance = max(float(((ranks - design @ slopes) ** 2).sum()) / free, 1e-12)
    errors = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))
    return bool((slopes[1:] > _CERTAIN * errors[1:]).all())


def _rising(model: BoundModel) -> str:
    law = model.law
    inputs = " and ".join(law.decreasing)
    return (
        f"Column {model.runs.shown(law.target.column)} rises with {inputs}, but law {law.name!r} "
        f"predicts a loss, which falls. Is it an accuracy or a score? An accuracy, as a fraction, "
        f'has laws of its own: sb.fit(sb.Runs(table, accuracy="NAME"), "accuracy(x=compute)"), or '
        f"in the shell scalingbayes fit FILE --law 'accuracy(x=compute)' --column accuracy=NAME. "
        f"NAME is the column in your table."
    )


def warn_of_curves(model: BoundModel) -> None:
    """Warn if rows are points of training curves."""
    if not {"params", "tokens"} <= set(model.law.inputs):
        return
    found = find_curves(model.runs.frame[model.counted])
    if found is None:
        return
    name = found.column
    last = (
        "Keep the largest number of tokens of each size"
        if name == "params"
        else f"Keep the last row of each curve: sb.Runs(table, keep='last', run_id={name!r}), or "
        f"--keep last --column run_id={name} in the shell"
    )
    warnings.warn(
        f"Column {name!r} names {found.count} training curves with {found.rows} rows "
        f"({found.evidence}). Rows of one curve share errors. Points before the learning rate has "
        f"decayed lie above the loss of a run that ends there; the ends of decayed schedules do "
        f"not. {last}. Or fit all rows with groups={name!r}, or --groups {name} in the shell.",
        InputWarning,
        stacklevel=5,
    )


def warn_of_undecayed(model: BoundModel) -> None:
    """Warn if the learning rate has decayed in some rows and not in others.

    A law that reads the schedule can tell these rows apart, and so can groups of the labels.
    """
    law = model.law
    if law.target.scale != "log" or not law.decreasing:
        return
    if any(name.startswith(("lr_", "learning_rate")) for name in law.inputs):
        return
    frame = model.runs.frame[model.counted]
    found = find_undecayed(frame.drop(columns=model.noise.groups or []))
    if found is None:
        return
    warnings.warn(
        f"Column {found.column!r} {found.evidence}: the learning rate has decayed in some rows and "
        f"not in others. The loss is a few per cent higher before the learning rate has decayed, "
        f"and law {law.name!r} takes that for an effect of size and tokens. Keep one kind: "
        f'where="{found.decayed}" in sb.read_runs, or --where "{found.decayed}" in the shell.',
        InputWarning,
        stacklevel=5,
    )


def warn_of_repeats(model: BoundModel) -> None:
    """Warn of rows that have the same inputs, but differ in other settings and in the target.

    Settings are columns whose values differ within at least half of the groups of equal runs, such
    as the learning rate. Repeats that differ in their seed alone are independent runs of the law
    and give no warning.
    """
    law, counted = model.law, model.counted
    if not model.noise.symmetric:
        return
    frame = model.runs.frame[counted]
    inputs = np.array([values[counted] for values in model.inputs.values()])
    if not (inputs > 0).all():
        return
    labels = (
        pd.DataFrame(np.round(np.log(inputs.T), _DIGITS))
        .groupby(list(range(len(inputs))), sort=False)
        .ngroup()
        .to_numpy()
    )
    targets = pd.Series(model.observed[counted]).groupby(labels)
    differ = targets.max() > targets.min()
    if not differ.any():
        return
    repeated = np.isin(labels, differ.index[differ])
    read = {*law.inputs, model.noise.groups}  # rows of a group share an error
    settings = _settings_that_differ(frame[repeated], labels[repeated], read, len(frame))
    if not settings:
        return
    names = ", ".join(map(repr, settings))
    warnings.warn(
        f"{int(differ.sum())} groups of rows have the same {', '.join(law.inputs)} and differ in "
        f"{names}, which law {law.name!r} does not read. The law cannot tell these rows apart. "
        f"{_what_to_do(frame, settings)} Repeats that differ in their seed alone may stay as they "
        f"are.",
        InputWarning,
        stacklevel=5,
    )


def _what_to_do(frame: pd.DataFrame, settings: list[str]) -> str:
    """Return what to do about settings: the best of numbers, one fit for each label."""
    numbers = [name for name in settings if pd.api.types.is_numeric_dtype(frame[name])]
    labels = [name for name in settings if name not in numbers]
    found = []
    if numbers:
        found.append(
            "Keep the best row of each group: sb.Runs(table, keep='best'), or --keep best in the "
            "shell. Or fit all rows with noise='one_sided', or --noise one_sided, since a setting "
            "can only be worse than the best one; with noise='failures' if a few rows are bad."
        )
    if labels:
        name = labels[0]
        one = f"{name} == '{frame[name].iloc[0]}'"
        found.append(
            f"Fit the rows of each {name!r} alone: sb.fit_many(runs.split({name!r})), or "
            f'--where "{one}" in the shell. If few rows have each, let the rows of each share an '
            f"error: groups={name!r}, or --groups {name}."
        )
    return " ".join(found)


def _settings_that_differ(
    frame: pd.DataFrame, labels: np.ndarray, read: set[str], rows: int
) -> list[str]:
    found: list[str] = []
    for name in map(str, frame.columns):
        if name in read or not _may_be_setting(name, frame[name], rows):
            continue
        values = frame[name].astype(str).groupby(labels).nunique()
        if (values > 1).mean() >= _OFTEN:
            found.append(name)
    return found


def _may_be_setting(name: str, values: pd.Series, rows: int) -> bool:
    """Return whether a column may be a setting of runs, from its name and its values."""
    word = snake_case(name)
    if word in ("params", "tokens"):  # a law of one quantity does not read the other
        return False
    if find_words(_NOT_SETTINGS, word):
        return False
    if find_words(_SETTINGS, word):
        return True
    return values.astype(str).nunique() <= max(2, _SETTING_VALUES * rows)
