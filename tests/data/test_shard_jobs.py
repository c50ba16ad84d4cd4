"""What is there already is taken only if it was made just so."""

from dataclasses import replace
from pathlib import Path

import pytest

from spelke.data.shard_jobs import check_made_with
from spelke.errors import InvalidInput
from spelke.worlds.generate import SceneOptions, make_scene

OPTIONS = SceneOptions(families=("sprites",), pokes=1, size=64)
HERE = Path("a.tar")


@pytest.fixture(scope="module")
def scene():
    return make_scene(0, OPTIONS)


def test_a_scene_carries_its_options(scene):
    assert scene.options == OPTIONS.to_plain()
    check_made_with(scene, OPTIONS, HERE)


def test_other_photographs_are_named(scene):
    wallpapers = replace(scene, options={**scene.options, "photos": ["wheels", "wallpapers"]})
    with pytest.raises(InvalidInput, match="photos was wheels wallpapers and is wheels"):
        check_made_with(wallpapers, OPTIONS, HERE)
    other = replace(scene, notes=("photos 3:abcdef01",))
    with pytest.raises(InvalidInput, match="3:abcdef01"):
        check_made_with(other, OPTIONS, HERE)


def test_a_scene_without_options_is_judged_by_what_it_shows(scene):
    older = replace(scene, options={})
    check_made_with(older, replace(OPTIONS, families=("stacks",)), HERE)
    for change in ({"size": 96}, {"pokes": 2}, {"after_frames": False}, {"groups": 4}):
        with pytest.raises(InvalidInput, match=next(iter(change))):
            check_made_with(older, replace(OPTIONS, **change), HERE)
