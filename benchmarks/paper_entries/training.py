"""Benchmarks, distillation, precision."""

from functools import cache

import numpy as np

import scalingbayes as sb
from paper_entries import Entry

HOFFMANN = "Hoffmann et al. 2022 (arXiv:2203.15556)"
BUSBRIDGE = "Busbridge et al. 2025 (arXiv:2502.08606)"
KUMAR = "Kumar et al. 2024 (arXiv:2411.04330)"
MMLU = "accuracy(x=compute, chance=0.25, target=accuracy_mmlu)"


@cache
def accuracies() -> sb.Posterior:
    models = sb.datasets.load("base_llms").frame
    columns = ["model", "compute", "accuracy_mmlu"]
    return sb.fit(sb.Runs(models[columns], name="base_llms"), MMLU, engine="laplace", exact=True)


def mmlu(params: float, tokens: float) -> tuple[float, float, float]:
    """Predict the MMLU accuracy of a model from its training compute and 123 other models."""
    drawn = accuracies().predict(compute=6 * params * tokens)["observed"].to_numpy()
    low, middle, high = np.quantile(drawn, [0.05, 0.5, 0.95])
    return float(middle), float(low), float(high)


def exponent(name: str) -> float:
    alone = sb.published("busbridge_2025_supervised").exponents()
    return float(alone[name].median())


def student_exponent() -> float:
    values = {n: float(x.median()) for n, x in sb.published("busbridge_2025").draws.items()}
    return values["beta"] / (values["alpha"] + values["beta"])


def best_bits(compute: float | None = None, params: float | None = None) -> float:
    found = sb.optimal_precision(sb.published("kumar_2024"), compute, params)
    return float(found["bits"].median())


ENTRIES = [
    Entry(
        HOFFMANN, "table 6", f"MMLU accuracy of {name}, 5 shots", printed,
        lambda params=params, tokens=tokens: mmlu(params, tokens),  # type: ignore[misc]
        call='post.predict(compute=...), post fitted to sb.datasets.load("base_llms")',
        note="Predicted from compute by 123 other models, one model's scatter included.",
        slow=True,
    )
    for name, printed, params, tokens in (
        ("GPT-3", "0.439", 175e9, 300e9),
        ("Gopher", "0.600", 280e9, 300e9),
        ("Chinchilla", "0.676", 70e9, 1.4e12),
    )
]  # fmt: skip
ENTRIES += [
    Entry(
        BUSBRIDGE, "table 6", "exponent a of the supervised law", "0.513", lambda: exponent("a"),
        call='sb.published("busbridge_2025_supervised").exponents()',
        differs="beta / (alpha + beta) of the printed constants is 0.5137.",
    ),
    Entry(
        BUSBRIDGE, "table 6", "exponent b of the supervised law", "0.486", lambda: exponent("b"),
        call='sb.published("busbridge_2025_supervised").exponents()',
    ),
    Entry(
        BUSBRIDGE, "table 6", "a' = beta' / (alpha' + beta') of distillation", "0.664",
        student_exponent, call='sb.published("busbridge_2025")',
        differs="beta' / (alpha' + beta') of the printed constants is 0.6649.",
    ),
    Entry(
        KUMAR, "section 4.3.2", "compute-optimal precision, in bits (7 to 8)", "7", best_bits,
        call='sb.optimal_precision(sb.published("kumar_2024"))',
    ),
]  # fmt: skip
