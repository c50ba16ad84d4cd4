from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.discovery.conftest import centre_of
from tests.discovery.doubles import NoiseWorldModel, PerfectWorldModel, paint

from spelke.discovery.discover import SearchSettings
from spelke.discovery.memory import GLANCES_KEPT
from spelke.discovery.observer import Observer
from spelke.discovery.segment import FLOW_BYTES, points_at_once
from spelke.discovery.settings import embedded, published_1b, published_fast
from spelke.errors import InvalidInput
from spelke.types import Poke, Segments


@pytest.fixture
def scene(table):
    return Observer(PerfectWorldModel()).look(paint(table))


class HalfBlind(PerfectWorldModel):
    """Right, but noisy: what is drawn matters."""

    class glance(PerfectWorldModel.glance):  # noqa: N801
        def response(self, pokes, seed):
            noise = NoiseWorldModel.glance.response(self, pokes, seed)
            return super().response(pokes, seed) + 0.3 * noise


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=6)
@given(order=st.permutations(range(1, 7)), count=st.integers(1, 6), seed=st.integers(0, 99))
def test_a_segment_does_not_depend_on_its_neighbours(table, order, count, seed):
    points = [centre_of(table, thing) for thing in order[:count]]
    together = Observer(HalfBlind()).look(paint(table)).segments(points, seed)
    alone = Observer(HalfBlind()).look(paint(table)).segment(points[0], seed)
    assert np.array_equal(together[0].mask, alone.mask)
    assert together[0].confidence == alone.confidence
    assert together[0].pokes == alone.pokes


def test_seeds_matter_and_repeat(table):
    point = centre_of(table, 1)
    scene = Observer(HalfBlind()).look(paint(table))
    first, again, other = (scene.segment(point, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.mask, again.mask)
    assert first.pokes != other.pokes


@pytest.mark.parametrize("shape", [(64, 64), (31, 77), (300, 90), (1, 200), (500, 640)])
def test_photos_of_any_size(shape):
    ids = np.zeros(shape, np.uint8)
    ids[: max(1, shape[0] // 2), : max(1, shape[1] // 3)] = 1
    point = (float(shape[1] // 6), float(shape[0] // 4))
    for model, chosen in ((PerfectWorldModel(), None), (PerfectWorldModel(256), published_fast())):
        scene = Observer(model, chosen).look(paint(ids))
        segment = scene.segment(point)
        assert segment.mask.shape == shape
        assert scene.affordance().shape == shape
        assert scene.displacement(Poke(point, (2.0, 0.0))).shape == (2, *shape)
        assert scene.entropy().shape == shape


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("point", "message"),
    [
        ((320, 10), "between 0 and 319"),
        ((10, 240), "between 0 and 239"),
        ((-1, 10), "outside the image"),
        ((float("nan"), 10.0), "two finite numbers"),
        ((10.0,), "two finite numbers"),
        (("a", "b"), "two finite numbers"),
        (None, "two finite numbers"),
    ],
)
def test_points_that_are_none_are_refused(scene, point, message):
    with pytest.raises(InvalidInput, match=message):
        scene.segment(point)


@pytest.mark.usefixtures("unchecked_shapes")
def test_points_may_come_as_whole_numbers_lists_and_arrays(scene):
    expected = scene.segment((60.0, 60.0)).mask
    for point in ((60, 60), [60, 60], np.array([60, 60])):
        found = scene.segment(point)
        assert np.array_equal(found.mask, expected)
        assert found.point == (60.0, 60.0)


def test_empty_lists_are_refused(scene):
    with pytest.raises(InvalidInput, match="no point"):
        scene.segments([])
    with pytest.raises(InvalidInput, match="no poke"):
        scene.displacement([])


def test_a_poke_outside_is_refused(scene):
    with pytest.raises(InvalidInput, match="outside the image"):
        scene.displacement(Poke((400.0, 0.0), (1.0, 0.0)))
    with pytest.raises(InvalidInput, match="outside the image"):
        scene.entropy(Poke((400.0, 0.0), (1.0, 0.0)))


def test_affordance_is_where_things_are(scene, table):
    affordance = scene.affordance()
    assert affordance[table > 0].mean() > 0.65
    assert affordance[table == 0].mean() < 0.15


def test_the_whole_photo_is_encoded_once(table):
    model = PerfectWorldModel()
    scene = Observer(model).look(paint(table))
    assert model.counts.looks == []  # nothing has been asked
    scene.affordance()
    scene.entropy()
    scene.displacement(Poke((60.0, 60.0), (5.0, 0.0)))
    assert model.counts.looks == [1]


def test_crops_are_forgotten_and_the_whole_photo_is_not(table):
    model = PerfectWorldModel()
    scene = Observer(model).look(paint(table))
    scene.affordance()
    for x in range(GLANCES_KEPT + 5):
        scene.segment((30.0 + 3 * x, 60.0))
    assert len(scene.memory) <= GLANCES_KEPT
    looks = len(model.counts.looks)
    scene.displacement(Poke((60.0, 60.0), (5.0, 0.0)))
    assert len(model.counts.looks) == looks


def test_many_points_are_taken_in_turn(table, monkeypatch):
    points = [centre_of(table, thing) for thing in range(1, 7)]
    expected = Observer(PerfectWorldModel()).look(paint(table)).segments(points)
    monkeypatch.setattr("spelke.discovery.segment.MOST_POINTS", 4)
    model = PerfectWorldModel()
    found = Observer(model).look(paint(table)).segments(points)
    assert model.counts.calls[0] == 4 * 8
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one.mask, other.mask)


@pytest.fixture
def photos(table, tall_table, square_table):
    return [paint(ids) for ids in (table, tall_table, square_table, np.zeros((60, 80), np.uint8))]


@pytest.fixture
def points(table, tall_table, square_table):
    return [
        [centre_of(table, thing) for thing in (1, 2, 3)],
        [],
        [centre_of(square_table, 5)],
        [(30.0, 20.0)],
    ]


def assert_same(one, other):
    assert one.image_size == other.image_size
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.mask, b.mask)
        assert (a.point, a.confidence, a.pokes, a.remark) == (
            b.point, b.confidence, b.pokes, b.remark,
        )  # fmt: skip


@pytest.mark.parametrize("chosen", [embedded(), replace(embedded(), num_looks=3, settle=0.95)])
def test_photos_side_by_side_are_answered_as_one_by_one(photos, points, chosen):
    together = Observer(HalfBlind(), chosen).segments(photos, points, seed=3)
    for photo, some, found in zip(photos, points, together, strict=True):
        scene = Observer(HalfBlind(), chosen).look(photo)
        alone = scene.segments(some, 3) if some else Segments(scene.image_size)
        assert_same(found, alone)


def test_photos_side_by_side_share_their_calls(photos, points):
    model = PerfectWorldModel()
    Observer(model).segments(photos, points)
    assert model.counts.calls == [5 * 8, 5 * 8]
    # All photos that are asked about, then the crop of every point that saw something.
    assert model.counts.looks == [3, 4]


def test_photos_are_searched_side_by_side_as_one_by_one(photos):
    some = [photos[2], photos[3], photos[0]]
    search = SearchSettings(max_rounds=3)
    together = Observer(HalfBlind()).discover(some, 2, search)
    assert len(together[0]) >= 5
    assert len(together[1]) == 0
    for photo, found in zip(some, together, strict=True):
        assert_same(found, Observer(HalfBlind()).look(photo).discover(2, search))


def test_many_photos_are_taken_in_turn(photos, points, monkeypatch):
    expected = Observer(PerfectWorldModel()).segments(photos, points)
    monkeypatch.setattr("spelke.discovery.observer.PHOTOS_AT_ONCE", 2)
    model = PerfectWorldModel()
    found = Observer(model).segments(photos, points)
    assert model.counts.calls == [3 * 8, 3 * 8, 2 * 8, 2 * 8]
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


def test_scenes_remember_across_calls(photos, points):
    model = PerfectWorldModel()
    observer = Observer(model)
    scenes = [observer.look(photo) for photo in photos]
    observer.segments(scenes, points)
    looks = len(model.counts.looks)
    observer.segments(scenes, points)
    assert len(model.counts.looks) == looks
    assert observer.segments([], []) == []


def test_what_does_not_belong_together_is_refused(photos, points):
    observer = Observer(PerfectWorldModel())
    with pytest.raises(InvalidInput, match="4 photos came with 3 lists"):
        observer.segments(photos, points[:3])
    with pytest.raises(InvalidInput, match="another observer's"):
        observer.discover([Observer(PerfectWorldModel()).look(photos[0])])
    with pytest.raises(InvalidInput, match="outside the image"):
        observer.segments(photos[:1], [[(1000.0, 3.0)]])


def test_flow_of_a_call_is_bounded():
    for chosen in (embedded(), published_1b(), replace(embedded(), num_looks=8)):
        for size in (64, 128, 256, 512):
            count = points_at_once(chosen, size)
            queries = chosen.num_looks * chosen.final.num_queries
            assert count == 1 or count * queries * 8 * size**2 <= FLOW_BYTES
    assert points_at_once(embedded(), 128) == 32
