import dataclasses

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.training.scenes import SAMPLES, SIDE, hand_made_scene, records

from spelke.errors import InvalidInput, MissingData
from spelke.geometry.camera import rotation_from_vector
from spelke.training import samples
from spelke.training.samples import (
    SampleConfig,
    SceneSamples,
    choose_crop,
    choose_pokes,
    make_sample,
    mirror_motion,
    shortened_responses,
    vary_appearance,
)
from spelke.training.tasks import sample_batches
from spelke.training.world import WorldBatch
from spelke.worlds.flow import flow_at, pixel_grid

WHOLE = dataclasses.replace(SAMPLES, image_size=SIDE, whole_fraction=1.0, poke_length=(9.0, 9.0))


def same(first, second):
    """NaN marks what is not virtual, and equals NaN here."""
    return all(
        torch.equal(one.nan_to_num(-99), two.nan_to_num(-99))
        for one, two in zip(first, second, strict=True)
    )


def test_shapes():
    sample = SceneSamples(records(1), SAMPLES, 0)[0]
    assert sample.image.shape == (3, 32, 32)
    assert sample.image.dtype == torch.uint8
    assert sample.flow.shape == (2, 2, 32, 32)
    assert sample.camera.shape == (2, 6)
    assert sample.asked.shape == (2, 12)
    assert sample.revealed.shape == sample.valid.shape == (2, 8)


def test_a_sample_is_a_function_of_its_number():
    first, second = (SceneSamples(records(3), SAMPLES, 7) for _ in range(2))
    assert same(first[5], second[5])
    assert not same(first[5], first[2])
    assert not same(first[5], SceneSamples(records(3), SAMPLES, 8)[5])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # on one core
def test_workers_change_nothing():
    # OpenCV's threads are there, as after an evaluation with pictures; workers must not mind.
    cv2.GaussianBlur(np.zeros((600, 600, 3), np.float32), (0, 0), 2.0)
    scenes = SceneSamples(records(3), SAMPLES, 7)
    alone = sample_batches(scenes, 2, first=3)
    helped = sample_batches(scenes, 2, first=3, num_workers=2)
    for _ in range(3):
        assert same(next(alone), next(helped))
    assert same(next(sample_batches(scenes, 2, first=6)), next(alone))


def test_an_epoch_shows_every_scene_once(monkeypatch):
    shown, scene = [], hand_made_scene()

    def decoded(record):
        shown.append(record["__key__"])
        return scene

    monkeypatch.setattr(samples, "decode", decoded)
    empty = WorldBatch(*[torch.zeros(1)] * 8)
    monkeypatch.setattr(samples, "make_sample", lambda *_: empty)
    scenes = SceneSamples([{"__key__": bytes([n])} for n in range(10)], SAMPLES, 0)
    for number in range(20):
        scenes[number]
    assert sorted(shown[:10]) == sorted(shown[10:]) == [bytes([n]) for n in range(10)]
    assert shown[:10] != shown[10:]


@pytest.mark.parametrize("camera_moves", [False, True], ids=["still", "moving camera"])
def test_the_flow_of_a_whole_frame_is_that_of_the_scene(camera_moves):
    scene = hand_made_scene(1, camera_moves)
    truth = np.stack([scene.response_flow(poke) for poke in range(4)])
    truth = np.concatenate([truth, mirror_motion(truth, np.zeros((4, 6)))[0]])
    for seed in range(4):
        flows = make_sample(scene, WHOLE, np.random.default_rng(seed)).flow.float().numpy()
        for flow in flows:
            assert np.abs(flow - truth).max((1, 2, 3)).min() < 0.02


def test_the_flow_of_a_crop_is_measured_in_its_pixels(monkeypatch):
    scene = hand_made_scene(1)
    monkeypatch.setattr(samples, "choose_crop", lambda *_: (16, 8, 32))
    truth = np.stack([scene.response_flow(poke) for poke in range(4)])[..., 8:40, 16:48]
    truth = 2 * truth.repeat(2, 2).repeat(2, 3)
    truth = np.concatenate([truth, mirror_motion(truth, np.zeros((4, 6)))[0]])
    for seed in range(4):
        flows = make_sample(scene, WHOLE, np.random.default_rng(seed)).flow.float().numpy()
        for flow in flows:
            assert np.abs(flow - truth).max((1, 2, 3)).min() < 0.02


def test_the_picture_is_that_of_the_crop(monkeypatch):
    scene = hand_made_scene(1)
    monkeypatch.setattr(samples, "choose_crop", lambda *_: (16, 8, 32))
    monkeypatch.setattr(samples, "vary_appearance", lambda image, rng, swapped: image)
    small = dataclasses.replace(WHOLE, image_size=32)
    crop = torch.from_numpy(scene.rgb[8:40, 16:48].transpose(2, 0, 1))
    pictures = [make_sample(scene, small, np.random.default_rng(seed)).image for seed in range(6)]
    kinds = {(torch.equal(one, crop), torch.equal(one.flip(2), crop)) for one in pictures}
    assert kinds == {(True, False), (False, True)}


def test_mirrored_motion_is_the_motion_of_the_mirrored_world():
    rng = np.random.default_rng(0)
    depth = (2 + rng.random((SIDE, SIDE))).astype(np.float32)
    scene = hand_made_scene()
    u, v = pixel_grid(SIDE, SIDE)
    camera = np.array([2.0, -3.0, 1.5, 0.05, -0.03, 0.08])

    def flow_of(depth, camera):
        turn = rotation_from_vector(np.radians(camera[:3]))[None]
        still = (scene.body_pos[None], scene.body_quat[None])
        ids = np.zeros((SIDE, SIDE), np.uint8)
        first = (scene.K, scene.R, scene.p, scene.body_pos, scene.body_quat)
        return flow_at(u, v, ids, depth, *first, *still, turn, camera[None, 3:])[0]

    flow, mirrored = mirror_motion(flow_of(depth, camera), camera)
    np.testing.assert_allclose(flow, flow_of(depth[:, ::-1], mirrored), atol=1e-4)
    assert np.abs(flow).max() > 2
    twice = mirror_motion(flow, mirrored)
    np.testing.assert_array_equal(twice[0], flow_of(depth, camera))
    np.testing.assert_array_equal(twice[1], camera)


def test_long_responses_are_cut_short_and_short_ones_stay():
    scene = hand_made_scene(0, pushes=[(6, 0), (6, 0), (0, 2), (0, 2)])
    poses = shortened_responses(scene, np.arange(4), np.full(4, 3.0))
    camera = (scene.K, scene.R, scene.p, scene.body_pos, scene.body_quat)
    u, v = pixel_grid(SIDE, SIDE)
    flow = flow_at(u, v, scene.ids, scene.depth, *camera, *poses)
    at_board = flow[:, :, 24, 14]
    np.testing.assert_allclose(at_board, [(3, 0), (0, 0), (0, 2), (0, 0)], atol=1e-5)
    # What is carried goes as far as what carries it, and what nobody touches does not move at all.
    np.testing.assert_allclose(flow[0, :, 32, 24], (3, 0), atol=1e-5)
    assert np.array_equal(poses[0][1, 1], scene.body_pos[1])
    assert not flow[:, :, 0, 0].any()


@given(st.integers(0, 1000))
def test_crops_lie_inside_the_frame(seed):
    config = SampleConfig(image_size=32)
    left, top, side = choose_crop(hand_made_scene(), config, np.random.default_rng(seed))
    assert int(0.2 * SIDE) <= side <= SIDE
    assert 0 <= left <= SIDE - side
    assert 0 <= top <= SIDE - side


def test_bodies_out_of_sight_are_not_poked():
    scene = hand_made_scene()
    only_first = np.where(scene.ids == 2, 0, scene.ids)
    pokes = choose_pokes(scene, only_first, 6, np.random.default_rng(0))
    assert scene.pokes.body[pokes].tolist() == [1] * 6
    nothing = choose_pokes(scene, np.zeros_like(scene.ids), 3, np.random.default_rng(0))
    assert len(nothing) == 3


def test_appearance_varies_and_the_shape_stays():
    image = hand_made_scene().rgb
    varied = [vary_appearance(image, np.random.default_rng(seed)) for seed in range(12)]
    assert all(one.shape == image.shape and one.dtype == np.uint8 for one in varied)
    assert np.array_equal(varied[3], vary_appearance(image, np.random.default_rng(3)))
    assert len({one.tobytes() for one in varied}) > 9


def test_colours_are_swapped_and_nothing_else(monkeypatch):
    asked = []

    def vary(image, rng, swapped):
        asked.append(swapped)
        return image

    monkeypatch.setattr(samples, "vary_appearance", vary)
    scene = hand_made_scene()
    swapping = dataclasses.replace(SAMPLES, swapped_colours=0.5)
    plain, swapped = (
        make_sample(scene, config, np.random.default_rng(1)) for config in (SAMPLES, swapping)
    )
    assert asked == [0.0, 0.5]
    assert same(plain, swapped)


def test_no_scenes_are_refused():
    with pytest.raises(MissingData, match="spelke worlds make"):
        SceneSamples([], SAMPLES, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"patch_size": 7},
        {"whole_fraction": 1.2},
        {"focus_fraction": -0.1},
        {"swapped_colours": 1.5},
        {"smallest_crop": 0.7},
        {"poke_length": (0.2, 0.1)},
    ],
)
def test_impossible_samples_are_refused(change):
    with pytest.raises(InvalidInput, match=next(iter(change))):
        SampleConfig(**change)
