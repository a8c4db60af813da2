"""Size and FLOPs of a transformer, from its shape.

The sizes are those of DeepSeek-AI 2024 (arXiv:2401.02954), eq. 2. Arguments are numbers, arrays or
columns of numbers.
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


def params_with_embedding(n_layer: Counts, d_model: Counts, n_vocab: Counts) -> Counts:
    """Return parameters with the embedding matrix, N_2 = 12 n_layer d_model^2 + n_vocab d_model."""
    return params_non_embedding(n_layer, d_model) + n_vocab * d_model


def forward_flops(
    n_layer: Counts, d_model: Counts, seq_len: Counts, n_vocab: Counts, heads: Counts
) -> Counts:
    """Return FLOPs of one token's forward pass, with attention, embedding and logits.

    They are n_layer (24 d_model^2 + 4 d_model seq_len + 3 heads seq_len) + 4 n_vocab d_model:
    Hoffmann et al. 2022 (arXiv:2203.15556), appendix F, with a feed-forward layer four times as
    wide as the model.
    """
    dense = 24 * d_model**2
    attention = 4 * d_model * seq_len + 3 * heads * seq_len
    return n_layer * (dense + attention) + 4 * n_vocab * d_model
