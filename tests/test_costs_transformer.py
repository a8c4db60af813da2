"""Size and FLOPs of transformers: hand arithmetic, and published counts and ratios."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import scalingbayes as sb
from scalingbayes.data import architecture

LLAMA = {"kv_heads": 8, "gated": True, "tied": False}

# Columns: name, cost, n_layer, d_model, params, active params. Shapes are those of the models'
# configurations, counts those of their checkpoints; norms, biases and sinks are not counted here.
PUBLISHED = [
    ("Llama 2 7B", {"vocab": 32_000, "mlp_ratio": 11_008 / 4096, "gated": True, "tied": False},
     32, 4096, 6_738_415_616, None),
    ("Llama 3 8B", {"vocab": 128_256, "mlp_ratio": 3.5, **LLAMA}, 32, 4096, 8_030_261_248, None),
    ("Llama 3 70B", {"vocab": 128_256, "mlp_ratio": 3.5, **LLAMA}, 80, 8192, 70_553_706_496, None),
    ("Llama 3 405B", {"vocab": 128_256, "mlp_ratio": 3.25, **LLAMA},
     126, 16_384, 405_853_388_800, None),
    ("Qwen2.5 0.5B", {"vocab": 151_936, "mlp_ratio": 4864 / 896, "gated": True, "kv_heads": 2,
                      "head_size": 64}, 24, 896, 494_032_768, None),
    ("Gemma 2 9B", {"vocab": 256_000, "mlp_ratio": 4.0, "gated": True, "kv_heads": 8,
                    "head_size": 256, "attention_ratio": 8 / 7}, 42, 3584, 9.24e9, None),
    ("Mixtral 8x7B", {"vocab": 32_000, "mlp_ratio": 3.5, "experts": 8, "active_experts": 2,
                      **LLAMA}, 32, 4096, 46_702_792_704, 12_879_925_248),
    ("Qwen3 30B-A3B", {"vocab": 151_936, "mlp_ratio": 0.375, "experts": 128, "active_experts": 8,
                       "attention_ratio": 2.0, **LLAMA, "kv_heads": 4},
     48, 2048, 30_532_122_624, 3_353_032_704),
    ("gpt-oss-120b", {"vocab": 201_088, "mlp_ratio": 1.0, "experts": 128, "active_experts": 4,
                      "head_size": 64, "attention_ratio": 4096 / 2880, **LLAMA},
     36, 2880, 116.83e9, 5.13e9 + 201_088 * 2880),  # the card counts no embedding as active
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "given", "n_layer", "d_model", "params", "active"), PUBLISHED, ids=lambda x: str(x)[:8]
)
def test_params_are_those_of_published_models(name, given, n_layer, d_model, params, active):
    cost = sb.costs.Transformer(4096, **given)
    assert cost.params(n_layer, d_model) == pytest.approx(params, rel=5e-4)
    assert cost.active_params(n_layer, d_model) == pytest.approx(active or params, rel=5e-4)


@pytest.mark.parametrize(
    ("n_layer", "d_model", "heads", "params", "ratio"),
    [
        (10, 640, 10, 73e6, 1.03),
        (20, 1024, 16, 305e6, 1.10),
        (24, 1280, 10, 552e6, 1.08),
        (26, 1792, 14, 1.1e9, 1.04),
        (28, 2048, 16, 1.6e9, 1.03),
        (40, 3584, 28, 6.8e9, 0.99),
    ],
)
def test_flops_over_6nd_are_hoffmanns(n_layer, d_model, heads, params, ratio):
    # Table A4 of Hoffmann et al. 2022. Its sizes are those of 32,000 tokens of vocabulary and, as
    # the models have relative positions, of five square matrices of attention a layer. Its ratios
    # leave out the embedding and the logits, and count all of a context of 2048 tokens.
    bare = sb.costs.Transformer(2048, 32_000, head_size=d_model / heads, logits=False)
    size = bare.params(n_layer, d_model) + n_layer * d_model**2
    assert size == pytest.approx(params, rel=0.04)
    assert bare.forward_flops(n_layer, d_model) / (2 * size) == pytest.approx(ratio, abs=0.0055)


def test_the_embedding_is_looked_up_and_the_logits_are_a_product():
    # Hoffmann's smallest model: each of the two would add 0.28 to the ratio of 1.03.
    bare, whole = (sb.costs.Transformer(2048, 32_000, logits=x) for x in (False, True))
    added = whole.forward_flops(10, 640) - bare.forward_flops(10, 640)
    assert added == 2 * 32_000 * 640
    assert added / (2 * 73e6) == pytest.approx(0.28, abs=0.005)


def test_training_flops_are_deepseeks_with_attention():
    # DeepSeek-AI 2024, eq. 2: 72 L d^2 + 12 L d s; the softmax of 32 heads is added.
    bare = sb.costs.Transformer(4096, 0, head_size=128, logits=False)
    expected = architecture.flops_per_token(30, 4096, 4096) + 9 * 30 * 32 * 4096
    assert 3 * bare.forward_flops(30, 4096) == expected


def test_flops_of_llama_3_by_hand():
    cost = sb.costs.Transformer(8192, 128_256, mlp_ratio=3.5, causal=True, recompute=0.25, **LLAMA)
    queries = output = 4096 * 4096
    keys = values = 4096 * 8 * 128
    mlp = 3 * 4096 * 14_336
    attention = (2 * 2 * 4096 * 8192 + 3 * 32 * 8192) / 2
    layer = 2 * (queries + keys + values + output + mlp) + attention
    forward = 32 * layer + 2 * 128_256 * 4096
    assert cost.forward_flops(32, 4096) == forward
    _, training, serving = cost.of_shapes(jnp.asarray([32.0]), jnp.asarray([4096.0]))
    np.testing.assert_allclose(np.exp(serving), forward, rtol=1e-5)
    np.testing.assert_allclose(np.exp(training), 3.25 * forward, rtol=1e-5)


def test_flops_of_experts_are_those_of_the_ones_that_a_token_passes():
    given = {"mlp_ratio": 0.5, "gated": True, "shared_experts": 1, "tied": True}
    cost = sb.costs.Transformer(2048, 0, experts=64, active_experts=6, logits=False, **given)
    expert, attention, router = 3 * 0.5 * 1024**2, 4 * 1024**2, 64 * 1024
    assert cost.params(10, 1024) == 10 * (attention + router + 65 * expert)
    assert cost.active_params(10, 1024) == 10 * (attention + router + 7 * expert)
    scores = 4 * 1024 * 2048 + 3 * 8 * 2048
    assert cost.forward_flops(10, 1024) == 10 * (2 * (attention + router + 7 * expert) + scores)
    assert "6 of 64 experts" in cost.equation


def test_there_are_never_more_heads_of_keys_than_of_queries():
    few, many = (sb.costs.Transformer(2048, 0, kv_heads=x).params(4, 256) for x in (8, None))
    assert few == many  # two heads of queries


@pytest.mark.parametrize("size", ["params", "active_params"])
def test_the_scale_of_a_size_is_that_of_its_shape(size):
    cost = sb.costs.Transformer(4096, 32_000, experts=8, active_experts=2, size=size, **LLAMA)
    d_model = np.array([512.0, 4096.0, 16_384.0])
    with jax.enable_x64(True):
        sizes = getattr(cost, size)(d_model / 128, d_model)
        np.testing.assert_allclose(np.exp(cost.scale(jnp.log(sizes))), d_model, rtol=1e-12)
        per_token = cost.training_flops(sizes)
    np.testing.assert_allclose(per_token, 3 * cost.forward_flops(d_model / 128, d_model))
    with pytest.raises(sb.InputError, match="no size 'active'"):
        sb.costs.Transformer(4096, 32_000, size="active")
