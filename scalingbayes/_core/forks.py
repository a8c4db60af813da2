"""Refuse to compute in a process that was forked after JAX had begun.

A fork copies the memory of JAX and none of its threads. A computation in the child would wait for
them for ever.
"""

import os
import sys

from scalingbayes._core.errors import InputError

_begun = False  # whether this package has computed, here or in the process that was forked
_forked = False


def refuse_forked_process() -> None:
    """Refuse to compute if this process was forked after JAX had begun; call it before JAX.

    Raises
    ------
    InputError
        If it was.
    """
    global _begun
    if _forked:
        raise InputError(
            "This process was forked after JAX had begun to compute, and a computation here would "
            "never end. Start processes with multiprocessing.get_context('spawn'), or fork before "
            "the first fit."
        )
    _begun = True


def _after_fork() -> None:
    global _forked
    bridge = sys.modules.get("jax._src.xla_bridge")  # has no public name for what has begun
    _forked = _begun or bool(getattr(bridge, "_backends", False))


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
