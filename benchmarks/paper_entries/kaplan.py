"""Batch size, steps and the critical batch size."""

from collections.abc import Callable

import scalingbayes as sb
from paper_entries import Entry

KAPLAN = "Kaplan et al. 2020 (arXiv:2001.08361)"
POST = 'sb.published("kaplan_2020_steps")'
FITTED = (
    "The paper fits these exponents to its runs (table 6). Ours are those that its constants of "
    "the law of steps and of the critical batch size imply: alpha_C / alpha_N, and so on, with "
    "1 / alpha_C = 1 / alpha_S + 1 / alpha_B + 1 / alpha_N (eq. B.7)."
)


def training(name: str) -> Callable[[], float]:
    """Return a function that computes a quantity of training at the critical batch size."""

    def compute() -> float:
        found = sb.critical_training(sb.published("kaplan_2020_steps"), 1e21)
        return float(found[name].median())

    return compute


def tenfold(name: str) -> Callable[[], float]:
    """Return a function that computes how a quantity grows from a budget to its tenfold."""

    def compute() -> float:
        found = sb.critical_training(sb.published("kaplan_2020_steps"), [1e20, 1e21])
        low, high = found.median()[name].to_numpy()
        return float(high / low)

    return compute


def other_sizes(name: str, factor: float) -> Callable[[], float]:
    """Return a function that computes the cost of another size, over that of the optimal one."""

    def compute() -> float:
        found = sb.critical_training(sb.published("kaplan_2020_steps"), 1e21)
        return float(found.sizes(factor)[name].median())

    return compute


def converged(name: str, inverse: bool = False) -> Callable[[], float]:
    """Return a function that computes a ratio to training to 2 % above the converged loss."""

    def compute() -> float:
        found = sb.critical_training(sb.published("kaplan_2020_steps"), 1e21)
        value = float(found.converged(0.02)[name].median())
        return 1 / value if inverse else value

    return compute


CALL = f"sb.critical_training({POST}, C)"
ENTRIES = [
    *(
        Entry(KAPLAN, where, quantity, published, training(name), CALL, differs=differs)
        for where, quantity, published, name, differs in (
            ("table 6", "exponent of params", "0.73", "a", FITTED),
            ("table 6", "exponent of the batch", "0.24", "batch_exponent", FITTED),
            ("table 6", "exponent of steps", "0.03", "steps_exponent", FITTED),
            ("table 6", "exponent of tokens", "0.27", "b", FITTED),
            ("eq. B.5", "share above the converged loss", "0.10", "above_converged", ""),
        )
    ),
    *(
        Entry(KAPLAN, where, f"{quantity} for 10 times the compute", published, tenfold(name),
              CALL, differs=FITTED)
        for where, quantity, published, name in (
            ("ten to the exponents of table 6", "growth of params", "5.4", "params"),
            ("ten to the exponents of table 6", "growth of tokens", "1.9", "tokens"),
            ("ten to the exponents of table 6", "growth of steps", "1.07", "steps"),
        )
    ),
    Entry(
        KAPLAN, "eq. B.12", "params over those of training to 2 % above convergence", "2.7",
        converged("params_ratio"), f"{CALL}.converged()",
    ),
    Entry(
        KAPLAN, "eq. B.13", "fewer steps than training to 2 % above convergence", "7.7",
        converged("steps_ratio", inverse=True), f"{CALL}.converged()",
        differs="The paper rounds its ratio to 0.13, of which 7.7 is the inverse; ours is 0.1314.",
    ),
    Entry(
        KAPLAN, "eq. B.14", "compute over that of training to 2 % above convergence", "0.35",
        converged("compute_ratio"), f"{CALL}.converged()",
    ),
    Entry(
        KAPLAN, "section B.4", "compute of 2.2 times the optimal size", "1.2",
        other_sizes("compute_ratio", 2.2), f"{CALL}.sizes()",
    ),
    Entry(
        KAPLAN, "section B.4", "compute of 0.6 times the optimal size", "1.2",
        other_sizes("compute_ratio", 0.6), f"{CALL}.sizes()",
    ),
    Entry(
        KAPLAN, "section B.4", "steps of 2.2 times the optimal size", "0.55",
        other_sizes("steps_ratio", 2.2), f"{CALL}.sizes()",
    ),
]  # fmt: skip
