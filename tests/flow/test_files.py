"""Flow files come back as they were written, and broken ones are named."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.flow.files import read_flow, write_flow


@st.composite
def known_flows(draw, limit):
    height, width = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    values = st.floats(-limit, limit, width=32)
    flow = draw(arrays.arrays(np.float32, (2, height, width), elements=values))
    valid = draw(arrays.arrays(np.bool_, (height, width)))
    return flow, valid


@given(known_flows(1e6))
def test_a_flo_file_is_exact(tmp_path_factory, known):
    flow, valid = known
    path = tmp_path_factory.mktemp("flow") / "a.flo"
    write_flow(path, flow, valid)
    again = read_flow(path)
    np.testing.assert_array_equal(again.valid, valid)
    np.testing.assert_array_equal(again.flow, np.where(valid, flow, 0))


@given(known_flows(511))
def test_a_kitti_file_is_exact_to_half_a_step(tmp_path_factory, known):
    flow, valid = known
    path = tmp_path_factory.mktemp("flow") / "a.png"
    write_flow(path, flow, valid)
    again = read_flow(path)
    np.testing.assert_array_equal(again.valid, valid)
    np.testing.assert_allclose(again.flow, np.where(valid, flow, 0), atol=1 / 128)
    write_flow(path, again.flow, valid)
    np.testing.assert_array_equal(read_flow(path).flow, again.flow)


def test_the_bytes_of_a_flo_file_are_those_of_the_format(tmp_path):
    flow = np.array([[[1.0, 2.0]], [[3.0, 4.0]]], np.float32)
    write_flow(tmp_path / "a.flo", flow)
    data = (tmp_path / "a.flo").read_bytes()
    assert np.frombuffer(data[:4], "<f4")[0] == np.float32(202021.25)
    assert np.frombuffer(data[4:12], "<i4").tolist() == [2, 1]
    assert np.frombuffer(data[12:], "<f4").tolist() == [1, 3, 2, 4]


def test_unknown_values_need_no_meaning(tmp_path):
    flow = np.full((2, 2, 2), np.nan, np.float32)
    flow[:, 0, 0] = 1
    valid = np.isfinite(flow).all(0)
    for name in ("a.flo", "a.png"):
        write_flow(tmp_path / name, flow, valid)
        again = read_flow(tmp_path / name)
        np.testing.assert_array_equal(again.valid, valid)
        assert again.flow[:, 0, 0].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.flo", b"", "is empty"),
        ("a.flo", b"JUNKJUNKJUNK", "begins with b'JUNK'"),
        ("a.flo", b"PIEH\1\0", "header of 12 bytes"),
        ("a.flo", b"PIEH" + b"\0" * 8, "claims 0 x 0"),
        ("a.flo", b"PIEH\2\0\0\0\2\0\0\0" + b"\0" * 31, "is truncated.*44 bytes, it has 43"),
        ("a.flo", b"PIEH\2\0\0\0\2\0\0\0" + b"\0" * 33, "is corrupt.*it has 45"),
        ("a.png", b"", "is empty"),
        ("a.png", b"\x89PNG\r\n\x1a\n junk", "not a PNG"),
    ],
)
def test_a_broken_file_says_what_is_wrong(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadFile, match=message):
        read_flow(tmp_path / name)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((3, 3, 3), np.uint8), "uint16.*uint8"),
        (np.zeros((3, 3), np.uint16), "3 channels"),
        (np.full((3, 3, 3), 9, np.uint16), "blue channel.*reaches 9"),
    ],
)
def test_a_png_of_another_kind_is_not_read_as_flow(tmp_path, pixels, message):
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    with pytest.raises(BadFile, match=message):
        read_flow(tmp_path / "a.png")


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(MissingData, match="no flow file"):
        read_flow(tmp_path / "a.flo")
    (tmp_path / "b.flo").mkdir()
    with pytest.raises(BadFile, match="cannot read"):
        read_flow(tmp_path / "b.flo")


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.flo.gz"])
def test_another_ending_is_refused_with_the_known_ones(tmp_path, name):
    with pytest.raises(InvalidInput, match=r"\.flo \(Middlebury\) and \.png"):
        read_flow(tmp_path / name)
    with pytest.raises(InvalidInput, match=r"\.flo \(Middlebury\) and \.png"):
        write_flow(tmp_path / name, np.zeros((2, 2, 2), np.float32))


@pytest.mark.usefixtures("unchecked_shapes")
def test_what_cannot_be_written_is_refused_and_leaves_no_file(tmp_path):
    flow = np.zeros((2, 3, 3), np.float32)
    with pytest.raises(InvalidInput, match="components come first"):
        write_flow(tmp_path / "a.flo", flow.transpose(1, 2, 0))
    with pytest.raises(InvalidInput, match=r"`valid` must be"):
        write_flow(tmp_path / "a.flo", flow, np.ones((2, 3), bool))
    with pytest.raises(InvalidInput, match="NaN"):
        write_flow(tmp_path / "a.flo", flow + np.float32(np.nan))
    with pytest.raises(InvalidInput, match=r"-512 to 511\.98.*600"):
        write_flow(tmp_path / "a.png", flow + 600)
    with pytest.raises(InvalidInput, match="beyond 1e9"):
        write_flow(tmp_path / "a.flo", flow + np.float32(1e10))
    assert list(tmp_path.iterdir()) == []


def test_real_ground_truth_is_read(realdata):
    middlebury = read_flow(realdata / "flow_pairs/middlebury_RubberWhale/flow10.flo")
    assert middlebury.flow.shape == (2, 388, 584)
    assert 0.98 < middlebury.valid.mean() < 0.99
    kitti = read_flow(realdata / "flow_pairs/kitti/flow_gt.png")
    assert kitti.flow.shape == (2, 375, 1242)
    assert 0.1 < kitti.valid.mean() < 0.5
