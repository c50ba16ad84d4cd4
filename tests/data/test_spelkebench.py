"""SpelkeBench files in every form that they come in, and every fault by its name."""

import pickle
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.data.bench_arrays import as_image, as_masks, as_points
from spelke.data.spelkebench import SpelkeBenchFile, write_spelkebench
from spelke.data.test_item import TestItem
from spelke.errors import BadFile, InvalidInput, MissingData


def make_item(key="entityseg_1_image1", seed=0, count=2):
    generator = np.random.default_rng(seed)
    masks = np.zeros((count, 24, 32), bool)
    points = generator.integers(2, 20, (count, 2))
    for mask, (x, y) in zip(masks, points, strict=True):
        mask[y - 2 : y + 3, x - 2 : x + 3] = True
    image = generator.integers(0, 256, (24, 32, 3), np.uint8)
    return TestItem(key, "entityseg", image, points, masks, np.zeros_like(masks), masks)


ITEM = make_item()


def write_group(path, key="a", *, rgb=None, segment=None, centroid=None, names=None):
    """One group as somebody else's program writes it."""
    arrays = {
        "rgb": ITEM.image if rgb is None else rgb,
        "segment": ITEM.segments.astype(np.uint8) if segment is None else segment,
        "centroid": ITEM.points if centroid is None else centroid,
    }
    with h5py.File(path, "a") as file:
        group = file.create_group(key)
        for name, values in arrays.items():
            group[(names or {}).get(name, name)] = values
    return path


def findings_of(path, key="a"):
    with SpelkeBenchFile(path) as file:
        return file.read(key).findings


def same(one, other):
    names = ("image", "points", "segments", "ignore", "instances")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_what_is_written_is_read_again_with_its_attributes(tmp_path):
    known = replace(ITEM, attributes={"licence": "CC0", "source": "a desk"})
    other = make_item("b", 1, count=1)
    assert write_spelkebench(tmp_path / "s.h5", [known, other], {"source": "two desks"}) == 2
    with SpelkeBenchFile(tmp_path / "s.h5") as file:
        assert file.keys == ("b", "entityseg_1_image1")
        assert file.attributes["source"] == "two desks"
        assert same(file[known.key], known)
        assert file[known.key].attributes == known.attributes
        assert [item.key for item in file] == ["b", "entityseg_1_image1"]


README = {"rgb": "image", "segment": "segments_gt", "centroid": "poke_location"}


@pytest.mark.parametrize("names", [{}, README])
@pytest.mark.parametrize(
    "image",
    [
        lambda x: x,
        lambda x: x.astype(np.int64),
        lambda x: x.astype(np.float32),
        lambda x: x.astype(np.float64) / 255,
        lambda x: x.astype(np.float32) / np.float32(255),
    ],
)
@pytest.mark.parametrize(
    "mask",
    [
        lambda m: m,
        lambda m: m.astype(np.int32),
        lambda m: m.astype(np.uint8) * 255,
        lambda m: m.astype(np.float32),
        lambda m: m.astype(np.float64) * 255,
    ],
)
def test_both_conventions_and_every_number_format_give_the_same_item(tmp_path, names, image, mask):
    path = write_group(
        tmp_path / "s.h5",
        rgb=image(ITEM.image),
        segment=mask(ITEM.segments),
        centroid=ITEM.points + np.float32(0.3),
        names=names,
    )
    with SpelkeBenchFile(path) as file:
        assert same(file["a"], ITEM)
        assert file.read("a").findings == ()


@given(st.integers(0, 2**31), st.sampled_from([np.float16, np.float32, np.float64]))
def test_every_value_of_a_picture_survives_the_unit_range(seed, dtype):
    image = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    assert np.array_equal(as_image((image / 255).astype(dtype)), image)


FAULTS = {
    "count": ({"centroid": ITEM.points[:1]}, "2 segments but 1 points"),
    "size": ({"segment": ITEM.segments[:, :20]}, r"\(20, 32\).* its picture \(24, 32\)"),
    "points": ({"centroid": ITEM.points + 100}, "2 of 2 points outside of the 32x24 picture"),
    "masks": ({"segment": ITEM.segments * np.uint8(7)}, "not binary: it holds 0, 7"),
    "image": ({"rgb": ITEM.image.transpose(2, 0, 1)}, "channels come first"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_named_and_the_item_refused(tmp_path, kind):
    arrays, says = FAULTS[kind]
    path = write_group(tmp_path / "s.h5", **arrays)
    (found,) = findings_of(path)
    assert found.kind == kind
    assert found.is_fault
    with pytest.raises(BadFile, match=says):
        SpelkeBenchFile(path)["a"]


def test_all_faults_of_a_picture_are_named_at_once(tmp_path):
    path = write_group(tmp_path / "s.h5", segment=ITEM.segments * 0.4, centroid=-ITEM.points)
    assert [found.kind for found in findings_of(path)] == ["masks", "points"]


def test_wrong_keys_are_listed_and_the_other_pictures_can_be_read(tmp_path):
    path = write_group(tmp_path / "s.h5", "good")
    write_group(path, "bad", names={"segment": "segments"})
    with h5py.File(path, "a") as file:
        file["array"] = np.zeros(3)
    with SpelkeBenchFile(path) as file:
        assert same(file["good"], ITEM)
        assert "missing is segment or segments_gt" in file.read("bad").findings[0].text
        assert "not a group" in file.read("array").findings[0].text


def test_empty_masks_and_points_beside_their_segment_are_remarks(tmp_path):
    empty = ITEM.segments.copy()
    empty[1] = False
    path = write_group(tmp_path / "s.h5", segment=empty, centroid=ITEM.points[:, ::-1] % 24)
    with SpelkeBenchFile(path) as file:
        reading = file.read("a")
    assert reading.item is not None
    assert [found.kind for found in reading.findings] == ["empty mask", "point off its segment"]
    assert "x and y were swapped" in reading.findings[1].text


def test_a_file_cut_anywhere_never_gives_a_wrong_picture(tmp_path):
    items = [make_item(f"k{index}", index) for index in range(4)]
    write_spelkebench(tmp_path / "s.h5", items)
    content = (tmp_path / "s.h5").read_bytes()
    for share in (0.0, 0.3, 0.6, 0.99):
        path = tmp_path / "cut.h5"
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(BadFile, match=r"cut\.h5 is no HDF5 file or is cut short"):
            SpelkeBenchFile(path)


def test_damage_inside_costs_one_picture(tmp_path):
    path = tmp_path / "s.h5"
    write_spelkebench(path, [make_item(f"k{index}", index) for index in range(3)])
    with h5py.File(path) as file:
        place = file["k1/rgb"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 10 : place + 60] = bytes(50)
    path.write_bytes(content)
    with SpelkeBenchFile(path) as file:
        readings = [file.read(key) for key in file.keys]
    assert [reading.item is None for reading in readings] == [False, True, False]
    assert readings[1].findings[0].kind in ("damaged", "changed")


def test_files_travel_to_other_processes_and_know_their_keys(tmp_path):
    write_spelkebench(tmp_path / "s.h5", [ITEM])
    with SpelkeBenchFile(tmp_path / "s.h5") as file:
        assert same(pickle.loads(pickle.dumps(file))[ITEM.key], ITEM)
        with pytest.raises(MissingData, match="no picture 'x'; its pictures are entityseg_1_im"):
            file.read("x")


def test_absent_and_empty_files_and_unusable_keys_are_refused(tmp_path):
    with pytest.raises(MissingData, match=r"name an \.h5 file that exists"):
        SpelkeBenchFile(tmp_path / "none.h5")
    h5py.File(tmp_path / "empty.h5", "w").close()
    with pytest.raises(MissingData, match="is empty"):
        SpelkeBenchFile(tmp_path / "empty.h5")
    for keys, says in ((["a", "a"], "is there twice"), (["a/b"], "cannot name a picture")):
        with pytest.raises(InvalidInput, match=says):
            write_spelkebench(tmp_path / "s.h5", [make_item(key) for key in keys])
    with pytest.raises(MissingData, match="no pictures to write"):
        write_spelkebench(tmp_path / "s.h5", [])
    assert not (tmp_path / "s.h5").exists()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: as_image(np.zeros((4, 4), np.uint8)), "it is grey"),
        (lambda: as_image(np.zeros((4, 4, 4), np.uint8)), "fourth channel"),
        (lambda: as_image(np.zeros((4, 4, 3), bool)), "which is a mask"),
        (lambda: as_image(np.full((4, 4, 3), np.nan)), "NaN"),
        (lambda: as_image(np.full((4, 4, 3), -1.0)), "from -1 to -1"),
        (lambda: as_image(np.full((4, 4, 3), 300)), "from 300 to 300"),
        (lambda: as_masks(np.zeros((4, 4))), r"a single mask is \(1,"),
        (lambda: as_masks(np.full((1, 4, 4), np.nan)), "not binary"),
        (lambda: as_masks(np.array([[[0, 1, 255]]])), "0, 1, 255"),
        (lambda: as_points(np.zeros((2, 3)), (4, 4)), r"\(point, 2\)"),
        (lambda: as_points(np.array([[0.5, 0.25]]), (4, 4)), "fractions of the size"),
        (lambda: as_points(np.array([[np.inf, 1]]), (4, 4)), "infinity"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_with_its_remedy(call, says):
    with pytest.raises(InvalidInput, match=says):
        call()
