"""Which token ids and position ids mean what, for any grid and any vocabulary.

A picture or flow patch takes one pointer token, which names the patch, and then its codes. The
position id of a token is `base + stride * patch + slot`, wherever in the sequence it stands.
Entry points: `flow_layout` and its published instance `spelkenet_layout`, `rgb_flow_layout` and its
published instance `lras_3d_layout`.
Source: Venkatesh et al. 2025, section 3.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from spelke.errors import InvalidInput
from spelke.geometry.grid import PatchGrid

CODE_SIZE = 4
"""Side in pixels of the block that one code stands for."""
CODES_PER_PATCH = 4
"""A patch is 2x2 codes."""
CAMERA_VALUES = 7
"""Numbers that describe a camera motion: three angles, a direction and a distance."""
_PUBLISHED_FLOW_POSITIONS = 12
"""The published networks set more position ids aside for a flow patch than the five they use."""
_PADDED_TO = 256
"""The published vocabularies end at a multiple of this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """Where the patches of one picture or one flow field live in vocabulary and positions."""

    pointers: range
    """Pointer token of each patch."""
    codes: range
    """Token of each code."""
    position: int
    """Position id of slot 0 of patch 0."""
    stride: int = 1 + CODES_PER_PATCH
    """Position ids for each patch: the pointer and what follows it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Vocabulary and positions of one network."""

    rows: int
    """Patches from top to bottom."""
    columns: int
    """Patches from left to right."""
    patch_size: int = 8
    """Side of a patch in pixels."""
    frames: tuple[Stream, Stream]
    """First and second picture."""
    flow: Stream
    """Flow from the first to the second."""
    camera: range | None = None
    """Tokens of camera values; None where a layout has no camera."""
    camera_pointer: int = -1
    """Token that announces the camera."""
    camera_position: int = -1
    """Position id of `camera_pointer`; the values follow."""
    vocab_size: int
    """Tokens, padding included."""
    num_positions: int
    """Position ids."""

    def __post_init__(self) -> None:
        if self.rows < 1 or self.columns < 1:
            raise InvalidInput(f"a layout needs at least one patch, got {self.rows}x{self.columns}")

    @property
    def num_patches(self) -> int:
        """Patches of one picture."""
        return self.rows * self.columns

    @property
    def grid(self) -> PatchGrid:
        """Where the patches lie in the picture."""
        return PatchGrid(self.image_size, self.patch_size)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.rows * self.patch_size, self.columns * self.patch_size


def flow_layout(
    rows: int,
    columns: int,
    *,
    rgb_codes: int = 65_536,
    flow_codes: int = 32_768,
    camera_values: int = 10_000,
    flow_positions: int = 1 + CODES_PER_PATCH,
) -> Layout:
    """Picture, camera, flow: the layout of networks that predict flow codes.

    Args:
        rows: patches from top to bottom.
        columns: patches from left to right.
        rgb_codes: size of the RGB quantizer's vocabulary.
        flow_codes: size of the flow quantizer's vocabulary.
        camera_values: tokens for camera values.
        flow_positions: position ids set aside for each flow patch; five are used.
    """
    first, second, flow = _streams(rows * columns, rgb_codes, flow_codes, 1 + CODES_PER_PATCH)
    camera = _after(flow.pointers, camera_values)
    camera_position = flow.position + flow_positions * rows * columns
    return Layout(
        rows=rows,
        columns=columns,
        frames=(first, second),
        flow=flow,
        camera=camera,
        camera_pointer=camera.stop,
        camera_position=camera_position,
        vocab_size=_padded(camera.stop + 1),
        num_positions=camera_position + 1 + CAMERA_VALUES,
    )


def spelkenet_layout() -> Layout:
    """The layout of the published flow predictors: 256 pixels, 32x32 patches."""
    return flow_layout(32, 32, flow_positions=_PUBLISHED_FLOW_POSITIONS)


def find_flow_layout(
    vocab_size: int, num_positions: int, *, rgb_codes: int, flow_codes: int
) -> Layout:
    """The square flow layout whose sizes are those of a network and its quantizers.

    Raises:
        InvalidInput: there is none with 10,000 camera values.
    """
    for flow_positions in (1 + CODES_PER_PATCH, _PUBLISHED_FLOW_POSITIONS):
        per_patch = 2 * (1 + CODES_PER_PATCH) + flow_positions
        side = math.isqrt(max(0, num_positions - 1 - CAMERA_VALUES) // per_patch)
        if side == 0:
            continue
        layout = flow_layout(
            side, side, rgb_codes=rgb_codes, flow_codes=flow_codes, flow_positions=flow_positions
        )
        if (layout.vocab_size, layout.num_positions) == (vocab_size, num_positions):
            return layout
    raise InvalidInput(
        f"no square grid has vocab_size={vocab_size} and num_positions={num_positions} with "
        f"{rgb_codes} RGB codes and {flow_codes} flow codes; build the layout with `flow_layout`"
    )


def rgb_flow_layout(
    rows: int, columns: int, *, rgb_codes: int = 65_536, flow_bins: int = 512
) -> Layout:
    """Picture, flow, second picture: the layout of networks that render what a flow does.

    Flow is given in bins shared by x and y, interleaved: pointer, x0, y0, x1, y1, and so on.
    """
    stride = 1 + 2 * CODES_PER_PATCH
    first, second, flow = _streams(rows * columns, rgb_codes, flow_bins, stride)
    return Layout(
        rows=rows,
        columns=columns,
        frames=(first, second),
        flow=flow,
        vocab_size=_padded(flow.pointers.stop),
        num_positions=flow.position + stride * rows * columns,
    )


def lras_3d_layout() -> Layout:
    """The layout of the published flow-conditioned picture predictor."""
    return rgb_flow_layout(32, 32)


def _streams(
    num_patches: int, rgb_codes: int, flow_codes: int, flow_stride: int
) -> tuple[Stream, Stream, Stream]:
    """First picture, second picture, flow: how every vocabulary and its positions begin."""
    codes = range(rgb_codes)
    first = Stream(pointers=_after(codes, num_patches), codes=codes, position=0)
    second = Stream(
        pointers=_after(first.pointers, num_patches),
        codes=codes,
        position=first.stride * num_patches,
    )
    flow_range = _after(second.pointers, flow_codes)
    flow = Stream(
        pointers=_after(flow_range, num_patches),
        codes=flow_range,
        position=second.position + second.stride * num_patches,
        stride=flow_stride,
    )
    return first, second, flow


def _after(before: range, count: int) -> range:
    return range(before.stop, before.stop + count)


def _padded(size: int) -> int:
    return -(-size // _PADDED_TO) * _PADDED_TO
