"""Size and FLOPs of transformers, smaller models, stocks of data, and what training costs."""

from functools import cache, partial
from typing import Any

import scalingbayes as sb
from paper_entries import Entry, Ours

HOFFMANN = "Hoffmann et al. 2022 (arXiv:2203.15556)"
DE_VRIES = "De Vries 2023, Go smol or go home"
VILLALOBOS = "Villalobos et al. 2024 (arXiv:2211.04325v2)"
LLAMA: dict[str, Any] = {"kv_heads": 8, "gated": True, "tied": False}
RELATIVE = (
    "The models have relative positions: a fifth square matrix of attention a layer is added to "
    "the size of `Transformer`."
)


def table_a4(n_layer: int, d_model: int, heads: int) -> float:
    """Compute the FLOPs of a shape over 6 N D."""
    cost = sb.costs.Transformer(2048, 32_000, head_size=d_model / heads, logits=False)
    size = cost.params(n_layer, d_model) + n_layer * d_model**2
    return float(cost.forward_flops(n_layer, d_model) / (2 * size))


def params(given: dict[str, Any]) -> float:
    """Count the parameters of a shape, or the active ones."""
    shape = {**LLAMA, **given}
    n_layer, d_model, active = (shape.pop(each, False) for each in ("n_layer", "d_model", "active"))
    cost = sb.costs.Transformer(4096, **shape)
    count = cost.active_params if active else cost.params
    return float(count(n_layer, d_model))


@cache
def overhead(size_factor: float) -> float:
    found = sb.overtrain(sb.published("hoffmann_2022"), [size_factor], 5.76e23)
    return float(found["overhead"].median())


def critical_size() -> float:
    found = sb.size_for_overhead(sb.published("hoffmann_2022"), 1.0, 5.76e23)
    return float(found["size_factor"].median())


@cache
def exhaustion(stock: str) -> Ours:
    """Compute the year in which compute-optimal models exhaust a stock, by Besiroglu's law."""
    post = sb.published("besiroglu_2024")
    found = sb.data_exhaustion(post, stock, overtraining=1.0)
    median, low, high = found.summary().loc["year"].to_numpy(float)[:3]
    return median, low, min(high, float(found.horizon))


def bloom(unit: str) -> float:
    a100s = sb.costs.Hardware(312e12, devices=384, watts=400, carbon_intensity=57)
    return float(a100s.bill(a100s.flops(gpu_hours=1_082_990))[unit].iloc[0])


def h800_dollars() -> float:
    h800s = sb.costs.Hardware(989e12, price_per_hour=2.0)
    return float(h800s.dollars(h800s.flops(gpu_hours=2.788e6))[0])


RATIOS = [
    Entry(
        HOFFMANN,
        "table A4",
        f"FLOPs of the {name} model over 6 N D",
        ratio,
        partial(table_a4, n_layer, d_model, heads),
        note=RELATIVE,
    )
    for name, n_layer, d_model, heads, ratio in (
        ("73M", 10, 640, 10, "1.03"),
        ("305M", 20, 1024, 16, "1.10"),
        ("552M", 24, 1280, 10, "1.08"),
        ("1.1B", 26, 1792, 14, "1.04"),
        ("1.6B", 28, 2048, 16, "1.03"),
        ("6.8B", 40, 3584, 28, "0.99"),
    )
]
COUNTS = [
    Entry(paper, "checkpoint", f"parameters of {name}", published, partial(params, given))
    for paper, name, published, given in (
        ("Llama 3", "Llama 3 8B", "8.03e9",
         {"n_layer": 32, "d_model": 4096, "vocab": 128_256, "mlp_ratio": 3.5}),
        ("Llama 3", "Llama 3 70B", "70.6e9",
         {"n_layer": 80, "d_model": 8192, "vocab": 128_256, "mlp_ratio": 3.5}),
        ("Mixtral", "Mixtral 8x7B", "46.7e9",
         {"n_layer": 32, "d_model": 4096, "vocab": 32_000, "mlp_ratio": 3.5, "experts": 8,
          "active_experts": 2}),
        ("Mixtral", "Mixtral 8x7B that a token passes", "12.9e9",
         {"n_layer": 32, "d_model": 4096, "vocab": 32_000, "mlp_ratio": 3.5, "experts": 8,
          "active_experts": 2, "active": True}),
        ("Qwen3", "Qwen3 30B-A3B", "30.5e9",
         {"n_layer": 48, "d_model": 2048, "vocab": 151_936, "mlp_ratio": 0.375, "kv_heads": 4,
          "attention_ratio": 2.0, "experts": 128, "active_experts": 8}),
    )
]  # fmt: skip
OVERHEADS = [
    Entry(
        DE_VRIES,
        "text",
        f"extra compute at {size:.0%} of the optimal size",
        published,
        partial(overhead, size),
        call=f'sb.overtrain(sb.published("hoffmann_2022"), [{size}])',
        differs="De Vries computes with alpha = 0.336 and beta = 0.283, ours are the unrounded "
        "parameters of Hoffmann et al. His give 2.85 %, 20.8 % and 188.9 %, of which he prints the "
        "first digits.",
    )
    for size, published in ((0.75, "0.028"), (0.5, "0.20"), (0.25, "1.88"))
]
ENTRIES = [
    *RATIOS,
    *COUNTS,
    *OVERHEADS,
    Entry(
        DE_VRIES,
        "text",
        "critical size, of 100 % more compute, over the optimal size",
        "0.3",
        critical_size,
        call='sb.size_for_overhead(sb.published("hoffmann_2022"))',
    ),
    Entry(
        "Villalobos et al. 2022 (arXiv:2211.04325v1)",
        "table of exhaustion dates, projection of compute",
        "year in which high-quality text is exhausted",
        "2024.1",
        lambda: exhaustion("high_quality_2022"),
        call='sb.data_exhaustion(post, "high_quality_2022", overtraining=1.0)',
        interval="90 %: 2023.2 to 2025.3",
    ),
    Entry(
        VILLALOBOS,
        "abstract and figure 1",
        "year in which public text is exhausted",
        "2028",
        lambda: exhaustion("effective_2024"),
        call="sb.data_exhaustion(post, overtraining=1.0)",
        interval="2026 to 2032",
    ),
    Entry(
        "Luccioni et al. 2022 (arXiv:2211.02001)",
        "table 1",
        "energy of the training of BLOOM, in kWh",
        "433196",
        lambda: bloom("kwh"),
        call="sb.costs.Hardware(...).kwh(flops)",
    ),
    Entry(
        "BigScience 2022 (arXiv:2211.05100)",
        "table 4",
        "emissions of the training of BLOOM, in tonnes of CO2 equivalent",
        "25",
        lambda: bloom("kg_co2e") / 1000,
        call="sb.costs.Hardware(...).carbon(flops)",
    ),
    Entry(
        "DeepSeek-AI 2024, DeepSeek-V3",
        "training costs",
        "dollars of 2.788M hours of H800s at 2 dollars",
        "5.576e6",
        h800_dollars,
        call="sb.costs.Hardware(...).dollars(flops)",
    ),
]
