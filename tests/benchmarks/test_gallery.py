import numpy as np
import pytest
from PIL import Image

from spelke.benchmarks.gallery import OPEN, SOURCES, choose, draw_gallery, find_pictures
from spelke.errors import MissingData
from spelke.types import Segment


@pytest.fixture
def folder(tmp_path):
    """Two open pictures, one that may not be shown, and an archive of four episodes."""
    names = ("spelke_figs/rose.png", "spelke_figs/editbench_pair0_b.jpg", "human_seg/images/a.jpg")
    for index, name in enumerate(names):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 40), (50 * index, 100, 0)).save(path)
    (tmp_path / "bridge_octo").mkdir()
    episodes = np.zeros((4, 10, 32, 32, 3), np.uint8)
    episodes[:, 0] = 200
    np.savez(tmp_path / "bridge_octo" / "bridge.npz", image_0=episodes)
    return tmp_path


class Watcher:
    """An observer that takes the left half for the thing."""

    def look(self, image):
        self.height, self.width = image.shape[:2]
        return self

    def affordance(self):
        values = np.zeros((self.height, self.width), np.float32)
        values[10, 12] = 0.9
        return values

    def displacement(self, poke):
        assert poke.point == (12.0, 10.0)
        return np.ones((2, self.height, self.width), np.float32)

    def segment(self, point):
        mask = np.zeros((self.height, self.width), bool)
        mask[:, : self.width // 2] = True
        return Segment(mask, point, 0.5)


def test_only_pictures_that_may_be_shown_are_found_by_default(folder):
    photos = [read() for read in find_pictures(folder)]
    assert [photo.name for photo in photos] == ["editbench_pair0_b", "rose", "bridge 0", "bridge 1"]
    assert {photo.licence for photo in photos} == {"MIT", "CC BY 4.0"}
    assert (photos[2].image == 200).all()
    everything = find_pictures(folder, (*OPEN, "not stated"))
    assert len(everything) == 5


def test_no_picture_under_the_wanted_licence_is_refused(folder):
    with pytest.raises(MissingData, match=r"licences WTFPL; known are Apache-2\.0"):
        find_pictures(folder, ("WTFPL",))


def test_no_source_that_forbids_showing_is_called_open():
    kept_back = {source.credit for source in SOURCES if source.licence not in OPEN}
    assert {"CamVid", "CoTracker", "UnseenObjectClustering"} <= kept_back


def test_the_seed_decides_which_pictures(folder):
    pictures = find_pictures(folder)
    names = [
        [photo.name for photo in choose(pictures, 2, np.random.default_rng(seed))]
        for seed in (0, 0, 1, 2, 3)
    ]
    assert names[0] == names[1]
    assert len({tuple(drawn) for drawn in names}) > 1
    assert len(choose(pictures, 99, np.random.default_rng(0))) == 4


def test_a_gallery_has_four_panels_for_each_picture(folder):
    photos = choose(find_pictures(folder), 4, np.random.default_rng(0))
    page = draw_gallery(Watcher(), photos, cell_height=64)
    assert page.shape[0] > 2 * 64
    assert page.shape[1] > 8 * 64
    assert page.std() > 10


def test_real_open_pictures_can_all_be_read(realdata):
    photos = [read() for read in find_pictures(realdata)]
    assert len(photos) >= 40
    assert min(min(photo.image.shape[:2]) for photo in photos) >= 64
