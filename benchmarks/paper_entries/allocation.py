"""Compute-optimal model size and tokens."""

import jax.numpy as jnp

import scalingbayes as sb
from paper_entries import Entry

HOFFMANN = "Hoffmann et al. 2022 (arXiv:2203.15556)"
KAPLAN = "Kaplan et al. 2020 (arXiv:2001.08361)"
PF_DAY = 1e15 * 24 * 3600  # FLOPs


def kaplan_loss(compute: float) -> float:
    """Compute L(C_min) = (C_c / C_min)^0.050 by the power law without a floor."""
    law = sb.get_law("power_law(x='compute', floor=False)")
    values = {"A": jnp.asarray((3.1e8 * PF_DAY) ** 0.050), "alpha": jnp.asarray(0.050)}
    return float(law({"compute": jnp.asarray(compute)}, values))


ENTRIES = [
    Entry(
        KAPLAN,
        "equation 1.3",
        "loss at C_c = 3.1e8 PF-days, in nats",
        "1.0",
        lambda: kaplan_loss(3.1e8 * PF_DAY),
    ),
]
