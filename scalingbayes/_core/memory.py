"""Check that an array fits into memory before it is allocated.

XLA aborts the process if an allocation fails, so that no error can be raised afterwards.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from scalingbayes._core.errors import InputError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_MEMINFO = Path("/proc/meminfo")
_USED = Path("/proc/self/statm")
_GROUP = Path("/sys/fs/cgroup")
_KEPT = 0.9  # share of the free memory that one array may take
_UNLIMITED = 1 << 60  # larger limits are no limits


def check_size(
    what: str, count: float, bytes_each: float, remedy: str, limit: float | None = None
) -> None:
    """Check that something fits into the memory that is free.

    Parameters
    ----------
    what
        What takes the memory, such as ``"The grid of 3 x 4 cells"``.
    count
        How many parts it has. A float: a product of large integers may overflow NumPy's integers.
    bytes_each
        Bytes of one part, with the copies that the computation makes.
    remedy
        What to do, such as ``"Ask for fewer draws"``.
    limit
        Bytes that it may take; by default most of the free memory.

    Raises
    ------
    InputError
        If it does not fit.

    Examples
    --------
    >>> check_size("The grid of 1e6 x 1e6 cells", 1e12, 8, "Use fewer points", limit=1e9)
    Traceback (most recent call last):
        ...
    scalingbayes._core.errors.InputError: The grid of 1e6 x 1e6 cells needs about 8,000 GB of \
memory, and 1 GB can be used. Use fewer points.
    """
    needed = float(count) * bytes_each
    if limit is None and needed < 1e8:
        return  # any machine that runs JAX has that
    allowed = _KEPT * free_memory() if limit is None else limit
    if needed > allowed:
        raise InputError(
            f"{what} needs about {_gigabytes(needed)} of memory, and {_gigabytes(allowed)} can be "
            f"used. {remedy}."
        )


def free_memory() -> float:
    """Return the bytes that this process can still allocate.

    On an accelerator, those that its smallest device has free; else those of the machine, or of the
    container, or below the limit of the process, whichever are fewest.
    """
    return min([*_of_devices(), *_of_machine(), *_of_container(), *_of_process()])


def _of_devices() -> Iterator[float]:
    jax = sys.modules.get("jax")
    for device in jax.local_devices() if jax is not None else ():
        # A CPU device has no statistics.
        stats = device.memory_stats() if device.platform != "cpu" else None
        if stats and "bytes_limit" in stats:
            yield stats["bytes_limit"] - stats.get("bytes_in_use", 0)


def _of_machine() -> Iterator[float]:
    if _MEMINFO.exists():
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                yield 1024 * float(line.split()[1])
                return
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2
    else:
        yield float(1 << 33)  # neither Linux nor macOS: assume a small machine


def _of_container() -> Iterator[float]:
    """Yield what a container's limit leaves, in the files of both versions of control groups."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            allowed = float((_GROUP / limit).read_text())
            if allowed < _UNLIMITED:
                yield allowed - float((_GROUP / used).read_text())
        except (OSError, ValueError):  # no such file, or the word "max"
            continue


def _of_process() -> Iterator[float]:
    if resource is None:
        return
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and _USED.exists():
        pages = int(_USED.read_text().split()[0])
        yield limit - pages * os.sysconf("SC_PAGE_SIZE")


def _gigabytes(size: float) -> str:
    gigabytes = max(size, 0.0) / 1e9
    return f"{gigabytes:,.2g} GB" if gigabytes < 10 else f"{gigabytes:,.0f} GB"
