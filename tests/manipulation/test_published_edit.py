"""The geometry of the published object editor: tests/golden/spelkenet/object_edit.npz.

Its arrays are in (row, column) order where ours are in (x, y).
"""

import numpy as np
import pytest
import torch
from tests.recipes import golden

from spelke.geometry.camera import Camera, Pose
from spelke.manipulation.flow_grid import moving_cells, pool_longest, reduce_flow
from spelke.manipulation.object_flow import object_flow, object_positions
from spelke.manipulation.patch_choice import (
    OBJECT_FLOW_OLD,
    choose_flow_patches,
    patches_outside,
)
from spelke.manipulation.regions import combined_box, whole_patches
from spelke.manipulation.rigid_fit import fit_rigid
from spelke.manipulation.world_frame import WorldEdit, ground_frame, motion_in_camera

GOLDEN = golden("object_edit")
CAMERA = Camera.from_matrix(GOLDEN["K"], (256, 256))
DEPTH = GOLDEN["depth"]
MOTION = Pose(GOLDEN["R"], GOLDEN["T"])


def _mask(key):
    return np.unpackbits(GOLDEN[key]).reshape(256, 256).astype(bool)


def _rows_first(flow):
    """Flow (2, ...) with its rows first, as published."""
    return flow.flip(0).numpy()


@pytest.fixture(scope="module")
def moved():
    return object_flow(_mask("seg"), DEPTH, CAMERA, MOTION, landing="floor")


def test_pixels_are_lifted_and_projected_as_published():
    points = GOLDEN["unproj_in"][:, ::-1].astype(np.float64)
    lifted = CAMERA.unproject(points, GOLDEN["unproj_depth"])
    np.testing.assert_allclose(lifted, GOLDEN["unproj_out"], atol=1e-12)
    landed = np.floor(CAMERA.project(GOLDEN["proj_in"]))
    np.testing.assert_array_equal(landed[:, ::-1], GOLDEN["proj_out"][:, :2])
    np.testing.assert_array_equal(GOLDEN["proj_out"][:, 2], 1)


def test_the_object_moves_as_published(moved):
    positions = MOTION.move(object_positions(_mask("seg"), DEPTH, CAMERA))
    np.testing.assert_allclose(positions[:10], GOLDEN["coords3d_first10"], atol=1e-12)
    np.testing.assert_array_equal(moved.flow.flip(0).permute(1, 2, 0), GOLDEN["flow_full"])
    np.testing.assert_array_equal(moved.segment, _mask("seg_frame1"))


def test_flow_is_reduced_as_published(moved):
    reduced = reduce_flow(moved.flow, (16, 16), (256, 256))
    np.testing.assert_array_equal(_rows_first(reduced), GOLDEN["flow_ds"][0])
    cells, _ = pool_longest(moved.flow, 4)
    np.testing.assert_array_equal(pool_longest(cells, 4)[1], GOLDEN["flow_ds_idx"])


def test_a_large_picture_is_reduced_to_the_pixels_of_the_network(moved):
    large = 4 * moved.flow.repeat_interleave(4, 1).repeat_interleave(4, 2)
    reduced = reduce_flow(large, (64, 64), (256, 256))
    np.testing.assert_array_equal(_rows_first(reduced), GOLDEN["flow_ds_from1024"][0])


def test_flow_patches_are_the_published_ones():
    moving = moving_cells(torch.from_numpy(GOLDEN["flow_ds_from1024"][0]))
    new = choose_flow_patches(moving, 32, 32, np.random.RandomState(3))
    np.testing.assert_array_equal(new, GOLDEN["unmask_new_seed3"])
    old = choose_flow_patches(moving, 32, 32, np.random.RandomState(3), OBJECT_FLOW_OLD)
    np.testing.assert_array_equal(old, GOLDEN["unmask_old_seed3"])


def test_the_box_around_the_way_is_the_published_one(moved):
    np.testing.assert_array_equal(combined_box(_mask("seg"), moved.segment), _mask("combined_bbox"))


def test_patches_outside_the_moved_object_are_the_published_ones(moved):
    large = moved.segment.repeat(4, 0).repeat(4, 1)
    np.testing.assert_array_equal(whole_patches(large, 32, 32), GOLDEN["seg32"])
    outside = patches_outside(large, 32, 32, np.random.RandomState(11), partly=True)
    np.testing.assert_array_equal(outside, GOLDEN["unmask_rgb1_seed11"])


def test_a_rigid_motion_is_fitted_as_published():
    motion = fit_rigid(GOLDEN["rt_A"], GOLDEN["rt_B"])
    np.testing.assert_allclose(motion.rotation, GOLDEN["rt_R"], atol=1e-10)
    np.testing.assert_allclose(motion.translation, GOLDEN["rt_T"], atol=1e-10)


def test_angles_make_the_published_rotation():
    azimuth, tilt, elevation = GOLDEN["euler_args"].tolist()
    edit = WorldEdit(azimuth=azimuth, tilt=tilt, elevation=elevation)
    np.testing.assert_allclose(edit.pose.rotation, GOLDEN["R"], atol=1e-12)


def _camera_from_world():
    points = [(float(x), float(y)) for x, y in GOLDEN["ground_pts"]]
    return ground_frame(points, DEPTH, CAMERA)


def test_the_ground_gives_the_published_axes():
    frame = _camera_from_world()
    np.testing.assert_allclose(frame.matrix, GOLDEN["cam_from_world"], atol=1e-6)
    np.testing.assert_allclose(frame.inverse().matrix, GOLDEN["world_from_cam"][0], atol=1e-6)


def test_an_edit_in_the_world_is_the_published_one():
    segment = _mask("seg")
    centre = object_positions(segment, DEPTH, CAMERA).mean(0)
    motion = motion_in_camera(MOTION, centre, _camera_from_world())
    moved = object_flow(segment, DEPTH, CAMERA, motion, landing="floor")
    np.testing.assert_array_equal(moved.segment, _mask("world_seg1"))
    reduced = reduce_flow(moved.flow, (16, 16), (256, 256))
    np.testing.assert_array_equal(_rows_first(reduced), GOLDEN["world_flow_ds"][0])
    chosen = choose_flow_patches(moving_cells(reduced), 8, 8, np.random.RandomState(5))
    np.testing.assert_array_equal(chosen, GOLDEN["world_unmask_seed5"])
