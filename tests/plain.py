"""Chinchilla's law, Student's t of one spread, and no temperature, unless a test asks for others.

For these there are closed forms, published numbers and other engines to compare with.
"""

from functools import partial
from typing import Any

import scalingbayes as sb

PLAIN: dict[str, Any] = {"law": "chinchilla", "noise": "student_t"}
EXACT = PLAIN | {"temperature": 1.0}


def fit(table: Any, law: Any = "chinchilla", **options: Any) -> Any:
    return sb.fit(table, law, **{"noise": "student_t", "temperature": 1.0, **options})


def build_model(
    runs: sb.Runs, law: Any = "chinchilla", noise: Any = "student_t", **how: Any
) -> sb.Model:
    return sb.build_model(runs, law, noise, **how)


fit_many = partial(sb.fit_many, **EXACT)
