"""A camera motion as seven codes: rotation vector, direction of travel, distance.

Source: Venkatesh et al. 2025, section 3.1 (camera conditioning).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from spelke.errors import InvalidInput

IDENTITY_CODES = (1801, 1801, 1801, 1001, 1001, 1001, 1)
"""Codes of a camera that stays where it is."""

_STEPS = np.array([0.1] * 3 + [0.001] * 4)
_OFFSETS = np.array([1801] * 3 + [1001] * 3 + [1])


def pose_matrix(
    angles: tuple[float, float, float], translation: tuple[float, float, float]
) -> Float[np.ndarray, "4 4"]:
    """Rigid motion R = Rz Ry Rx from angles about x, y, z in radians, and a translation."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles).as_matrix()
    matrix[:3, 3] = translation
    return matrix


def describe_pose(pose: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, " 7"]:
    """Rotation vector in degrees, direction of travel (unit length), distance."""
    translation = pose[:3, 3]
    distance = np.linalg.norm(translation)
    rotation = np.degrees(Rotation.from_matrix(pose[:3, :3]).as_rotvec())
    return np.concatenate([rotation, translation / (distance + 1e-6), [distance]])


def encode_pose(pose: Float[np.ndarray, "4 4"], num_values: int = 10_000) -> Int[np.ndarray, " 7"]:
    """Codes of a rigid motion, in steps of 0.1 degrees and 0.001 units.

    Raises:
        InvalidInput: the distance is beyond what the vocabulary holds (10 units as published).
    """
    codes = np.round(describe_pose(pose) / _STEPS).astype(np.int64) + _OFFSETS
    if codes.max() >= num_values:
        raise InvalidInput(
            f"a camera that travels {np.linalg.norm(pose[:3, 3]):.2f} units is out of range: the "
            f"vocabulary ends at {(num_values - 2) / 1000:.2f}; rescale the scene"
        )
    return codes
