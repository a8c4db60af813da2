"""Sheets of Excel and LibreOffice."""

import io
from pathlib import PurePath
from typing import Any

import pandas as pd

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.grid import Grid, read_grid
from scalingbayes.data.reading.optional import needs
from scalingbayes.data.reading.raw_table import RawTable, listing
from scalingbayes.data.reading.typed_cells import convert_values


def read_workbook(content: bytes, path: PurePath) -> RawTable:
    """Return the table of the first sheet that has one.

    Raises
    ------
    InputError
        If no sheet has a table, the file is damaged, or its reader is not installed.
    """
    sheets = _read_sheets(content, path)
    filled = {name: sheet for name, sheet in sheets.items() if _is_table(sheet)}
    if not filled:
        raise InputError(f"{path} has no sheet with a header and rows below: add them.")
    first = next(iter(filled))
    table = _read_sheet(filled[first], f"Sheet {first!r} of {path}")
    if len(sheets) == 1:
        return table
    others = [name for name in filled if name != first]
    note = f"The table is sheet {first!r}."
    if others:
        note = (
            f"The table is sheet {first!r}, the first of several; for another one, such as "
            f"{listing(others)}, pass pd.read_excel({str(path)!r}, sheet_name={others[0]!r}) to "
            f"sb.Runs."
        )
    return RawTable(table.frame, (note, *table.notes))


def _read_sheets(content: bytes, path: PurePath) -> dict[str, pd.DataFrame]:
    options: dict[str, Any] = {"sheet_name": None, "header": None, "dtype": object}
    for engine in ("calamine", None):  # None stands for the one that pandas chooses
        try:
            sheets = pd.read_excel(
                io.BytesIO(content),
                engine=engine,
                keep_default_na=False,
                **options,
            )
        except ImportError as error:
            if engine is None:
                raise needs(f"Reading {path}", "scalingbayes[excel]") from error
            continue
        except Exception as error:  # each reader has errors of its own
            raise InputError(
                f"{path} cannot be read as a workbook ({error}): save the sheet as a CSV file."
            ) from error
        return {str(name): sheet for name, sheet in sheets.items()}
    raise AssertionError


def _is_table(sheet: pd.DataFrame) -> bool:
    """Return whether a sheet has at least two columns and two rows with content."""
    filled = sheet.notna() & (sheet != "")
    return bool((filled.sum(axis=0) > 0).sum() > 1 and (filled.sum(axis=1) > 0).sum() > 1)


def _read_sheet(sheet: pd.DataFrame, source: str) -> RawTable:
    cells = sheet.astype(object).where(sheet.notna(), "")
    rows = [list(row) for row in cells.itertuples(index=False, name=None)]
    return read_grid(Grid(source, rows, list(range(1, len(rows) + 1)), unit="row"), convert_values)
