"""What a rollout costs: tokens, attended pairs and logit rows, and the FLOPs they make.

The unit is one `Pass`: tokens that enter the network, on top of those already cached. A question
is a list of passes; its cost is their sum. `published_*` count the published layout (five tokens
for a patch), with the reference's way of calling the network and with a shared prefix cache;
`engine_*` list the passes as the engine makes them, so that the memory they read can be counted
too; `prefix_*` count our layout (one embedding for an image patch, pointers that fork from it).

Source: Venkatesh et al. 2025 for the layout; FLOPs as usual for a decoder: a product of an
(m, k) with a (k, n) matrix is 2 m k n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spelke.models.prefix import PrefixConfig

PATCHES = 1024
"""Patches of the published 32 x 32 grid."""
TOKENS_PER_PATCH = 5
"""Published layout: a pointer and four codes."""
CAMERA_TOKENS = 8
FLOW_CODES = 32_768
"""Published flow codes, the part of the vocabulary that flow is chosen from."""


def scene_tokens(patches: int = PATCHES) -> int:
    """Image and camera: what every question about one image shares."""
    return patches * TOKENS_PER_PATCH + CAMERA_TOKENS


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

    def weights_read(self, vocabulary: int | None = None) -> int:
        """Numbers of the blocks and of the columns of the head, read once in every pass."""
        columns = self.vocabulary if vocabulary is None else vocabulary
        return 12 * self.embed_dim**2 * self.depth + self.embed_dim * columns


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
        sequences: how many such sequences are computed side by side.
        shared: how many of the cached tokens are held once for all sequences.
    """

    tokens: int
    cached: int = 0
    logit_rows: int = 0
    is_causal: bool = True
    vocabulary: int | None = None
    sequences: int = 1
    shared: int = 0

    @property
    def pairs(self) -> int:
        """Pairs of a token and one that it attends to, itself included; of one sequence."""
        own = self.tokens * (self.tokens + 1) // 2 if self.is_causal else self.tokens**2
        return self.tokens * self.cached + own


def cost_of(network: NetworkSize, passes: Sequence[Pass]) -> Cost:
    """Add up what passes cost in one network."""
    total = Cost()
    for one in passes:
        flops = one.tokens * network.flops_per_token + one.pairs * network.flops_per_pair
        flops += one.logit_rows * network.flops_per_logit_row(one.vocabulary)
        total += one.sequences * Cost(one.tokens, flops)
    return total


def bytes_read(network: NetworkSize, one: Pass, itemsize: int) -> int:
    """What a pass must fetch from memory at least: weights, and keys and values that are cached.

    Args:
        network: sizes of the network.
        one: the pass.
        itemsize: bytes of a number.
    """
    weights = network.weights_read(one.vocabulary if one.logit_rows else 0)
    kept = one.shared + one.sequences * (one.cached - one.shared)
    return itemsize * (weights + kept * network.cache_values_per_token)


def least_seconds(
    network: NetworkSize,
    passes: Sequence[Pass],
    flops_per_second: float,
    bytes_per_second: float,
    itemsize: int,
) -> float:
    """The time below which a machine cannot make these passes, one after another.

    Each is bound by its arithmetic or by the memory that it reads, whichever takes longer.
    """
    return sum(
        max(
            cost_of(network, [one]).flops / flops_per_second,
            bytes_read(network, one, itemsize) / bytes_per_second,
        )
        for one in passes
    )


def published_call(conditioned: int = 5, sequential: int = 0, patches: int = PATCHES) -> list[Pass]:
    """One call as the reference makes it: nothing of the image is reused, four full passes.

    Args:
        conditioned: patches whose flow is given (four still corners and the pokes).
        sequential: patches that are decoded one token at a time before the parallel passes.
        patches: of the picture.
    """
    parallel = patches - conditioned - sequential
    given = scene_tokens(patches) + TOKENS_PER_PATCH * conditioned
    steps = TOKENS_PER_PATCH * sequential
    passes = [Pass(given)] if sequential else []
    passes += [Pass(1, cached=given + step, logit_rows=1) for step in range(steps)]
    known = given + steps
    passes += [Pass(known + slot * parallel, logit_rows=parallel) for slot in range(1, 5)]
    return passes


def published_scene(patches: int = PATCHES) -> list[Pass]:
    """Image and camera, once, for every question that follows."""
    return [Pass(scene_tokens(patches))]


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
    return [Pass(tokens, cached=scene_tokens(), logit_rows=rows, vocabulary=vocabulary)]


def engine_call(
    questions: int = 1,
    conditioned: int = 5,
    sequential: int | None = None,
    columns: int = FLOW_CODES,
    patches: int = PATCHES,
    lanes: int | None = None,
) -> list[Pass]:
    """Questions about one picture that was read before, as the engine asks them.

    While tokens are drawn one after another, all lanes advance together, and a pointer is read with
    the token before it: four passes for a patch. Parallel passes are made for each question alone.
    Logits are computed where a token is chosen, over the flow codes only.

    Args:
        questions: how many are asked.
        conditioned: as in `published_call`.
        sequential: None for the expected displacement, which reads the first code of each patch;
            else sampled flow, with so many patches drawn one after another.
        columns: size of the part of the head that is read.
        patches: of the picture.
        lanes: how many questions are drawn side by side, filled up; None is all, and no more.
    """
    scene, count = scene_tokens(patches), sequential or 0
    waiting, cached = TOKENS_PER_PATCH * conditioned, scene
    drawing: list[Pass] = []
    side_by_side = questions if lanes is None else lanes
    for step in range(4 * count):
        fresh = waiting + 1 if step % 4 == 0 else 1
        drawing.append(Pass(fresh, cached, 1, True, columns, side_by_side, scene))
        waiting = 0 if step % 4 < 3 else 1
        cached += fresh
    parallel = patches - conditioned - count
    filling: list[Pass] = []
    for _ in range((1 if sequential is None else 4) if parallel else 0):
        filling.append(Pass(waiting + parallel, cached, parallel, vocabulary=columns))
        cached += waiting + parallel
        waiting = 0
    return drawing * -(-questions // side_by_side) + filling * questions


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


def prefix_look(config: PrefixConfig) -> Cost:
    """Our layout: reading one picture. Of the last block only keys and values are needed.

    Keys and values of the blocks that pointers pass are computed apart, for them to keep.
    """
    patches, width = config.num_patches, config.embed_dim
    blocks = NetworkSize(embed_dim=width, depth=config.depth - 1, vocabulary=0)
    flops = cost_of(blocks, [Pass(patches, is_causal=False)]).flops
    kept = 4 * width**2 * patches * (config.depth - config.fork_depth)
    return Cost(patches, flops + kept + _stem_flops(config))


def prefix_ask(config: PrefixConfig, conditions: int, pointers: int, questions: int = 1) -> Cost:
    """Our layout: questions about a picture that was read before.

    Args:
        config: shape of the network.
        conditions: patches whose flow is given, in each question; the camera is one token more.
        pointers: patches whose flow is asked.
        questions: pokes that are tried.
    """
    blocks = NetworkSize(config.embed_dim, config.depth - config.fork_depth, config.num_codes)
    width, known = config.embed_dim, conditions + 1
    tokens = known + pointers
    # Pointers give no keys and values: they are seen by nobody, so 20 instead of 24 products.
    flops = blocks.flops_per_token * tokens - 4 * width**2 * blocks.depth * pointers
    flops += blocks.flops_per_pair * tokens * (config.num_patches + known)
    cells = config.num_slots * config.cell_dim
    flops += pointers * 2 * cells * (width + config.num_codes)
    return questions * Cost(tokens, flops)


def _stem_flops(config: PrefixConfig) -> int:
    """The convolutions that turn a picture into embeddings and cells."""
    half, quarter = (config.image_size // 2) ** 2, (config.image_size // 4) ** 2
    narrow, wide = config.stem_dim, 2 * config.stem_dim
    convolutions = half * 27 * narrow + quarter * 9 * (narrow * wide + wide * wide)
    heads = quarter * wide * (config.embed_dim + config.cell_dim)
    return 2 * (convolutions + heads)
