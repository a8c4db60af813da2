"""Standard output and standard error: closed, of few characters, or with nobody who reads them."""

import io
import os
import sys


def open_streams() -> None:
    """Make the streams such that printing any text cannot fail.

    A closed stream (``>&-``) is opened to nowhere. A stream whose encoding lacks a character, such
    as α in ASCII, gets its escape sequence.
    """
    for name, mode in {"stdout": "w", "stderr": "w"}.items():
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard_output() -> None:
    """Send what is still to be written to standard output nowhere.

    Python writes it at the exit, which would fail again.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):  # a stream without a file
        pass
    finally:
        os.close(nowhere)
