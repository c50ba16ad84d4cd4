"""The flow of one picture: a few patches one after another, the rest in parallel.

The sequential part commits to one of the possible motions, the parallel part fills it in. With no
sequential patch the decode is deterministic; with all of them nothing is parallel.
Source: Venkatesh et al. 2025, section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
    """One possible flow for one question.

    Attributes:
        tokens: token ids of all patches, in patch order.
        parallel: the patches that were decoded in parallel, in decode order.
        features: what the head read for them, slot by slot; None if there are none.
    """

    tokens: Int[Tensor, "1 patch 4"]
    parallel: Int[Tensor, "1 parallel"]
    features: Float[Tensor, "1 parallel 4 embed_dim"] | None


def pointer_tokens(patches: Int[Tensor, "*batch patch"], stream: Stream) -> TokenSequence:
    """The pointers of patches."""
    return TokenSequence(patches + stream.pointers.start, stream.position + stream.stride * patches)


def first_features(
    network: LRAS, reading: Cache, question: Question, stream: Stream
) -> Float[Tensor, "1 decoded embed_dim"]:
    """What the head reads for the first code of every patch that is not given, in decode order.

    All that affordance, entropy and expected displacement need: one parallel pass. The arguments
    are those of `decode_flow`, for one question.
    """
    prompt = pack_patches(question.given_codes, question.given, stream)
    pointers = pointer_tokens(question.order, stream)
    reading.reserve(prompt.length + pointers.length)
    with _restored(reading):
        return first_slot_features(network, reading, prompt, pointers)


def decode_flow(
    network: LRAS,
    readings: Sequence[Cache],
    questions: Question,
    stream: Stream,
    num_sequential: int,
    draw: Choose,
    pick: Callable[[Tensor], Tensor],
    *,
    forced: Callable[[], None] | None = None,
    rows: Sequence[int] | None = None,
) -> Iterator[DecodedFlow]:
    """Decode every patch that is not given; yields one flow for each question of `rows`.

    All questions advance together while tokens are drawn one after another; there a step is bound
    by reading the weights. A parallel pass of one question has a thousand tokens and is bound by
    arithmetic, so the questions take turns: each passes right behind the picture, in the picture's
    own cache, and is then forgotten. Nothing is copied for it.

    Args:
        network: predicts the next token.
        readings: pictures (and cameras) already read; equal shares of the questions are about
            each. Afterwards they hold what they held before.
        questions: what is known; batched.
        stream: where flow lives in the vocabulary.
        num_sequential: how many patches of the order are drawn one after another.
        draw: chooses tokens in the sequential part (features, step).
        pick: chooses tokens in the parallel part (features).
        forced: see `decode_sequential`.
        rows: the questions whose flow is wanted, all by default; others only fill up a batch.
    """
    given, given_codes, order = questions
    one_by_one, rest = order[:, :num_sequential], order[:, num_sequential:]
    prompt = pack_patches(given_codes, given, stream)
    free = given.new_full((*one_by_one.shape, CODES_PER_PATCH), FREE - stream.codes.start)
    wanted = pack_patches(free, one_by_one, stream)
    for reading in readings:
        reading.reserve(prompt.length + wanted.length + CODES_PER_PATCH * rest.shape[1])
    lanes, drawn, before = None, wanted.tokens, prompt
    if wanted.length:
        lanes = Cache.after(readings, prompt.length + wanted.length)
        drawn = decode_sequential(network, lanes, prompt, wanted, draw, forced=forced)
        before = unread(prompt, wanted, drawn)

    tokens = given.new_zeros(len(order), given.shape[1] + order.shape[1], CODES_PER_PATCH)
    _put(tokens, given, given_codes + stream.codes.start)
    _put(tokens, one_by_one, drawn.unflatten(1, (-1, 1 + CODES_PER_PATCH))[..., 1:])
    for row in range(len(order)) if rows is None else rows:
        one = slice(row, row + 1)
        if rest.shape[1] == 0:
            yield DecodedFlow(tokens[one], rest[one], None)
            continue
        reading = readings[row * len(readings) // len(order)]
        with _restored(reading):
            if lanes is not None:
                reading.append_from(lanes, row)
            known = TokenSequence(before.tokens[one], before.positions[one])
            slots = decode_parallel(
                network, reading, known, pointer_tokens(rest[one], stream), pick
            )
        _put(tokens[one], rest[one], slots.tokens)
        yield DecodedFlow(tokens[one], rest[one], slots.features)


@contextmanager
def _restored(cache: Cache) -> Iterator[None]:
    """Let something be read at the end of a cache, and forget it."""
    length = cache.length
    try:
        yield
    finally:
        cache.rewind(length)


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
