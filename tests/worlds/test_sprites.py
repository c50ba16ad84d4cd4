"""Cut-outs: their flow explains their frames, riders go along, splits share no outline."""

import numpy as np
import pytest
import torch

from spelke.errors import InvalidInput
from spelke.flow.warp import warp_backward
from spelke.worlds.cards import MATTES, Card, draw_cards
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.render import Camera
from spelke.worlds.replay import revive


@pytest.fixture(scope="module")
def scene():
    options = SceneOptions(families=("sprites",), pokes=8, size=128, groups=1, camera_moves=0.0)
    return make_scene(4, options)


def test_a_frame_warped_back_is_the_first(scene):
    for poke in range(len(scene.pokes)):
        flow = torch.from_numpy(scene.response_flow(poke))
        frame = torch.from_numpy(scene.pokes.rgb[poke].transpose(2, 0, 1).astype(np.float32))
        back = warp_backward(frame, flow).frame.numpy().transpose(1, 2, 0)
        moves = (np.hypot(*flow.numpy()) > 0.5) & scene.pokes.visible[poke]
        error = np.abs(back - scene.rgb).mean(-1)[moves]
        still = np.abs(scene.pokes.rgb[poke].astype(float) - scene.rgb).mean(-1)[moves]
        if moves.sum() > 50:
            assert error.mean() < 0.6 * still.mean()


def test_riders_go_along_and_carriers_stay():
    for seed in range(40):
        options = SceneOptions(families=("sprites",), pokes=8, size=64, groups=1)
        scene = make_scene(seed, options)
        pairs = np.argwhere(scene.support)
        if len(pairs):
            break
    moved = np.abs(scene.pokes.end_pose - scene.pokes.twin_pose).max(-1) > 0
    for poke, body in enumerate(scene.pokes.body):
        np.testing.assert_array_equal(moved[poke], scene.carry[body] > 0)
    carrier, rider = pairs[0]
    assert scene.carry[carrier, rider] == 1
    assert scene.carry[rider, carrier] == 0


def test_depth_and_ids_of_a_card_that_faces_the_camera():
    camera = Camera(np.eye(3), np.zeros(3), 90.0)
    matte, grey = np.ones((32, 32), np.float32), np.full((32, 32, 3), 0.5, np.float32)
    poses = np.array([[0, 0, -3, 1, 0, 0, 0], [0, 0, -2, 1, 0, 0, 0.0]])
    rgb, ids, depth = draw_cards(
        [Card(4, matte, grey), Card(1, matte, 1 - grey)], poses, camera, 64
    )
    assert rgb.shape == (64, 64, 3)
    inside = np.zeros((64, 64), bool)
    inside[16:48, 16:48] = True
    np.testing.assert_array_equal(ids == 1, inside)
    np.testing.assert_allclose(depth, np.where(inside, 2, 3))


def test_a_drawn_scene_cannot_be_simulated(scene):
    with pytest.raises(InvalidInput, match="no MJCF"):
        revive(scene)


@pytest.mark.parametrize("split", ["train", "test"])
def test_mattes_are_filled_outlines(split):
    for name, make in MATTES[split].items():
        matte = make(np.random.default_rng(0))
        assert matte.max() == 1, name
        assert 0.05 < matte.mean() < 0.95, name


def test_the_splits_share_no_matte():
    assert not set(MATTES["train"]) & set(MATTES["test"])


def test_photographs_of_cut_outs_come_from_where_they_are_told_and_are_noted():
    options = SceneOptions(families=("sprites",), pokes=1, size=64)
    notes = [make_scene(seed, options).notes for seed in range(6)]
    assert any(note.startswith("photo ") for scene in notes for note in scene)
    assert not any("wallpaper" in note for scene in notes for note in scene)


def test_some_scenes_are_crowds_of_small_layers():
    options = SceneOptions(families=("sprites",), pokes=1, size=64)
    layers = [len(make_scene(seed, options).body_pos) - 1 for seed in range(30)]
    assert max(layers) > 8
    assert min(layers) < 8
