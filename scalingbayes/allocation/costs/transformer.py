"""FLOPs of a transformer, with attention and embeddings."""

from dataclasses import dataclass, field
from typing import override

import jax
import jax.numpy as jnp

from scalingbayes.allocation.costs.base import TRAINING_OVER_SERVING, Cost, Real, Scale
from scalingbayes.data import architecture


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Transformer(Cost):
    """FLOPs of a transformer with attention, embedding and logits (Hoffmann et al. 2022, app. F).

    A token costs n_layer (24 d_model^2 + 4 context d_model + 3 heads context) + 4 vocab d_model
    FLOPs to serve, and three times as many to train. The scale is the logarithm of ``d_model``.

    Parameters
    ----------
    context
        Length of the context, in tokens.
    vocab
        Size of the vocabulary, in tokens.
    aspect
        ``d_model / n_layer``, constant over model sizes.
    head_size
        Width of an attention head.
    embedding
        Whether ``params`` includes the embedding matrix, as in Hoffmann et al. 2022, not in Kaplan
        et al. 2020.
    logits
        Whether FLOPs include the embedding and the logits. Appendix F includes them, but the ratios
        to 6 N D in table A4 are reproduced without them.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> sb.costs.Transformer(context=2048, vocab=32_000).equation
    'C = FLOPs of training with attention over 2048 tokens, 32000 tokens of vocabulary'
    """

    context: Real
    vocab: Real
    aspect: Real = 128.0
    head_size: Real = 128.0
    embedding: bool = field(default=True, metadata={"static": True})
    logits: bool = field(default=True, metadata={"static": True})

    @property
    @override
    def size(self) -> str:
        return "params"

    @property
    @override
    def equation(self) -> str:
        served = " and serving" if self.served_tokens else ""
        return (
            f"C = FLOPs of training{served} with attention over {self.context:g} tokens, "
            f"{self.vocab:g} tokens of vocabulary"
        )

    @override
    def log_size(self, scale: Scale) -> Scale:
        d_model = jnp.exp(scale)
        return jnp.log(self._size(d_model / self.aspect, d_model))

    @override
    def log_training(self, scale: Scale) -> Scale:
        return self.log_serving(scale) + jnp.log(TRAINING_OVER_SERVING)

    @override
    def log_serving(self, scale: Scale) -> Scale:
        d_model = jnp.exp(scale)
        return jnp.log(self._forward(d_model / self.aspect, d_model))

    @override
    def of_shapes(self, n_layer: Scale, d_model: Scale) -> tuple[Scale, Scale, Scale]:
        serving = jnp.log(self._forward(n_layer, d_model))
        return (
            jnp.log(self._size(n_layer, d_model)),
            serving + jnp.log(TRAINING_OVER_SERVING),
            serving,
        )

    def _size(self, n_layer: Scale, d_model: Scale) -> Scale:
        if not self.embedding:
            return architecture.params_non_embedding(n_layer, d_model)
        return architecture.params_with_embedding(n_layer, d_model, self.vocab)

    def _forward(self, n_layer: Scale, d_model: Scale) -> Scale:
        vocab = self.vocab if self.logits else 0.0
        heads = d_model / self.head_size
        return architecture.forward_flops(n_layer, d_model, self.context, vocab, heads)
