"""All patches at once, slot by slot: four passes whatever the number of patches.

A pass reads one more slot of every patch. Attention is causal, so a pointer sees the pointers
before it and not their contents, and a slot's tokens see all slots before them: the published
behaviour, which its cache-free code reaches by reading everything four times.
Source: Venkatesh et al. 2025, section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spelke.models.cache import Cache
from spelke.models.lras import LRAS
from spelke.tokens.layout import CODES_PER_PATCH
from spelke.tokens.sequence import TokenSequence


class Slots(NamedTuple):
    """What the parallel passes found.

    Attributes:
        tokens: (batch, patch, slot) token ids.
        features: (batch, patch, slot, embed_dim), what the head read for each.
    """

    tokens: Int[Tensor, "batch patch slot"]
    features: Float[Tensor, "batch patch slot embed_dim"]


def first_slot_features(
    network: LRAS, cache: Cache, prompt: TokenSequence, pointers: TokenSequence
) -> Float[Tensor, "batch patch embed_dim"]:
    """What the head reads for the first code of every patch.

    Args:
        network: predicts the next token.
        cache: holds what precedes `prompt`; prompt and pointers are added to it.
        prompt: known tokens that the cache does not hold yet, (batch, prompt).
        pointers: the patches' pointers, (batch, patch).
    """
    sequence = prompt + pointers
    features = network.features(sequence.tokens, sequence.positions, cache)
    return features[:, prompt.length :]


def decode_parallel(
    network: LRAS,
    cache: Cache,
    prompt: TokenSequence,
    pointers: TokenSequence,
    choose: Callable[[Tensor], Tensor],
    slots: int = CODES_PER_PATCH,
) -> Slots:
    """The first `slots` codes of all patches.

    Args:
        network: predicts the next token.
        cache: holds what precedes `prompt`; all that is read is added to it.
        prompt: known tokens that the cache does not hold yet, (batch, prompt).
        pointers: the patches' pointers, (batch, patch); slot s has the pointer's position plus s.
        choose: features (batch, patch, embed_dim) to token ids (batch, patch).
        slots: how many codes of each patch are wanted.
    """
    features = [first_slot_features(network, cache, prompt, pointers)]
    tokens = [choose(features[0])]
    for slot in range(1, slots):
        features.append(network.features(tokens[-1], pointers.positions + slot, cache))
        tokens.append(choose(features[-1]))
    return Slots(torch.stack(tokens, 2), torch.stack(features, 2))
