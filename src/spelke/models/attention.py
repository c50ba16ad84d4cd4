"""How tokens look at each other: one free function over queries, keys and values, and its module.

Notable choices: one scaled-dot-product call serves causal, bidirectional and cross attention; what
many continuations share is read once for all of them while decoding token by token.
Source: Venkatesh et al. 2025, section 3.1 (the published network is a GPT-2 style decoder).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention

from spelke.errors import InvalidInput
from spelke.models.cache import KeysValues, LayerCache

Mask: TypeAlias = Bool[Tensor, "*mask"] | Float[Tensor, "*mask"]
"""True where a query may look; or a bias that is added to the scores, -inf where it may not."""


_FEW_KEYS = 1024
"""Up to so many keys, scores are kept for the way back."""


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
) -> Float[Tensor, "batch head query head_dim"]:
    """Mix `value` by the similarity of `query` and `key`, scaled by 1/sqrt(head_dim).

    Args:
        query: what looks.
        key: what is looked at; a batch of 1 serves every query.
        value: what is taken.
        mask: where a query may look, broadcastable to (batch, head, query, key).
        causal: a query sees keys up to its own place, counted from the *end* of `key`.
    """
    if causal and mask is not None:
        raise InvalidInput(
            "got both `mask` and `causal=True`; give one of them: a causal restriction can be "
            "written into the mask with `causal_mask`"
        )
    (batch, _, num_queries, _), num_keys = query.shape, key.shape[2]
    key, value = (x.expand(batch, -1, -1, -1) for x in (key, value))
    if query.requires_grad and query.device.type == "cpu" and num_keys <= _FEW_KEYS:
        return _attend_in_steps(
            query, key, value, _lower_right(num_queries, num_keys) if causal else mask
        )
    if causal and 1 < num_queries < num_keys:
        # Kernels of a GPU know this mask and never build it; those of a CPU need it built.
        build = _lower_right if query.device.type == "cpu" else causal_lower_right
        mask = build(num_queries, num_keys)
    return scaled_dot_product_attention(
        query, key, value, mask, is_causal=causal and num_queries == num_keys
    )


def _attend_in_steps(query: Tensor, key: Tensor, value: Tensor, mask: Mask | None) -> Tensor:
    """The same for training on a CPU, where going back through the fused kernel is slow.

    A training step of `spelke-small` takes a quarter less time. Scores are kept: hence only for few
    keys.
    """
    scores = (query * query.shape[3] ** -0.5) @ key.transpose(2, 3)
    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, -torch.inf)
    elif mask is not None:
        scores = scores + mask.to(scores.dtype)
    with torch.autocast(query.device.type, enabled=False):
        return scores.softmax(3) @ value


@lru_cache(maxsize=4)
def _lower_right(num_queries: int, num_keys: int) -> Bool[Tensor, "query key"]:
    return causal_mask(num_queries, num_keys, torch.device("cpu"))


def attend_after(
    query: Float[Tensor, "batch head query head_dim"],
    key: Float[Tensor, "batch head key head_dim"],
    value: Float[Tensor, "batch head key head_dim"],
    prefixes: Sequence[KeysValues],
) -> Float[Tensor, "batch head query head_dim"]:
    """Causal attention of sequences that continue others, without a copy of those for each.

    For a few new tokens of each sequence: there attention is bound by reading keys and values, and
    here a prefix is read once for all that follow it.

    Args:
        query: the newest tokens.
        key: own keys, float32, those of the newest tokens at the end.
        value: own values.
        prefixes: keys (float32) and values of what comes before, batch 1 each; equal shares of the
            batch follow each.
    """
    shares = query.chunk(len(prefixes)), key.chunk(len(prefixes)), value.chunk(len(prefixes))
    # Scores are float32 whatever comes in: rounded to bfloat16 they would be off by percents.
    with torch.autocast(query.device.type, enabled=False):
        parts = zip(*shares, prefixes, strict=True)
        return torch.cat([_attend_after_one(*part) for part in parts])


def _attend_after_one(query: Tensor, key: Tensor, value: Tensor, prefix: KeysValues) -> Tensor:
    batch, head, num_queries, head_dim = query.shape
    query = query.float() * head_dim**-0.5
    # All sequences' queries become rows of one matrix product.
    rows = query.transpose(0, 1).reshape(head, batch * num_queries, head_dim)
    far = (rows @ prefix[0][0].transpose(1, 2)).view(head, batch, num_queries, -1).transpose(0, 1)
    near = query @ key.transpose(2, 3)
    if num_queries > 1:
        hidden = torch.ones(num_queries, num_queries, dtype=torch.bool, device=query.device).triu(1)
        near[..., -num_queries:].masked_fill_(hidden, -torch.inf)
    weights = torch.cat([far, near], 3).softmax(3).to(value.dtype)
    far, near = weights.split([far.shape[3], near.shape[3]], 3)
    rows = far.transpose(0, 1).reshape(head, batch * num_queries, -1)
    out = (rows @ prefix[1][0]).view(head, batch, num_queries, head_dim).transpose(0, 1)
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
        cache: LayerCache | None = None,
        mask: Mask | None = None,
        causal: bool = False,
    ) -> Float[Tensor, "batch length embed_dim"]:
        """Let each token of `x` look around.

        Args:
            x: the tokens.
            context: look at these keys and values *instead of* at `x` (cross attention).
            cache: the keys and values of earlier tokens; those of `x` are appended to it. What the
                sequences of the cache continue is seen too, and attention is then causal.
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
            key, value = cache.append(key, value)
        if cache is not None and cache.prefixes:
            out = attend_after(query, key, value, cache.prefixes)
        else:
            out = attend(query, key, value, mask=mask, causal=causal)
        return self.c_proj(out.transpose(1, 2).flatten(2))

    def _split_heads(self, x: Tensor) -> Tensor:
        heads = x.unflatten(2, (self.num_heads, -1))
        return heads.transpose(1, 2)  # (batch, head, length, head_dim)
