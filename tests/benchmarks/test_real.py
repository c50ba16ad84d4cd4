import json

import numpy as np
import pytest
from PIL import Image

from spelke.benchmarks.real import MANIFEST, clip_of, read_photos
from spelke.errors import BadFile, MissingData

ENTRY = {
    "image": "shelf/one.png",
    "mask": "shelf/one_mask.png",
    "source": "shelf",
    "ignore_value": 255,
    "segments": [
        {"value": 7, "click_xy": [6, 6]},
        {"value": 9, "click_xy": [24, 6], "component_of_value": True},
    ],
}


def write_folder(folder, entries):
    """A picture with one thing of value 7, two of value 9 joined by a hair, and a rim of 255."""
    (folder / "shelf").mkdir(exist_ok=True)
    values = np.zeros((20, 40), np.uint8)
    values[4:10, 4:10] = 7
    values[4:10, 20:28] = values[12:18, 30:38] = values[8, 28:37] = values[8:12, 36] = 9
    values[:, 0] = 255
    Image.fromarray(values).save(folder / "shelf" / "one_mask.png")
    Image.fromarray(np.full((20, 40), 90, np.uint8)).save(folder / "shelf" / "one.png")
    (folder / MANIFEST).write_text(json.dumps({"items": entries}))


def test_masks_are_read_as_the_manifest_says(tmp_path):
    write_folder(tmp_path, [ENTRY])
    photos = read_photos(tmp_path)
    (item,) = photos.items
    assert (item.key, item.family, photos.skipped) == ("shelf|one.png", "shelf", {})
    assert item.image.shape == (20, 40, 3)
    assert item.points.tolist() == [[6, 6], [24, 6]]
    assert item.segments[0].sum() == 36
    assert item.segments[1].sum() == 48  # without the other thing of value 9 and the hair
    assert item.ignore[:, :, 0].all()
    assert item.ignore.sum() == 40


@pytest.mark.parametrize(
    ("image", "source", "clip"),
    [
        ("sbi2015/CAVIAR1/frames/00370.jpg", "sbi2015", "sbi2015/CAVIAR1"),
        ("camvid/images/0006R0_f01800.jpg", "camvid", "camvid/0006R0"),
        ("camvid/images/Seq05VD_f00090.jpg", "camvid", "camvid/Seq05VD"),
        ("human_seg/images/0001.jpg", "human_seg", ""),
        ("labelme_voc/JPEGImages/2011_000003.jpg", "labelme_voc", ""),
    ],
)
def test_frames_of_one_clip_are_known_by_their_place(image, source, clip):
    assert clip_of({"image": image, "source": source}) == clip
    assert clip_of({"image": image, "source": source, "clip": "mine"}) == "mine"


def test_what_is_absent_or_unfit_is_skipped_by_name(tmp_path):
    absent = {**ENTRY, "image": "shelf/gone.png"}
    unmasked = {**ENTRY, "image": "shelf/two.png", "mask": "shelf/gone.png"}
    unfit = {**ENTRY, "image": "shelf/three.png"}
    write_folder(tmp_path, [ENTRY, absent, unmasked, unfit])
    for name in ("two", "three"):
        Image.new("RGB", (8, 8)).save(tmp_path / "shelf" / f"{name}.png")
    photos = read_photos(tmp_path)
    assert len(photos.items) == 1
    assert photos.skipped.keys() == {"shelf/gone.png", "shelf/two.png", "shelf/three.png"}
    assert "no mask" in photos.skipped["shelf/two.png"]
    assert "its picture (8, 8)" in photos.skipped["shelf/three.png"]


def test_sources_can_be_chosen_and_misspelt_ones_are_named(tmp_path):
    write_folder(tmp_path, [ENTRY, {**ENTRY, "source": "street", "image": "street/gone.png"}])
    assert read_photos(tmp_path, ("shelf",)).skipped == {}
    with pytest.raises(MissingData, match=r"no source shelv in .*; it has shelf, street"):
        read_photos(tmp_path, ("shelv",))


def test_a_folder_without_anything_to_read_is_refused(tmp_path):
    with pytest.raises(MissingData, match="name the folder that holds it"):
        read_photos(tmp_path)
    write_folder(tmp_path, [{**ENTRY, "image": "gone.png"}])
    with pytest.raises(MissingData, match="no picture of"):
        read_photos(tmp_path)


@pytest.mark.parametrize("text", ["not json", '{"items": 3}', '{"things": []}'])
def test_another_kind_of_file_is_refused(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(BadFile, match="not a manifest of segments"):
        read_photos(tmp_path)


def test_an_incomplete_entry_is_named(tmp_path):
    write_folder(tmp_path, [{key: ENTRY[key] for key in ENTRY if key != "segments"}])
    with pytest.raises(BadFile, match=r"the entry of shelf/one\.png is incomplete"):
        read_photos(tmp_path)


def test_every_real_segment_has_the_area_that_its_manifest_says(realdata):
    photos = read_photos(realdata)
    assert photos.skipped == {}
    entries = json.loads((realdata / MANIFEST).read_text())["items"]
    for item, entry in zip(photos.items, entries, strict=True):
        assert item.segments.sum((1, 2)).tolist() == [s["area"] for s in entry["segments"]]
        assert item.segments[range(len(item.points)), item.points[:, 1], item.points[:, 0]].all()
