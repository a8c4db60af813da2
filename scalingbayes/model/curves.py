"""Which column of a table names training curves, if its rows are points of curves."""

import re
from dataclasses import dataclass

import pandas as pd

from scalingbayes.model.column_names import snake_case

_FEWEST = 3  # curves
_POINTS = 5  # rows of a curve, on average
_CHECKPOINTS = 10  # rows of a curve, on average, if only a column of steps tells
_CONSTANT = 1.01  # largest over smallest tokens per step at a constant batch
_SHARED = 0.5  # share of labels whose size has another label, if labels are finer than sizes

_RUN_NAMES = re.compile(r"(training|model)?_?(run|curve|trial|experiment)s?(_?(id|name|label))?")
_ROW_NAMES = re.compile(r"(run|trial|experiment)?_?(id|name|uuid)|run|trial|experiment")
_STEP_NAMES = re.compile(r"((global|training|train)_)?(steps?|iterations?|iters?)")


@dataclass(frozen=True)
class Curves:
    """The column that names training curves.

    Parameters
    ----------
    column
        The column.
    count, rows
        Numbers of curves and of their rows.
    evidence
        Why the column names curves, in a few words.
    """

    column: str
    count: int
    rows: int
    evidence: str


def find_curves(frame: pd.DataFrame) -> Curves | None:
    """Return the column that names training curves, or None if there is no sign of curves.

    A column may name curves if it has at least three labels, at least five rows a label on average,
    one size of model a label, and three or more numbers of tokens in each. A size's name over a
    grid of separate runs is such a column too. A column therefore needs a sign of curves:

    * its name is that of runs, such as ``run_id`` or ``curve``;
    * its labels are finer than sizes: most labels share their size with another label;
    * a column of steps has at least ten rows a label, with one batch size a label, and no step
      twice within a label and the other columns of text. A sweep of separate runs repeats steps,
      for other learning rates or seeds, or has fewer rows.

    Against all signs, a column such as ``run_id`` that is different in each row says that each row
    is a run of its own.

    Parameters
    ----------
    frame
        A table with the columns ``params`` and ``tokens``.
    """
    names = list(map(str, frame.columns))
    frame = _with_texts(frame.set_axis(names, axis=1))
    if any(_ROW_NAMES.fullmatch(_word(name)) and frame[name].is_unique for name in names):
        return None
    for column in sorted(names, key=lambda name: name == "params"):  # sizes come last
        runs = bool(_RUN_NAMES.fullmatch(_word(column)))
        if not runs and column != "params" and pd.api.types.is_numeric_dtype(frame[column]):
            continue
        if frame[column].isna().any() or not _may_name_curves(frame, column):
            continue
        count = frame[column].nunique()
        evidence = _evidence(frame, column, runs)
        if evidence:
            return Curves(column, count, len(frame), evidence)
    return None


def _with_texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with values that pandas cannot compare, such as lists, as text."""
    texts = [name for name in map(str, frame.columns) if frame[name].dtype == object]
    return frame.assign(**{n: frame[n].astype(str).where(frame[n].notna()) for n in texts})


def _may_name_curves(frame: pd.DataFrame, column: str) -> bool:
    labels = frame.groupby(column, sort=False)
    if len(labels) < _FEWEST or len(frame) < _POINTS * len(labels):
        return False
    one_size = bool((labels["params"].min() == labels["params"].max()).all())
    return one_size and bool(labels["tokens"].nunique().min() > 2)


def _evidence(frame: pd.DataFrame, column: str, runs: bool) -> str:
    """Return the sign that a column names curves, or ""."""
    if runs:
        return "the column is named for runs"
    if column != "params":
        sizes = frame.groupby(column, sort=False)["params"].first()
        if sizes.duplicated(keep=False).mean() > _SHARED:
            return "several labels share one size"
    steps = next(
        (name for name in map(str, frame.columns) if _STEP_NAMES.fullmatch(_word(name))), None
    )
    if steps is None or not _are_checkpoints(frame, column, steps):
        return ""
    return f"column {steps!r} rises with tokens at one batch size"


def _are_checkpoints(frame: pd.DataFrame, column: str, steps: str) -> bool:
    """Return whether the steps of each label are those of one run's checkpoints."""
    if not pd.api.types.is_numeric_dtype(frame[steps]) or not (frame[steps] > 0).all():
        return False
    batch = (frame["tokens"] / frame[steps]).groupby(frame[column].to_numpy(), sort=False)
    texts = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    return (
        len(frame) >= _CHECKPOINTS * frame[column].nunique()
        and bool((batch.max() <= _CONSTANT * batch.min()).all())
        and not frame.duplicated(list(dict.fromkeys([column, *texts, steps]))).any()
    )


def _word(name: str) -> str:
    """Return a column's name in lower case, its words joined by underscores."""
    return snake_case(name).strip("_")
