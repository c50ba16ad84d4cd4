import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.training.scenes import PUBLISHED, SAMPLES, hand_made_scene, records

from spelke.data.world_records import encode
from spelke.errors import InvalidInput
from spelke.tokens.campose import IDENTITY_CODES
from spelke.training.published_samples import (
    PublishedConfig,
    PublishedSamples,
    camera_pose,
    order_flow,
)
from spelke.training.samples import SceneSamples


@given(st.sets(st.integers(0, 30), max_size=8), st.sets(st.integers(0, 30), min_size=9))
def test_the_flow_part_holds_each_patch_once_and_what_is_revealed_first(revealed, asked):
    rng = np.random.default_rng(0)
    order, count = order_flow(np.array(sorted(revealed), int), np.array(sorted(asked)), rng)
    assert len(order) == len(asked) == len(set(order.tolist()))
    assert count == len(revealed)
    assert set(order[:count].tolist()) == revealed
    assert set(order[count:].tolist()) <= asked - revealed


def test_orders_are_random():
    asked = np.arange(20)
    orders = {
        tuple(order_flow(asked[:4], asked, np.random.default_rng(seed))[0]) for seed in range(9)
    }
    assert len(orders) == 9
    assert len({order[0] for order in orders}) > 1


def test_a_sample_is_a_function_of_its_number_and_keeps_the_questions():
    scenes = SceneSamples(records(3), SAMPLES, 5)
    first, second = (PublishedSamples(scenes, PUBLISHED)[4] for _ in range(2))
    for name in ("picture", "flow", "num_revealed", "camera"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    assert torch.equal(first.world.flow, scenes[4].flow)
    assert first.picture.shape == (2, 6)
    assert first.flow.shape == (2, 12)
    assert not torch.equal(first.picture[0], first.picture[1])
    for row in first.picture.tolist():
        assert len(set(row)) == 6


def test_the_camera_is_told():
    still, moving = (
        PublishedSamples(
            SceneSamples([encode(hand_made_scene(1, moves), "a")], SAMPLES, 0), PUBLISHED
        )
        for moves in (False, True)
    )
    layout = PUBLISHED.layout()
    codes = still[0].camera[0] - layout.camera.start
    assert codes[1:].tolist() == list(IDENTITY_CODES)
    assert still[0].camera[0, 0] == layout.camera_pointer
    angles = moving[0].camera[0, 1:4] - layout.camera.start - 1801
    assert sorted(angles.abs().tolist()) in ([2, 5, 10], [3, 5, 10])


def test_a_pose_from_its_numbers():
    pose = camera_pose(np.array([0, 0, 90, 1, 2, 3], np.float32))
    np.testing.assert_allclose(pose[:3, :3], [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-6)
    np.testing.assert_allclose(pose[:, 3], [1, 2, 3, 1], atol=1e-6)


@pytest.mark.parametrize(
    "change", [{"image_size": 36}, {"picture_patches": 0}, {"picture_patches": 17}]
)
def test_impossible_layouts_are_refused(change):
    with pytest.raises(InvalidInput, match=next(iter(change))):
        PublishedConfig(**{"image_size": 32, "picture_patches": 6, **change})
