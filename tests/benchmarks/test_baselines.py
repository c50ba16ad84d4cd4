import numpy as np
import pytest

from spelke.benchmarks.baselines import METHODS, Baseline, BaselineSettings, component_at
from spelke.errors import UnknownName


@pytest.fixture
def square():
    """A red square of 40 pixels on a grey wall with a little noise, and its mask."""
    generator = np.random.default_rng(0)
    image = np.full((128, 128, 3), 120, np.uint8)
    mask = np.zeros((128, 128), bool)
    mask[40:80, 50:90] = True
    image[mask] = (200, 40, 40)
    image += generator.integers(0, 6, image.shape, np.uint8)
    return image, mask


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize("name", sorted(METHODS.keys() - {"disc", "whole-image"}))
def test_a_plain_square_is_found_by_everything_that_looks(name, square):
    image, mask = square
    found = Baseline(name).segment_points(image, np.array([[70, 60]]))
    assert found.shape == (1, 128, 128)
    assert overlap(found[0], mask) > 0.8


@pytest.mark.parametrize("name", METHODS)
def test_a_point_at_any_corner_is_answered_and_lies_in_its_answer(name, square):
    image, _ = square
    corners = np.array([[0, 0], [127, 0], [0, 127], [127, 127]])
    found = Baseline(name).segment_points(image, corners)
    assert found.dtype == np.bool_
    assert found[range(4), corners[:, 1], corners[:, 0]].all()


@pytest.mark.parametrize("name", METHODS)
def test_no_points_get_no_masks(name, square):
    image, _ = square
    found = Baseline(name).segment_points(image, np.zeros((0, 2), int))
    assert found.shape == (0, 128, 128)


@pytest.mark.parametrize("name", METHODS)
def test_the_same_picture_gets_the_same_answer(name, square):
    image, _ = square
    points = np.array([[70, 60], [10, 100]])
    first = Baseline(name).segment_points(image, points)
    assert np.array_equal(first, Baseline(name).segment_points(image, points))
    assert np.array_equal(first[1:], Baseline(name).segment_points(image, points[1:]))


def test_a_large_picture_is_answered_at_its_own_size(square):
    image, mask = square
    large = image.repeat(4, 0).repeat(4, 1)
    settings = BaselineSettings(working_size=128)
    found = Baseline("flood-fill", settings).segment_points(large, np.array([[281, 241]]))
    assert overlap(found[0], mask.repeat(4, 0).repeat(4, 1)) > 0.95


def test_the_disc_has_the_mean_radius():
    settings = BaselineSettings(disc_radius=20.0)
    image = np.zeros((256, 256, 3), np.uint8)
    found = Baseline("disc", settings).segment_points(image, np.array([[100, 120]]))
    assert found.sum() == pytest.approx(np.pi * 20**2, rel=0.02)
    assert found[0, 120, 120]
    assert not found[0, 120, 121]


def test_a_component_is_the_connected_part_or_nothing():
    mask = np.zeros((5, 5), bool)
    mask[0, :2] = mask[4, 3:] = True
    assert component_at(mask, (0, 0)).sum() == 2
    assert component_at(mask, (2, 2)).sum() == 0


def test_an_unknown_baseline_is_refused_with_the_list():
    with pytest.raises(UnknownName, match="flood-fill, felzenszwalb"):
        Baseline("watershed")
