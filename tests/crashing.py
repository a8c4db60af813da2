"""Kill writers at every system call, and fill the disk at every write; print what went wrong.

Run as a process of its own, which never computes with JAX: it forks a child for each call. Tests
read the JSON that it prints: for each task the number of calls, and a list of problems.
"""

import contextlib
import errno
import json
import os
import resource
import shutil
import signal
import stat
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import scalingbayes.fitting.chunks
from scalingbayes._core.atomic_files import atomic_write, atomic_write_all, made_folder
from scalingbayes._core.errors import InputError
from scalingbayes._core.netcdf import as_netcdf, read_tree, write_tree
from scalingbayes._core.netcdf.digest import digest_of
from scalingbayes._core.programs.store import Store
from scalingbayes.fitting.chunks import ChunkFolder
from scalingbayes.inference import Draws

scalingbayes.fitting.chunks.agree = bool  # there is one host, and JAX must not begin

CALLS = ("open", "write", "fsync", "chmod", "replace", "unlink", "mkdir")
TAKING_ROOM = ("open", "write", "fsync", "mkdir")
TRIALS = 4  # of two writers at once
FAILED, REFUSED, RAISED, UNEXPLAINED = 3, 4, 5, 6


def tree_of(value: float) -> xr.DataTree:
    values = xr.Dataset({"x": ("draw", np.full(500, value))}, attrs={"record": "{}"})
    return xr.DataTree.from_dict({"/posterior": values})


class Save:
    """``Posterior.save`` over an older file."""

    def prepare(self, folder: Path) -> None:
        write_tree(tree_of(1.0), folder / "post.nc")

    def run(self, folder: Path) -> None:
        write_tree(tree_of(2.0), folder / "post.nc")


class FitOut:
    """``fit --out`` into the folder of an older fit: a posterior and tables."""

    def prepare(self, folder: Path) -> None:
        self._write(folder, 1.0)

    def run(self, folder: Path) -> None:
        self._write(folder, 2.0)

    def _write(self, folder: Path, value: float) -> None:
        files = {folder / "summary.csv": f"x,{value}", folder / "exponents.csv": f"a,{value}"}
        with made_folder(folder):
            atomic_write_all({folder / "posterior.nc": as_netcdf(tree_of(value)), **files})


class NewFolder(FitOut):
    """``fit --out`` into a folder that is not there yet."""

    def prepare(self, folder: Path) -> None:
        folder.rmdir()


class Report:
    """A report, or any other text."""

    def prepare(self, folder: Path) -> None:
        atomic_write(folder / "report.html", "old")

    def run(self, folder: Path) -> None:
        atomic_write(folder / "report.html", "new" * 1000)


class Programs:
    """The programs on disk; a program that cannot be written is no error."""

    def prepare(self, folder: Path) -> None:
        Store(folder).write("a", b"old")

    def run(self, folder: Path) -> None:
        Store(folder).write("b", b"new" * 1000)
        assert Store(folder).read("a") == b"old"


class FitMany:
    """``fit_many(out=...)``: chunks of draws that are known in advance."""

    chunks = ([0, 1], [2])

    def prepare(self, folder: Path) -> None:
        pass

    def run(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a kill damages no file
            batch = ChunkFolder(folder, "fingerprint")
            for number, fits in enumerate(batch.open(list(self.chunks))):
                draws = [Draws(np.full((1, 9, 2), float(i)), {"lp": np.ones((1, 9))}) for i in fits]
                if batch.read(number, fits) is None:
                    batch.write(number, fits, draws)
                for found, made in zip(batch.read(number, fits) or [], draws, strict=True):
                    assert np.array_equal(found.points, made.points)


TASKS = {each.__name__: each() for each in (Save, FitOut, NewFolder, Report, Programs, FitMany)}


def state(folder: Path) -> dict[str, str]:
    """Return the content of the files that a user sees."""
    paths = sorted(folder.iterdir()) if folder.exists() else []
    return {path.name: content_of(path) for path in paths if not path.name.startswith(".")}


def content_of(path: Path) -> str:
    # HDF5 stores the time of writing.
    return digest_of(read_tree(path)) if path.suffix == ".nc" else path.read_bytes().hex()


def hidden(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name[0] == "."] if folder.exists() else []


def patch(at: int, names: tuple[str, ...], meet: Callable[..., Any]) -> list[str]:
    """Count calls of functions of ``os``, and do something else in place of one of them."""
    seen: list[str] = []

    def wrap(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not arguments[1] & os.O_CREAT:
                return function(*arguments, **options)
            seen.append(name)
            if len(seen) == at:
                return meet(name, function, arguments)
            return function(*arguments, **options)

        return counted

    for name in names:
        setattr(os, name, wrap(name, getattr(os, name)))
    return seen


def kill(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    if name == "write":  # half of it
        function(arguments[0], arguments[1][: len(arguments[1]) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


def no_room(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    if name == "fsync" and stat.S_ISDIR(os.fstat(arguments[0]).st_mode):
        return function(*arguments)  # the names in a folder take no room
    # A folder that cannot be made has no size of which an error could tell.
    raise OSError(errno.EDQUOT if name == "mkdir" else errno.ENOSPC, "No space left on device")


def in_child(work: Callable[[], object]) -> int:
    """Run some work in a forked process, and return its exit status."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = RAISED
    try:
        work()
        status = 0
    except OSError as error:
        status = FAILED
        if error.errno in (errno.ENOSPC, errno.EFBIG) and "bytes are free" not in str(error):
            status = UNEXPLAINED
    except InputError:
        status = REFUSED
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    os._exit(status)


def fresh(root: Path, task: Any) -> Path:
    """Return a new folder in which a task is prepared."""
    folder = root / "work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    task.prepare(folder)
    return folder


def count_calls(root: Path, task: Any, names: tuple[str, ...]) -> tuple[int, dict[str, str]]:
    """Return the number of calls of a task, and the files when it is done."""
    folder, told = fresh(root, task), root / "calls"

    def work() -> None:
        seen = patch(0, names, kill)
        task.run(folder)
        told.write_text(str(len(seen)))

    assert in_child(work) == 0
    return int(told.read_text()), state(folder)


def killed_at_every_call(root: Path, task: Any) -> tuple[int, list[str]]:
    """Kill a task at each call; each file is then old or new, and the next run tidies up."""
    count, new = count_calls(root, task, CALLS)
    problems = []
    for at in range(1, count + 1):
        folder = fresh(root, task)
        old = state(folder)

        def work(folder: Path = folder, at: int = at) -> None:
            patch(at, CALLS, kill)
            task.run(folder)

        status, found = in_child(work), state(folder)
        if status != -signal.SIGKILL:
            problems.append(f"call {at}: not killed, status {status}")
        if any(text not in (old.get(name), new.get(name)) for name, text in found.items()):
            problems.append(f"call {at}: a file is neither old nor new")
        if not old.keys() <= found.keys():
            problems.append(f"call {at}: a file is lost")
        if (status := in_child(lambda folder=folder: task.run(folder))) != 0:
            problems.append(f"call {at}: the next run ends with {status}")
        if state(folder) != new or hidden(folder):
            problems.append(f"call {at}: after the next run {os.listdir(folder)}")
    return count, problems


def full_at_every_write(root: Path, task: Any) -> tuple[int, list[str]]:
    """Let each call that takes room fail; the old files are untouched, and nothing is left."""
    count, new = count_calls(root, task, TAKING_ROOM)
    problems = []
    for at in range(1, count + 1):
        folder = fresh(root, task)
        old, existed = state(folder), folder.exists()

        def work(folder: Path = folder, at: int = at) -> None:
            patch(at, TAKING_ROOM, no_room)
            task.run(folder)

        status, found = in_child(work), state(folder)
        quiet = isinstance(task, Programs)
        if status not in ((0,) if quiet else (0, FAILED)):
            problems.append(f"call {at}: status {status}")
        partly = isinstance(task, FitMany) and found.items() <= new.items()
        if found not in (old, new) and not partly:
            problems.append(f"call {at}: {os.listdir(folder)}")
        if hidden(folder):
            problems.append(f"call {at}: left {hidden(folder)}")
        if status == FAILED and folder.exists() and not (existed or found):
            problems.append(f"call {at}: an empty folder is left")
        if in_child(lambda folder=folder: task.run(folder)) != 0 or state(folder) != new:
            problems.append(f"call {at}: with room the next run fails")
    return count, problems


def two_writers(root: Path, task: Any) -> tuple[int, list[str]]:
    """Run a task twice at once; both end well, and the files are complete."""
    _, new = count_calls(root, task, CALLS)
    problems = []
    for trial in range(TRIALS):
        folder = fresh(root, task)
        folder.mkdir(exist_ok=True)
        statuses = root / "status"

        def both(folder: Path = folder, statuses: Path = statuses) -> None:
            other = os.fork()
            task.run(folder)
            if other:
                statuses.write_text(str(os.waitpid(other, 0)[1]))

        if in_child(both) != 0 or statuses.read_text() != "0":
            problems.append(f"trial {trial}: a writer failed")
        if state(folder) != new or hidden(folder):
            problems.append(f"trial {trial}: {os.listdir(folder)}")
    return TRIALS, problems


def allow(mode: int, *folders: Path) -> None:
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):
            folder.chmod(mode)


def bad_folders(root: Path, task: Any) -> tuple[int, list[str]]:
    """Write where no file may be written, into a folder that vanishes, beyond a limit of size."""
    quiet = isinstance(task, Programs)
    problems = []

    def read_only(folder: Path) -> None:
        if os.getuid() == 0:  # who may write everywhere
            os.setuid(65534)
        task.run(folder)

    def vanishing(folder: Path) -> None:
        def vanish(name: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
            shutil.rmtree(folder, ignore_errors=True)
            return function(*arguments)

        patch(1, ("write",), vanish)
        task.run(folder)

    def limited(folder: Path) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        task.run(folder)

    for work in (read_only, vanishing, limited):
        folder = fresh(root, task)
        old = state(folder)
        allow(0o555 if work is read_only else 0o755, folder, root)
        status = in_child(lambda work=work, folder=folder: work(folder))
        if status not in ((0, RAISED) if quiet else (FAILED,)):
            problems.append(f"{work.__name__}: status {status}")
        allow(0o755, root, folder)
        if work is not vanishing and (state(folder) != old or hidden(folder)):
            problems.append(f"{work.__name__}: {os.listdir(folder)}")
    return 3, problems


CHECKS = (killed_at_every_call, full_at_every_write, two_writers, bad_folders)


def main() -> None:
    root = Path(sys.argv[1])
    root.chmod(0o755)
    warnings.filterwarnings("ignore", "This process .* is multi-threaded")
    chosen = sys.argv[2:] or list(TASKS)
    found = {
        f"{check.__name__} {name}": check(root, TASKS[name]) for name in chosen for check in CHECKS
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
