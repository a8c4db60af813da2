"""Tables whose law is known, and a noise density in NumPy."""

import numpy as np


def simulate(rng, rows, nu=4.0, sigma=0.005):
    """Runs on Hoffmann's surface, over a factor of 1,000 in both inputs."""
    params = 10 ** rng.uniform(7, 10, rows)
    tokens = 10 ** rng.uniform(9, 12, rows)
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    return {
        "params": params,
        "tokens": tokens,
        "loss": loss * np.exp(sigma * rng.standard_t(nu, rows)),
    }


def rounded_laplace(x, loc, scale, tip):
    """The density in NumPy, before it is normalised."""
    distance = abs(x - loc)
    inside = np.minimum(distance, tip)
    return np.exp(-inside * (distance - inside / 2) / tip / scale)
