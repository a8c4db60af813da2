"""Chinchilla's law, Student's t of one spread, likelihood power 1, unless a test asks for others.

For these there are closed forms, published numbers and other engines to compare with.
"""

from functools import partial
from typing import Any

import scalingbayes as sb

PLAIN: dict[str, Any] = {"law": "chinchilla", "noise": "student_t"}
EXACT = PLAIN | {"likelihood_power": 1.0}


def fit(table: Any, law: Any = "chinchilla", **options: Any) -> Any:
    return sb.fit(table, law, **{"noise": "student_t", "likelihood_power": 1.0, **options})


def build_model(
    runs: sb.Runs, law: Any = "chinchilla", noise: Any = "student_t", **how: Any
) -> sb.BoundModel:
    return sb.build_model(runs, law, noise, **how)


fit_many = partial(sb.fit_many, **EXACT)
