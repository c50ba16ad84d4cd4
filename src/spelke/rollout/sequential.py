"""Tokens one after another, each drawn knowing all before it.

Notable choices: tokens that are known beforehand (pointers, forced contents) are read together with
what follows them, so a patch of one pointer and four codes costs four passes; all sequences of a
batch advance together; the network's cache makes every pass as long as its new tokens.
Source: Venkatesh et al. 2025, section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Int
from torch import Tensor

from spelke.errors import InvalidInput
from spelke.models.cache import Cache
from spelke.models.lras import LRAS
from spelke.tokens.sequence import TokenSequence

FREE = -1
"""Marks a token that is to be drawn."""

Choose = Callable[[Tensor, int], Tensor]
"""(features (batch, embed_dim), step) -> token ids (batch,)."""


def decode_sequential(
    network: LRAS,
    cache: Cache,
    prompt: TokenSequence,
    wanted: TokenSequence,
    choose: Choose,
    *,
    forced: Callable[[], None] | None = None,
    guidance: float = 0.0,
) -> Int[Tensor, "batch step"]:
    """Continue sequences token by token.

    Args:
        network: predicts the next token.
        cache: holds what precedes `prompt`. Afterwards it holds all tokens but the last known
            stretch, which the caller reads together with what follows (see `unread`).
        prompt: known tokens that the cache does not hold yet, (batch, prompt).
        wanted: tokens, `FREE` where one is to be drawn, and their positions, (batch, step). A step
            is free in all sequences or in none.
        choose: draws the free tokens; gets what the head reads.
        forced: called at each step that is not free (the published code spends a draw there).
        guidance: adds this multiple of the logits of a token that has seen only the prompt.

    Returns:
        `wanted` with every place filled.
    """
    tokens = wanted.tokens.clone()
    free = tokens == FREE
    if bool((free.any(0) != free.all(0)).any()):
        raise InvalidInput("a step must be free in all sequences of a batch, or in none")
    alone = None
    if guidance:
        network.features(prompt.tokens, prompt.positions, cache)
        alone, prompt = cache.copy(), prompt.cut(0, 0)
    read = 0
    for step, is_free in enumerate(free[0].tolist()):
        if not is_free:
            if forced is not None:
                forced()
            continue
        fresh = prompt + TokenSequence(tokens, wanted.positions).cut(read, step)
        features = network.features(fresh.tokens, fresh.positions, cache)[:, -1]
        if alone is not None and step:
            features = _guide(network, alone, features, fresh.cut(-1), guidance)
        tokens[:, step] = choose(features, step)
        prompt, read = prompt.cut(0, 0), step
    return tokens


def unread(prompt: TokenSequence, wanted: TokenSequence, tokens: Tensor) -> TokenSequence:
    """What `decode_sequential` has drawn or been given after the last token it read."""
    free = (wanted.tokens[0] == FREE).nonzero()
    done = TokenSequence(tokens, wanted.positions)
    return prompt + done if len(free) == 0 else done.cut(int(free[-1]))


def _guide(
    network: LRAS, alone: Cache, features: Tensor, last: TokenSequence, guidance: float
) -> Tensor:
    """Features whose logits are the sum of both: the head is linear."""
    length = alone.length
    unaware = network.features(last.tokens, last.positions, alone)[:, -1]
    alone.rewind(length)
    return features + guidance * unaware
