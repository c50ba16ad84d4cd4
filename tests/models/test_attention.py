import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spelke.errors import InvalidInput
from spelke.models.attention import Attention, attend, attend_after, causal_mask


def _qkv(batch, queries, keys, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, 2, length, 8, generator=generator).to(dtype)
        for length in (queries, keys, keys)
    ]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 14), st.integers(0, 3), st.integers(1, 9))
def test_what_comes_before_is_the_same_as_more_keys(batch, queries, extra, prefix):
    query, key, value = _qkv(batch, queries, queries + extra)
    _, far_key, far_value = _qkv(1, 1, prefix, seed=1)
    shared = attend_after(query, key, value, [(far_key, far_value)])
    joined_key = torch.cat([far_key.expand(batch, -1, -1, -1), key], 2)
    joined_value = torch.cat([far_value.expand(batch, -1, -1, -1), value], 2)
    joined = attend(query, joined_key, joined_value, causal=True)
    torch.testing.assert_close(shared, joined, atol=1e-5, rtol=1e-5)


@given(st.integers(1, 9), st.integers(0, 7))
def test_causal_counts_from_the_end(queries, extra):
    query, key, value = _qkv(2, queries, queries + extra)
    ours = attend(query, key, value, causal=True)
    visible = causal_mask(queries, queries + extra, query.device)
    score = (query @ key.transpose(2, 3) / 8**0.5).masked_fill(~visible, float("-inf"))
    torch.testing.assert_close(ours, score.softmax(3) @ value, atol=1e-5, rtol=1e-5)


def test_equal_shares_follow_each_prefix():
    query, key, value = _qkv(6, 2, 4)
    prefixes = [tuple(_qkv(1, 1, length, seed=length)[1:]) for length in (5, 7, 5)]
    together = attend_after(query, key, value, prefixes)
    for row in range(6):
        one = slice(row, row + 1)
        alone = attend_after(query[one], key[one], value[one], [prefixes[row // 2]])
        torch.testing.assert_close(together[one], alone, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("autocast", [False, True])
def test_a_prefix_in_bfloat16_is_as_exact_as_the_fused_kernel(autocast):
    query, key, value = _qkv(2, 1, 4)
    far = _qkv(1, 1, 300, seed=1)[1:]
    exact = attend_after(query, key, value, [tuple(far)])
    query, value, far_value = (x.bfloat16() for x in (query, value, far[1]))
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        half = attend_after(query, key, value, [(far[0], far_value)])
    assert half.dtype == torch.bfloat16
    assert (half.float() - exact).abs().max() < 0.01


@pytest.mark.parametrize("kind", ["none", "mask", "bias", "causal"])
def test_going_back_is_the_same_as_through_the_fused_kernel(kind):
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, n, 8, requires_grad=True) for n in (5, 9, 9))
    hidden = torch.rand(2, 1, 5, 9) < 0.4
    hidden[..., 0] = False
    mask = {"mask": ~hidden, "bias": torch.randn(5, 9).masked_fill(hidden, -torch.inf)}.get(kind)
    out = attend(query, key, value, mask=mask, causal=kind == "causal")
    fused_mask = causal_mask(5, 9, torch.device("cpu")) if kind == "causal" else mask
    fused = torch.nn.functional.scaled_dot_product_attention(query, key, value, fused_mask)
    torch.testing.assert_close(out, fused)
    for got, expected in zip(
        torch.autograd.grad(out.square().sum(), (query, key, value)),
        torch.autograd.grad(fused.square().sum(), (query, key, value)),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)


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
