"""Training mixtures and repeated data."""

import jax.numpy as jnp

import scalingbayes as sb
from paper_entries import Entry
from scalingbayes._core.precision import precision

MIXTURES = "Shukor et al. 2025 (arXiv:2507.09404)"
DOMAINS = ("arxiv", "book", "c4", "github", "commoncrawl", "stackexchange", "wikipedia")


def count(joint: bool) -> float:
    """Count the parameters of the law for the seven domains of SlimPajama."""
    return float(len(sb.get_law("scaled_mixture", domains=DOMAINS, joint=joint).parameters))


def joint_over_additive() -> float:
    """Compute the joint law over the additive one where their constants agree."""
    shared = {"E": 1.7, "alpha": 0.3, "beta": 0.4}
    shared |= {f"C_{each}": 0.5 for each in DOMAINS} | {f"gamma_{each}": 0.6 for each in DOMAINS}
    alike = {f"A_{each}": 400.0 for each in DOMAINS} | {f"B_{each}": 900.0 for each in DOMAINS}
    inputs = {"params": 1e9, "tokens": 1e11} | dict.fromkeys(DOMAINS, 1 / 7)
    with precision("float64"):
        joint, additive = (
            float(
                sb.get_law("scaled_mixture", domains=DOMAINS, joint=each)(
                    {name: jnp.asarray(x) for name, x in inputs.items()},
                    {name: jnp.asarray(x) for name, x in values.items()},
                )
            )
            for each, values in (
                (True, shared | alike | {"p_A": 1.0, "p_B": 1.0}),
                (False, shared | {"A": 400.0, "B": 900.0}),
            )
        )
    return joint / additive


ENTRIES = [
    Entry(MIXTURES, "section 2.2", "parameters of the additive law of 7 domains: 5 + 2k", "19",
          lambda: count(joint=False)),
    Entry(MIXTURES, "section 2.2", "parameters of the joint law of 7 domains: 5 + 4k", "33",
          lambda: count(joint=True)),
    Entry(MIXTURES, "section 2.2", "joint law over the additive law with gamma^A = gamma^B = 1 and "
          "the same C^A and C^B in all domains", "1.0", joint_over_additive),
]  # fmt: skip
