"""Engines, one a file: each takes models and returns draws from their posteriors."""

from scalingbayes.inference.bootstrap import Bootstrap
from scalingbayes.inference.draws import Draws, Progress, silent
from scalingbayes.inference.engine import Engine
from scalingbayes.inference.grid import Grid
from scalingbayes.inference.laplace import Laplace
from scalingbayes.inference.nuts.nuts import NUTS
from scalingbayes.inference.optimize import Optimize, Optimum
from scalingbayes.inference.prior import PriorDraws

__all__ = [
    "ENGINES",
    "NUTS",
    "Bootstrap",
    "Draws",
    "Engine",
    "Grid",
    "Laplace",
    "Optimize",
    "Optimum",
    "PriorDraws",
    "Progress",
    "silent",
]

ENGINES: dict[str, type[Engine] | type[Optimize]] = {
    "nuts": NUTS,
    "laplace": Laplace,
    "grid": Grid,
    "bootstrap": Bootstrap,
    "optimize": Optimize,
    "prior": PriorDraws,
}
"""The engines there are, by name."""
