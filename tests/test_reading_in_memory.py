"""Tables in memory: frames of several libraries, mappings, records, and values that must stay."""

from decimal import Decimal

import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray as xr

import scalingbayes as sb
from scalingbayes.data.reading.in_memory import as_raw_table

COLUMNS = {"params": [1e8, 2e8], "loss": [3.1, 3.0], "model": ["a", "b"]}
FRAME = pd.DataFrame(COLUMNS)


class OfAnotherLibrary:
    """A frame with the Arrow interface alone, as those of DuckDB and others have it."""

    def __arrow_c_stream__(self, requested_schema=None):
        return pa.table(COLUMNS).__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "table",
    [
        FRAME,
        COLUMNS,
        {name: tuple(values) for name, values in COLUMNS.items()},
        {**COLUMNS, "loss": jnp.array([3.1, 3.0])},
        pl.DataFrame(COLUMNS),
        pl.DataFrame(COLUMNS).lazy(),
        pa.table(COLUMNS),
        pa.table(COLUMNS).to_batches()[0],
        OfAnotherLibrary(),
        FRAME.to_dict("records"),
        tuple(FRAME.to_dict("records")),
        FRAME.to_records(index=False),
        FRAME.to_xarray().drop_vars("index"),
        {"a": {"params": 1e8, "loss": 3.1}, "b": {"params": 2e8, "loss": 3.0}},
    ],
    ids=lambda table: type(table).__name__,
)
def test_every_kind_of_table_is_read(table):
    frame = as_raw_table(table).frame.rename(columns={"run": "model"})
    pd.testing.assert_frame_equal(frame[list(COLUMNS)], FRAME, check_dtype=False, rtol=1e-7)


VALUES = {
    "complex": pd.Series([3.7 + 5j, 3.1], dtype=object),
    "boolean": pd.Series([True, 3.1], dtype=object),
    "period": pd.Series(pd.period_range("2020", periods=2, freq="D")),
    "datetime": pd.Series(pd.date_range("2020", periods=2)),
    "categorical": pd.Series(["3.1", "3.0"], dtype="category"),
    "decimal": pd.Series([Decimal("3.1"), Decimal("3.0")]),
    "nullable": pd.Series([3, None], dtype="Int64"),
    "nullable boolean": pd.Series([True, None], dtype="boolean"),
    "text": pd.Series(["70M", None]),
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("make", [pd.DataFrame, dict], ids=["frame", "mapping"])
def test_values_are_never_changed(values, make):
    table = as_raw_table(make({"loss": values, "params": [1, 2]}))
    pd.testing.assert_series_equal(table.frame["loss"], values, check_names=False)


@pytest.mark.parametrize(
    "values", [[True, 3.1], (True, 3.1), ["3.1", 2.0], [3.1 + 1j, None], [Decimal("3.1"), 2]]
)
def test_lists_of_mixed_values_are_never_changed(values):
    records = [{"loss": value, "params": 1} for value in values]
    for table in ({"loss": values, "params": [1, 2]}, records):
        read = list(as_raw_table(table).frame["loss"])
        assert [type(value) for value in read if value is not None] == [
            type(value) for value in values if value is not None
        ] or read == pytest.approx([3.1 + 1j, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    "value", [3.7 + 5j, True, pd.Period("2020-01-01"), pd.Timestamp("2020-01-01")]
)
def test_a_value_that_is_no_number_is_refused_as_a_loss(small_table, value):
    losses = pd.Series([value, *small_table["loss"][1:]], dtype=object)
    with pytest.raises(sb.InputError, match=r"'loss', row 1: .* not a number"):
        sb.Runs(pd.DataFrame({**small_table, "loss": losses}))


def test_masked_values_are_missing():
    table = as_raw_table({"loss": np.ma.array([3.1, 9e9], mask=[False, True])})
    np.testing.assert_array_equal(table.frame["loss"], [3.1, np.nan])


def test_series_are_put_side_by_side_whatever_their_index():
    loss = pd.Series([3.1, 3.0], index=[5, 7])
    assert list(as_raw_table({"loss": loss, "params": [1, 2]}).frame["loss"]) == [3.1, 3.0]


def test_one_value_for_all_rows_is_noted():
    table = as_raw_table({"loss": [3.1, 3.0], "seq_len": 2048})
    assert list(table.frame["seq_len"]) == [2048, 2048]
    assert table.notes == ("Columns with one value have that value in every row: seq_len.",)


def test_an_index_with_a_meaning_is_kept():
    table = as_raw_table(FRAME.set_index("model"))
    assert list(table.frame) == ["model", "params", "loss"]
    assert "index of the table is kept as column 'model'" in table.notes[0]
    levels = as_raw_table(FRAME.set_index(["model", "params"]))
    assert list(levels.frame) == ["model", "params", "loss"]
    labels = as_raw_table(FRAME.set_axis(["x", "y"]))
    assert list(labels.frame["index"]) == ["x", "y"]
    filtered = as_raw_table(FRAME[FRAME["loss"] < 3.05])
    assert list(filtered.frame) == list(FRAME)
    assert filtered.notes == ()


def test_column_names_of_several_levels_are_joined():
    frame = FRAME.groupby("model")[["loss"]].agg(["mean", "min"])
    table = as_raw_table(frame)
    assert list(table.frame) == ["model", "loss.mean", "loss.min"]
    assert "joined with a dot" in table.notes[1]


def test_nested_columns_become_columns_and_rows():
    table = as_raw_table(
        pl.DataFrame({"name": ["a", "b"], "model": [{"n": 1}, {"n": 2}], "p": [1.0, 2.0]})
    )
    assert table.frame.to_dict("list") == {"name": ["a", "b"], "model.n": [1, 2], "p": [1.0, 2.0]}
    curves = as_raw_table(
        pa.table({"name": ["a", "b"], "step": [[1, 2, 3]] * 2, "loss": [[5, 4, 3]] * 2})
    )
    assert list(curves.frame["loss"]) == [5, 4, 3, 5, 4, 3]


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame([[1, 2]], columns=["loss", "loss"]),
        pd.DataFrame([[1, 2]], columns=["loss", " loss"]),
        pd.DataFrame({"loss": [1]}, index=pd.Index([2], name="loss")),
        pa.table([pa.array([1]), pa.array([2])], names=["loss", "loss"]),
        {"loss": [1], "loss ": [2]},
    ],
)
def test_two_columns_of_one_name_are_refused(table):
    with pytest.raises(sb.InputError, match=r"Two columns are called 'loss' \(columns 1 and 2\)"):
        as_raw_table(table)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ((row for row in [1]), r"generator can be read only once: pass list"),
        ({"loss": (x for x in [1])}, r"Column 'loss' is a generator: pass list"),
        ([[1, 2], [3, 4]], r"columns have no names.*pd.DataFrame\(table, columns="),
        (np.ones((2, 3)), r"columns have no names"),
        (pd.Series([1, 2]), r"columns have no names"),
        ({1, 2}, r"got a set"),
        (3.0, r"Expected a DataFrame, or a mapping.*got float"),
        (None, r"got NoneType"),
        ({"p": [1, 2], "loss": [1, 2, 3]}, r"different lengths: 'p' has 2, 'loss' has 3"),
        ({"loss": np.ones((2, 2))}, r"column 'loss' is a ndarray"),
        (xr.Dataset({"loss": (("a", "b"), np.ones((2, 2)))}), r"2 dimensions.*reset_index"),
        ("runs.csv", r"sb.read_runs\('runs.csv'\)"),
    ],
)
def test_what_is_no_table_is_refused(table, message):
    with pytest.raises(sb.InputError, match=f"(?s){message}"):
        as_raw_table(table)
