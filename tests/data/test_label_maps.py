"""Pictures with masks as other data sets keep them: what becomes a segment, and where its point."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spelke.data.label_maps import (
    Pair,
    Selection,
    deepest_point,
    find_davis,
    find_pairs,
    item_of_masks,
    keys_of,
    read_pair,
)
from spelke.errors import BadFile, InvalidInput, MissingData

LABELS = np.zeros((30, 40), np.uint8)
LABELS[2:12, 3:18] = 7
LABELS[15:25, 20:39] = 2
LABELS[0, :] = 255
LABELS[28, 5] = 9  # one pixel: below the least share


def save(path, values, size=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(values)
    (picture if picture.size == size else picture.resize(size)).save(path)
    return path


def photo(path, seed=0, size=(30, 40)):
    values = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    save(path, values, size[::-1])
    return values


def test_each_value_is_a_segment_largest_first_and_255_counts_for_nothing(tmp_path):
    values = photo(tmp_path / "a.png")
    pair = Pair("a", "desk", tmp_path / "a.png", save(tmp_path / "m.png", LABELS))
    item = read_pair(pair, Selection(min_share=0.002), attributes={"licence": "CC0"})
    assert np.array_equal(item.image, values)
    assert np.array_equal(item.segments, [LABELS == 2, LABELS == 7])
    assert np.array_equal(item.ignore, [LABELS == 255] * 2)
    assert (item.key, item.family, item.attributes["licence"]) == ("a", "desk", "CC0")
    rows = np.arange(2)
    assert item.segments[rows, item.points[:, 1], item.points[:, 0]].all()
    assert len(read_pair(pair, Selection(max_segments=1)).points) == 1


def test_a_mask_of_0_and_255_is_a_segment(tmp_path):
    photo(tmp_path / "a.png")
    mask = np.where(LABELS == 7, 255, 0).astype(np.uint8)
    pair = Pair("a", "", tmp_path / "a.png", save(tmp_path / "m.png", mask))
    item = read_pair(pair, Selection())
    assert np.array_equal(item.segments, [LABELS == 7])
    assert not item.ignore.any()


def test_sizes_that_differ_and_coloured_maps_are_refused_by_name(tmp_path):
    photo(tmp_path / "a.png")
    other = save(tmp_path / "small.png", LABELS[:20], (40, 20))
    with pytest.raises(InvalidInput, match=r"small\.png has \(height, width\) \(20, 40\)"):
        read_pair(Pair("a", "", tmp_path / "a.png", other), Selection())
    with pytest.raises(BadFile, match="grey or palette"):
        read_pair(Pair("a", "", tmp_path / "a.png", tmp_path / "a.png"), Selection())


def test_pictures_find_their_maps_by_name(tmp_path):
    for name in ("a", "b"):
        photo(tmp_path / "images" / f"{name}.jpg")
    save(tmp_path / "masks" / "b.png", LABELS)
    pairs, alone = find_pairs(tmp_path / "images", tmp_path / "masks")
    assert [pair.key for pair in pairs] == ["b"]
    assert alone == ["a.jpg"]
    with pytest.raises(MissingData, match="has a label map of its name"):
        find_pairs(tmp_path / "images", tmp_path)


@pytest.mark.parametrize("between", ["480p", ""])
def test_davis_gives_the_first_frame_of_each_sequence_or_every_so_many(tmp_path, between):
    for sequence, count in (("bear", 4), ("car", 2)):
        for index in range(count):
            save(tmp_path / "Annotations" / between / sequence / f"{index:05d}.png", LABELS)
            if (sequence, index) != ("car", 1):
                photo(tmp_path / "JPEGImages" / between / sequence / f"{index:05d}.jpg")
    first, alone = find_davis(tmp_path)
    assert [pair.key for pair in first] == ["bear_00000", "car_00000"]
    assert alone == []
    some, alone = find_davis(tmp_path, every=1)
    assert all(pair.clip == pair.family for pair in some)
    assert [pair.family for pair in some] == ["bear"] * 4 + ["car"]
    assert alone == ["car/00001.png"]
    with pytest.raises(MissingData, match="DAVIS keeps JPEGImages"):
        find_davis(tmp_path / "Annotations")


@given(st.integers(0, 1000))
def test_the_point_lies_in_its_mask_and_no_other_is_deeper(seed):
    generator = np.random.default_rng(seed)
    mask = generator.random((9, 11)) > 0.4
    mask[4, 4] = True
    x, y = deepest_point(mask)
    assert mask[y, x]
    # As far from the border as the largest square that fits around any pixel.
    fits = [r for r in range(5) if _square(mask, x, y, r)]
    best = max(r for r in range(5) for i in range(9) for j in range(11) if _square(mask, j, i, r))
    assert max(fits) >= best - 1


def _square(mask, x, y, r):
    padded = np.pad(mask, 6)[y + 6 - r : y + 7 + r, x + 6 - r : x + 7 + r]
    return bool(padded.all())


def test_no_mask_is_no_item_and_keys_are_unique():
    image = np.zeros((30, 40, 3), np.uint8)
    assert item_of_masks("a", image, np.zeros((1, 30, 40), bool), Selection()) is None
    assert item_of_masks("a", image, np.zeros((0, 30, 40), bool), Selection()) is None
    assert keys_of(["x/a.jpg", "x_a.png", "b.c.jpg"]) == ["x_a", "x_a_1", "b.c"]
    for wrong in ({"min_share": 1.0}, {"max_segments": 0}):
        with pytest.raises(InvalidInput, match="the least share"):
            Selection(**wrong)
