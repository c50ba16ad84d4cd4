import numpy as np
import pytest
from tests.discovery.conftest import centre_of
from tests.discovery.doubles import PerfectWorldModel, paint

from spelke.discovery.displacement import query_of
from spelke.discovery.observer import Observer
from spelke.geometry.crop import Crop
from spelke.types import Poke


@pytest.mark.parametrize("shape", ["table", "tall_table", "square_table"])
def test_a_thing_moves_by_its_poke_in_pixels_of_the_photo(request, shape):
    ids = request.getfixturevalue(shape)
    poke = Poke(centre_of(ids, 3), (12.0, -7.0))
    flow = Observer(PerfectWorldModel()).look(paint(ids)).displacement(poke)
    assert flow[0][ids == 3].mean() == pytest.approx(12, rel=0.05)
    assert flow[1][ids == 3].mean() == pytest.approx(-7, rel=0.05)
    assert np.median(np.abs(flow[:, ids == 3] - [[12], [-7]])) < 1e-3
    assert np.abs(flow[:, ids == 1]).max() == 0


def test_several_pokes_happen_together(table):
    pokes = [Poke(centre_of(table, 1), (5.0, 0.0)), Poke(centre_of(table, 2), (0.0, 5.0))]
    flow = Observer(PerfectWorldModel()).look(paint(table)).displacement(pokes)
    assert np.median(flow[0][table == 1]) == pytest.approx(5, abs=1e-3)
    assert np.median(flow[1][table == 2]) == pytest.approx(5, abs=1e-3)


@pytest.mark.parametrize(("corners", "count"), [("none", 0), ("free", 3), ("all", 4)])
def test_a_still_corner_gives_way_to_a_poke_unless_all_are_wanted(corners, count):
    poke = Poke((3.0, 5.0), (8.0, 0.0))
    query = query_of([poke], Crop.whole((64, 64), 64), 8, corners=corners, seed=0)
    *still, last = query.pokes
    assert last == poke
    assert len(still) == count
    assert all(each.length == 0 for each in still)
