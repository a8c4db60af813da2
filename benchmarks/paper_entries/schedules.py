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
PEAK, WARMUP = 3e-4, 2160


@cache
def columns(millions: int) -> pd.DataFrame:
    frame = sb.datasets.load("lr_schedules").frame
    curves = frame[(frame["params"] == millions * 1e6) & ~frame["schedule"].isin(FITTED)]
    return sb.schedule_columns(curves, "schedule", warmup=2160, gamma=CONSTANTS[millions][1])


def rise(millions: int, area: np.ndarray) -> np.ndarray:
    """Compute what the rise of the learning rate in the warm-up adds to the loss.

    The sum over steps in src/evaluation.py and src/models.py includes the warm-up, whose rises
    count as negative falls. The README's equation and the law have only steps after the warm-up.
    """
    (*_, scale, pace, exponent), gamma = CONSTANTS[millions]
    rates = np.linspace(0, PEAK, WARMUP)
    since = area[:, None] - np.cumsum(rates)[:-1]
    response = 1 - (1 + pace * rates[1:] ** -gamma * since) ** -exponent
    return scale * response @ np.diff(rates)


def mean_error(millions: int) -> float:
    """Compute the mean absolute error over held-out curves, the warm-up's rise counted."""
    law, made = sb.get_law("multi_power"), columns(millions)
    values = dict(zip(NAMES, map(jnp.asarray, CONSTANTS[millions][0]), strict=True))
    expected = law({name: jnp.asarray(made[name].to_numpy()) for name in law.inputs}, values)
    error = made["loss"].to_numpy() - expected - rise(millions, made["lr_sum"].to_numpy())
    return float(pd.Series(np.abs(error)).groupby(made["schedule"].to_numpy()).mean().mean())


ENTRIES = [
    Entry(
        LUO,
        "repository, README.md, evaluation metrics",
        f"mean absolute error of the multi-power law on held-out schedules, {millions}M params, "
        "the warm-up's rise counted as in the repository's code",
        published,
        partial(mean_error, millions),
        differs="Every fourth point of the curves, and the response G by 17 rates. Summed over all "
        "steps at all points, the errors are 0.00376, 0.00435 and 0.00484.",
    )
    for millions, published in ((25, "0.00376"), (100, "0.00435"), (400, "0.00484"))
]
