"""JSON and JSON lines, in the shapes that tables are written in."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.grid import Grid, read_grid
from scalingbayes.data.reading.raw_table import RawTable, listing, raw_table
from scalingbayes.data.reading.records import is_list, table_of_records
from scalingbayes.data.reading.transposed import name_quantities
from scalingbayes.data.reading.typed_cells import convert_values

_USUAL_LISTS = ("runs", "rows", "data", "records", "results")


def read_json(text: str, source: str) -> RawTable:
    """Return the table of a JSON document, or of several ones, such as JSON lines.

    Raises
    ------
    InputError
        If the text is not valid JSON, or holds no table.
    """
    documents = decode_json(text, source)
    if len(documents) == 1:
        return table_of_document(documents[0], source)
    return table_of_document(documents, source)


def decode_json(text: str, source: str) -> list[Any]:
    """Return the JSON values that a text consists of.

    Raises
    ------
    InputError
        If the text is not valid JSON, or a record has two fields of one name.
    """
    decoder = json.JSONDecoder(object_pairs_hook=partial(_unique_fields, source))
    documents: list[Any] = []
    position = 0
    while rest := re.compile(r"[\s,]*").match(text, position):
        position = rest.end()
        if position == len(text):
            return documents
        try:
            document, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{source} is not valid JSON: {error.msg} in line {error.lineno}, column "
                f"{error.colno}. Correct this line, or delete it if the file was cut off there."
            ) from error
        documents.append(document)
    return documents


def _unique_fields(source: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(
            f"Two fields of one record of {source} are called {twice!r}: rename or delete one."
        )
    return fields


def table_of_document(document: Any, source: str) -> RawTable:
    """Return the table that a JSON value holds.

    Raises
    ------
    InputError
        If the value is none of the shapes that hold a table.
    """
    if isinstance(document, Mapping):
        return _table_of_object(document, source)
    if is_list(document) and len(document):
        if all(isinstance(each, Mapping) for each in document):
            return table_of_records(document, source)
        if all(map(is_list, document)) and all(isinstance(name, str) for name in document[0]):
            return _table_of_lists(document, source)
    raise InputError(
        f"{source} holds no table: expected a list of records, such as "
        f'[{{"params": 1e8, "tokens": 2e9, "loss": 3.1}}], or an object of columns, such as '
        f'{{"params": [1e8], "tokens": [2e9], "loss": [3.1]}}.'
    )


def _table_of_lists(lists: Sequence[Sequence[Any]], source: str) -> RawTable:
    rows = [["" if cell is None else cell for cell in row] for row in lists]
    grid = Grid(source, rows, list(range(1, len(rows) + 1)), unit="row")
    return read_grid(grid, convert_values)


def _table_of_object(document: Mapping[str, Any], source: str) -> RawTable:
    values = list(document.values())
    if is_list(document.get("columns")) and is_list(document.get("data")):
        rows = [list(document["columns"]), *document["data"]]
        if "index" in document and not _count_up(labels := document["index"]):
            rows = [[label, *row] for label, row in zip(["index", *labels], rows, strict=True)]
        return _table_of_lists(rows, source)
    if values and all(isinstance(each, Mapping) for each in values) and _are_alike(values):
        return _table_of_objects(document, source)
    if values and all(is_list(each) and not _is_records(each) for each in values):
        return _table_of_columns(document, source)
    tables = {name: value for name, value in document.items() if _is_records(value)}
    usual = [name for name in tables if name.lower() in _USUAL_LISTS]
    if len(tables) == 1 or len(usual) == 1:
        return _table_within(document, usual[0] if len(usual) == 1 else next(iter(tables)), source)
    if len(tables) > 1:
        return _join_tables(document, tables, source)
    return table_of_records([document], source)


def _are_alike(records: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether records have more than half of their fields in common, on average."""
    fields = {name for record in records for name in record}
    return sum(map(len, records)) > 0.5 * len(records) * len(fields)


def _is_records(value: Any) -> bool:
    return is_list(value) and len(value) > 0 and all(isinstance(each, Mapping) for each in value)


def _table_of_columns(columns: Mapping[str, Any], source: str) -> RawTable:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
        raise InputError(
            f"The columns of {source} differ in length: {shown} values. Give each column one value "
            f"for each run."
        )
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return table_of_records(rows, source)


def _table_of_objects(document: Mapping[str, Mapping[str, Any]], source: str) -> RawTable:
    """Return the table of an object of objects: one for each column, or one for each row."""
    inner = list(dict.fromkeys(key for each in document.values() for key in each))
    if _are_columns(list(document), inner):
        columns = {
            name: pd.Series([column.get(key) for key in inner]) for name, column in document.items()
        }
        frame = pd.DataFrame(columns)
        if not _count_up(inner):
            frame.index = pd.Index(inner)
        return raw_table(frame)
    rows = list(document.values())
    if _count_up(list(document)):
        return table_of_records(rows, source)
    label = next(name for name in ("run", "key", "record name") if name not in inner)
    table = table_of_records([{label: key, **row} for key, row in document.items()], source)
    return RawTable(table.frame, (f"The names of the records are column {label!r}.", *table.notes))


def _are_columns(outer: list[str], inner: list[str]) -> bool:
    """Return whether the outer keys name columns, and the inner keys rows."""
    if _count_up(inner) or _count_up(outer):
        return _count_up(inner)
    return name_quantities(outer, inner)


def _count_up(keys: Sequence[object]) -> bool:
    return all(re.fullmatch(r"\d+", str(key)) for key in keys)


def _table_within(document: Mapping[str, Any], name: str, source: str) -> RawTable:
    """Return the one list of records of an object; the object's other fields are repeated."""
    records = document[name]
    constant = {
        key: value
        for key, value in document.items()
        if key != name and isinstance(value, str | int | float) and key not in records[0]
    }
    table = table_of_records([{**constant, **record} for record in records], source)
    repeated = f"; every row repeats {listing(constant)}" if constant else ""
    note = f"The rows are the list {name!r} of {source}{repeated}."
    return RawTable(table.frame, (note, *table.notes))


def _join_tables(
    document: Mapping[str, Any], tables: Mapping[str, Sequence[Mapping[str, Any]]], source: str
) -> RawTable:
    """Return the rows of several lists of records that have the same fields, as of several runs."""
    fields = [{*records[0]} for records in tables.values()]
    if not all(each == fields[0] for each in fields) or len(tables) < len(document):
        raise InputError(
            f"{source} holds several lists of records: {listing(tables)}. Choose one in Python: "
            f"import json; "
            f"sb.Runs(json.load(open({source!r}))[{next(iter(tables))!r}])."
        )
    label = next(name for name in ("run", "key", "list name") if name not in fields[0])
    rows = [{label: key, **record} for key, records in tables.items() for record in records]
    table = table_of_records(rows, source)
    note = f"The rows of the lists {listing(tables)} are joined; column {label!r} names the list."
    return RawTable(table.frame, (note, *table.notes))
