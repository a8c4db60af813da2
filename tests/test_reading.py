"""Files of any format: what is read, with which notes, and what is refused with which remedy."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import zipfile
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import scalingbayes as sb
from scalingbayes.data.reading.files import read_file
from scalingbayes.data.reading.raw_table import RawTable

FRAME = pd.DataFrame(
    {"params": [1e8, 2e8, 4e8], "tokens": [2e9, 2e9, 3e9], "loss": [3.1, 3.0, 2.9], "id": [*"abc"]}
)


def columns(table: RawTable) -> dict[str, list]:
    return table.frame.to_dict("list")


def bytes_of(write, **options) -> bytes:
    buffer = io.BytesIO()
    write(buffer, **options)
    return buffer.getvalue()


PARQUET = bytes_of(FRAME.to_parquet)
CSV = FRAME.to_csv(index=False)
SHEET = bytes_of(FRAME.to_excel, index=False)
FEATHER = bytes_of(FRAME.to_feather)
RECORDS = FRAME.to_json(orient="records")


def zipped(content: bytes, *names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return buffer.getvalue()


def without_bytes(value):
    """Return an id without bytes: compressed bytes hold the time."""
    return "bytes" if isinstance(value, bytes) else None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("runs.csv", CSV),
        ("runs.tsv", FRAME.to_csv(index=False, sep="\t")),
        ("runs.txt", FRAME.to_csv(index=False, sep="|")),
        ("runs.txt", FRAME.to_string(index=False)),
        ("runs.csv", FRAME.to_csv(index=False, sep=";", decimal=",")),
        ("runs.csv", "sep=;\n" + FRAME.to_csv(index=False, sep=";")),
        ("runs.csv", CSV.replace("\n", ",\n").replace("id,", "id", 1)),
        ("runs.csv", CSV.replace("\n", ",,\n") + ",,,,,\n\n"),
        ("runs.csv", CSV.replace("\n", "\r")),
        ("runs.csv", CSV.encode("utf-8-sig")),
        ("runs.csv", CSV.encode("utf-16")),
        ("runs.csv", CSV.encode("utf-16-le")),
        ("runs.csv", CSV.encode("utf-32")),
        ("runs.csv", gzip.compress(CSV.encode())),
        ("runs.csv.bz2", bz2.compress(CSV.encode())),
        ("runs.csv.xz", lzma.compress(CSV.encode())),
        ("runs.zip", zipped(CSV.encode(), "__MACOSX/._runs.csv", "runs.csv")),
        ("runs.json.gz", gzip.compress(RECORDS.encode())),
        ("runs.json", RECORDS),
        ("runs.csv", RECORDS),
        ("runs.json", "\ufeff" + RECORDS),
        ("runs.jsonl", FRAME.to_json(orient="records", lines=True)),
        ("runs.json", FRAME.to_json(orient="records", lines=True).replace("}\n", "}\n\n")),
        ("runs.json", FRAME.to_json(orient="columns")),
        ("runs.json", FRAME.to_json(orient="index")),
        ("runs.json", FRAME.to_json(orient="split")),
        ("runs.json", FRAME.to_json(orient="table", index=False)),
        ("runs.json", json.dumps(FRAME.to_dict("list"))),
        ("runs.json", json.dumps([list(FRAME), *FRAME.to_numpy().tolist()])),
        ("runs.parquet", PARQUET),
        ("runs.csv", PARQUET),
        ("runs.parquet", gzip.compress(PARQUET)),
        ("runs.feather", bytes_of(FRAME.to_feather)),
        ("runs.xlsx", bytes_of(FRAME.to_excel, index=False)),
        ("runs.csv", bytes_of(FRAME.to_excel, index=False)),
    ],
    ids=without_bytes,
)
def test_every_format_reads_back_equal(read, name, content):
    table = read(content, name)
    pd.testing.assert_frame_equal(table.frame, FRAME, check_dtype=False)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=6)
TABLES = st.builds(
    lambda numbers, words, size: pd.DataFrame(
        {
            "loss": numbers[:size],
            "größe": numbers[::-1][:size],
            "model": [f"m {w}" for w in words[:size]],
        }
    ),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=6, max_size=6),
    st.lists(TEXT, min_size=6, max_size=6),
    st.integers(1, 6),
)


@settings(max_examples=60)
@given(
    frame=TABLES,
    separator=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    comment=st.booleans(),
)
def test_any_csv_reads_back_equal(tmp_path_factory, frame, separator, decimal, encoding, comment):
    assume(separator != decimal)
    path = tmp_path_factory.mktemp("csv") / "runs.csv"
    text = ("# by hand, 2026; |\n" if comment else "") + frame.to_csv(
        index=False, sep=separator, decimal=decimal
    )
    path.write_bytes(text.encode(encoding))
    table = read_file(path)
    pd.testing.assert_frame_equal(table.frame, frame, check_dtype=False, check_exact=True)
    assert any("Comments" in note for note in table.notes) == comment


@pytest.mark.parametrize(
    ("content", "expected", "note"),
    [
        ("# by hand\np,l\n1,2\n#3,4\n5,6\n", {"p": [1, 5], "l": [2, 6]}, r"# are .*\(lines 1, 4\)"),
        ("#p l\n1 2\n3 4\n", {"p": [1, 3], "l": [2, 4]}, "named by the comment in line 1"),
        (",p,l\n0,1,2\n1,3,4\n", {"p": [1, 3], "l": [2, 4]}, "counts the rows; it is dropped"),
        ("#,p,l\n1,a,2\n2,b,4\n", {"p": ["a", "b"], "l": [2, 4]}, "counts the rows"),
        ('"p" "l"\n"1" 5 6\n"2" 7 8\n', {"p": [5, 7], "l": [6, 8]}, "counts the rows"),
        (",p\na,1\nb,2\n", {"index": ["a", "b"], "p": [1, 2]}, "no name; it is kept as 'index'"),
        ("p,,l\n1,x,2\n", {"p": [1], "column 2": ["x"], "l": [2]}, "kept as 'column 2'"),
        ("Table 1: runs\n\np,l\n1,2\n3,4\n", {"p": [1, 3], "l": [2, 4]}, "above the header"),
        ("p,\n1,x\n2,y\n", {"p": [1, 2], "column 2": ["x", "y"]}, "kept as 'column 2'"),
        ("p,l\n1,2\np,l\n3,4\n", {"p": [1, 3], "l": [2, 4]}, r"header are skipped \(line 3\)"),
        ("p,l\n1,2\n3\n", {"p": [1, 3], "l": [2, np.nan]}, r"fewer fields.*\(line 3\)"),
        ("p,l\n1,-\n3,2\n", {"p": [1, 3], "l": [np.nan, 2]}, "'-' in columns of numbers"),
        ("p;l\n1;2,5\n2;3,25\n", {"p": [1, 2], "l": [2.5, 3.25]}, "2,5 is read as 2.5"),
        ("p;l\n1;2,125\n2;3,250\n", {"p": [1, 2], "l": [2.125, 3.25]}, "decimal points in 'l'"),
        ('p,l\n7,"2,5"\n8,"3,5"\n', {"p": [7, 8], "l": [2.5, 3.5]}, "decimal points in 'l'"),
        ("p;l\n1.234.567;2,5\n1.000;3\n", {"p": [1234567, 1000], "l": [2.5, 3]}, "1.234.567 is"),
        ("größe,l\n1,2\n".encode("cp1252"), {"größe": [1], "l": [2]}, "read as Windows-1252"),
        ("p,l,x\n1,2,3\n4,5,6\n\n* by hand\n", {"p": [1, 4], "l": [2, 5], "x": [3, 6]}, "below th"),
        ("p,l\n(M),nats\n1,2\n", {"p (M)": [1], "l (nats)": [2]}, "joined from two rows"),
        ("n,l,\n,a,b\n1,2,3\n", {"n": [1], "l.a": [2], "l.b": [3]}, "joined from two rows"),
        (
            "x,r1,r2\nparams,1,2\nloss,4,3\n",
            {"run": ["r1", "r2"], "params": [1, 2], "loss": [4, 3]},
            "one column for each run; rows and columns are exchanged",
        ),
        (
            "# Runs\n\n| p | l |\n|:--|--:|\n| `a` | **2.5** |\n\nEnd\n",
            {"p": ["a"], "l": [2.5]},
            "Markdown, in lines 3 to 5",
        ),
        (" p | l \n---+---\n 1 | 2 \n(1 row)\n", {"p": [1], "l": [2]}, "Markdown"),
    ],
)
def test_what_is_assumed_of_text_is_noted(read, content, expected, note):
    table = read(content)
    pd.testing.assert_frame_equal(table.frame, pd.DataFrame(expected), check_dtype=False)
    assert pd.Series(table.notes).str.contains(note).any(), table.notes


def test_sizes_and_ambiguous_commas_remain_text(read):
    table = read('p,t,d,l\n"12,345,678",70M,"1,234",3\n"1,234",NA,"5,678",2.5\n')
    assert list(table.frame["p"]) == ["12,345,678", "1,234"]
    assert list(table.frame["d"]) == ["1,234", "5,678"]
    assert table.frame["t"].isna().tolist() == [False, True]


def test_text_in_a_column_of_labels_is_kept(read):
    table = read("optimizer,loss\nNone,3\nadam,2\n")
    assert list(table.frame["optimizer"]) == ["None", "adam"]


def test_truth_values_and_integers_keep_their_types(read):
    frame = read("tied,steps,flops\nTrue,10,5760000000000000000000\nFalse,20,1\n").frame
    assert frame["tied"].dtype == bool
    assert frame["steps"].dtype == np.int64
    assert frame["flops"][0] == 5.76e21
    assert read("tied,x\nTrue,1\nTrue,2\n").frame["tied"].dtype == bool
    assert list(read("loss\nTrue\n3.1\n").frame["loss"]) == ["True", "3.1"]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("", "runs.csv", "is empty: it must have a header"),
        ("\n\n", "runs.csv", "is empty"),
        ("1e8,2e9,3.1\n2e8,2e9,3.0\n", "runs.csv", "has no header.*first line is 1e8, 2e9, 3.1"),
        (
            "a,1e8,2e9\nb,2e8,2e9\n",
            "runs.csv",
            "called 'a', '1e8', '2e9'. If this is a run, insert",
        ),
        ("params,1e9,2e9\n1e8,3,2\n", "runs.csv", r"If it is a grid.*frame.melt\('params'"),
        ("a,1,1,x\nb,1,2,y\n", "runs.csv", "has no header"),
        ("p,loss,loss\n1,2,3\n", "runs.csv", r"called 'loss' \(columns 2 and 3\): rename or drop"),
        ("p,l\n1,2\n1,2,3,4\n", "runs.csv", "line 3 has more fields than its header: 4 for the 2"),
        ("p,t,l\n1e8,1e9,3.2,6e17\n", "runs.csv", "more fields than its header"),
        ('p,l\n1,2\n"3,4\n', "runs.csv", "from line 3 on: .*quotation marks"),
        (b"\x00\x01\x02\x03\xff", "runs.csv", "neither text nor a format"),
        (b"\xff\xfea", "runs.csv", "not valid utf-16"),
        ('[{"p": 1},\n {"p": 2,}]', "runs.json", "not valid JSON: .*line 2"),
        ('{"p": 1}\n{"p"', "runs.jsonl", "not valid JSON: .*line 2.*cut off"),
        ('[{"p": 1, "p": 2}]', "runs.json", "fields of one record of .* are called 'p'"),
        ('[{"a": {"b": 1}, "a.b": 2}]', "runs.json", "called 'a.b'"),
        ("[1, 2]", "runs.json", "holds no table: expected a list of records"),
        ('{"p": [1, 2], "l": [1]}', "runs.json", "differ in length: 'p' has 2, 'l' has 1"),
        ('{"a": [{"p": 1}], "b": [{"q": 1}]}', "runs.json", r"several lists.*json.load\(.*\['a'\]"),
        ("no parquet", "runs.parquet", "no rows"),
        (PARQUET[:-30], "runs.parquet", "cannot be read as Parquet"),
        (gzip.compress(CSV.encode())[:-9], "runs.csv.gz", "damaged"),
        (zipped(b"p,l\n1,2\n", "a.csv", "b.csv"), "r.zip", "ZIP archive of 2 files .*unpack it"),
        (b"PK\x03\x04...", "runs.xlsx", "damaged ZIP archive or workbook"),
    ],
    ids=without_bytes,
)
def test_a_file_that_cannot_be_read_says_what_to_do(read, content, name, message):
    with pytest.raises(sb.InputError, match=f"(?s){message}"):
        sb.Runs(read(content, name))


def npz() -> bytes:
    return bytes_of(lambda buffer: np.savez(buffer, loss=[1.0]))


def hdf5() -> bytes:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["loss"] = [1.0]
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("runs.csv", bytes_of(FRAME.to_pickle), r"a pickle.*pd.read_pickle\(.*trust"),
        ("runs.npz", npz(), r"NumPy arrays.*import numpy as np; sb.Runs\(dict\(np.load\("),
        ("runs", npz(), r"NumPy arrays.*np.load\("),
        ("runs.npy", bytes_of(lambda b: np.save(b, [1.0])), "a NumPy array"),
        ("post.nc", hdf5(), r"HDF5.*sb.load\("),
        ("runs.nc", b"CDF\x01", "netCDF.*import xarray as xr"),
        ("report.csv", b"%PDF-1.7", "a PDF document.*Save the table as a CSV"),
        ("figure.png", b"\x89PNG\r\n\x1a\n\0", "an image"),
        ("runs.csv", "<!DOCTYPE html><table></table>", r"HTML.*pd.read_html\(.*\)\[0\]"),
        ("runs.xml", "<?xml version='1.0'?>", "XML.*pd.read_xml"),
        ("run-abc.wandb", b":W&B\xe1\xbe\0", "the log of a W&B run.*scan_history"),
        ("runs.yaml", "lr: 1\n", "YAML.*import pandas as pd; import yaml"),
        ("runs.pt", zipped(b"", "archive/data.pkl"), "PyTorch.*torch.load"),
        ("model.bin", zipped(b"", "archive/data.pkl"), "PyTorch"),
        ("table.tex", "\\begin{tabular}", "LaTeX.*CSV"),
        ("runs.dta", b"<stata_dta><header>", "Stata.*read_stata"),
        ("x.db", b"SQLite format 3\0", r"SQLite.*sqlite3.connect\("),
        ("mlflow.db", b"SQLite format 3\0", r"set_tracking_uri\(.*mlflow.search_runs"),
        ("notes.docx", zipped(b"", "word/document.xml", "a.xml"), "a text document"),
        ("a.tar", b"a.csv".ljust(257, b"\0") + b"ustar", "a tar archive"),
    ],
)
def test_a_format_that_is_not_read_is_named_with_what_reads_it(read, name, content, kind):
    with pytest.raises(sb.InputError, match=f"(?s)is .*{kind}"):
        read(content, name)


def test_the_line_for_a_pickle_reads_it(tmp_path):
    path = tmp_path / "runs.pkl"
    FRAME.to_pickle(path)
    with pytest.raises(sb.InputError) as refused:
        sb.read_runs(path)
    code = str(refused.value).split("Python: ")[1].split(" Do this")[0].rstrip(".")
    scope: dict = {"sb": sb}
    exec("; runs = ".join(code.rsplit("; ", 1)), scope)
    assert len(scope["runs"]) == 3


def test_an_sqlite_file_is_named(tmp_path):
    path = tmp_path / "runs.csv"
    with sqlite3.connect(path) as connection:
        FRAME.to_sql("runs", connection)
    with pytest.raises(sb.InputError, match="an SQLite database"):
        read_file(path)


def test_a_named_index_of_parquet_is_a_column(read):
    table = read(bytes_of(FRAME.set_index("id").to_parquet), "runs.parquet")
    assert list(table.frame) == ["id", "params", "tokens", "loss"]
    assert "index of the table is kept as column 'id'" in table.notes[0]


def test_the_first_sheet_with_a_table_is_read(read):
    buffer = io.BytesIO()
    with pd.ExcelWriter(buffer) as writer:
        pd.DataFrame({"Notes": []}).to_excel(writer, sheet_name="about", index=False)
        FRAME.to_excel(writer, sheet_name="sweep", index=False, startrow=3, startcol=1)
        writer.sheets["sweep"].cell(1, 2, "Our sweep")
        FRAME.head(2).to_excel(writer, sheet_name="other", index=False)
    table = read(buffer.getvalue(), "runs.xlsx")
    pd.testing.assert_frame_equal(table.frame, FRAME, check_dtype=False)
    assert "sheet 'sweep', the first of several" in table.notes[0]
    assert "sheet_name='other'" in table.notes[0]
    assert "'Our sweep'" in table.notes[1]


def test_mixed_cells_of_a_sheet_are_kept(read):
    frame = pd.DataFrame({"loss": [True, 3.1, "70M"], "size": ["1", "2", "3"]})
    table = read(bytes_of(frame.to_excel, index=False), "runs.xlsx")
    assert list(map(type, table.frame["loss"])) == [bool, float, str]
    assert table.frame["size"].dtype == np.int64  # text alone is read as a CSV file's


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, data):
    whole = data.draw(st.sampled_from([CSV.encode(), RECORDS.encode(), PARQUET, SHEET, FEATHER]))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 9)))
    inserted = data.draw(st.sampled_from([b"", b'"', b",", b"{", b"\n", b"\0", b"\xff", b"|--|\n"]))
    path = tmp_path_factory.mktemp("damaged") / "runs.csv"
    path.write_bytes(whole[:start] + inserted + whole[end:])
    with suppress(sb.InputError):
        assert read_file(path).frame.columns.is_unique


def test_the_small_inputs_of_users_read(read):
    right = pd.DataFrame({"params": [1e8, 2e8], "tokens": [2e9, 2e9], "loss": [3.1, 3.0]})
    records = [
        f'{{"params": {n}, "tokens": 2e9, "loss": {loss}}}'
        for n, loss in (("1e8", 3.1), ("2e8", 3.0))
    ]
    files = {
        "runs.json": "[\n " + ",\n ".join(records) + "\n]\n",
        "runs.jsonl": "\n".join(records),
        "decimal_comma.csv": "params;tokens;loss\n1e8;2e9;3,1\n2e8;2e9;3,0\n",
        "comment.csv": "# exported 2026-01-01\nparams,tokens,loss\n1e8,2e9,3.1\n2e8,2e9,3.0\n",
        "table.md": "| params | tokens | loss |\n|---|---|---|\n| 1e8 | 2e9 | 3.1 |\n"
        "| 2e8 | 2e9 | 3.0 |\n",
    }
    for name, content in files.items():
        pd.testing.assert_frame_equal(read(content, name).frame, right)


def test_a_path_that_is_missing_is_named(tmp_path):
    with pytest.raises(sb.InputError, match="There is no file"):
        sb.read_runs(tmp_path / "missing.csv")


def test_a_package_that_is_not_installed_is_named(read, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(sb.InputError, match=r'pip install "scalingbayes\[parquet\]"'):
        read(PARQUET, "runs.parquet")
