"""The kind of a file, from its first bytes and its name; and how to read other kinds."""

import re
from pathlib import PurePath
from typing import NamedTuple

from scalingbayes._core.errors import InputError

_READ = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"FEA1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow stream"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "workbook"),  # .xls
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstandard"),
)
"""The first bytes of the formats that are read."""


class NotRead(NamedTuple):
    """A format that is not read: its name, and Python that makes a DataFrame of ``PATH``."""

    name: str
    code: str


_PICKLE = NotRead("a pickle", "pd.read_pickle(PATH)")
NUMPY = NotRead("NumPy arrays", "dict(np.load(PATH))")
_HDF5 = NotRead("HDF5", "pd.read_hdf(PATH)")
_NETCDF = NotRead("netCDF", "xr.open_dataset(PATH).to_dataframe().reset_index()")
_SQLITE = NotRead(
    "an SQLite database",
    'pd.read_sql("SELECT * FROM runs", sqlite3.connect(PATH))',
)
_HTML = NotRead("HTML", "pd.read_html(PATH)[0]")
_XML = NotRead("XML", "pd.read_xml(PATH)")
_YAML = NotRead("YAML", "pd.json_normalize(yaml.safe_load(open(PATH)))")
TORCH = NotRead("a PyTorch file", "pd.DataFrame(torch.load(PATH))")
_TAR = NotRead("a tar archive", "")
_IMAGE = NotRead("an image", "")
_PDF = NotRead("a PDF document", "")
_WANDB = NotRead(
    "the log of a W&B run",
    'pd.DataFrame(wandb.Api().run("entity/project/run").scan_history())',
)
_R = NotRead("an R data file", "pyreadr.read_r(PATH)[None]")
_DOCUMENT = NotRead("a text document", "")
_ARCHIVE = NotRead("an archive", "")

_MAGIC = (
    (rb"\x80[\x02-\x05]", _PICKLE),
    (
        rb"\x93NUMPY",
        NotRead("a NumPy array", 'pd.DataFrame(np.load(PATH), columns=["params", ...])'),
    ),
    (rb"\x89HDF\r\n", _HDF5),
    (rb"CDF[\x01\x02\x05]", _NETCDF),
    (rb"SQLite format 3\0", _SQLITE),
    (rb".{8}DUCK", NotRead("a DuckDB database", 'duckdb.connect(PATH).sql("FROM runs").df()')),
    (rb":W&B", _WANDB),
    (rb"%PDF", _PDF),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|II\*\0|MM\0\*|RIFF....WEBP|BM.{4}\0\0\0\0", _IMAGE),
    (rb"ORC", NotRead("ORC", "pd.read_orc(PATH)")),
    (rb"Obj\x01", NotRead("Avro", "pd.DataFrame(fastavro.reader(open(PATH, 'rb')))")),
    (rb"MATLAB 5\.0", NotRead("a MATLAB file", "pd.DataFrame(scipy.io.loadmat(PATH))")),
    (rb"<stata_dta>", NotRead("a Stata file", "pd.read_stata(PATH)")),
    (rb"\$FL[23]", NotRead("an SPSS file", "pd.read_spss(PATH)")),
    (rb"RD[XA][23]\n|X\n\0\0", _R),
    (rb".{257}ustar", _TAR),
    (rb"7z\xbc\xaf|Rar!", _ARCHIVE),
    (rb"(?i)\s*(<!--.*?-->\s*)?<(!doctype html|html|table)", _HTML),
    (rb"\s*<(\?xml|svg)", _XML),
    (rb"\s*(%[^\n]*\n\s*)*\\(documentclass|begin\{)", NotRead("LaTeX", "")),
)
"""The first bytes of formats that are not read, as regular expressions."""

_SUFFIXES = {
    ".npz": NUMPY,
    ".nc": _NETCDF,
    ".h5": _HDF5,
    ".hdf5": _HDF5,
    ".pkl": _PICKLE,
    ".pickle": _PICKLE,
    ".pt": TORCH,
    ".pth": TORCH,
    ".ckpt": TORCH,
    ".safetensors": NotRead("a safetensors file, which holds weights", ""),
    ".yaml": _YAML,
    ".yml": _YAML,
    ".toml": NotRead("TOML", "pd.json_normalize(tomllib.load(open(PATH, 'rb')))"),
    ".html": _HTML,
    ".htm": _HTML,
    ".xml": _XML,
    ".tex": NotRead("LaTeX", ""),
    ".rds": _R,
    ".rdata": _R,
    ".sas7bdat": NotRead("a SAS file", "pd.read_sas(PATH)"),
    ".dta": NotRead("a Stata file", "pd.read_stata(PATH)"),
    ".sav": NotRead("an SPSS file", "pd.read_spss(PATH)"),
    ".tar": _TAR,
    ".docx": _DOCUMENT,
    ".doc": _DOCUMENT,
    ".pptx": _DOCUMENT,
    ".numbers": NotRead("an Apple Numbers sheet", ""),
    ".ipynb": NotRead("a notebook", ""),
    ".py": NotRead("a Python program", ""),
    ".msgpack": NotRead("MessagePack", "pd.DataFrame(msgpack.load(open(PATH, 'rb')))"),
}
"""Formats that are not read, by suffix. The first bytes decide where they can."""

_IMPORTS = {
    "np": "import numpy as np",
    "pd": "import pandas as pd",
    "xr": "import xarray as xr",
    "scipy": "import scipy.io",
}


def kind_of(content: bytes, path: PurePath) -> str:
    """Return the kind of a file that is read: ``"text"``, ``"json"``, ``"parquet"`` and so on.

    Parameters
    ----------
    content
        The file, or its first thousand bytes.
    path
        Its name.

    Raises
    ------
    InputError
        If the file is of a kind that is not read; the message names the kind and Python that reads
        it.
    """
    if "tfevents" in path.name:
        return "events"
    suffix = path.suffix.lower()
    for magic, kind in _READ:
        if content.startswith(magic) and not (kind == "zip" and suffix in _SUFFIXES):
            return kind
    for pattern, other in _MAGIC:
        if re.match(pattern, content[:1000], re.DOTALL):
            raise not_read(other, path)
    if suffix in _SUFFIXES:
        raise not_read(_SUFFIXES[suffix], path)
    start = (
        content[:1000].removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"").lstrip(b"\xff\xfe \r\n\t")
    )
    return "json" if start[:1] in (b"{", b"[") else "text"


def not_read(kind: NotRead, path: PurePath) -> InputError:
    """Return the error for a file of a kind that is not read."""
    start = f"{path} is {kind.name}, which sb.read_runs does not read."
    if not kind.code:
        return InputError(
            f"{start} Save the table as a CSV file, or make a DataFrame of it and pass that to "
            f"sb.Runs."
        )
    modules = dict.fromkeys(re.findall(r"(?<![\w.])([a-z]\w*)\.", kind.code.replace("PATH", "")))
    imports = "; ".join(_IMPORTS.get(module, f"import {module}") for module in modules)
    code = kind.code.replace("PATH", repr(str(path)))
    extra = ""
    if kind is _PICKLE:
        extra = " Do this only with a file that you trust: a pickle can run any program."
    if kind in (_HDF5, _NETCDF) and path.suffix == ".nc":
        extra = f" If it is a posterior that was saved by this package: sb.load({str(path)!r})."
    if kind is _SQLITE and "mlflow" in path.name:
        code = "mlflow.search_runs(search_all_experiments=True)"
        imports = f"import mlflow; mlflow.set_tracking_uri({f'sqlite:///{path}'!r})"
    return InputError(f"{start} Read it in Python: {imports}; sb.Runs({code}).{extra}")
