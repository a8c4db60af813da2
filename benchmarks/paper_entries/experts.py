"""Mixtures of experts."""

from collections.abc import Callable

import numpy as np

import scalingbayes as sb
from paper_entries import Entry

CLARK = "Clark et al. 2022 (arXiv:2202.01169)"
KRAJEWSKI = "Krajewski et al. 2024 (arXiv:2402.07871)"
JOINT = "Ludziejewski et al. 2025 (arXiv:2502.05172)"
ROUNDED = "The printed constants are rounded, and the paper computes with all digits."
MEMORY = (
    "By the printed constants 4 experts reach a loss of 2.005 and 8 experts reach 2.011. Three of "
    "the twelve cells of the table differ, with and without its cache of 16k tokens."
)
ACTIVE_SHARE = 12 / (8 * 64 + 4)  # params of a block that a token uses (Krajewski, section 6.1)
EXPERTS = [1, 2, 4, 8, 16, 32]


def joint(name: str, compute: float, experts: int) -> Callable[[], float]:
    """Return a function that computes an optimum of the joint law."""

    def found() -> float:
        post = sb.published("ludziejewski_2025")
        return float(post.allocate(compute, experts=experts)[name].median())

    return found


def best_experts(compute: float, memory: float) -> Callable[[], float]:
    """Return a function that computes the best number of experts; a param has two bytes."""

    def found() -> float:
        post, limits = sb.published("ludziejewski_2025"), sb.Limits(max_params=memory / 2)
        return float(post.allocate(compute, limits=limits, experts=EXPERTS)["experts"].median())

    return found


def fine(name: str, compute: float, granularity: int) -> Callable[[], float]:
    """Return a function that computes an optimum of fine-grained experts."""

    def found() -> float:
        best = sb.published("krajewski_2024").allocate(compute, granularity=granularity)
        share = ACTIVE_SHARE if name == "params" else 1.0
        return share * float(best[name].median())

    return found


def best_granularity(compute: float) -> Callable[[], float]:
    """Return a function that computes the best granularity."""

    def found() -> float:
        values = (2.0 ** np.arange(9)).tolist()
        best = sb.published("krajewski_2024").allocate(compute, granularity=values)
        return float(best["granularity"].median())

    return found


def routed(name: str, **inputs: float) -> Callable[[], float]:
    """Return a function that computes a quantity that follows from the law of routed models."""
    return lambda: float(sb.derived_quantities(sb.published("clark_2022"), **inputs)[name].median())


ENTRIES = [
    *(
        Entry(
            JOINT, "table 1", f"{what} at {compute:g} FLOPs, {experts} experts", printed,
            joint(name, compute, experts),
            'sb.published("ludziejewski_2025").allocate(C, experts=E)', differs=differs,
        )
        for compute, experts, name, what, printed, differs in (
            (1e20, 1, "active_params", "active params", "1.7e9", ""),
            (1e20, 1, "tokens", "tokens", "9.7e9", ""),
            (1e20, 32, "tokens", "tokens", "2.49e10", ROUNDED),
            (1e21, 4, "active_params", "active params", "4.4e9", ""),
            (1e21, 4, "tokens", "tokens", "3.8e10", ""),
            (1e22, 8, "active_params", "active params", "1.44e10", ROUNDED),
            (1e22, 8, "tokens", "tokens", "1.158e11", ROUNDED),
        )
    ),
    *(
        Entry(
            JOINT, "table 2", f"best number of experts at {compute:g} FLOPs in {memory:g} bytes",
            printed, best_experts(compute, memory),
            'post.allocate(C, limits=sb.Limits(max_params=M / 2), experts=[1, 2, 4, 8, 16, 32])',
            differs=differs, slow=True,
        )
        for compute, memory, printed, differs in (
            (1e22, 24e9, "4", ""),
            (1e22, 80e9, "16", ""),
            (1e23, 24e9, "1", ""),
            (1e24, 80e9, "1", ""),
            (1e23, 80e9, "8", MEMORY),
        )
    ),
    *(
        Entry(
            KRAJEWSKI, "table 2", f"{what} at {compute:g} FLOPs", printed,
            best_granularity(compute) if name == "granularity" else fine(name, compute, g),
            'sb.published("krajewski_2024").allocate(C, granularity=G)', differs=differs,
            slow=name == "granularity",
        )
        for compute, g, name, what, printed, differs in (
            (2.95e18, 8, "granularity", "best granularity", "8", ""),
            (6.46e21, 32, "granularity", "best granularity", "32", ""),
            (4.97e25, 64, "granularity", "best granularity", "64", ""),
            (2.95e18, 8, "params", "active params", "1.0e8", ""),
            (2.95e18, 8, "tokens", "tokens", "4.37e9", ROUNDED),
            (6.46e21, 32, "tokens", "tokens", "1.376e11", ROUNDED),
            (4.97e25, 64, "loss", "loss", "1.367", ROUNDED),
        )
    ),
    Entry(
        CLARK, "equation 11", "dense params of 5M params with 128 experts", "5.5e7",
        routed("dense_params", params=5e6, experts=128.0),
        'sb.derived_quantities(sb.published("clark_2022"), params=5e6, experts=128)',
        differs=ROUNDED,
    ),
    Entry(
        CLARK, "N_cutoff of S-BASE", "size above which experts no longer help", "9.37e11",
        routed("cutoff_params"), 'sb.derived_quantities(sb.published("clark_2022"))',
        differs=ROUNDED,
    ),
]  # fmt: skip
