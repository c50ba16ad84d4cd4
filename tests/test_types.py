"""The nouns check themselves."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spelke.errors import InvalidInput
from spelke.types import Poke, Segment, Segments

coordinates = st.floats(-1e4, 1e4)
masks = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(st.tuples(coordinates, coordinates), st.tuples(coordinates, coordinates))
def test_a_poke_ends_one_length_from_its_point(point, displacement):
    poke = Poke(point, displacement)
    assert math.dist(poke.point, poke.end) == pytest.approx(poke.length, abs=1e-6)


def test_a_still_poke_has_no_length():
    assert Poke.still((3.0, 4.0)).length == 0
    assert Poke.still((3.0, 4.0)).end == (3.0, 4.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_poke_refuses_what_is_not_a_number(bad):
    with pytest.raises(InvalidInput, match="two finite numbers"):
        Poke((bad, 0.0), (1.0, 1.0))
    with pytest.raises(InvalidInput, match="displacement"):
        Poke((0.0, 0.0), (1.0, bad))


def test_the_nouns_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Poke.still((0.0, 0.0)).point = (1.0, 1.0)


@given(masks)
def test_a_box_is_the_smallest_that_holds_the_segment(mask):
    segment = Segment(mask, (0.0, 0.0), 0.5)
    left, top, width, height = segment.box
    inside = mask[top : top + height, left : left + width]
    assert inside.sum() == mask.sum() == segment.area
    if segment.area:
        borders = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
        assert all(border.any() for border in borders)
    else:
        assert segment.box == (0, 0, 0, 0)


@pytest.mark.parametrize("mask", [np.zeros((4, 4)), np.zeros((1, 4, 4), bool)])
def test_a_segment_refuses_what_is_not_a_mask(mask):
    with pytest.raises(InvalidInput, match=r"\(height, width\) bool"):
        Segment(mask, (0.0, 0.0), 0.5)


@pytest.mark.parametrize("confidence", [-0.1, 1.1, math.nan])
def test_a_confidence_lies_between_0_and_1(confidence):
    with pytest.raises(InvalidInput, match="confidence"):
        Segment(np.zeros((4, 4), bool), (0.0, 0.0), confidence)


def test_segments_are_a_sequence_that_can_be_cut_and_filtered():
    items = tuple(Segment(np.eye(4, dtype=bool), (0.0, 0.0), c) for c in (0.9, 0.2, 0.6))
    segments = Segments((4, 4), items)
    assert len(segments) == 3
    assert list(segments) == list(items)
    assert segments[1] is items[1]
    assert isinstance(segments[1:], Segments)
    assert [item.confidence for item in segments.at_least(0.6)] == [0.9, 0.6]


def test_segments_refuse_a_mask_of_another_image():
    with pytest.raises(InvalidInput, match="does not belong"):
        Segments((5, 4), (Segment(np.eye(4, dtype=bool), (0.0, 0.0), 1.0),))
