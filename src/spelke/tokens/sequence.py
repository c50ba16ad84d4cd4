"""Codes to token sequences and back: [picture] [camera] [conditioned flow] [decoded flow].

All functions are pure; orders come from outside. A sequence has tokens and position ids of equal
shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from spelke.errors import InvalidInput
from spelke.tokens.layout import CAMERA_VALUES, Layout, Stream


@dataclass(frozen=True, slots=True, eq=False)
class TokenSequence:
    """Token ids and their position ids."""

    tokens: Int[Tensor, "*batch length"]
    positions: Int[Tensor, "*batch length"]

    def __add__(self, other: TokenSequence) -> TokenSequence:
        """One sequence after the other."""
        return TokenSequence(
            torch.cat([self.tokens, other.tokens], -1),
            torch.cat([self.positions, other.positions], -1),
        )

    def cut(self, start: int | None = None, stop: int | None = None) -> TokenSequence:
        """The stretch from `start` up to `stop`, which count as in a slice."""
        return TokenSequence(self.tokens[..., start:stop], self.positions[..., start:stop])

    def to(self, device: torch.device | str) -> TokenSequence:
        """The same sequence on a device."""
        return TokenSequence(self.tokens.to(device), self.positions.to(device))

    @property
    def length(self) -> int:
        """Number of tokens of one sequence."""
        return self.tokens.shape[-1]


def pack_patches(
    codes: Int[Tensor, "*batch patch code"], patches: Int[Tensor, "*batch patch"], stream: Stream
) -> TokenSequence:
    """Pointer and codes of each patch, one patch after the other.

    Args:
        codes: codes of the patches, counted from 0, in the order of `patches`.
        patches: which patches, in sequence order.
        stream: where they live.
    """
    pointers = patches[..., None] + stream.pointers.start
    tokens = torch.cat([pointers, codes + stream.codes.start], -1)
    return TokenSequence(
        tokens.flatten(-2), patch_positions(patches, stream)[..., : tokens.shape[-1]].flatten(-2)
    )


def patch_positions(
    patches: Int[Tensor, "*batch patch"], stream: Stream
) -> Int[Tensor, "*batch patch slot"]:
    """Position ids of all slots of patches; slot 0 is the pointer."""
    slots = torch.arange(stream.stride, device=patches.device)
    return stream.position + stream.stride * patches[..., None] + slots


def unpack_patches(
    sequence: TokenSequence, stream: Stream
) -> tuple[Int[Tensor, "*batch patch"], Int[Tensor, "*batch patch code"]]:
    """Which patches a sequence holds, and their codes counted from 0; inverts `pack_patches`.

    Raises:
        InvalidInput: the tokens are not whole patches, each led by a pointer of the stream.
    """
    length, stride = sequence.length, stream.stride
    if length % stride:
        raise InvalidInput(
            f"{length} tokens are not whole patches of {stride}; cut the sequence at a pointer"
        )
    grouped = sequence.tokens.unflatten(-1, (-1, stride))
    patches = grouped[..., 0] - stream.pointers.start
    if bool(((patches < 0) | (patches >= len(stream.pointers))).any()):
        raise InvalidInput(
            f"expected a pointer in {stream.pointers} at every place that {stride} divides; the "
            "sequence holds other tokens there"
        )
    return patches, grouped[..., 1:] - stream.codes.start


def pack_camera(codes: Sequence[int] | Int[Tensor, " value"], layout: Layout) -> TokenSequence:
    """The camera's pointer and its seven values.

    Raises:
        InvalidInput: the layout has no camera, or the number of values is wrong.
    """
    if layout.camera is None:
        raise InvalidInput("this layout has no camera tokens; leave the camera out")
    if len(codes) != CAMERA_VALUES:
        raise InvalidInput(f"a camera motion has {CAMERA_VALUES} codes, got {len(codes)}")
    values = torch.as_tensor(codes, dtype=torch.int64) + layout.camera.start
    tokens = torch.cat([values.new_tensor([layout.camera_pointer]), values])
    return TokenSequence(tokens, layout.camera_position + torch.arange(1 + CAMERA_VALUES))


def split_order(
    order: Int[Tensor, " patch"], conditioned: Sequence[int], count: int | None = None
) -> tuple[Int[Tensor, " given"], Int[Tensor, " decoded"]]:
    """Conditioned patches first, both groups in the shuffled order.

    Args:
        order: all patches, shuffled.
        conditioned: those that are given; one that is named twice counts once.
        count: how many patches to give. The published code gives as many as there are pokes, so
            that of two pokes in one patch one gives away a random patch as unmoving;
            `count=len(conditioned)` restores that.
    """
    given = torch.isin(order, torch.as_tensor(list(conditioned), dtype=order.dtype))
    arranged = torch.cat([order[given], order[~given]])
    count = int(given.sum()) if count is None else count
    return arranged[:count], arranged[count:]
