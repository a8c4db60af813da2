"""FLOPs of a transformer, with attention and embeddings."""

from dataclasses import dataclass, field
from typing import Annotated, override

import jax
import jax.numpy as jnp

from scalingbayes._core.checked import checked
from scalingbayes._core.domains import FRACTION
from scalingbayes._core.errors import unknown
from scalingbayes.allocation.costs.base import (
    TRAINING_OVER_SERVING,
    Cost,
    NonNegativeReal,
    PositiveReal,
    Real,
    Scale,
)
from scalingbayes.data.architecture import Counts

_SIZES = ("params", "active_params")


@checked
@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Transformer(Cost):
    """FLOPs of a transformer with attention and logits (Hoffmann et al. 2022, appendix F).

    A product of a vector and a matrix costs 2 FLOPs per entry of the matrix. A token thus costs 2
    FLOPs per weight of the layers that it passes and of the logits, and attention costs
    4 context d_attention + 3 heads context FLOPs a layer. The embedding is looked up, which is no
    product and costs nothing; appendix F counts it like the logits. Training costs three times as
    much. Norms, biases and position embeddings are left out.

    The scale is the logarithm of ``d_model``. Widths are in proportion to it.

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
    kv_heads
        Number of heads of keys and values (grouped-query attention). By default as many as of
        queries; never more.
    attention_ratio
        Width of all heads of queries over ``d_model``.
    mlp_ratio
        Width of the feed-forward layer, or of one expert, over ``d_model``.
    gated
        Whether the feed-forward layer has a gate, so three matrices in place of two (SwiGLU).
    experts
        Number of experts of a layer, shared ones left out. By default the layer is dense.
    active_experts
        Number of these experts that a token passes.
    shared_experts
        Number of experts that every token passes.
    tied
        Whether the embedding and the logits share one matrix.
    causal
        Whether attention skips the later half of the context, as fast kernels do. Published counts,
        such as those of Hoffmann et al. 2022 and DeepSeek-AI 2024, count all of it.
    recompute
        Share of the forward pass that training computes a second time to save memory, from 0 to 1.
        It adds to the FLOPs of the hardware. A published MFU leaves it out.
    embedding
        Whether ``params`` includes the matrices of the embedding and the logits, as in Hoffmann et
        al. 2022, not in Kaplan et al. 2020.
    logits
        Whether FLOPs include the logits. Appendix F includes them, but the ratios to 6 N D in its
        table A4 are reproduced without them.
    size
        The law's input that measures the size of a model: ``"params"``, of all experts, or
        ``"active_params"``, of those that a token passes.

    Raises
    ------
    InputError
        If ``size`` is neither of the two.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> sb.costs.Transformer(context=2048, vocab=32_000).equation
    'C = FLOPs of training with attention over 2048 tokens, 32000 tokens of vocabulary'
    >>> llama = sb.costs.Transformer(
    ...     8192, 128_256, kv_heads=8, mlp_ratio=3.5, gated=True, tied=False
    ... )
    >>> f"{llama.params(n_layer=32, d_model=4096):.4g}"
    '8.03e+09'
    >>> f"{llama.forward_flops(n_layer=32, d_model=4096):.3g}"
    '1.93e+10'
    """

    context: PositiveReal
    vocab: NonNegativeReal
    aspect: PositiveReal = 128.0
    head_size: PositiveReal = 128.0
    kv_heads: PositiveReal | None = field(default=None, kw_only=True)
    attention_ratio: PositiveReal = field(default=1.0, kw_only=True)
    mlp_ratio: PositiveReal = field(default=4.0, kw_only=True)
    gated: bool = field(default=False, kw_only=True, metadata={"static": True})
    experts: PositiveReal | None = field(default=None, kw_only=True)
    active_experts: PositiveReal = field(default=1.0, kw_only=True)
    shared_experts: NonNegativeReal = field(default=0.0, kw_only=True)
    tied: bool = field(default=True, kw_only=True, metadata={"static": True})
    causal: bool = field(default=False, kw_only=True, metadata={"static": True})
    recompute: Annotated[Real, FRACTION] = field(default=0.0, kw_only=True)
    embedding: bool = field(default=True, kw_only=True, metadata={"static": True})
    logits: bool = field(default=True, kw_only=True, metadata={"static": True})
    size: str = field(default="params", kw_only=True, metadata={"static": True})

    def __post_init__(self) -> None:
        if self.size not in _SIZES:
            raise unknown("size", self.size, _SIZES)

    @property
    @override
    def equation(self) -> str:
        served = " and serving" if self.served_tokens else ""
        routed = ""
        if self.experts is not None:
            routed = f", {self.active_experts:g} of {self.experts:g} experts"
        recomputed = f", {self.recompute:.0%} recomputed" if self.recompute else ""
        return (
            f"C = FLOPs of training{served} with attention over {self.context:g} tokens, "
            f"{self.vocab:g} tokens of vocabulary{routed}{recomputed}"
        )

    def params(self, n_layer: Counts, d_model: Counts) -> Counts:
        """Return the number of parameters of a shape, of all experts.

        Examples
        --------
        >>> import scalingbayes as sb
        >>> mixtral = sb.costs.Transformer(
        ...     8192, 32_000, kv_heads=8, mlp_ratio=3.5, gated=True, tied=False, experts=8,
        ...     active_experts=2,
        ... )
        >>> f"{mixtral.params(32, 4096):.3g}, {mixtral.active_params(32, 4096):.3g}"
        '4.67e+10, 1.29e+10'
        """
        passed = 1.0 if self.experts is None else self.experts + self.shared_experts
        layers = n_layer * self._layer_weights(d_model, passed)
        if not self.embedding:
            return layers
        return layers + (1 if self.tied else 2) * self.vocab * d_model

    def active_params(self, n_layer: Counts, d_model: Counts) -> Counts:
        """Return the number of parameters of a shape that a token passes; see :meth:`params`."""
        if self.experts is None:
            return self.params(n_layer, d_model)
        idle = self.experts - self.active_experts
        return self.params(n_layer, d_model) - n_layer * idle * self._mlp_weights(d_model)

    def forward_flops(self, n_layer: Counts, d_model: Counts) -> Counts:
        """Return the FLOPs of a served token of a shape; see :meth:`params`."""
        passed = 1.0 if self.experts is None else self.active_experts + self.shared_experts
        attention = 4 * self.attention_ratio * d_model * self.context
        attention = attention + 3 * self._heads(d_model) * self.context  # the softmax
        if self.causal:
            attention = attention / 2
        flops = n_layer * (2 * self._layer_weights(d_model, passed) + attention)
        return flops + 2 * self.vocab * d_model if self.logits else flops

    @override
    def log_size(self, scale: Scale) -> Scale:
        d_model = jnp.exp(scale)
        return jnp.log(self._size(d_model / self.aspect, d_model))

    @override
    def log_params(self, scale: Scale) -> Scale:
        d_model = jnp.exp(scale)
        return jnp.log(self.params(d_model / self.aspect, d_model))

    @override
    def log_training(self, scale: Scale) -> Scale:
        return self.log_serving(scale) + self._log_passes()

    @override
    def log_serving(self, scale: Scale) -> Scale:
        d_model = jnp.exp(scale)
        return jnp.log(self.forward_flops(d_model / self.aspect, d_model))

    @override
    def of_shapes(self, n_layer: Scale, d_model: Scale) -> tuple[Scale, Scale, Scale]:
        serving = jnp.log(self.forward_flops(n_layer, d_model))
        return jnp.log(self._size(n_layer, d_model)), serving + self._log_passes(), serving

    def _log_passes(self) -> Scale:
        """Return the log of the FLOPs of training over those of the forward pass."""
        return jnp.log(TRAINING_OVER_SERVING + self.recompute)

    def _size(self, n_layer: Counts, d_model: Counts) -> Counts:
        return getattr(self, self.size)(n_layer, d_model)

    def _heads(self, d_model: Counts) -> Counts:
        return self.attention_ratio * d_model / self.head_size

    def _layer_weights(self, d_model: Counts, mlps: Real) -> Counts:
        """Return the weights of a layer that has, or a token of which passes, this many MLPs."""
        keys = queries = self._heads(d_model)
        if self.kv_heads is not None:  # the smaller of the two, of NumPy's and JAX's arrays
            keys = (queries + self.kv_heads - abs(queries - self.kv_heads)) / 2
        attention = 2 * d_model * self.head_size * (queries + keys)
        router = 0.0 if self.experts is None else d_model * self.experts
        return attention + router + mlps * self._mlp_weights(d_model)

    def _mlp_weights(self, d_model: Counts) -> Counts:
        return (3 if self.gated else 2) * self.mlp_ratio * d_model**2
