"""Photographs: whole ones on one side of the split, named when missing, recorded when used."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.worlds import photos
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.photos import PHOTOS, Photos, list_photos, read_photo
from spelke.worlds.wallpapers import find_wallpapers, picture_name, split_of


@pytest.fixture
def folder(tmp_path):
    """A system with thirty wallpapers, one of them in several sizes and for the night."""
    rng = np.random.default_rng(0)
    for number in range(30):
        save(tmp_path / "mate" / f"Hill_{number}.jpg", rng, 64)
    for name in ("contents/images/640x480.png", "contents/images_dark/320x240.png"):
        save(tmp_path / "Kite" / name, rng, int(name[-11:-8]) // 8)
    (tmp_path / "Kite" / "metadata.json").write_text("{}")
    return tmp_path


def save(path, rng, side):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (side, side, 3), np.uint8)).save(path)


@pytest.fixture
def installed(folder, monkeypatch):
    list_photos.cache_clear()
    monkeypatch.setattr(photos, "find_wallpapers", lambda split: find_wallpapers(split, [folder]))
    yield folder
    list_photos.cache_clear()


def test_a_wallpaper_is_whole_in_one_split(folder):
    train, test = (find_wallpapers(split, [folder]) for split in ("train", "test"))
    assert len(train) + len(test) == 31
    assert len(test) >= 3
    assert not set(train) & set(test)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Kite/contents/images/1920x1080.jpg", "Kite/contents/images_dark/5120x2880.jpg"),
        ("gnome/amber-l.jpg", "gnome/amber-d.jpg"),
        ("mate/nature/Dune.jpg", "mate/nature/Dune-4k.png"),
    ],
)
def test_sizes_and_variants_of_a_picture_have_one_name(one, other):
    assert picture_name(Path(one)) == picture_name(Path(other))
    assert split_of(picture_name(Path(one))) == split_of(picture_name(Path(other)))


def test_versions_of_one_design_are_on_one_side():
    colours = ("", "-cold", "-warm", "-radioactive", "-dark-no-logo", "-warm-no-logo")
    assert len({split_of(f"mate/ubuntu-mate{colour}") for colour in colours}) == 1


def test_other_pictures_have_other_names():
    assert picture_name(Path("mate/Dune.jpg")) != picture_name(Path("mate/Dust.jpg"))


def test_the_largest_file_of_a_picture_is_taken(folder):
    found = {**find_wallpapers("train", [folder]), **find_wallpapers("test", [folder])}
    assert found["kite"].name == "640x480.png"


def test_wallpapers_that_are_asked_for_and_missing_are_named(tmp_path):
    with pytest.raises(MissingData, match="apt-get install"):
        find_wallpapers("train", [tmp_path])


def test_crops_come_from_the_sources_asked_for_and_are_recorded(installed):
    rng = np.random.default_rng(0)
    both = Photos("train", ("wheels", "wallpapers"))
    for _ in range(40):
        crop = both.crop(rng, 32)
        assert crop.shape == (32, 32, 3)
        assert 0 <= crop.min() <= crop.max() <= 1
    kinds = {name.startswith("wallpaper ") for name in both.used}
    assert kinds == {True, False}
    assert len(both.used) == len(set(both.used))
    only = Photos("test", ("wallpapers",))
    only.crop(rng, 32)
    assert all(name.startswith("wallpaper ") for name in only.used)
    assert both.notes[:-1] == tuple(f"photo {name}" for name in both.used)
    assert both.notes[-1] != only.notes[-1]


def test_the_same_stream_gives_the_same_crop():
    one, other = (Photos("train").crop(np.random.default_rng(5), 48) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_every_photograph_of_the_wheels_is_there():
    for split in PHOTOS:
        for name, path in list_photos(split, ("wheels",)).items():
            assert min(read_photo(name, path).shape[:2]) <= 512


def test_a_scene_records_its_photographs_and_repeats(installed, graphics):
    options = SceneOptions(
        families=("primitives",), pokes=1, size=64, after_frames=False, photos=("wallpapers",)
    )
    scenes = [make_scene(seed, options) for seed in (0, 1, 1)]
    for scene in scenes:
        assert any(note.startswith("photos ") for note in scene.notes)
    used = {note for scene in scenes for note in scene.notes if note.startswith("photo ")}
    assert all(note.startswith("photo wallpaper ") for note in used)
    np.testing.assert_array_equal(scenes[1].rgb, scenes[2].rgb)


def test_scenes_are_not_begun_without_the_photographs_asked_for(tmp_path, monkeypatch):
    list_photos.cache_clear()
    monkeypatch.setattr(photos, "find_wallpapers", lambda split: find_wallpapers(split, [tmp_path]))
    with pytest.raises(MissingData, match="wallpapers"):
        SceneOptions(photos=("wheels", "wallpapers"))
    list_photos.cache_clear()
    with pytest.raises(InvalidInput, match="internet"):
        SceneOptions(photos=("internet",))


@pytest.mark.parametrize("wrong", [(), ("internet",), ("wheels", "internet")])
def test_unknown_sources_are_refused(wrong):
    with pytest.raises(InvalidInput, match="wheels"):
        Photos("train", wrong)


def test_a_photograph_that_a_wheel_lacks_is_named(monkeypatch):
    list_photos.cache_clear()
    monkeypatch.setattr(photos, "PHOTOS", {"train": {"lost": ("skimage", "data/lost.png")}})
    with pytest.raises(MissingData, match="lost"):
        Photos("train")
    list_photos.cache_clear()


def test_a_damaged_photograph_is_named(tmp_path):
    path = tmp_path / "half.jpg"
    path.write_bytes(b"\xff\xd8 not a picture")
    with pytest.raises(BadFile, match=r"half\.jpg"):
        read_photo("half", path)
