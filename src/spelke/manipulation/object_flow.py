"""Where the pixels of an object go when it moves rigidly in front of a still camera.

Each pixel of the object is lifted to space by its depth, moved and projected again; everything else
rests. Entry points: `object_positions`, `object_flow`.
Source: Venkatesh et al. 2025, object manipulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spelke.errors import InvalidInput
from spelke.geometry.camera import Camera, Pose

Landing = Literal["exact", "floor"]
"""Where a moved point lands: where it projects to, or on the whole pixel up and left of that, as in
the published code, whose flow is therefore off by up to a pixel, in places even at rest."""

_ROUNDING = 1e-6
"""Displacements below this many pixels are rounding: what does not move has a flow of exactly 0."""


@dataclass(frozen=True, slots=True, eq=False)
class ObjectFlow:
    """What a rigid motion of one object does to the picture.

    Attributes:
        flow: `(dx, dy)` in pixels, zero outside the object.
        segment: the pixels on which a pixel of the object lands. An object that grows leaves gaps.
    """

    flow: Float[Tensor, "2 height width"]
    segment: Bool[np.ndarray, "height width"]


def object_positions(
    segment: Bool[np.ndarray, "height width"],
    depth: Float[np.ndarray, "height width"],
    camera: Camera,
) -> Float[np.ndarray, "pixel 3"]:
    """Positions in camera axes of the pixels of an object, row by row.

    Args:
        segment: the object.
        depth: along the camera's axis, in the unit of the world; read inside the segment only.
        camera: of the size of the picture.

    Raises:
        InvalidInput: sizes that do not agree, an empty segment, or a depth that is not positive.
    """
    if segment.shape != camera.image_size or depth.shape != camera.image_size:
        raise InvalidInput(
            f"segment {segment.shape}, depth {depth.shape} and camera {camera.image_size} must "
            "have one (height, width); resize the first two or build the camera for their size"
        )
    if not segment.any():
        raise InvalidInput("the segment is empty: there is nothing to move; name another point")
    depths = depth[segment].astype(np.float64)
    if not (np.isfinite(depths) & (depths > 0)).all():
        raise InvalidInput(
            f"depth inside the segment must be positive and finite, got {depths.min():g} to "
            f"{depths.max():g}; fill unknown depth or take it out of the segment first"
        )
    return camera.unproject(_points_of(segment), depths)


def object_flow(
    segment: Bool[np.ndarray, "height width"],
    depth: Float[np.ndarray, "height width"],
    camera: Camera,
    motion: Pose,
    *,
    landing: Landing = "exact",
) -> ObjectFlow:
    """Flow of an object that moves, and the pixels it covers afterwards.

    Args:
        segment: the object. The whole picture gives the flow of a camera that moves the other way.
        depth: as in `object_positions`.
        camera: of the size of the picture.
        motion: in camera axes.
        landing: "floor" restores the published code.

    Raises:
        InvalidInput: as `object_positions`; or the motion takes part of the object behind the
            camera.
    """
    moved = motion.move(object_positions(segment, depth, camera))
    if moved[:, 2].min() <= 0:
        raise InvalidInput(
            f"this motion takes part of the object behind the camera (its nearest point to depth "
            f"{moved[:, 2].min():g}); move it less far"
        )
    points, ends = _points_of(segment), camera.project(moved)
    if landing == "floor":
        ends = np.floor(ends)
    displacements = ends - points
    displacements[np.abs(displacements) < _ROUNDING] = 0
    flow = torch.zeros(2, *segment.shape)
    flow[:, torch.from_numpy(segment)] = torch.from_numpy(displacements.T.astype(np.float32))
    return ObjectFlow(flow, _covered(points + displacements, segment.shape))


def _points_of(segment: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "pixel 2"]:
    """Points `(x, y)` of the pixels of a segment, row by row."""
    return np.argwhere(segment)[:, ::-1].astype(np.float64)


def _covered(
    points: Float[np.ndarray, "point 2"], image_size: tuple[int, int]
) -> Bool[np.ndarray, "height width"]:
    """The pixels that hold a point; points outside the picture have none."""
    pixels = np.floor(points + 0.5)
    pixels = pixels[((pixels >= 0) & (pixels < np.array(image_size[::-1]))).all(1)].astype(np.int64)
    covered = np.zeros(image_size, bool)
    covered[pixels[:, 1], pixels[:, 0]] = True
    return covered
