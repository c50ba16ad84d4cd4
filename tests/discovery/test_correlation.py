import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spelke.discovery.correlation import (
    motion_correlation,
    otsu_cut,
    otsu_levels,
    otsu_region,
)
from spelke.errors import BadCheckpoint

ANGLES = np.arange(8) * (2 * math.pi / 8)
PUSHES = np.stack((np.cos(ANGLES), np.sin(ANGLES)), 1).astype(np.float32)
PUSHES *= np.linspace(10, 25, 8, dtype=np.float32)[:, None]
"""Eight directions of uneven length."""


def answer(matrix, constant=(0.0, 0.0)):
    """Flow fields of one pixel that does `matrix @ push + constant`."""
    flows = PUSHES @ np.asarray(matrix, np.float32).T + np.asarray(constant, np.float32)
    return flows[:, :, None, None].astype(np.float32)


def measured(kind, *args):
    return float(motion_correlation(answer(*args), PUSHES, kind)[0, 0])


@pytest.mark.parametrize("kind", ["gain", "correlation", "sensitivity"])
def test_what_follows_counts_one_and_what_stays_none(kind):
    assert measured(kind, np.eye(2)) == pytest.approx(1, abs=2e-3)
    assert measured(kind, np.zeros((2, 2))) == 0


@pytest.mark.parametrize("kind", ["gain", "correlation", "sensitivity"])
def test_motion_that_ignores_the_poke_counts_nothing(kind):
    assert measured(kind, np.zeros((2, 2)), (12.0, -5.0)) == pytest.approx(0, abs=1e-3)


def test_the_published_dot_product_is_taken_in_by_motion_that_ignores_the_poke():
    assert abs(measured("dot", np.zeros((2, 2)), (5.0, 12.0))) > 5


def test_gain_is_the_share_of_the_poke():
    assert measured("gain", 0.3 * np.eye(2)) == pytest.approx(0.3, abs=1e-5)
    assert measured("correlation", 0.3 * np.eye(2)) > 0.98


def test_sensitivity_sees_parts_that_swing_backwards():
    swing = [[1.0, 0.0], [0.0, -0.5]]
    assert measured("gain", swing) < 0.3
    assert measured("sensitivity", swing) == pytest.approx(math.sqrt(1.25 / 2), abs=1e-4)


def test_one_poke_is_enough():
    for kind in ("gain", "sensitivity"):
        one = motion_correlation(answer(np.eye(2))[:1], PUSHES[:1], kind)
        assert float(one[0, 0]) == pytest.approx(1, abs=1e-5)


def test_damaged_weights_are_named():
    flows = answer(np.eye(2))
    flows[3] = np.nan
    with pytest.raises(BadCheckpoint, match="not finite"):
        motion_correlation(flows, PUSHES, "gain")


maps = arrays(np.float32, (12, 9), elements=st.floats(-100, 100, width=32))


@given(values=maps)
def test_the_cut_is_where_the_region_begins(values):
    region = otsu_region(values)
    cut = otsu_cut(values)
    assert region.any() == math.isfinite(cut)
    # Equal levels have equal sides of the cut, and levels grow with the values.
    assert np.array_equal(region, values >= cut)


@given(values=maps, shift=st.integers(-8, 8))
def test_otsu_divides_only_at_its_threshold(values, shift):
    levels, threshold = otsu_levels(values + np.float32(shift))
    assert 0 <= threshold <= 255
    assert levels.max() <= 255
