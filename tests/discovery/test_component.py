import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spelke.discovery.component import component_at, without_holes

masks = arrays(np.bool_, (9, 11))
points = st.tuples(st.integers(0, 10).map(float), st.integers(0, 8).map(float))


@given(mask=masks, point=points)
def test_a_component_is_a_part_and_its_own_component(mask, point):
    part = component_at(mask, point)
    assert not (part & ~mask).any()
    assert part.any() == mask.any()
    assert np.array_equal(component_at(part, point), part)
    if mask[int(point[1]), int(point[0])]:
        assert part[int(point[1]), int(point[0])]


def test_the_part_under_the_point_else_the_nearest():
    mask = np.zeros((10, 30), bool)
    mask[2:5, 2:6] = True
    mask[2:9, 20:28] = True
    assert component_at(mask, (3.0, 3.0)).sum() == 12
    assert component_at(mask, (18.0, 4.0)).sum() == 56
    assert component_at(mask, (7.0, 9.0)).sum() == 12


def test_parts_that_touch_at_a_corner_are_one():
    mask = np.eye(5, dtype=bool)
    assert component_at(mask, (0.0, 0.0)).sum() == 5


@given(mask=masks)
def test_filling_holes_twice_is_filling_them_once(mask):
    filled = without_holes(mask)
    assert not (mask & ~filled).any()
    assert np.array_equal(without_holes(filled), filled)


def test_a_ring_becomes_a_disc():
    mask = np.ones((5, 5), bool)
    mask[2, 2] = False
    assert without_holes(mask).all()
    mask[2, 2:] = False  # open to the border
    assert not without_holes(mask)[2, 2]
