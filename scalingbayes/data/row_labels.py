"""What messages call the rows of a table."""

import pandas as pd

_LABELS = ("name", "run", "run_id", "run_name", "id", "model")


def label_rows(frame: pd.DataFrame) -> list[str]:
    """Return what messages call each row: its number in the table, and its label if it has one."""
    labels = _label_column(frame)
    numbers = [f"row {int(index) + 1}" for index in frame.index]
    if labels is None:
        return numbers
    return [f"{number} ({label})" for number, label in zip(numbers, frame[labels], strict=True)]


def _label_column(frame: pd.DataFrame) -> str | None:
    for name in frame.columns:
        last = str(name).lower().split("/")[-1]
        is_label = last in _LABELS and not pd.api.types.is_numeric_dtype(frame[name])
        if is_label and frame[name].is_unique:
            return str(name)
    return None
