"""The colour wheel is Middlebury's, to the last bit."""

import numpy as np
import pytest
from tests.recipes import golden

from spelke.errors import InvalidInput
from spelke.flow.colors import color_wheel, flow_to_image


@pytest.fixture
def stored():
    return golden("flow_utils")


def test_the_wheel_is_the_published_one(stored):
    np.testing.assert_array_equal(color_wheel(), stored["wheel"])


def test_colours_are_the_published_ones(stored):
    flow = stored["flow"].transpose(2, 0, 1)
    np.testing.assert_array_equal(flow_to_image(flow), stored["image"])
    np.testing.assert_array_equal(flow_to_image(flow)[..., ::-1], stored["bgr"])
    # The published clipping cuts at 0 as well; we have no such setting.
    np.testing.assert_array_equal(flow_to_image(flow.clip(0, 5)), stored["clip"])


def test_what_is_still_is_white():
    assert (flow_to_image(np.zeros((2, 3, 3))) == 255).all()


def test_opposite_directions_differ_and_length_is_saturation():
    flow = np.zeros((2, 1, 4))
    flow[0, 0] = [10, -10, 5, 0]
    right, left, half, still = flow_to_image(flow, 10.0)[0].astype(int)
    assert np.abs(right - left).max() > 100
    assert still.min() == 255
    assert right.min() < half.min() < still.min()


def test_pictures_with_one_longest_can_be_compared():
    short = np.zeros((2, 1, 1))
    short[0] = 2.0
    both = np.concatenate([short, 2 * short], 2)
    assert (flow_to_image(both, 4.0)[0, 0] == flow_to_image(short, 4.0)[0, 0]).all()
    assert (flow_to_image(both)[0, 0] != flow_to_image(short)[0, 0]).any()


def test_beyond_the_longest_is_darker():
    flow = np.zeros((2, 1, 2))
    flow[0, 0] = [4.0, 8.0]
    full, beyond = flow_to_image(flow, 4.0)[0].astype(int)
    assert beyond.sum() < full.sum()


def test_unknown_places_are_black():
    flow = np.zeros((2, 1, 2))
    flow[0, 0, 0] = np.nan
    assert flow_to_image(flow)[0, 0].tolist() == [0, 0, 0]


@pytest.mark.usefixtures("unchecked_shapes")
def test_what_is_no_flow_is_refused():
    with pytest.raises(InvalidInput, match=r"\(2, height, width\), got \(3, 4, 5\)"):
        flow_to_image(np.zeros((3, 4, 5)))
    with pytest.raises(InvalidInput, match="positive number of pixels"):
        flow_to_image(np.zeros((2, 4, 5)), 0.0)
