import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from spelke.discovery.pokes import (
    Draws,
    companion_point,
    evenly_spaced,
    plan_queries,
    poke_by,
    still_corners,
)
from spelke.discovery.settings import Stage
from spelke.types import Poke

seeds = st.integers(0, 2**31 - 1)


@given(count=st.integers(1, 12), seed=seeds)
def test_directions_are_even_and_lengths_are_in_range(count, seed):
    drawn = evenly_spaced(count, 3.0, 7.0, torch.Generator().manual_seed(seed)).double()
    lengths = drawn.norm(dim=1)
    assert (lengths >= 3 - 1e-5).all()
    assert (lengths <= 7 + 1e-5).all()
    angles = torch.atan2(drawn[:, 1], drawn[:, 0]) % (2 * math.pi)
    expected = torch.arange(count) * (2 * math.pi / count)
    assert torch.cos(angles - expected).min() > 1 - 1e-9


def test_a_still_corner_gives_way_to_a_poke_in_its_patch():
    assert len(still_corners(128, 8)) == 4
    poke = Poke((3.0, 5.0), (4.0, 0.0))
    corners = still_corners(128, 8, (poke,))
    assert len(corners) == 3
    assert (0.0, 0.0) not in [corner.point for corner in corners]


@given(seed=seeds, x=st.integers(0, 63), y=st.integers(0, 63))
def test_a_companion_lies_on_the_region_at_a_moderate_distance(seed, x, y):
    region = np.zeros((64, 64), bool)
    region[20:50, 10:40] = True
    found = companion_point(region, (float(x), float(y)), torch.Generator().manual_seed(seed))
    if found is not None:
        assert region[int(found[1]), int(found[0])]
        distance = math.dist(found, (x, y))
        assert 64 * 9 / 256 - 1 <= distance <= 64 * 50 / 256 + 1


def test_no_companion_where_there_is_no_region():
    region = np.zeros((64, 64), bool)
    assert companion_point(region, (30.0, 30.0), torch.Generator().manual_seed(0)) is None


def test_whole_pokes_end_on_whole_pixels():
    poke = poke_by((10.0, 20.0), torch.tensor([3.7, -4.2]), whole=True)
    assert poke.end == (13.0, 15.0)


def planned(stage, seed=0, region=None):
    return plan_queries((30.0, 30.0), stage, Draws(seed), size=64, region=region)


def test_a_stage_asks_every_direction_of_every_repetition():
    queries = planned(Stage(num_directions=5, num_seeds=3))
    assert len(queries) == 15
    assert len({query.seed for query in queries}) == 15
    assert len({query.pokes[0].length for query in queries}) == 15
    assert all(query.pokes[0].point == (30.0, 30.0) for query in queries)


def test_a_plan_depends_on_its_seed_alone():
    stage = Stage(num_directions=5)
    assert planned(stage, 1) == planned(stage, 1)
    assert planned(stage, 1) != planned(stage, 2)


def test_companions_move_together_or_apart():
    region = np.ones((64, 64), bool)
    together = planned(Stage(num_directions=4, companion="together"), region=region)
    for query in together:
        first, second = query.pokes
        assert np.allclose(first.displacement, second.displacement, atol=1e-4)
        assert first.point != second.point
    apart = planned(Stage(num_directions=4, companion="apart"), region=region)
    assert [len(query.pokes) for query in apart] == [1, 1, 1, 1]
    assert [query.pokes[0].point == (30.0, 30.0) for query in apart] == [True, False, True, False]


def test_one_seed_for_all_if_so_wished():
    draws = Draws(7, single_seed=True)
    queries = plan_queries((3.0, 3.0), Stage(num_directions=4), draws, size=64)
    assert {query.seed for query in queries} == {7}
