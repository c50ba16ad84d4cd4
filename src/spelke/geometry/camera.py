"""The pinhole camera and rigid poses.

Camera axes are those of OpenCV: x right, y down, z forward. Points in pixels follow the rule of
the library, (0, 0) being the centre of the top-left pixel. Lengths are in the world's own unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from spelke.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera without distortion.

    Attributes:
        focal: focal lengths in x and y, in pixels.
        centre: principal point `(x, y)` in pixels.
        image_size: (height, width) in pixels.
    """

    focal: tuple[float, float]
    centre: tuple[float, float]
    image_size: tuple[int, int]

    def __post_init__(self) -> None:
        if min(self.focal) <= 0 or min(self.image_size) < 1:
            raise InvalidInput(
                f"a camera needs positive focal lengths and a positive image size, got focal "
                f"{self.focal} and (height, width) = {self.image_size}"
            )

    @classmethod
    def from_field_of_view(cls, vertical_deg: float, image_size: tuple[int, int]) -> Camera:
        """A camera with square pixels whose axis meets the middle of the image.

        Args:
            vertical_deg: angle between the upper and the lower border, in degrees.
            image_size: (height, width).
        """
        if not 0 < vertical_deg < 180:
            raise InvalidInput(
                f"a field of view lies between 0 and 180 degrees, got {vertical_deg:g}"
            )
        height, width = image_size
        focal = height / 2 / math.tan(math.radians(vertical_deg) / 2)
        return cls((focal, focal), ((width - 1) / 2, (height - 1) / 2), image_size)

    @classmethod
    def from_matrix(cls, matrix: Float[np.ndarray, "3 3"], image_size: tuple[int, int]) -> Camera:
        """The camera of an intrinsic matrix for an image of (height, width).

        Raises:
            InvalidInput: the matrix has skew, or a last row other than 0, 0, 1.
        """
        if matrix[0, 1] or matrix[1, 0] or not np.array_equal(matrix[2], (0, 0, 1)):
            raise InvalidInput(
                "an intrinsic matrix reads [[fx, 0, x], [0, fy, y], [0, 0, 1]] (no skew), got "
                f"{matrix.tolist()}; rectify the picture first"
            )
        focal_x, focal_y, x, y = (
            float(matrix[place]) for place in ((0, 0), (1, 1), (0, 2), (1, 2))
        )
        return cls((focal_x, focal_y), (x, y), image_size)

    @property
    def matrix(self) -> Float[np.ndarray, "3 3"]:
        """The intrinsic matrix."""
        (focal_x, focal_y), (x, y) = self.focal, self.centre
        return np.array([[focal_x, 0, x], [0, focal_y, y], [0, 0, 1]], np.float64)

    def project(self, positions: Float[np.ndarray, "*many 3"]) -> Float[np.ndarray, "*many 2"]:
        """Points `(x, y)` in pixels of positions in camera axes; NaN behind the camera."""
        depth = positions[..., 2:]
        depth = np.where(depth > 0, depth, np.nan)
        return positions[..., :2] / depth * np.array(self.focal) + np.array(self.centre)

    def unproject(
        self, points: Float[np.ndarray, "*many 2"], depth: Float[np.ndarray, "*many"]
    ) -> Float[np.ndarray, "*many 3"]:
        """Positions in camera axes of points in pixels at a depth along z; undoes `project`."""
        rays = (points - np.array(self.centre)) / np.array(self.focal)
        return np.concatenate([rays, np.ones_like(rays[..., :1])], -1) * depth[..., None]


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """A rigid motion: `position -> rotation @ position + translation`."""

    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, "xyz=3"]

    def __post_init__(self) -> None:
        if not np.allclose(self.rotation @ self.rotation.T, np.eye(3), atol=1e-5):
            raise InvalidInput("the rotation of a pose must be an orthogonal 3 x 3 matrix")
        if np.linalg.det(self.rotation) < 0:
            raise InvalidInput("the rotation of a pose must not mirror (its determinant is -1)")

    @classmethod
    def identity(cls) -> Pose:
        """The motion that leaves everything where it is."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def from_matrix(cls, matrix: Float[np.ndarray, "4 4"]) -> Pose:
        """The pose that a homogeneous 4 x 4 matrix stands for."""
        return cls(np.array(matrix[:3, :3]), np.array(matrix[:3, 3]))

    @classmethod
    def from_euler(cls, angles: tuple[float, float, float], translation: np.ndarray) -> Pose:
        """A pose that turns about x, then y, then z by angles in radians (R = Rz Ry Rx)."""
        return cls(
            Rotation.from_euler("xyz", angles).as_matrix(), np.asarray(translation, np.float64)
        )

    @property
    def matrix(self) -> Float[np.ndarray, "4 4"]:
        """The homogeneous 4 x 4 matrix."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.rotation, self.translation
        return matrix

    def move(self, positions: Float[np.ndarray, "*many 3"]) -> Float[np.ndarray, "*many 3"]:
        """Positions after the motion."""
        return positions @ self.rotation.T + self.translation

    def inverse(self) -> Pose:
        """The motion back."""
        return Pose(self.rotation.T, -self.rotation.T @ self.translation)

    def after(self, first: Pose) -> Pose:
        """The motion that makes `first` and then this one."""
        return Pose(self.rotation @ first.rotation, self.move(first.translation))


def rotation_from_vector(vector: Float[np.ndarray, "xyz=3"]) -> Float[np.ndarray, "3 3"]:
    """The rotation matrix about the axis `vector` by its length in radians."""
    return Rotation.from_rotvec(vector).as_matrix()


def vector_from_rotation(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "xyz=3"]:
    """Axis times angle in radians, of length at most pi; undoes `rotation_from_vector`."""
    return Rotation.from_matrix(rotation).as_rotvec()
