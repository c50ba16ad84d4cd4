import shutil

import numpy as np
import pytest
from PIL import Image

from spelke.benchmarks.clips import MomentSettings, item_of, read_moments
from spelke.errors import BadFile, MissingData


def test_things_that_move_are_found_with_their_motion(clips_folder):
    moments = read_moments(clips_folder, ("street",))
    assert [moment.key for moment in moments.found] == [
        f"street|walk|{number}" for number in ("01", "03", "06", "08")
    ]
    for moment in moments.found:
        assert len(moment.things) == 1  # the parked one does not move
        assert moment.shifts[0] == pytest.approx((4, 0), abs=0.5)
        x, y = moment.points[0]
        assert moment.things[0, y, x]
        assert not (moment.still & moment.things[0]).any()
        assert np.abs(moment.flow[:, moment.still]).mean() < 0.3
    assert set(moments.left_out.values()) == {
        "the clip ends before anything has moved far enough",
        "nothing moves by 3 pixels within 8 frames",
    }


def test_the_cameras_own_motion_does_not_count(clips_folder):
    """The whole picture slides left by 3 pixels a frame, the thing goes right by 4."""
    moment = read_moments(clips_folder, ("boat",)).found[0]
    assert moment.shifts[0] == pytest.approx((7, 0), abs=1)
    assert np.median(np.abs(moment.flow[:, moment.still])) < 0.5


def test_what_does_not_move_and_unknown_rims_count_for_nothing(clips_folder):
    moment = read_moments(clips_folder, ("street",)).found[0]
    item = item_of(moment)
    parked = np.zeros(moment.still.shape, bool)
    parked[60:76, 20:36] = True
    assert item.ignore[0][parked].all()
    assert not item.ignore[0][moment.things[0]].any()
    assert item.family == "street"


def test_pictures_that_move_as_a_whole_and_small_things_are_left_out(clips_folder):
    with pytest.raises(MissingData, match="more than half of the picture moves"):
        read_moments(clips_folder, ("street",), MomentSettings(most_share=0.001))
    with pytest.raises(MissingData, match="nothing large enough"):
        read_moments(clips_folder, ("street",), MomentSettings(least_share=0.4))


def test_bad_folders_are_named(clips_folder, tmp_path):
    with pytest.raises(MissingData, match=r"no clips of attic in .*, which holds boat, street"):
        read_moments(clips_folder, ("street", "attic"))
    shutil.copytree(clips_folder, tmp_path / "copy")
    mask = tmp_path / "copy" / "street" / "walk" / "masks" / "01.png"
    Image.new("L", (10, 10)).save(mask)
    with pytest.raises(BadFile, match=r"01\.png has .* \(10, 10\), its frame"):
        read_moments(tmp_path / "copy", ("street",))
    mask.unlink()
    with pytest.raises(BadFile, match="has no readable mask"):
        read_moments(tmp_path / "copy", ("street",))
