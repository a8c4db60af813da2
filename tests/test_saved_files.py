"""Saved posteriors: damage, edits and files that were made to do harm."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
import xarray as xr
from plain import fit

import scalingbayes as sb
from scalingbayes._core.netcdf import read_tree, write_tree

SEED = 20260726

# A child damages a file again and again: one that HDF5 aborts or hangs is seen by its parent.
CHILD = """
import random, sys, tempfile
from pathlib import Path
from scalingbayes._core.errors import InputError
from scalingbayes._core.netcdf import read_tree

path, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
content, whole, chance = Path(path).read_bytes(), read_tree(path), random.Random(seed)
damaged = Path(path).with_suffix(f".{seed}")
found = {"refused": 0, "identical": 0}
for trial in range(count):
    if trial % 5:
        place = chance.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        what = f"bit {place}"
    else:
        place = chance.randrange(len(content))
        flipped, what = content[:place], f"cut at {place}"
    damaged.write_bytes(flipped)
    print(what, file=sys.stderr)
    try:
        read = read_tree(damaged)
    except InputError as error:
        assert str(damaged) in str(error), what
        found["refused"] += 1
    else:
        assert read.identical(whole), what
        found["identical"] += 1
print(found["refused"], found["identical"])
"""


@pytest.fixture(scope="module")
def saved(small_post, tmp_path_factory):
    """The file of a posterior of 100 draws."""
    path = tmp_path_factory.mktemp("saved") / "post.nc"
    small_post.save(path)
    return path


@pytest.fixture(scope="module")
def small_post(runs):
    return fit(runs, engine="laplace", draws=100, seed=1).thin(100)


@pytest.mark.parametrize("count", [100, pytest.param(4000, marks=pytest.mark.slow)])
def test_damage_is_refused_or_harmless(saved, count):
    command = [sys.executable, "-c", CHILD, str(saved), str(count), str(SEED + count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30 + count / 10)
    assert done.returncode == 0, done.stderr[-500:]
    refused, identical = map(int, done.stdout.split())
    assert refused + identical == count
    assert identical <= 0.05 * count  # damage to the seal's own mark


def test_a_copy_by_another_program_is_read(saved, tmp_path, small_post):
    with xr.open_datatree(saved, engine="h5netcdf") as tree:
        tree.load().to_netcdf(tmp_path / "copy.nc", engine="h5netcdf")
    assert sb.load(tmp_path / "copy.nc").tree.identical(small_post.tree)


def edited(saved, tmp_path, edit):
    """Return a copy of a file after an edit by h5py."""
    path = tmp_path / "edited.nc"
    path.write_bytes(saved.read_bytes())
    with h5py.File(path, "r+") as file:
        edit(file)
    return path


def scale_alpha(file):
    file["posterior/alpha"][...] *= 2


def swap(file):
    alpha, beta = (file["posterior"][name][...] for name in ("alpha", "beta"))
    file["posterior/alpha"][...], file["posterior/beta"][...] = beta, alpha


def negative_sigma(file):
    file["posterior/sigma"][...] = -1.0


def other_record(file):
    record = json.loads(file.attrs["scalingbayes"])
    file.attrs["scalingbayes"] = json.dumps({**record, "law": "broken(breaks=100000)"})


def other_table(file):
    file["table/column_0"].attrs["name"] = "tokens"


def external_link(file):
    del file["posterior/alpha"]
    file["posterior/alpha"] = h5py.ExternalLink("other.h5", "/alpha")


def soft_link(file):
    del file["posterior/alpha"]
    file["posterior/alpha"] = h5py.SoftLink("/posterior/beta")


def cycle(file):
    file["posterior/again"] = file["/"]


def second_name(file):
    file["posterior/twice"] = file["posterior/alpha"]


def virtual(file):
    layout = h5py.VirtualLayout((1, 100), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "alpha", (1, 100))
    del file["posterior/alpha"]
    file["posterior"].create_virtual_dataset("alpha", layout)


def external_storage(file):
    del file["posterior/alpha"]
    where = [("/etc/hostname", 0, 800)]
    file["posterior"].create_dataset("alpha", (1, 100), "f8", external=where)


def references(file):
    file["table"].create_dataset("refs", data=[file.ref], dtype=h5py.ref_dtype)


def compound(file):
    file["table"]["pairs"] = np.zeros(3, [("a", "i4"), ("b", "f8")])


def opaque(file):
    file["table"]["bytes"] = np.zeros(3, "V8")


def named_type(file):
    file["type"] = np.dtype("f8")


def huge(file):
    file["posterior"].create_dataset("huge", (10**11,), "f8", chunks=(1024,))


def bomb(file):
    shape, chunk = (4 * 10**8,), (1 << 20,)
    file["posterior"].create_dataset("bomb", shape, "f8", chunks=chunk, compression="gzip")


def huge_chunk(file):
    file["table"].create_dataset("c", (1,), "f8", chunks=(10**8,), maxshape=(None,))


def many_groups(file):
    for number in range(200):
        file.create_group(f"g{number}")


def deep_groups(file):
    group = file
    for _ in range(200):
        group = group.create_group("a")


def deep_json(file):
    file.attrs["scalingbayes"] = "[" * 100_000 + "]" * 100_000


def no_text(file):
    file.attrs["scalingbayes"] = np.bytes_(b"\xff\xfe")


def no_draws(file):
    del file["posterior"]


def empty(file):
    del file["posterior/alpha"]
    file["posterior"].create_dataset("alpha", data=h5py.Empty("f8"))


EDITS = {
    scale_alpha: "not what was written",
    swap: "not what was written",
    negative_sigma: "not what was written",
    other_record: "not what was written",
    other_table: "not what was written",
    no_draws: "not what was written",
    external_link: "'alpha' is a link",
    soft_link: "'alpha' is a link",
    cycle: "'again' is linked to from two places",
    second_name: "is linked to from two places",
    virtual: "stored in another file",
    external_storage: "stored in another file",
    references: "holds neither numbers nor texts",
    compound: "holds neither numbers nor texts",
    opaque: "holds neither numbers nor texts",
    empty: "neither numbers nor texts",
    named_type: "neither a group nor an array",
    huge: "would take 800,",
    bomb: "would take 3,",
    huge_chunk: "would take 800,",
    many_groups: "more than 100 groups",
    deep_groups: "more than 100 groups",
    deep_json: "not what was written",
    no_text: "damaged|not what was written",
}


@pytest.mark.parametrize("edit", EDITS)
def test_edited_files_are_refused(saved, tmp_path, edit):
    path = edited(saved, tmp_path, edit)
    with pytest.raises(sb.InputError, match=f"edited.nc cannot be read.*({EDITS[edit]})"):
        sb.load(path)


def with_digest(post, tmp_path, edit):
    """Save a posterior whose tree was changed before a digest was made."""
    tree = post.tree.copy(deep=True)
    edit(tree)
    write_tree(tree, tmp_path / "made.nc")
    return tmp_path / "made.nc"


def set_draws(name, value):
    def edit(tree):
        tree["posterior"][name][...] = value

    return edit


def set_record(**fields):
    def edit(tree):
        record = json.loads(tree.attrs["scalingbayes"])
        tree.attrs["scalingbayes"] = json.dumps({**record, **fields})

    return edit


def without_draws(tree):
    tree["posterior"] = tree["posterior"].isel(draw=slice(0))


def shorter_table(tree):
    tree["table"] = tree["table"].isel(run=slice(10))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (set_draws("sigma", -1.0), "100 draws of sigma are impossible under its prior, sigma ~"),
        (set_draws("alpha", -0.1), "draws of alpha are impossible"),
        (set_draws("E", np.nan), "draws of E are not all finite"),
        (set_draws("A", np.inf), "draws of A are not all finite"),
        (without_draws, "no draws"),
        (shorter_table, "a table of 10 runs"),
        (set_record(law="broken(breaks=100000)"), "from 1 to 20"),
        (set_record(law=None), "made.nc cannot be"),
        (set_record(priors=3), "made.nc cannot be"),
        (set_record(data=None), "made.nc cannot be"),
        (set_record(nonsense=1), "made.nc cannot be"),
        (set_record(reference={"params": "x"}), "made.nc cannot be"),
        (lambda tree: tree.attrs.update(scalingbayes="[1]"), "made.nc cannot be"),
        (lambda tree: tree.attrs.update(scalingbayes="{"), "made.nc cannot be"),
        (lambda tree: tree.attrs.update(scalingbayes=3), "made.nc cannot be"),
    ],
)
def test_impossible_posteriors_are_refused(small_post, tmp_path, edit, message):
    with pytest.raises(sb.InputError, match=message):
        sb.load(with_digest(small_post, tmp_path, edit))


def test_what_cannot_be_read_back_is_not_saved(small_post, tmp_path):
    tree = small_post.tree.copy()
    tree["more"] = xr.Dataset({"z": ("x", np.array([1j]))})
    with pytest.raises((sb.InputError, TypeError)):
        write_tree(tree, tmp_path / "post.nc")
    assert not os.listdir(tmp_path)


def test_texts_and_flags_are_read_back(tmp_path):
    texts = np.array(["", "ä", "a\nb", "x" * 1000], object)
    frame = xr.Dataset({"t": ("x", texts), "b": ("x", np.array([True, False] * 2))})
    tree = xr.DataTree.from_dict({"/a": frame, "/": xr.Dataset(attrs={"e": "", "n": 3})})
    write_tree(tree, tmp_path / "t.nc")
    read = read_tree(tmp_path / "t.nc")
    assert read.identical(tree)
    assert read["a/b"].dtype == bool
