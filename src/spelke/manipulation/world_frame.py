"""Edits in the axes of the ground: turn an object about its middle, shift it along the floor.

World axes stand on the ground plane: z is its normal, x and y lie in it, and the origin is that of
the camera. Entry points: `ground_frame`, `WorldEdit`, `motion_in_camera`.
Source: Venkatesh et al. 2025, object manipulation in the world frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from spelke.errors import InvalidInput
from spelke.geometry.camera import Camera, Pose
from spelke.geometry.points import pixel_of
from spelke.types import Point

_NO_DIRECTION = 1e-9
"""Sine of the angle below which two directions count as one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorldEdit:
    """A motion of one object in world axes: first turned about its middle, then shifted.

    Attributes:
        azimuth: turn about the normal of the ground, in degrees; the last of the three turns.
        elevation: turn about world x, in degrees; the first.
        tilt: turn about world y, in degrees; the second.
        translation: shift along world x, y and z in the unit of the depth (metres as published).
    """

    azimuth: float = 0.0
    elevation: float = 0.0
    tilt: float = 0.0
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def pose(self) -> Pose:
        """The motion in world axes about the origin, `R = Rz(azimuth) Ry(tilt) Rx(elevation)`."""
        x, y, z = np.radians((self.elevation, self.tilt, self.azimuth))
        return Pose.from_euler((float(x), float(y), float(z)), np.array(self.translation))


def ground_frame(
    points: Sequence[Point], depth: Float[np.ndarray, "height width"], camera: Camera
) -> Pose:
    """Camera axes from world axes: what takes a direction in the world to the camera's axes.

    Args:
        points: three points on the ground, `(x, y)`. Counted left, near, right, the normal points
            to the sky; the other way round it points into the ground.
        depth: along the camera's axis.
        camera: of the size of the picture.

    Raises:
        InvalidInput: not three points, points outside the picture or on one line, or a camera
            that looks straight at the ground.
    """
    if len(points) != 3:
        raise InvalidInput(f"a ground plane takes three points, got {len(points)}")
    if depth.shape != camera.image_size:
        raise InvalidInput(
            f"depth {depth.shape} and camera {camera.image_size} must have one (height, width); "
            "resize the depth or build the camera for its size"
        )
    depths = np.array([depth[pixel_of(point, camera.image_size)] for point in points], np.float64)
    first, second, third = camera.unproject(np.array(points, np.float64), depths)
    up = _across(third - second, first - second, "the three points lie on one line in space")
    right = _across(np.array([0.0, 0.0, 1.0]), up, "the camera looks straight at the ground")
    ahead = np.cross(up, right)
    return Pose(np.stack([right, ahead, up], 1), np.zeros(3))


def motion_in_camera(
    motion: Pose, centre: Float[np.ndarray, "xyz=3"], camera_from_world: Pose
) -> Pose:
    """A motion in world axes about `centre`, as a motion in camera axes.

    Args:
        motion: in world axes, for instance `WorldEdit.pose`; turns first, then shifts.
        centre: what the turn leaves in place, in camera axes; as published the mean position of
            the object's pixels (`object_positions(...).mean(0)`).
        camera_from_world: from `ground_frame`.
    """
    axes = camera_from_world.rotation
    turn = axes @ motion.rotation @ axes.T
    return Pose(turn, centre - turn @ centre + axes @ motion.translation)


def _across(
    first: Float[np.ndarray, "xyz=3"], second: Float[np.ndarray, "xyz=3"], otherwise: str
) -> Float[np.ndarray, "xyz=3"]:
    """The unit vector at right angles to two; refuses, saying `otherwise`, where they are one."""
    normal = np.cross(first, second)
    length = float(np.linalg.norm(normal))
    if length <= _NO_DIRECTION * np.linalg.norm(first) * np.linalg.norm(second):
        raise InvalidInput(f"{otherwise}; name three other points of the ground")
    return normal / length
