"""Segments survive the way through JSON, and forged documents are refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco_mask

from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.export.coco import (
    decode_rle,
    encode_rle,
    parse_document,
    read_segments,
    segment_record,
    segments_document,
    write_segments,
)
from spelke.types import Poke, Segment, Segments

shapes = arrays.array_shapes(min_dims=2, max_dims=2, max_side=40)


@given(arrays.arrays(np.bool_, shapes))
def test_a_mask_comes_back_from_its_code(mask):
    code = json.loads(json.dumps(encode_rle(mask)))
    np.testing.assert_array_equal(decode_rle(code), mask)
    assert coco_mask.area({**code, "counts": code["counts"].encode()}) == mask.sum()


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0.0, 1.0))
def test_large_smooth_masks_come_back_too(height, width, share):
    mask = np.add.outer(np.arange(height), np.arange(width)) < share * (height + width)
    np.testing.assert_array_equal(decode_rle(encode_rle(mask)), mask)


@given(st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=12))
def test_forged_counts_are_refused_or_fill_the_mask(counts):
    try:
        mask = decode_rle({"size": [5, 7], "counts": counts})
    except InvalidInput:
        return
    assert mask.shape == (5, 7)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({}, "size"),
        (None, "an RLE is"),
        ({"size": [5], "counts": ""}, "an RLE is"),
        ({"size": [0, 5], "counts": ""}, "positive size"),
        ({"size": [5, 5], "counts": [25]}, "counts as text"),
        ({"size": [10**6, 10**6], "counts": "0"}, "positive size"),
        ({"size": [5, 5], "counts": ""}, "= 25, got 0"),
        ({"size": [5, 5], "counts": "P1"}, "cut or corrupt"),
        ({"size": [5, 5], "counts": "é"}, "cannot be"),
        ({"size": [5, 5], "counts": "o" * 40}, "cannot be"),
        ({"size": [5, 5], "counts": "i"}, "middle of a number"),
    ],
)
def test_what_is_no_code_is_refused(rle, message):
    with pytest.raises(InvalidInput, match=message):
        decode_rle(rle)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("mask", [np.zeros((3, 3)), np.zeros((0, 3), bool), np.zeros(3, bool)])
def test_only_masks_are_encoded(mask):
    with pytest.raises(InvalidInput, match="bool mask"):
        encode_rle(mask)


@pytest.fixture
def segments():
    first, second = np.zeros((6, 9), bool), np.zeros((6, 9), bool)
    first[1:4, 2:8] = True
    pokes = (Poke((3.25, 2.0), (1.5, -0.123456)), Poke.still((0.0, 5.0)))
    return Segments(
        (6, 9),
        (
            Segment(first, (3.25, 2.0), 0.87654321, pokes),
            Segment(second, (8.0, 5.0), 0.0, remark="nothing would move here"),
        ),
    )


def test_a_record_holds_what_the_command_line_promises(segments):
    record = segment_record(segments[0])
    assert set(record) == {"rle", "box", "area", "confidence", "point", "pokes", "remark"}
    assert record["box"] == [2, 1, 6, 3]
    assert record["area"] == 18
    assert record["point"] == [3.25, 2.0]
    assert record["pokes"][0] == {"point": [3.25, 2.0], "displacement": [1.5, -0.123]}


def test_segments_come_back_from_their_file(tmp_path, segments):
    write_segments(tmp_path / "desk.json", "desk.jpg", segments, model="spelke-tiny")
    document = read_segments(tmp_path / "desk.json")
    assert (document.image_name, document.model) == ("desk.jpg", "spelke-tiny")
    assert document.segments.image_size == (6, 9)
    for before, after in zip(segments, document.segments, strict=True):
        np.testing.assert_array_equal(before.mask, after.mask)
        assert after.point == before.point
        assert after.confidence == pytest.approx(before.confidence, abs=1e-4)
        assert after.remark == before.remark
        for poke, again in zip(before.pokes, after.pokes, strict=True):
            assert again.displacement == pytest.approx(poke.displacement, abs=1e-3)


def _without(name):
    return lambda document: document["segments"][0].pop(name)


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (lambda document: document.update(schema="other"), '"schema": "spelke.segments"'),
        (lambda document: document.update(version=2), "version 2 .* another release"),
        (lambda document: document.pop("image"), 'document: "image" must be dict'),
        (lambda document: document["image"].update(width="9"), '"width" must be int'),
        (lambda document: document["image"].update(width=10), "does not belong"),
        (lambda document: document.update(segments={}), '"segments" must be list'),
        (lambda document: document["segments"].append(3), r"segments\[2\] must be an object"),
        (_without("rle"), r'segments\[0\]: "rle" must be dict'),
        (_without("pokes"), r'segments\[0\]: "pokes" must be list'),
        (lambda document: document["segments"][0].update(area=17), "area is 17.* says 18"),
        (lambda document: document["segments"][0].update(box=[0, 0, 1, 1]), "box is"),
        (lambda document: document["segments"][0].update(point=[1]), "two numbers"),
        (lambda document: document["segments"][0].update(confidence=2), "confidence"),
        (lambda document: document["segments"][0].update(confidence=True), "int or float"),
        (lambda document: document["segments"][1]["rle"].update(counts="0"), r"segments\[1\]"),
    ],
)
def test_a_forged_document_is_refused_at_its_place(segments, forge, message):
    document = segments_document("desk.jpg", segments, model="spelke-tiny")
    forge(document)
    with pytest.raises(InvalidInput, match=message):
        parse_document(document)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"schema": "spelke.segments"}', "\xff"])
def test_a_broken_file_is_named(tmp_path, text):
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadFile, match=r"a\.json"):
        read_segments(tmp_path / "a.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingData, match=r"a\.json"):
        read_segments(tmp_path / "a.json")
