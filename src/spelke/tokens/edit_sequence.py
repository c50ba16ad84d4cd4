"""The sequence of a network that renders what a flow does: first picture, flow, second picture.

Part of the first picture's patches and a few flow patches are given; all patches of the second are
decoded, some of them with known content ("revealed") before the rest. All functions are pure;
orders come from outside. Entry points: `edit_prompt`, `second_picture`.
Source: the published code of LRAS-3D.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from spelke.errors import InvalidInput
from spelke.tokens.layout import Layout
from spelke.tokens.patches import from_patches, to_patches
from spelke.tokens.sequence import TokenSequence, pack_patches, split_order, unpack_patches

Reveal = Literal["requested", "first"]
"""Which patches are revealed: those that were asked for, or as many from the head of the random
order, whichever they are. The published code does the second: it looks for the pointers of the
flow where those of the picture stand, and finds none."""


class EditOrders(NamedTuple):
    """All patches, shuffled three times."""

    first: Int[Tensor, " patch"]
    flow: Int[Tensor, " patch"]
    second: Int[Tensor, " patch"]


@dataclass(frozen=True, slots=True, eq=False)
class EditCodes:
    """What is put into the sequence, as grids of codes counted from 0.

    Attributes:
        first: the picture.
        flow: bins of x and of y.
        second: what the second picture shows where it is revealed; not read elsewhere by a
            network, but packed throughout.
    """

    first: Int[Tensor, "height width"]
    flow: Int[Tensor, "2 height width"]
    second: Int[Tensor, "height width"]


@dataclass(frozen=True, slots=True, eq=False)
class EditPrompt:
    """A sequence that waits for the second picture.

    Attributes:
        given: the kept patches of the first picture, then the told patches of the flow.
        answer: the second picture in the order of decoding, revealed patches first. Its positions
            and pointers stand; its codes hold only for the first `num_revealed` patches.
        num_revealed: patches at the head of `answer` that are forced.
    """

    given: TokenSequence
    answer: TokenSequence
    num_revealed: int


def edit_prompt(
    codes: EditCodes,
    flow_patches: Sequence[int],
    revealed: Sequence[int],
    orders: EditOrders,
    layout: Layout,
    *,
    num_kept: int | None = None,
    reveal: Reveal = "requested",
) -> EditPrompt:
    """The sequence that asks for the second picture.

    Args:
        codes: grids of two codes to a patch side.
        flow_patches: patches whose flow is told, in any order.
        revealed: patches of the second picture that are forced.
        orders: in which order the patches of each part stand.
        layout: of the network, from `rgb_flow_layout`.
        num_kept: patches of the first picture that are given, from the head of their order; three
            quarters unless given, as published.
        reveal: "first" restores the published code.

    Raises:
        InvalidInput: the codes are not those of the layout's grid.
    """
    _check(codes, layout)
    kept = orders.first[: layout.num_patches * 3 // 4 if num_kept is None else num_kept]
    told, _ = split_order(orders.flow, flow_patches)
    if reveal == "first":
        head, rest = split_order(orders.second, (), count=len(revealed))
    else:
        head, rest = split_order(orders.second, revealed)
    second = torch.cat([head, rest])
    first_stream, second_stream = layout.frames
    first_codes, second_codes = to_patches(torch.stack([codes.first, codes.second]))
    # x and y of each code stand side by side.
    flow_codes = to_patches(codes.flow).permute(1, 2, 0).flatten(1)
    return EditPrompt(
        given=pack_patches(first_codes[kept], kept, first_stream)
        + pack_patches(flow_codes[told], told, layout.flow),
        answer=pack_patches(second_codes[second], second, second_stream),
        num_revealed=len(head),
    )


def second_picture(answer: TokenSequence, layout: Layout) -> Int[Tensor, "height width"]:
    """The grid of codes of a decoded second picture.

    Raises:
        InvalidInput: the answer does not hold each patch once.
    """
    patches, codes = unpack_patches(answer, layout.frames[1])
    every = torch.arange(layout.num_patches, device=patches.device)
    if not torch.equal(patches.sort().values, every):
        raise InvalidInput(
            f"an answer holds each of {layout.num_patches} patches once, got {len(patches)} with "
            f"{len(patches.unique())} different; decode all of them"
        )
    grid = torch.empty_like(codes)
    grid[patches] = codes
    return from_patches(grid[None], layout.columns)[0]


def _check(codes: EditCodes, layout: Layout) -> None:
    size = (2 * layout.rows, 2 * layout.columns)
    for name, grid in (("first", codes.first), ("flow", codes.flow), ("second", codes.second)):
        if tuple(grid.shape[-2:]) != size:
            raise InvalidInput(
                f"this layout takes codes of {size[0]} x {size[1]} (height x width), got "
                f"{grid.shape[-2]} x {grid.shape[-1]} for `{name}`"
            )
