"""The proof of the pipeline: right answers give right segments, blind ones do not."""

from dataclasses import replace

import numpy as np
import pytest
from tests.discovery.conftest import centre_of, overlap
from tests.discovery.doubles import (
    NoiseWorldModel,
    PerfectWorldModel,
    StillWorldModel,
    StubbornWorldModel,
    paint,
)

from spelke.discovery.observer import Observer
from spelke.discovery.settings import (
    Stage,
    embedded,
    notebook,
    published_1b,
    published_fast,
)
from spelke.errors import BadCheckpoint

THINGS = range(1, 7)
OURS = {
    "embedded": embedded(),
    "two zooms": replace(embedded(), zoom_steps=2),
    "four looks": replace(embedded(), num_looks=4),
    "all levels": replace(embedded(), combine_levels=True),
    "relative": replace(embedded(), threshold="relative"),
    "correlation": replace(embedded(), evidence="correlation"),
    "sensitivity": replace(embedded(), evidence="sensitivity"),
    "companions together": replace(embedded(), final=Stage(companion="together")),
    "companions apart": replace(embedded(), final=Stage(companion="apart")),
    "sampled": replace(embedded(), final=Stage(num_sequential=4)),
}
DIFFERENT = ("embedded", "four looks", "relative", "correlation", "sensitivity")
"""Of ours, those that decide differently."""
PUBLISHED = {"1b": published_1b(), "fast": published_fast(), "notebook": notebook()}


def scores(model, settings, ids):
    """IoU of the segment found at the heart of each thing, and its confidence."""
    scene = Observer(model, settings).look(paint(ids))
    found = scene.segments([centre_of(ids, thing) for thing in THINGS], seed=0)
    return (
        np.array(
            [overlap(one.mask, ids == thing) for one, thing in zip(found, THINGS, strict=True)]
        ),
        np.array([one.confidence for one in found]),
    )


@pytest.mark.parametrize("settings", OURS.values(), ids=OURS)
def test_a_perfect_model_finds_every_thing_of_a_photo(settings, table):
    found, confidence = scores(PerfectWorldModel(), settings, table)
    assert found.min() > 0.95
    assert confidence.min() > 0.9


@pytest.mark.parametrize("settings", PUBLISHED.values(), ids=PUBLISHED)
def test_a_perfect_model_finds_every_thing_by_the_published_settings(settings, square_table):
    found, _ = scores(PerfectWorldModel(size=256), settings, square_table)
    assert found.min() > 0.95


def test_a_perfect_model_finds_every_thing_of_a_tall_photo(tall_table):
    found, _ = scores(PerfectWorldModel(), replace(embedded(), zoom_steps=2), tall_table)
    assert found.min() > 0.95


@pytest.mark.parametrize("blind", [StillWorldModel, NoiseWorldModel, StubbornWorldModel])
@pytest.mark.parametrize("name", DIFFERENT)
def test_a_blind_model_finds_nothing(blind, name, table):
    found, confidence = scores(blind(), OURS[name], table)
    assert found.max() < 0.5
    assert confidence.max() < 0.45
    assert confidence.mean() < 0.25


@pytest.mark.parametrize("blind", [StillWorldModel, NoiseWorldModel, StubbornWorldModel])
@pytest.mark.parametrize("settings", PUBLISHED.values(), ids=PUBLISHED)
def test_a_blind_model_finds_nothing_by_the_published_settings(blind, settings, square_table):
    found, _ = scores(blind(size=256), settings, square_table)
    assert found.max() < 0.5


def test_where_nothing_moves_the_answer_is_empty_and_says_so(table):
    segment = Observer(StillWorldModel()).look(paint(table)).segment((60.0, 60.0))
    assert segment.area == 0
    assert segment.confidence == 0
    assert "nothing follows a push" in segment.remark


def test_a_fixed_thing_is_not_believed(table):
    model = PerfectWorldModel(movable=(1, 2))
    segment = Observer(model).look(paint(table)).segment(centre_of(table, 3))
    assert segment.confidence < 0.05
    assert segment.remark


def test_the_ground_is_not_believed(table):
    segment = Observer(PerfectWorldModel()).look(paint(table)).segment((10.0, 230.0))
    assert segment.confidence < 0.05
    assert "nothing" in segment.remark


def test_a_broken_model_is_named(table):
    class Broken(PerfectWorldModel):
        class glance(StillWorldModel.glance):  # noqa: N801
            def response(self, pokes, seed):
                return super().response(pokes, seed) * float("nan")

    with pytest.raises(BadCheckpoint, match="not finite"):
        Observer(Broken()).look(paint(table)).segment((60.0, 60.0))


def test_the_component_can_be_left_whole():
    ids = np.zeros((128, 128), np.uint8)
    ids[20:50, 20:50] = 1
    ids[80:110, 80:110] = 1
    for keep, expected in ((True, 900), (False, 1800)):
        settings = replace(embedded(), keep_component=keep, zoom_steps=0)
        segment = Observer(PerfectWorldModel(), settings).look(paint(ids)).segment((30.0, 30.0))
        assert segment.area == pytest.approx(expected, rel=0.05)


def test_holes_can_be_left_open():
    ids = np.zeros((128, 128), np.uint8)
    ids[30:90, 30:90] = 1
    ids[50:70, 50:70] = 0
    for fill, expected in ((True, 3600), (False, 3200)):
        settings = replace(embedded(), fill_holes=fill, zoom_steps=0)
        segment = Observer(PerfectWorldModel(), settings).look(paint(ids)).segment((40.0, 40.0))
        assert segment.area == pytest.approx(expected, rel=0.03)
