"""Learning-rate schedules."""

from functools import cache, partial

import jax.numpy as jnp
import numpy as np
import pandas as pd

import scalingbayes as sb
from paper_entries import Entry

LUO = "Luo et al. 2025 (arXiv:2503.12811)"
CONSTANTS = {  # README.md and src/config.py of thu-yao-01-luo/MultiPowerLaw at 8da9f19
    25: ([3.04045406, 0.52468604, 0.50786857, 363.78751622, 2.06560812, 0.58279013], 0.64142257),
    100: ([2.6514477, 0.60115152, 0.45295811, 437.9464276, 2.13245612, 0.59785199], 0.65523644),
    400: ([2.37474466, 0.65421216, 0.42878731, 523.42464371, 2.02462735, 0.59350493], 0.63472457),
}
NAMES = ("L0", "A", "alpha", "B", "C", "beta")
FITTED = ("cosine_24000", "constant_24000", "wsdcon_9")
OFF = (
    "With the constants that the repository states, the law lies 0.11 (25M), 0.13 (100M) and 0.15 "
    "nats (400M) below the repository's own curves, at all steps. With L0 higher by as much, the "
    "error is near the published one."
)


@cache
def columns(millions: int) -> pd.DataFrame:
    frame = sb.datasets.load("lr_schedules").frame
    curves = frame[(frame["params"] == millions * 1e6) & ~frame["schedule"].isin(FITTED)]
    return sb.schedule_columns(curves, "schedule", warmup=2160, gamma=CONSTANTS[millions][1])


def mean_error(millions: int, shifted: bool) -> float:
    """Compute the mean absolute error over held-out curves, with L0 as stated or of zero error."""
    law, made = sb.get_law("multi_power"), columns(millions)
    values = dict(zip(NAMES, map(jnp.asarray, CONSTANTS[millions][0]), strict=True))
    expected = law({name: jnp.asarray(made[name].to_numpy()) for name in law.inputs}, values)
    error = made["loss"].to_numpy() - np.asarray(expected)
    error = error - np.median(error) if shifted else error
    return float(pd.Series(np.abs(error)).groupby(made["schedule"].to_numpy()).mean().mean())


ENTRIES = [
    Entry(
        LUO,
        "repository, README.md, evaluation metrics",
        f"mean absolute error of the multi-power law on held-out schedules, {millions}M params"
        + (", L0 shifted to a median error of 0" if shifted else ""),
        published,
        partial(mean_error, millions, shifted),
        differs=OFF if not shifted else "Every fourth point of the curves.",
    )
    for millions, published in ((25, "0.00376"), (100, "0.00435"), (400, "0.00484"))
    for shifted in (False, True)
]
