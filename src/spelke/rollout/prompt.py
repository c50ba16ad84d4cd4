"""How a question is put to the published network: which tokens, in which order.

Source: Venkatesh et al. 2025, section 3.2; defaults and departures in `PublishedOptions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Int
from torch import Tensor

from spelke.errors import InvalidInput
from spelke.rollout.base import Query
from spelke.rollout.order import published_orders
from spelke.rollout.seq2par import Question
from spelke.tokens.campose import IDENTITY_CODES
from spelke.tokens.layout import CODES_PER_PATCH, Layout
from spelke.tokens.patches import to_patches
from spelke.tokens.pokes import corner_pokes, flow_of_pokes, poke_patches
from spelke.tokens.sequence import TokenSequence, pack_camera, pack_patches, split_order
from spelke.types import Poke


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedOptions:
    """How questions are put."""

    frame0_order: Literal["pinned", "per-seed"] = "pinned"
    """Order of the picture's patches: one for all questions, or drawn from each question's seed as
    in the published code (then only questions of equal seed share the reading of the picture)."""
    frame0_seed: int = 0
    """Seed of the pinned order."""
    has_camera: bool = True
    """Tell the network that the camera stands still."""
    has_still_corners: bool = True
    """Add pokes of zero length in the four corners, where a question has none there."""
    whole_vocabulary: bool = False
    """Choose among all tokens, not only flow codes."""
    spends_pointer_draws: bool = False
    """Draw and discard a token at every pointer of the sequential part."""
    counts_every_poke: bool = False
    """Give as many patches as there are pokes, random ones if two pokes share a patch."""
    fills_one_step: bool = False
    """Where a patch has no prediction take the neighbour's even if it has none either."""
    draws_multinomial: bool = False
    """Draw tokens with torch's `multinomial`: other draws of the same distribution, and slower."""
    expects_in_bfloat16: bool = False
    """Round the arithmetic of the expected displacement to bfloat16: off by up to 0.4 pixels."""

    def __post_init__(self) -> None:
        if self.frame0_order not in ("pinned", "per-seed"):
            raise InvalidInput(
                f"frame0_order must be 'pinned' or 'per-seed', got {self.frame0_order!r}"
            )

    @property
    def is_pinned(self) -> bool:
        """All questions share one order of the picture's patches."""
        return self.frame0_order == "pinned"


def published_options() -> PublishedOptions:
    """What the published code does, its defects included."""
    return PublishedOptions(
        frame0_order="per-seed",
        whole_vocabulary=True,
        spends_pointer_draws=True,
        counts_every_poke=True,
        fills_one_step=True,
        draws_multinomial=True,
        expects_in_bfloat16=True,
    )


def pack_picture(
    codes: Int[Tensor, "patch 4"],
    seed: int,
    layout: Layout,
    camera: Sequence[int] | None = IDENTITY_CODES,
) -> TokenSequence:
    """All patches of the first picture in the order of `seed`, then the camera if there is one."""
    order, _ = published_orders(seed, layout.num_patches)
    sequence = pack_patches(codes[order], order, layout.frames[0])
    return sequence if camera is None else sequence + pack_camera(camera, layout)


def put_question(
    query: Query, layout: Layout, options: PublishedOptions, encode: Callable[[Tensor], Tensor]
) -> Question:
    """Pokes as conditioned patches, and the order of all others; a batch of one.

    Args:
        query: pokes in pixels of the layout's picture; its seed shuffles the order.
        layout: the grid.
        options: still corners and the counting of pokes.
        encode: flow in pixels (batch, 2, height, width) to flow codes (batch, rows, columns).
    """
    pokes = with_still_corners(query.pokes, layout) if options.has_still_corners else query.pokes
    conditioned = poke_patches(pokes, layout)
    _, order = published_orders(query.seed, layout.num_patches)
    count = len(conditioned) if options.counts_every_poke else None
    given, rest = split_order(order, conditioned, count)
    codes = given.new_zeros(0, CODES_PER_PATCH)
    if len(given):
        # The encoder sees each block alone, so only the given patches are encoded.
        size = layout.patch_size
        blocks = flow_of_pokes(pokes, layout).unfold(1, size, size).unfold(2, size, size)
        blocks = blocks.flatten(1, 2).transpose(0, 1)[given]  # (given, 2, patch_size, patch_size)
        codes = to_patches(encode(blocks))[:, 0].to(given.device)
    return Question(given[None], codes[None], rest[None])


def with_still_corners(pokes: Sequence[Poke], layout: Layout) -> tuple[Poke, ...]:
    """Pokes of zero length in the corner patches that are not poked, then the pokes."""
    taken = set(poke_patches(pokes, layout))
    corners = corner_pokes(layout)
    free = zip(corners, poke_patches(corners, layout), strict=True)
    return (*(poke for poke, patch in free if patch not in taken), *pokes)
