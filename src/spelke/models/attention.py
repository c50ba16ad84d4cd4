"""How tokens look at each other: one free function over queries, keys and values, and its module.

Notable choices: one scaled-dot-product call serves causal, bidirectional and cross attention; a
prefix that many continuations share is read once and never copied per continuation while decoding
token by token.
Source: Venkatesh et al. 2025, section 3.1 (the published network is a GPT-2 style decoder).
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from spelke.errors import InvalidInput
from spelke.models.cache import LayerCache

KeysValues = tuple[Tensor, Tensor]
"""Keys and values, each (batch, head, time, head_dim); a batch of 1 is shared by all samples."""

Mask: TypeAlias = Bool[Tensor, "*mask"] | Float[Tensor, "*mask"]
"""True where a query may look; or a bias that is added to the scores, -inf where it may not."""

_FEW_QUERIES = 8
"""Up to this many new tokens, a shared prefix is attended to in place instead of being expanded."""


def causal_mask(num_queries: int, num_keys: int, device: torch.device) -> Bool[Tensor, "query key"]:
    """True where a query may look, when the queries are the *last* of the keys."""
    visible = torch.ones(num_queries, num_keys, dtype=torch.bool, device=device)
    return visible.tril(num_keys - num_queries)


def attend(
    query: Float[Tensor, "batch head query head_dim"],
    key: Float[Tensor, "#batch head key head_dim"],
    value: Float[Tensor, "#batch head key head_dim"],
    *,
    mask: Mask | None = None,
    causal: bool = False,
    prefix: KeysValues | None = None,
) -> Float[Tensor, "batch head query head_dim"]:
    """Mix `value` by the similarity of `query` and `key`, scaled by 1/sqrt(head_dim).

    Args:
        query: what looks.
        key: what is looked at; a batch of 1 serves every query.
        value: what is taken.
        mask: where a query may look, broadcastable to (batch, head, query, key); it speaks of `key`
            only, for a prefix is always visible.
        causal: a query sees keys up to its own place, counted from the *end* of `key`.
        prefix: keys and values that precede `key` and that every query sees.
    """
    num_queries, num_keys = query.shape[2], key.shape[2]
    if causal and mask is not None:
        raise InvalidInput(
            "got both `mask` and `causal=True`; give one of them: a causal restriction can be "
            "written into the mask with `causal_mask`"
        )
    if prefix is not None and num_queries <= _FEW_QUERIES and prefix[0].shape[0] == 1:
        if causal and num_queries > 1:
            mask = causal_mask(num_queries, num_keys, query.device)
        return _attend_shared(query, key, value, mask, prefix)
    batch = query.shape[0]
    if prefix is not None:
        key = torch.cat([_expand(prefix[0], batch), _expand(key, batch)], 2)
        value = torch.cat([_expand(prefix[1], batch), _expand(value, batch)], 2)
        if mask is not None:
            free = mask.new_ones(()) if mask.dtype == torch.bool else mask.new_zeros(())
            sees_prefix = free.expand(*mask.shape[:-1], prefix[0].shape[2])
            mask = torch.cat([sees_prefix, mask.expand(*mask.shape[:-1], num_keys)], -1)
    key, value = _expand(key, batch), _expand(value, batch)
    square = key.shape[2] == num_queries
    if causal and not square and num_queries > 1:
        mask = causal_mask(num_queries, key.shape[2], query.device)
    return scaled_dot_product_attention(query, key, value, mask, is_causal=causal and square)


def _expand(tensor: Tensor, batch: int) -> Tensor:
    return tensor.expand(batch, -1, -1, -1)


def _attend_shared(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, prefix: KeysValues
) -> Tensor:
    """The same softmax over prefix and own keys, without a copy of the prefix for each sample.

    Single-token decoding is bound by reading keys and values; here a shared prefix is read once for
    the whole batch.
    """
    batch, head, num_queries, head_dim = query.shape
    query = query * head_dim**-0.5
    # All samples' queries become rows of one matrix product.
    rows = query.transpose(0, 1).reshape(1, head, batch * num_queries, head_dim)
    # Scores are float32 whatever comes in: rounded to bfloat16 they would be off by percents.
    far = rows.float() @ prefix[0].transpose(2, 3).float()
    far = far.view(head, batch, num_queries, -1).transpose(0, 1)
    near = query.float() @ key.transpose(2, 3).float()
    if mask is not None:
        near = near.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else near + mask
    weights = torch.cat([far, near], 3).softmax(3).to(value.dtype)
    far, near = weights.split([far.shape[3], near.shape[3]], 3)
    rows = far.transpose(0, 1).reshape(1, head, batch * num_queries, -1)
    out = (rows @ prefix[1]).view(head, batch, num_queries, head_dim).transpose(0, 1)
    return out + near @ value


class Attention(nn.Module):
    """Multi-head attention with fused projections (rows of `c_attn`: queries, keys, values).

    Args:
        embed_dim: width; must be a multiple of `num_heads`.
        num_heads: head h owns rows h*d .. (h+1)*d inside each third of `c_attn`.
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise InvalidInput(
                f"embed_dim={embed_dim} is not a multiple of num_heads={num_heads}; "
                "choose a width that the heads divide"
            )
        self.num_heads = num_heads
        self.c_attn = nn.Linear(embed_dim, 3 * embed_dim, bias=False)
        self.c_proj = nn.Linear(embed_dim, embed_dim, bias=False)

    def keys_values(self, x: Float[Tensor, "batch length embed_dim"]) -> KeysValues:
        """What others see of `x`: keys and values, each (batch, head, length, head_dim)."""
        embed_dim = x.shape[2]
        weight = self.c_attn.weight[embed_dim:]
        key, value = nn.functional.linear(x, weight).chunk(2, 2)
        return self._split_heads(key), self._split_heads(value)

    def forward(
        self,
        x: Float[Tensor, "batch length embed_dim"],
        *,
        context: KeysValues | None = None,
        prefix: KeysValues | None = None,
        cache: LayerCache | None = None,
        mask: Mask | None = None,
        causal: bool = False,
    ) -> Float[Tensor, "batch length embed_dim"]:
        """Let each token of `x` look around.

        Args:
            x: the tokens.
            context: look at these keys and values *instead of* at `x` (cross attention).
            prefix: look at these keys and values *as well as* at `x`.
            cache: the keys and values of earlier tokens; those of `x` are appended to it.
            mask: where a token may look, over `context`, or over `x` where none is given.
            causal: a token does not see later ones.
        """
        if context is not None:
            query = nn.functional.linear(x, self.c_attn.weight[: x.shape[2]])
            query = self._split_heads(query)
            key, value = context
        else:
            query, key, value = map(self._split_heads, self.c_attn(x).chunk(3, 2))
        if cache is not None:
            key, value, prefix = cache.append(key, value)
        out = attend(query, key, value, mask=mask, causal=causal, prefix=prefix)
        return self.c_proj(out.transpose(1, 2).flatten(2))

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.num_heads, -1)).transpose(
            1, 2
        )  # (batch, head, length, head_dim)
