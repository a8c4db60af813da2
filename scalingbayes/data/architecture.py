"""What the shape of a transformer says of its size and FLOPs.

Sizes after DeepSeek-AI 2024 (arXiv:2401.02954), eq. 2.
"""

from typing import Any

Counts = Any
"""A number, or an array or a column of numbers."""


def flops_per_token(n_layer: Counts, d_model: Counts, seq_len: Counts) -> Counts:
    """M = 72 n_layer d_model^2 + 12 n_layer d_model seq_len, training FLOPs without embeddings."""
    return 72 * n_layer * d_model**2 + 12 * n_layer * d_model * seq_len


def params_non_embedding(n_layer: Counts, d_model: Counts) -> Counts:
    """N_1 = 12 n_layer d_model^2, of which 6 N_1 FLOPs a token leave out attention."""
    return 12 * n_layer * d_model**2


def params_with_embedding(n_layer: Counts, d_model: Counts, n_vocab: Counts) -> Counts:
    """N_2 = 12 n_layer d_model^2 + n_vocab d_model, which counts the embedding too."""
    return params_non_embedding(n_layer, d_model) + n_vocab * d_model


def forward_flops(
    n_layer: Counts, d_model: Counts, seq_len: Counts, n_vocab: Counts, heads: Counts
) -> Counts:
    """FLOPs of a token's forward pass, with attention, embedding and logits.

    After Hoffmann et al. 2022 (arXiv:2203.15556), appendix F, with a feed-forward layer four times
    as wide as the model: n_layer (24 d_model^2 + 4 d_model seq_len + 3 heads seq_len)
    + 4 n_vocab d_model.
    """
    dense = 24 * d_model**2
    attention = 4 * d_model * seq_len + 3 * heads * seq_len
    return n_layer * (dense + attention) + 4 * n_vocab * d_model
