import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spelke.errors import InvalidInput
from spelke.models.attention import Attention, attend, causal_mask


def _qkv(batch, queries, keys, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, 2, length, 8, generator=generator).to(dtype)
        for length in (queries, keys, keys)
    ]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 14), st.integers(0, 3), st.integers(1, 9), st.booleans())
def test_a_prefix_is_the_same_as_more_keys(batch, queries, extra, prefix, causal):
    query, key, value = _qkv(batch, queries, queries + extra)
    _, far_key, far_value = _qkv(1, 1, prefix, seed=1)
    shared = attend(query, key, value, causal=causal, prefix=(far_key, far_value))
    joined_key = torch.cat([far_key.expand(batch, -1, -1, -1), key], 2)
    joined_value = torch.cat([far_value.expand(batch, -1, -1, -1), value], 2)
    mask = causal_mask(queries, queries + extra + prefix, query.device) if causal else None
    score = query @ joined_key.transpose(2, 3) / 8**0.5
    if mask is not None:
        score = score.masked_fill(~mask, float("-inf"))
    torch.testing.assert_close(shared, score.softmax(3) @ joined_value, atol=1e-5, rtol=1e-5)


def test_a_mask_speaks_of_the_keys_and_never_hides_the_prefix():
    query, key, value = _qkv(2, 12, 12)
    prefix = tuple(_qkv(1, 1, 5, seed=1)[1:])
    only_prefix = attend(query, key, value, mask=torch.zeros(12, 12).bool(), prefix=prefix)
    torch.testing.assert_close(only_prefix, attend(query, *prefix), atol=1e-6, rtol=1e-5)


def test_a_prefix_of_each_sample_is_not_shared():
    query, key, value = _qkv(3, 2, 4)
    prefix = tuple(_qkv(3, 1, 5, seed=1)[1:])
    together = attend(query, key, value, prefix=prefix)
    for row in range(3):
        one = slice(row, row + 1)
        alone = attend(query[one], key[one], value[one], prefix=tuple(x[one] for x in prefix))
        torch.testing.assert_close(together[one], alone, atol=1e-6, rtol=1e-5)


def test_shared_prefix_in_bfloat16_is_as_exact_as_the_fused_kernel():
    query, key, value = _qkv(2, 1, 4)
    far = _qkv(1, 1, 300, seed=1)[1:]
    exact = attend(query, key, value, prefix=tuple(far))
    half = attend(
        *(x.bfloat16() for x in (query, key, value)), prefix=tuple(x.bfloat16() for x in far)
    )
    assert half.dtype == torch.bfloat16
    assert (half.float() - exact).abs().max() < 0.01


def test_mask_and_causal_together_are_refused():
    query, key, value = _qkv(1, 3, 3)
    with pytest.raises(InvalidInput, match="both `mask` and `causal=True`"):
        attend(query, key, value, mask=torch.ones(3, 3).bool(), causal=True)


def test_context_replaces_own_keys():
    torch.manual_seed(0)
    layer = Attention(16, 2)
    x, other = torch.randn(2, 5, 16), torch.randn(2, 7, 16)
    torch.testing.assert_close(layer(x, context=layer.keys_values(x)), layer(x))
    assert not torch.allclose(layer(x, context=layer.keys_values(other)), layer(x))


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(InvalidInput, match=r"embed_dim=10 .* num_heads=3"):
        Attention(10, 3)
