"""Laws of edits in the axes of the ground."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import InvalidInput
from spelke.geometry.camera import Camera, Pose
from spelke.manipulation.world_frame import WorldEdit, ground_frame, motion_in_camera

CAMERA = Camera.from_field_of_view(60.0, (48, 64))
LEFT, NEAR, RIGHT = (10.0, 36.0), (32.0, 45.0), (54.0, 36.0)
angles = st.floats(-180, 180)
shifts = st.tuples(*[st.floats(-2, 2)] * 3)


def _floor(height=1.5):
    """Depth of a level floor below a level camera; far above the horizon."""
    rows = np.arange(48)[:, None] * np.ones(64)
    below = rows - CAMERA.centre[1]
    return np.where(below > 1, height * CAMERA.focal[1] / np.maximum(below, 1), 100.0)


FRAME = ground_frame([LEFT, NEAR, RIGHT], _floor(), CAMERA)


def test_the_normal_of_a_floor_points_to_the_sky():
    np.testing.assert_allclose(FRAME.rotation[:, 2], [0, -1, 0], atol=1e-9)
    np.testing.assert_allclose(FRAME.rotation[:, 0], [1, 0, 0], atol=1e-9)
    np.testing.assert_allclose(FRAME.rotation[:, 1], [0, 0, 1], atol=1e-9)


def test_the_other_way_round_the_normal_points_down():
    frame = ground_frame([RIGHT, NEAR, LEFT], _floor(), CAMERA)
    np.testing.assert_allclose(frame.rotation[:, 2], [0, 1, 0], atol=1e-9)


@given(angles, shifts)
def test_a_turn_about_the_normal_keeps_the_height_and_the_middle(azimuth, shift):
    level = (shift[0], shift[1], 0.0)
    centre = np.array([0.3, 0.8, 2.0])
    motion = motion_in_camera(WorldEdit(azimuth=azimuth, translation=level).pose, centre, FRAME)
    positions = centre + np.random.default_rng(0).normal(size=(20, 3))
    moved = motion.move(positions)
    np.testing.assert_allclose(moved[:, 1], positions[:, 1], atol=1e-9)
    gone = FRAME.inverse().move(motion.move(centre) - centre)
    np.testing.assert_allclose(gone, level, atol=1e-9)


@given(angles, angles, angles)
def test_angles_turn_about_x_then_y_then_z(azimuth, elevation, tilt):
    whole = WorldEdit(azimuth=azimuth, elevation=elevation, tilt=tilt).pose
    steps = (
        WorldEdit(azimuth=azimuth)
        .pose.after(WorldEdit(tilt=tilt).pose)
        .after(WorldEdit(elevation=elevation).pose)
    )
    np.testing.assert_allclose(whole.matrix, steps.matrix, atol=1e-9)


def test_no_edit_is_no_motion():
    motion = motion_in_camera(WorldEdit().pose, np.array([1.0, 2, 3]), FRAME)
    np.testing.assert_allclose(motion.matrix, Pose.identity().matrix, atol=1e-12)


def test_points_that_span_no_ground_are_refused():
    depth = _floor()
    with pytest.raises(InvalidInput, match="three points"):
        ground_frame([LEFT, NEAR], depth, CAMERA)
    with pytest.raises(InvalidInput, match="one line"):
        ground_frame([LEFT, LEFT, RIGHT], depth, CAMERA)
    with pytest.raises(InvalidInput, match="straight at the ground"):
        ground_frame([LEFT, NEAR, RIGHT], np.full((48, 64), 2.0), CAMERA)
    with pytest.raises(InvalidInput, match="outside"):
        ground_frame([LEFT, NEAR, (64.0, 3.0)], depth, CAMERA)
    with pytest.raises(InvalidInput, match="one \\(height, width\\)"):
        ground_frame([LEFT, NEAR, RIGHT], depth[:24], CAMERA)
