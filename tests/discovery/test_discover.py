import numpy as np
import pytest
import torch
from tests.discovery.conftest import overlap
from tests.discovery.doubles import PerfectWorldModel, StillWorldModel, paint

from spelke.discovery.discover import SearchSettings, draw_patches, without_doubles
from spelke.discovery.observer import Observer
from spelke.errors import InvalidInput
from spelke.types import Segment


@pytest.mark.parametrize("seed", range(5))
def test_every_thing_is_found_once(table, seed):
    found = Observer(PerfectWorldModel()).look(paint(table)).discover(seed)
    assert len(found) == 6
    for thing in range(1, 7):
        assert max(overlap(one.mask, table == thing) for one in found) > 0.9


def test_the_same_seed_finds_the_same(table):
    first, again = (Observer(PerfectWorldModel()).look(paint(table)).discover(3) for _ in range(2))
    assert all(
        np.array_equal(one.mask, other.mask) for one, other in zip(first, again, strict=True)
    )


def test_fixed_things_are_not_found(table):
    found = Observer(PerfectWorldModel(movable=(2, 5))).look(paint(table)).discover()
    assert len(found) == 2


def test_an_empty_table_holds_nothing():
    model = PerfectWorldModel()
    found = Observer(model).look(paint(np.zeros((60, 80), np.uint8))).discover()
    assert len(found) == 0
    assert found.image_size == (60, 80)
    assert model.counts.calls == []


def test_a_search_that_finds_nothing_ends(table):
    model = StillWorldModel()
    search = SearchSettings(max_empty_rounds=2, points_per_round=4)
    assert len(Observer(model).look(paint(table)).discover(search=search)) == 0
    # A point that nothing follows is not zoomed into: two stages of eight pokes.
    assert sum(model.counts.calls) == 2 * 4 * 16


def test_points_of_one_round_stand_apart():
    affordance = np.ones((8, 8), np.float32)
    patches = draw_patches(affordance, 0.1, 5, torch.Generator().manual_seed(0))
    assert len(patches) == 5
    for number, (row, column) in enumerate(patches):
        for other_row, other_column in patches[:number]:
            assert max(abs(row - other_row), abs(column - other_column)) > 1


def test_a_single_patch_that_is_left_is_still_tried():
    affordance = np.zeros((8, 8), np.float32)
    affordance[3, 4] = 0.9
    assert draw_patches(affordance, 0.1, 5, torch.Generator().manual_seed(0)) == [(3, 4)]
    assert draw_patches(affordance, 0.95, 5, torch.Generator().manual_seed(0)) == []


def test_of_two_that_say_the_same_the_surer_stays():
    mask = np.zeros((10, 10), bool)
    mask[2:8, 2:8] = True
    inner = np.zeros((10, 10), bool)
    inner[3:5, 3:5] = True
    segments = [
        Segment(mask, (3.0, 3.0), 0.6),
        Segment(mask, (4.0, 4.0), 0.9),
        Segment(inner, (4.0, 4.0), 0.5),
    ]
    kept = without_doubles(segments, 0.5)
    assert [one.confidence for one in kept] == [0.9, 0.5]


def test_a_search_needs_points():
    with pytest.raises(InvalidInput, match="at least one point"):
        SearchSettings(points_per_round=0)
