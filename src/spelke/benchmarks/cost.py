"""What a rollout costs: tokens, attended pairs and logit rows, and the FLOPs they make.

The unit is one `Pass`: tokens that enter the network, on top of those already cached. A question
is a list of passes; its cost is their sum. `published_*` count the published layout (five tokens
for a patch), with the reference's way of calling the network and with a shared prefix cache;
`prefix_*` count our layout (one embedding for an image patch, bidirectional inside the image).

Source: Venkatesh et al. 2025 for the layout; FLOPs as usual for a decoder: a product of an
(m, k) with a (k, n) matrix is 2 m k n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PATCHES = 1024
"""Patches of the published 32 x 32 grid."""
TOKENS_PER_PATCH = 5
"""Published layout: a pointer and four codes."""
CAMERA_TOKENS = 8
SCENE_TOKENS = PATCHES * TOKENS_PER_PATCH + CAMERA_TOKENS
"""Image and camera: what every question about one image shares."""


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """What the cost of a transformer depends on."""

    embed_dim: int
    depth: int
    vocabulary: int

    @property
    def flops_per_token(self) -> int:
        """Matrix products of one token through all blocks (four of attention, two of the MLP)."""
        return 24 * self.embed_dim**2 * self.depth

    @property
    def flops_per_pair(self) -> int:
        """One query attending to one key, over all blocks and heads."""
        return 4 * self.embed_dim * self.depth

    def flops_per_logit_row(self, vocabulary: int | None = None) -> int:
        """The head for one token, over the whole vocabulary or the part that is wanted."""
        return 2 * self.embed_dim * (self.vocabulary if vocabulary is None else vocabulary)

    @property
    def cache_values_per_token(self) -> int:
        """Numbers kept for one cached token: keys and values of every block."""
        return 2 * self.embed_dim * self.depth


SPELKENET_1B = NetworkSize(embed_dim=1280, depth=36, vocabulary=111_616)
SPELKENET_7B = NetworkSize(embed_dim=4096, depth=32, vocabulary=111_616)


@dataclass(frozen=True, slots=True)
class Cost:
    """Work of one or several calls; costs add up."""

    tokens: int = 0
    flops: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.tokens + other.tokens, self.flops + other.flops)

    def __mul__(self, times: int) -> Cost:
        return Cost(self.tokens * times, self.flops * times)

    __rmul__ = __mul__


@dataclass(frozen=True, slots=True)
class Pass:
    """Tokens sent through a network at once.

    Attributes:
        tokens: tokens that are computed.
        cached: tokens before them whose keys and values are reused.
        logit_rows: tokens whose logits are computed.
        is_causal: a token sees those before it; otherwise all of its pass. Both see what is cached.
        vocabulary: columns of the head that are computed; None is all.
    """

    tokens: int
    cached: int = 0
    logit_rows: int = 0
    is_causal: bool = True
    vocabulary: int | None = None

    @property
    def pairs(self) -> int:
        """Pairs of a token and one that it attends to, itself included."""
        own = self.tokens * (self.tokens + 1) // 2 if self.is_causal else self.tokens**2
        return self.tokens * self.cached + own


def cost_of(network: NetworkSize, passes: Sequence[Pass]) -> Cost:
    """Add up what passes cost in one network."""
    total = Cost()
    for one in passes:
        flops = one.tokens * network.flops_per_token + one.pairs * network.flops_per_pair
        flops += one.logit_rows * network.flops_per_logit_row(one.vocabulary)
        total += Cost(one.tokens, flops)
    return total


def published_call(conditioned: int = 5, sequential: int = 0) -> list[Pass]:
    """One call as the reference makes it: nothing of the image is reused, four full passes.

    Args:
        conditioned: patches whose flow is given (four still corners and the pokes).
        sequential: patches that are decoded one token at a time before the parallel passes.
    """
    parallel = PATCHES - conditioned - sequential
    given = SCENE_TOKENS + TOKENS_PER_PATCH * conditioned
    passes = []
    if sequential:
        steps = TOKENS_PER_PATCH * sequential
        passes += [Pass(given), Pass(steps, cached=given, logit_rows=steps)]
    known = given + TOKENS_PER_PATCH * sequential
    passes += [Pass(known + slot * parallel, logit_rows=parallel) for slot in range(1, 5)]
    return passes


def published_scene() -> list[Pass]:
    """Image and camera, once, for every question that follows."""
    return [Pass(SCENE_TOKENS)]


def published_cached_call(
    conditioned: int = 5, sequential: int = 0, slots: int = 4, vocabulary: int | None = None
) -> list[Pass]:
    """The same answer on top of `published_scene`: every token is computed once.

    Args:
        conditioned, sequential: as in `published_call`.
        slots: codes of a patch that are decoded; the expected displacement needs the first only.
        vocabulary: size of the part of the head that is read; None is all of it.
    """
    parallel = PATCHES - conditioned - sequential
    steps = TOKENS_PER_PATCH * sequential
    tokens = TOKENS_PER_PATCH * conditioned + steps + slots * parallel
    rows = steps + slots * parallel
    return [Pass(tokens, cached=SCENE_TOKENS, logit_rows=rows, vocabulary=vocabulary)]


def published_segment(network: NetworkSize) -> Cost:
    """One segment by the reference: 15 calls to zoom in, 24 to decide."""
    zoom = cost_of(network, published_call(conditioned=5))
    final = cost_of(network, published_call(conditioned=6, sequential=256))
    return 15 * zoom + 24 * final


def published_cached_segment(network: NetworkSize, table_size: int = 4097) -> Cost:
    """The same segment with one cached scene for each of its three crops.

    Args:
        network: sizes of the network.
        table_size: codes in the table from codes to flow, all that the zoom stage reads.
    """
    scenes = 3 * cost_of(network, published_scene())
    zoom = cost_of(network, published_cached_call(5, slots=1, vocabulary=table_size))
    return scenes + 15 * zoom + 24 * cost_of(network, published_cached_call(6, sequential=256))


def prefix_scene(patches: int, extra: int = 0) -> list[Pass]:
    """Our layout: the image, one token for a patch, every one seeing all.

    Args:
        patches: patches of the image.
        extra: further tokens of the prefix (a camera, registers).
    """
    return [Pass(patches + extra, is_causal=False)]


def prefix_question(prefix: int, conditioned: int, asked: int, vocabulary: int) -> list[Pass]:
    """Our layout: one question on a cached image.

    Args:
        prefix: cached tokens of the image.
        conditioned: patches whose flow is given; they see the image and each other.
        asked: patches whose flow is wanted; each sees the image, what is given and itself, and
            one logit row is read for each.
        vocabulary: flow codes.
    """
    given = Pass(conditioned, cached=prefix, is_causal=False)
    alone = [Pass(1, cached=prefix + conditioned, logit_rows=1, vocabulary=vocabulary)] * asked
    return [given, *alone]
