"""A seed is a scene: the same bytes anywhere, in view, well lit, and nothing of the other split."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from spelke.errors import InvalidInput
from spelke.worlds.compounds import COMPOUNDS
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.layout import FAMILIES, MAX_THINGS, SPRITES, draw_layout
from spelke.worlds.patterns import PATTERNS
from spelke.worlds.photos import PHOTOS
from spelke.worlds.replay import replay
from spelke.worlds.shapes import PRIMITIVES, SOLIDS
from spelke.worlds.textures import PALETTES

DIGEST = """
import hashlib
from spelke.worlds.generate import SceneOptions, make_scene
scene = make_scene(5, SceneOptions(pokes=2, size=96))
parts = (scene.rgb, scene.ids, scene.depth, scene.pokes.end_pose, scene.pokes.rgb, scene.state0)
print(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
"""


def test_the_same_seed_gives_the_same_bytes_in_another_process(graphics):
    scene = make_scene(5, SceneOptions(pokes=2, size=96))
    parts = (scene.rgb, scene.ids, scene.depth, scene.pokes.end_pose, scene.pokes.rgb, scene.state0)
    here = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True, timeout=120
    )
    assert there.stdout.strip() == here


def test_seeds_and_splits_differ(graphics):
    options = SceneOptions(pokes=1, size=64, after_frames=False)
    held_out = SceneOptions(pokes=1, size=64, after_frames=False, split="test")
    scenes = [make_scene(0, options), make_scene(1, options), make_scene(0, held_out)]
    assert len({scene.rgb.tobytes() for scene in scenes}) == 3


def test_a_record_replays_to_the_bit(scene):
    for poke in range(len(scene.pokes)):
        assert replay(scene, poke).tobytes() == scene.pokes.end_pose[poke].tobytes()


def test_the_picture_is_worth_looking_at(scene):
    shares = scene.visible_pixels()[scene.body_movable] / scene.ids.size
    assert shares.max() > 0.01
    assert 0.15 <= scene.rgb.mean() / 255 <= 0.85
    assert np.isfinite(scene.depth[scene.ids != 255]).all()
    assert np.isinf(scene.depth[scene.ids == 255]).all()


def test_pokes_touch_their_body_and_cover_different_bodies(scene):
    x, y = scene.pokes.pixel.T
    np.testing.assert_array_equal(scene.ids[y, x], scene.pokes.body)
    assert scene.body_movable[scene.pokes.body].all()
    large = scene.body_movable & (scene.visible_pixels() > 400)
    assert len(set(scene.pokes.body)) >= min(len(scene.pokes), large.sum())
    for poke, (px, py) in enumerate(scene.pokes.pixel):
        np.testing.assert_allclose(
            scene.point_at(int(px), int(py)), scene.pokes.point[poke], atol=1e-5
        )


def test_the_flow_at_the_pixel_is_the_flow_of_the_frame(scene):
    for poke, (x, y) in enumerate(scene.pokes.pixel):
        flow = scene.response_flow(poke)[:, y, x]
        np.testing.assert_allclose(flow, scene.pokes.flow_at_pixel[poke], atol=1e-3)


def test_a_body_that_was_not_touched_stays_exactly(scene):
    pos, quat = scene.response_poses()
    np.testing.assert_array_equal(pos[:, 0], np.broadcast_to(scene.body_pos[0], pos[:, 0].shape))
    still = np.abs(scene.pokes.end_pose - scene.pokes.twin_pose).max(-1) < 1e-8
    assert still[:, 1:].any()
    np.testing.assert_array_equal(pos[still], np.broadcast_to(scene.body_pos, pos.shape)[still])
    np.testing.assert_array_equal(quat[still], np.broadcast_to(scene.body_quat, quat.shape)[still])


def test_the_splits_share_nothing():
    for table in (PRIMITIVES, SOLIDS, COMPOUNDS, PATTERNS, PALETTES, PHOTOS):
        assert not set(table["train"]) & set(table["test"])
    files = [set(PHOTOS[split].values()) for split in ("train", "test")]
    assert not files[0] & files[1]


def test_the_demonstration_photo_is_in_no_split():
    assert not any("coffee" in str(PHOTOS[split]) for split in PHOTOS)


FURNISHINGS = [
    "tray",
    "bowl",
    "block",
    "wall",
    "step",
    "post",
    "shelf",
    "plank",
    "domino",
    "cup",
    "pot",
    "stick",
    "plate",
    "ramp",
    "stand",
    "pendulum",
    "link",
]
LINKED = {
    "train": ["chest", "lid", "cabinet", "drawer", "cupboard", "door", "scissors", "blade"],
    "test": ["laptop", "screen", "sleeve", "inner", "cupboard", "door", "foot", "arm"],
}


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != SPRITES])
@pytest.mark.parametrize("split", ["train", "test"])
def test_layouts_stand_on_the_table_and_keep_to_their_split(family, split):
    shapes = set(PRIMITIVES[split]) | set(SOLIDS[split]) | set(COMPOUNDS[split])
    shapes |= {*FURNISHINGS, *LINKED[split]}
    for seed in range(12):
        things = draw_layout(np.random.default_rng(seed), family, split)
        assert 1 <= sum(thing.movable for thing in things) <= MAX_THINGS
        assert {thing.label for thing in things} <= shapes
        assert min(thing.outline()[:, 2].min() for thing in things) > -0.004


@pytest.mark.parametrize(
    "wrong",
    [
        {"families": ("sculptures",)},
        {"families": ()},
        {"split": "validation"},
        {"size": 8},
        {"pokes": 0},
    ],
)
def test_bad_options_are_refused(wrong):
    with pytest.raises(InvalidInput):
        SceneOptions(**wrong)


def test_a_negative_seed_is_refused():
    with pytest.raises(InvalidInput, match="seed"):
        make_scene(-1)
