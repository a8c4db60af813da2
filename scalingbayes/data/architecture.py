"""Size and FLOPs of models from their shapes: DeepSeek-AI 2024 (arXiv:2401.02954), eq. 2.

Arguments are numbers, arrays or columns of numbers. :class:`scalingbayes.costs.Transformer` counts
more of a transformer than these.
"""

from typing import Any

Counts = Any
"""A number, or an array or a column of numbers."""

FLOPS_PER_PARAM_TOKEN = 6.0
"""Training compute over params times tokens: C = 6 N D (Kaplan et al. 2020, section 2.1)."""


def flops_per_token(n_layer: Counts, d_model: Counts, seq_len: Counts) -> Counts:
    """Return training FLOPs per token without embeddings.

    M = 72 n_layer d_model^2 + 12 n_layer d_model seq_len.

    Examples
    --------
    >>> f"{flops_per_token(30, 4096, 4096):.3g}"
    '4.23e+10'
    """
    return 72 * n_layer * d_model**2 + 12 * n_layer * d_model * seq_len


def params_non_embedding(n_layer: Counts, d_model: Counts) -> Counts:
    """Return parameters without embeddings, N_1 = 12 n_layer d_model^2.

    6 N_1 FLOPs per token do not include attention.
    """
    return 12 * n_layer * d_model**2
