"""Compiled programs that outlive the process.

``compiled`` takes the place of ``jax.jit``: it keeps each program on disk, and a new process loads
the program in place of tracing and compiling it.
"""

from scalingbayes._core.programs.compile import compiled, let_go
from scalingbayes._core.programs.store import Store, open_store

__all__ = ["Store", "compiled", "let_go", "open_store"]
