from tests.discovery.conftest import centre_of
from tests.discovery.doubles import PerfectWorldModel, paint

from spelke.discovery.observer import Observer
from spelke.discovery.settings import Stage, embedded, published_1b


def test_a_round_is_one_call_for_all_points(table):
    model = PerfectWorldModel()
    scene = Observer(model, embedded()).look(paint(table))
    scene.segments([centre_of(table, thing) for thing in range(1, 7)])
    # All six points share the whole photo; then each zooms into a crop of its own.
    assert model.counts.calls == [6 * 8, 6 * 8]
    assert model.counts.looks == [1, 6]


def test_the_published_settings_ask_as_often_as_the_released_code(square_table):
    model = PerfectWorldModel(size=256)
    Observer(model, published_1b()).look(paint(square_table)).segment((60.0, 60.0))
    assert model.counts.calls == [5, 5, 5, 24]


def test_further_points_cost_only_their_pokes(table):
    model = PerfectWorldModel()
    scene = Observer(model, embedded()).look(paint(table))
    scene.segment(centre_of(table, 1))
    looks = sum(model.counts.looks)
    scene.segment(centre_of(table, 1), seed=5)
    assert sum(model.counts.looks) <= looks + 1  # another seed may zoom into another box
    scene.segment(centre_of(table, 1))
    assert sum(model.counts.looks) <= looks + 1


def test_every_query_holds_the_corners_and_ends_with_the_push(table):
    model = PerfectWorldModel()
    Observer(model, embedded()).look(paint(table)).segment(centre_of(table, 1))
    for query in model.counts.queries:
        assert len(query.pokes) == 5
        assert [poke.length > 0 for poke in query.pokes] == [False] * 4 + [True]


def test_a_poke_in_a_corner_takes_the_place_of_the_still_one(square_table):
    model = PerfectWorldModel()
    settings = embedded()
    Observer(model, settings).look(paint(square_table)).segment((3.0, 3.0))
    assert {len(query.pokes) for query in model.counts.queries} == {4}


def test_the_pokes_of_a_segment_are_told_in_pixels_of_the_photo(table):
    point = centre_of(table, 3)
    segment = Observer(PerfectWorldModel(), embedded()).look(paint(table)).segment(point)
    assert len(segment.pokes) == Stage().num_directions
    for poke in segment.pokes:
        assert abs(poke.point[0] - point[0]) < 1e-3
        assert abs(poke.point[1] - point[1]) < 1e-3
        assert 3 < poke.length < 40
