"""Learning rates and batch sizes of planned runs."""

import scalingbayes as sb
from paper_entries import Entry

DEEPSEEK = "DeepSeek-AI 2024 (arXiv:2401.02954)"
LI = "Li et al. 2025 (arXiv:2503.04715)"


def setting(paper: str, name: str, compute: float) -> float:
    """Compute a setting of the plan for a budget."""
    found = sb.plan(sb.published("hoffmann_2022"), compute, hyperparameters=[sb.published(paper)])
    return float(found.settings[name].median()[name])


def batch_over_tokens() -> float:
    """Compute the batch of a plan over the power of its tokens: the coefficient 0.58."""
    law = sb.published("li_2025_batch_size")
    found = sb.plan(sb.published("hoffmann_2022"), 1e21, hyperparameters=[law])
    return float(found.settings["batch_size"].median()["batch_size"]) / (
        found.run["tokens"] ** 0.571
    )


ENTRIES = [
    Entry(
        DEEPSEEK,
        "equation 1",
        "learning rate of a run of 1e20 FLOPs: 0.3118 C^-0.1250",
        f"{0.3118 * 1e20**-0.1250:.4g}",
        lambda: setting("deepseek_2024_learning_rate", "learning_rate", 1e20),
        call='sb.plan(post, 1e20, hyperparameters=[sb.published("deepseek_2024_learning_rate")])',
    ),
    Entry(
        DEEPSEEK,
        "equation 1",
        "batch size of a run of 1e20 FLOPs, in tokens: 0.2920 C^0.3271",
        f"{0.2920 * 1e20**0.3271:.4g}",
        lambda: setting("deepseek_2024_batch_size", "batch_size", 1e20),
        call='sb.plan(post, 1e20, hyperparameters=[sb.published("deepseek_2024_batch_size")])',
    ),
    Entry(
        LI,
        "the step law, 0.58 D^0.571",
        "batch size in tokens over D^0.571, of the planned run of 1e21 FLOPs",
        "0.58",
        batch_over_tokens,
        call='sb.plan(post, 1e21, hyperparameters=[sb.published("li_2025_batch_size")])',
    ),
]
