"""The flow of one picture: a few patches one after another, the rest in parallel.

The sequential part commits to one of the possible motions, the parallel part fills it in. With no
sequential patch the decode is deterministic; with all of them nothing is parallel.
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
from spelke.rollout.parallel import decode_parallel, first_slot_features
from spelke.rollout.sequential import FREE, Choose, decode_sequential, unread
from spelke.tokens.layout import CODES_PER_PATCH, Stream
from spelke.tokens.sequence import TokenSequence, pack_patches


class Question(NamedTuple):
    """What is known of the flow, and in which order the rest is decoded.

    Attributes:
        given: conditioned patches, in sequence order.
        given_codes: their codes, counted from 0.
        order: all other patches, in decode order.
    """

    given: Int[Tensor, "batch given"]
    given_codes: Int[Tensor, "batch given 4"]
    order: Int[Tensor, "batch decoded"]


class DecodedFlow(NamedTuple):
    """One possible flow for each question.

    Attributes:
        tokens: token ids of all patches, in patch order.
        parallel: the patches that were decoded in parallel, in decode order.
        features: what the head read for them, slot by slot.
    """

    tokens: Int[Tensor, "batch patch 4"]
    parallel: Int[Tensor, "batch parallel"]
    features: Float[Tensor, "batch parallel 4 embed_dim"]


def pointer_tokens(patches: Int[Tensor, "*batch patch"], stream: Stream) -> TokenSequence:
    """The pointers of patches."""
    return TokenSequence(patches + stream.pointers.start, stream.position + stream.stride * patches)


def first_features(
    network: LRAS, prefix: Cache, question: Question, stream: Stream
) -> Float[Tensor, "batch decoded embed_dim"]:
    """What the head reads for the first code of every patch that is not given, in decode order.

    All that affordance, entropy and expected displacement need: one parallel pass.
    """
    prompt = pack_patches(question.given_codes, question.given, stream)
    pointers = pointer_tokens(question.order, stream)
    cache = prefix.branch(prompt.length + pointers.length)
    return first_slot_features(network, cache, prompt, pointers)


def decode_flow(
    network: LRAS,
    prefix: Cache,
    question: Question,
    stream: Stream,
    num_sequential: int,
    draw: Choose,
    pick: Callable[[Tensor], Tensor],
    forced: Callable[[int], None] = lambda step: None,
) -> DecodedFlow:
    """Decode every patch that is not given.

    Args:
        network: predicts the next token.
        prefix: the picture (and camera), shared by all questions; it is not changed.
        question: what is known; batched.
        stream: where flow lives in the vocabulary.
        num_sequential: how many patches of the order are drawn one after another.
        draw: chooses tokens in the sequential part (features, step).
        pick: chooses tokens in the parallel part (features).
        forced: called at every pointer of the sequential part.
    """
    given, given_codes, order = question
    one_by_one, rest = order[:, :num_sequential], order[:, num_sequential:]
    prompt = pack_patches(given_codes, given, stream)
    free = given.new_full((*one_by_one.shape, CODES_PER_PATCH), FREE - stream.codes.start)
    wanted = pack_patches(free, one_by_one, stream)
    cache = prefix.branch(prompt.length + wanted.length + CODES_PER_PATCH * rest.shape[1])
    drawn = decode_sequential(network, cache, prompt, wanted, draw, forced=forced)
    before = unread(prompt, wanted, drawn)

    batch, num_patches = order.shape[0], given.shape[1] + order.shape[1]
    tokens = given.new_zeros(batch, num_patches, CODES_PER_PATCH)
    _put(tokens, given, given_codes + stream.codes.start)
    _put(tokens, one_by_one, drawn.unflatten(1, (-1, 1 + CODES_PER_PATCH))[..., 1:])
    if rest.shape[1] == 0:
        nothing = torch.zeros(batch, 0, CODES_PER_PATCH, network.config.embed_dim)
        return DecodedFlow(tokens, rest, nothing.to(order.device))
    slots = decode_parallel(network, cache, before, pointer_tokens(rest, stream), pick)
    _put(tokens, rest, slots.tokens)
    return DecodedFlow(tokens, rest, slots.features)


def scatter_patches(
    values: Float[Tensor, "batch some *rest"], patches: Int[Tensor, "batch some"], full: Tensor
) -> Tensor:
    """A copy of `full` (batch, patch, *rest) with `values` at `patches`."""
    full = full.clone()
    _put(full, patches, values)
    return full


def _put(full: Tensor, patches: Tensor, values: Tensor) -> None:
    rows = torch.arange(full.shape[0], device=full.device)[:, None]
    full[rows, patches] = values
