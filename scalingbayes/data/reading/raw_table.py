"""A table as it was read, before columns are named, rows are chosen and values are checked."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table as it was read.

    Parameters
    ----------
    frame
        The table. Rows are numbered from 0, and column names are unique text.
    notes
        What was converted or assumed when the table was read, one sentence each.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
