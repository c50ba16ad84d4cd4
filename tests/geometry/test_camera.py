"""Laws of the pinhole camera and of rigid motions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.recipes import golden

from spelke.errors import InvalidInput
from spelke.geometry.camera import Camera, Pose, rotation_from_vector, vector_from_rotation

numbers = st.floats(-3, 3)
vectors = st.tuples(numbers, numbers, numbers).map(np.array)
CAMERA = Camera((300.0, 310.0), (127.5, 90.0), (200, 256))


@given(st.floats(-500, 500), st.floats(-500, 500), st.floats(0.01, 100))
def test_a_point_with_its_depth_is_found_again(x, y, depth):
    point = np.array([x, y])
    position = CAMERA.unproject(point, np.array(depth))
    assert position[2] == pytest.approx(depth)
    np.testing.assert_allclose(CAMERA.project(position), point, atol=1e-6)


def test_projection_is_the_intrinsic_matrix(rng):
    positions = rng.random((4, 5, 3)) + np.array([0, 0, 1])
    homogeneous = positions @ CAMERA.matrix.T
    np.testing.assert_allclose(
        CAMERA.project(positions), homogeneous[..., :2] / homogeneous[..., 2:]
    )


def test_a_camera_is_its_intrinsic_matrix():
    assert Camera.from_matrix(CAMERA.matrix, CAMERA.image_size) == CAMERA
    skewed = CAMERA.matrix
    skewed[0, 1] = 0.1
    with pytest.raises(InvalidInput, match="skew"):
        Camera.from_matrix(skewed, CAMERA.image_size)


def test_nothing_behind_the_camera_has_a_point():
    assert np.isnan(CAMERA.project(np.array([1.0, 1.0, -1.0]))).all()


def test_the_field_of_view_reaches_from_border_to_border():
    camera = Camera.from_field_of_view(60.0, (100, 200))
    upper = camera.project(np.array([0.0, -np.tan(np.radians(30)), 1.0]))
    np.testing.assert_allclose(upper, [99.5, -0.5])


@given(vectors)
def test_a_rotation_vector_comes_back_up_to_full_turns(vector):
    rotation = rotation_from_vector(vector)
    again = vector_from_rotation(rotation)
    assert np.linalg.norm(again) <= np.pi + 1e-6
    np.testing.assert_allclose(rotation_from_vector(again), rotation, atol=1e-6)


@given(vectors, vectors, vectors)
def test_a_motion_and_its_inverse_cancel(turn, shift, position):
    pose = Pose(rotation_from_vector(turn), shift)
    np.testing.assert_allclose(pose.inverse().move(pose.move(position)), position, atol=1e-8)
    np.testing.assert_allclose(pose.inverse().after(pose).matrix, np.eye(4), atol=1e-8)


@given(vectors, vectors, vectors)
def test_motions_compose_like_their_matrices(turn, shift, other):
    first, second = Pose(rotation_from_vector(turn), shift), Pose(rotation_from_vector(other), turn)
    np.testing.assert_allclose(second.after(first).matrix, second.matrix @ first.matrix, atol=1e-8)
    np.testing.assert_allclose(Pose.from_matrix(first.matrix).matrix, first.matrix)


def test_poses_agree_with_the_published_code():
    stored = golden("campose")
    for six, matrix, code in zip(stored["poses"], stored["matrices"], stored["six"], strict=True):
        pose = Pose.from_euler(tuple(float(angle) for angle in six[:3]), six[3:])
        np.testing.assert_allclose(pose.matrix, matrix, atol=1e-6)
        degrees = np.degrees(vector_from_rotation(pose.rotation))
        np.testing.assert_allclose(degrees, code[:3], atol=1e-4)


def test_the_identity_moves_nothing():
    np.testing.assert_array_equal(Pose.identity().move(np.ones(3)), np.ones(3))


def test_what_is_no_camera_or_rotation_is_refused():
    with pytest.raises(InvalidInput, match="positive focal"):
        Camera((0.0, 1.0), (0.0, 0.0), (4, 4))
    with pytest.raises(InvalidInput, match="between 0 and 180"):
        Camera.from_field_of_view(180.0, (4, 4))
    with pytest.raises(InvalidInput, match="orthogonal"):
        Pose(np.ones((3, 3)), np.zeros(3))
    with pytest.raises(InvalidInput, match="mirror"):
        Pose(-np.eye(3), np.zeros(3))
