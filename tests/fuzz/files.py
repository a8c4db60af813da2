"""Damaged and odd files of every format of tables."""

import bz2
import gzip
import io
import json
import lzma
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pandas as pd

import scalingbayes as sb


def _zip(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("runs.csv", content)
    return packed.getvalue()


def _binary(write: Callable[[pd.DataFrame, io.BytesIO], object]) -> Callable[[pd.DataFrame], bytes]:
    def written(frame: pd.DataFrame) -> bytes:
        stream = io.BytesIO()
        write(frame, stream)
        return stream.getvalue()

    return written


FORMATS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    ".csv": lambda frame: frame.to_csv(index=False).encode(),
    ".tsv": lambda frame: frame.to_csv(index=False, sep="\t").encode(),
    ".txt": lambda frame: frame.to_string(index=False).encode(),
    ".json": lambda frame: frame.to_json(orient="records").encode(),
    ".jsonl": lambda frame: frame.to_json(orient="records", lines=True).encode(),
    ".md": lambda frame: _markdown(frame).encode(),
    ".csv.gz": lambda frame: gzip.compress(frame.to_csv(index=False).encode()),
    ".csv.bz2": lambda frame: bz2.compress(frame.to_csv(index=False).encode()),
    ".csv.xz": lambda frame: lzma.compress(frame.to_csv(index=False).encode()),
    ".zip": lambda frame: _zip(frame.to_csv(index=False).encode()),
    ".xlsx": _binary(lambda frame, stream: frame.to_excel(stream, index=False)),
    ".parquet": _binary(lambda frame, stream: frame.to_parquet(stream)),
    ".feather": _binary(lambda frame, stream: frame.to_feather(stream)),
    ".nested.json": lambda frame: json.dumps({"runs": frame.to_dict("list")}).encode(),
    ".utf16.csv": lambda frame: frame.to_csv(index=False).encode("utf-16"),
}


def _markdown(frame: pd.DataFrame) -> str:
    lines = [frame.columns, ["---"] * len(frame.columns), *frame.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


CELLS = (
    "",
    "nan",
    "inf",
    "-1",
    "1e400",
    "1e-320",
    "1e300",
    "abc",
    "=1+1",
    "1,5",
    "70M",
    "\0",
    '"',
    "{}",
)


def damage(content: bytes, random: Random) -> bytes:
    """Return content with one kind of damage."""
    place = random.randrange(max(1, len(content)))
    some = random.randbytes(random.randrange(1, 20))
    return random.choice(
        (
            lambda: content[:place],
            lambda: content[place:],
            lambda: content[:place] + some + content[place:],
            lambda: content[:place] + some + content[place + len(some) :],
            lambda: content + content,
            lambda: b"",
            lambda: content.replace(b"\n", b"\r"),
            lambda: content.replace(b"1", random.choice(CELLS).encode()),
            lambda: content.replace(b"params", random.choice(CELLS).encode()),
            lambda: content.replace(b"params", b"loss"),
            lambda: content.replace(b",", b";" * random.randrange(3)),
        )
    )()


def write_file(kind: str, frame: pd.DataFrame, folder: Path, random: Random) -> Path:
    """Write a table with an odd cell, or a damaged file, and return the file."""
    content = FORMATS[kind](frame)
    if random.random() < 0.8:
        content = damage(content, random)
    path = folder / f"runs{random.choice([kind, kind, kind, random.choice([*FORMATS])])}"
    path.write_bytes(content)
    return path


def read_file(path: Path) -> str | None:
    """Read a table, and return what is wrong with how it ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            runs = sb.read_runs(path)
        except sb.InputError as error:
            return None if path.name in str(error) or "olumn" in str(error) else f"unnamed: {error}"
    used = runs.frame[
        [name for name in ("params", "tokens", "compute", "loss") if name in runs.frame]
    ]
    return "NaN" if used.isna().any(axis=None) else None
