"""How sets are made, with a generator that draws noise; worlds are tested elsewhere."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from spelke.benchmarks.held_out import (
    MAX_BROKEN,
    HeldOutSettings,
    default_cache,
    item_key,
    item_of,
    look_masks,
    make_test_set,
    set_name,
)
from spelke.benchmarks.test_set import TestItem, fingerprint_of
from spelke.errors import SpelkeError, Unavailable

SETTINGS = HeldOutSettings(num_points=12, families=("primitives", "stacks"), size=32)


def draw(settings, family, number):
    """Two points in each picture; every fifth has none and every seventh fails."""
    if number % 7 == 6:
        raise ValueError("the stack fell over")
    size, count = settings.size, 0 if number % 5 == 4 else 2
    generator = np.random.default_rng(number + 1000 * len(family))
    return TestItem(
        item_key(family, number),
        family,
        generator.integers(0, 256, (size, size, 3), np.uint8),
        generator.integers(0, size, (count, 2)),
        *(np.ones((count, size, size), bool) for _ in range(3)),
    )


def test_every_family_gets_its_share_of_points(tmp_path):
    made = make_test_set(SETTINGS, tmp_path, make=draw)
    for family in SETTINGS.families:
        assert sum(len(item.points) for item in made.items if item.family == family) == 6
    assert not made.broken


def test_broken_scenes_are_named_and_replaced(tmp_path):
    made = make_test_set(replace(SETTINGS, num_points=40), tmp_path, make=draw)
    assert made.broken.keys() == {"primitives-00006", "stacks-00006"}
    assert made.broken["stacks-00006"] == "ValueError: the stack fell over"
    assert sum(len(item.points) for item in made.items) == 40


def test_the_set_is_the_same_from_the_cache_and_for_any_number_of_processes(tmp_path):
    alone = make_test_set(SETTINGS, tmp_path / "a", make=draw)
    again = make_test_set(SETTINGS, tmp_path / "a", make=no_more)
    together = make_test_set(SETTINGS, tmp_path / "b", workers=2, make=draw)
    assert fingerprint_of(alone.items) == fingerprint_of(again.items)
    assert fingerprint_of(alone.items) == fingerprint_of(together.items)
    assert alone.broken == together.broken


def no_more(settings, family, number):
    raise AssertionError("this scene is in the cache")


def test_a_larger_set_reuses_the_scenes_of_a_smaller_one(tmp_path):
    small = make_test_set(SETTINGS, tmp_path, make=draw)
    made = []

    def count(settings, family, number):
        made.append((family, number))
        return draw(settings, family, number)

    large = make_test_set(replace(SETTINGS, num_points=20), tmp_path, make=count)
    assert {item.key for item in small.items} < {item.key for item in large.items}
    assert not {item_key(*name) for name in made} & {item.key for item in small.items}


def test_a_damaged_scene_is_made_again(tmp_path):
    first = make_test_set(SETTINGS, tmp_path, make=draw)
    path = tmp_path / set_name(SETTINGS) / f"{first.items[0].key}.h5"
    path.write_bytes(path.read_bytes()[:100])
    again = make_test_set(SETTINGS, tmp_path, make=draw)
    assert fingerprint_of(first.items) == fingerprint_of(again.items)


def test_a_generator_that_never_succeeds_is_given_up(tmp_path):
    def fail(settings, family, number):
        raise ValueError("always")

    with pytest.raises(SpelkeError, match="ValueError: always"):
        make_test_set(SETTINGS, tmp_path, make=fail)
    assert MAX_BROKEN < 100


def test_a_missing_renderer_is_not_a_broken_scene(tmp_path):
    def fail(settings, family, number):
        raise Unavailable("no EGL")

    with pytest.raises(Unavailable, match="no EGL"):
        make_test_set(SETTINGS, tmp_path, make=fail)


def test_other_questions_have_another_cache():
    assert set_name(SETTINGS) != set_name(replace(SETTINGS, directions=4))
    assert set_name(SETTINGS) != set_name(replace(SETTINGS, split="train"))
    assert set_name(SETTINGS) == set_name(replace(SETTINGS, num_points=999))


def test_the_cache_is_where_the_system_keeps_caches(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "spelke"


@pytest.fixture
def scene():
    """A tray (1) with a cup (2), a shelf that does not move (3), a crumb (4), a lead block (5)."""
    ids = np.zeros((64, 64), np.uint8)
    ids[30:60, 4:40] = 1
    ids[36:50, 10:24] = 2
    ids[4:20, 4:60] = 3
    ids[62, 62] = 4
    ids[30:50, 44:62] = 5
    groups = np.array([ids == body for body in range(6)])
    groups[1] |= ids == 2
    groups[3] = groups[5] = False
    ignore = np.zeros_like(groups)
    ignore[1, 55:60, 4:40] = True
    parts = ids.astype(np.uint16)
    parts[30:60, 4:8] = 6  # a rim of the tray that looks otherwise
    parts[30:60, 30:40] = 7  # and one that looks as its middle does
    return SimpleNamespace(
        parts=parts,
        part_look=np.array([0, 1, 1, 2, 3, 4, 5, 1], np.int16),
        rgb=np.zeros((64, 64, 3), np.uint8),
        ids=ids,
        family="trays",
        body_movable=np.array([False, True, True, False, True, True]),
        group_masks=groups,
        ignore_masks=ignore,
    )


@pytest.mark.parametrize("seed", range(5))
def test_points_are_asked_deep_inside_of_what_moves(scene, seed):
    item = item_of(scene, "a", SETTINGS, np.random.default_rng(seed))
    bodies = [scene.ids[y, x] for x, y in item.points]
    assert sorted(bodies) == [1, 2]
    for (x, y), body, segment, instance in zip(
        item.points, bodies, item.segments, item.instances, strict=True
    ):
        assert (scene.ids[y - 2 : y + 3, x - 2 : x + 3] == body).all()
        assert np.array_equal(segment, scene.group_masks[body])
        assert np.array_equal(instance, scene.ids == body)
    assert not item.ignore[np.arange(2), item.points[:, 1], item.points[:, 0]].any()


def test_what_looks_alike_is_of_the_body_and_of_one_material(scene):
    tray, rim, cup = look_masks(scene, np.array([[30, 55], [5, 55], [12, 40]]))
    own = scene.ids == 1
    other = scene.parts == 6
    assert np.array_equal(tray, own & ~other)
    assert np.array_equal(rim, own & other)
    assert np.array_equal(cup, scene.ids == 2)  # of the tray's material, and no part of it
    item = item_of(scene, "a", SETTINGS, np.random.default_rng(0))
    assert (item.looks <= item.instances).all()
    assert item.looks[np.arange(2), item.points[:, 1], item.points[:, 0]].all()


def test_a_picture_gives_no_more_points_than_wanted(scene):
    item = item_of(scene, "a", replace(SETTINGS, max_points=1), np.random.default_rng(0))
    assert len(item.points) == 1


def test_a_scene_where_nothing_moves_has_no_points(scene):
    scene.body_movable[:] = False
    item = item_of(scene, "a", SETTINGS, np.random.default_rng(0))
    assert item.points.shape == (0, 2)
    assert item.segments.shape == (0, 64, 64)
