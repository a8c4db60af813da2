"""Engines, one a file: each takes a model and returns draws from its posterior."""

from scalingbayes.inference.draws import Draws, Progress
from scalingbayes.inference.nuts import NUTS

__all__ = ["ENGINES", "NUTS", "Draws", "Progress"]

ENGINES = {"nuts": NUTS}
"""The engines there are, by name."""
