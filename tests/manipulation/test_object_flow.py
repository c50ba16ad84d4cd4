"""Laws of moving an object: rest is rest, near things move further, nothing is invented."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import InvalidInput
from spelke.geometry.camera import Camera, Pose, rotation_from_vector
from spelke.manipulation.object_flow import object_flow, object_positions

CAMERA = Camera((61.3, 59.7), (15.2, 11.9), (24, 32))
SIZE = CAMERA.image_size
vectors = st.tuples(*[st.floats(-0.2, 0.2)] * 3).map(np.array)


def _scene(seed):
    rng = np.random.default_rng(seed)
    segment = np.zeros(SIZE, bool)
    segment[6:18, 8:24] = rng.random((12, 16)) < 0.8
    return segment, rng.uniform(1, 4, SIZE).astype(np.float32)


@given(st.integers(0, 999))
def test_an_object_at_rest_has_no_flow_and_stays_where_it_is(seed):
    segment, depth = _scene(seed)
    moved = object_flow(segment, depth, CAMERA, Pose.identity())
    assert not moved.flow.any()
    np.testing.assert_array_equal(moved.segment, segment)


def test_the_published_landing_makes_a_whole_pixel_of_a_hair_s_breadth():
    segment, depth = _scene(0)
    motion = Pose(np.eye(3), np.array([-1e-8, -1e-8, 0]))
    moved = object_flow(segment, depth, CAMERA, motion, landing="floor")
    assert (moved.flow[:, segment] == -1).all()
    assert not object_flow(segment, depth, CAMERA, motion).flow.any()


@given(st.integers(0, 999), vectors, vectors)
def test_flow_ends_where_the_moved_position_projects(seed, turn, shift):
    segment, depth = _scene(seed)
    motion = Pose(rotation_from_vector(turn), shift)
    moved = object_flow(segment, depth, CAMERA, motion)
    ends = CAMERA.project(motion.move(object_positions(segment, depth, CAMERA)))
    flow = moved.flow[:, segment].T.numpy()
    np.testing.assert_allclose(np.argwhere(segment)[:, ::-1] + flow, ends, atol=1e-4)
    assert not moved.flow[:, ~segment].any()
    assert moved.segment.sum() <= segment.sum()


@given(st.integers(0, 999), vectors, vectors)
def test_the_published_landing_is_less_than_a_pixel_up_and_left(seed, turn, shift):
    segment, depth = _scene(seed)
    motion = Pose(rotation_from_vector(turn), shift)
    exact = object_flow(segment, depth, CAMERA, motion).flow
    less = exact - object_flow(segment, depth, CAMERA, motion, landing="floor").flow
    assert less.min() >= -1e-4
    assert less.max() < 1 + 1e-4


def test_a_shift_moves_near_things_further():
    segment = np.zeros(SIZE, bool)
    segment[4, 4:6] = True
    depth = np.ones(SIZE, np.float32)
    depth[4, 5] = 2
    flow = object_flow(segment, depth, CAMERA, Pose(np.eye(3), np.array([0.1, 0, 0]))).flow
    assert flow[:, 4, 4].tolist() == pytest.approx([6.13, 0], abs=1e-5)
    assert flow[:, 4, 5].tolist() == pytest.approx([3.065, 0], abs=1e-5)


def test_what_leaves_the_picture_covers_nothing_there():
    segment, depth = _scene(0)
    moved = object_flow(segment, depth, CAMERA, Pose(np.eye(3), np.array([50.0, 0, 0])))
    assert not moved.segment.any()
    assert moved.flow[0, segment].min() > 32


@pytest.mark.usefixtures("unchecked_shapes")
def test_what_cannot_be_moved_is_refused():
    segment, depth = _scene(0)
    with pytest.raises(InvalidInput, match="empty"):
        object_flow(np.zeros(SIZE, bool), depth, CAMERA, Pose.identity())
    with pytest.raises(InvalidInput, match="positive"):
        object_flow(segment, np.zeros(SIZE, np.float32), CAMERA, Pose.identity())
    with pytest.raises(InvalidInput, match="behind the camera"):
        object_flow(segment, depth, CAMERA, Pose(np.eye(3), np.array([0, 0, -2.0])))
    with pytest.raises(InvalidInput, match="one \\(height, width\\)"):
        object_flow(segment.T, depth.T, CAMERA, Pose.identity())
