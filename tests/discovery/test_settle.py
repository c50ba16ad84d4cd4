"""Stopping early: what is asked is a part of the plan, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.discovery.conftest import centre_of, overlap
from tests.discovery.doubles import NoiseGlance, PerfectGlance, PerfectWorldModel, paint

from spelke.discovery.observer import Observer
from spelke.discovery.settings import DiscoverySettings, Stage, embedded
from spelke.discovery.settle import half_samples, mean_overlap, outlook, rounds_of
from spelke.errors import InvalidInput

THINGS = range(1, 7)
THREE = replace(embedded(), final=Stage(num_seeds=3))


class HalfBlindGlance(PerfectGlance):
    """Right, but noisy, the more so the higher the number of the thing."""

    def response(self, pokes, seed):
        thing = float(self.things[round(pokes[-1].point[1]), round(pokes[-1].point[0])])
        noise = NoiseGlance.response(self, pokes, seed)
        return super().response(pokes, seed) + 0.25 * thing * noise


class HalfBlind(PerfectWorldModel):
    glance = HalfBlindGlance


def found(settings, table, things=THINGS, model=HalfBlind, seed=0):
    scene = Observer(model(), settings).look(paint(table))
    return scene.segments([centre_of(table, thing) for thing in things], seed)


def assert_same(one, other):
    assert np.array_equal(one.mask, other.mask)
    assert (one.confidence, one.pokes, one.remark) == (other.confidence, other.pokes, other.remark)


@given(directions=st.integers(1, 12), seeds=st.integers(1, 4))
def test_rounds_are_the_whole_plan_in_evenly_spaced_parts(directions, seeds):
    stage = Stage(num_directions=directions, num_seeds=seeds)
    rounds = rounds_of(stage)
    assert sorted(number for some in rounds for number in some) == list(range(stage.num_queries))
    for some in rounds:
        steps = {
            (after - before) % directions
            for before, after in zip(some, [*some[1:], some[0]], strict=True)
        }
        assert len(steps) == 1
    assert [len(some) for some in rounds_of(Stage())] == [4, 4]
    assert [len(some) for some in rounds_of(Stage(num_directions=4))] == [4]


@given(count=st.integers(1, 40))
def test_samples_are_halves_and_their_complements(count):
    samples = half_samples(count)
    if count == 1:
        assert samples == [[0]]
        return
    for half, rest in zip(samples[0::2], samples[1::2], strict=True):
        assert sorted(half + rest) == list(range(count))
    if count % 8 == 0:
        assert all(len(sample) == count // 2 for sample in samples)


def test_the_outlook_of_a_mean_spreads_as_the_mean_of_all_does():
    """Checked by drawing: the mean of 24 lies from that of the first 8 as far as foretold."""
    draws = np.random.default_rng(0).normal(size=(24, 64, 64)).astype(np.float32)
    present, final = draws[:8].mean(0), draws.mean(0)
    samples = np.stack([draws[half].mean(0) for half in half_samples(8)])
    spread = np.sqrt(((outlook(present, samples, 8 / 24) - present) ** 2).mean())
    assert spread == pytest.approx(np.sqrt(((final - present) ** 2).mean()), rel=0.05)
    assert np.array_equal(outlook(present, samples, 1.0)[0], present)


def test_overlap_of_regions():
    full, empty = np.ones((4, 4), bool), np.zeros((4, 4), bool)
    half = full.copy()
    half[:2] = False
    assert mean_overlap(full, [full, half, empty]) == pytest.approx(0.5)
    assert mean_overlap(empty, [empty]) == 1.0


@pytest.mark.parametrize("base", [embedded(), THREE], ids=["8 pokes", "24 pokes"])
@pytest.mark.parametrize("change", [{}, {"num_looks": 2}, {"evidence": "sensitivity"}], ids=str)
def test_out_of_reach_it_changes_nothing(base, change, table, monkeypatch):
    monkeypatch.setattr("spelke.discovery.segment.mean_overlap", lambda *regions: 0.99)
    base = replace(base, **change)
    for one, other in zip(found(base, table), found(replace(base, settle=1.0), table), strict=True):
        assert_same(one, other)


def test_what_is_sure_takes_few_pokes_and_what_is_not_takes_all(table):
    sure = found(replace(THREE, settle=0.9), table, model=PerfectWorldModel)
    assert {len(segment.pokes) for segment in sure} == {8}
    for segment, thing in zip(sure, THINGS, strict=True):
        assert overlap(segment.mask, table == thing) > 0.95
    unsure = found(replace(THREE, settle=0.97), table)
    counts = [len(segment.pokes) for segment in unsure]
    assert min(counts) < max(counts) == 24


@hypothesis_settings(deadline=None, max_examples=8)
@given(settle=st.floats(0.3, 1.0), seed=st.integers(0, 99))
def test_what_is_asked_is_the_beginning_of_the_plan(settle, seed, table):
    point = centre_of(table, 3)
    full, early = HalfBlind(), HalfBlind()
    picture = paint(table)
    Observer(full, THREE).look(picture).segment(point, seed)
    Observer(early, replace(THREE, settle=settle)).look(picture).segment(point, seed)
    asked = early.counts.queries
    assert asked == full.counts.queries[: len(asked)]
    assert sum(early.counts.calls) in (16, 24, 32)


@hypothesis_settings(deadline=None, max_examples=4)
@given(settle=st.floats(0.5, 1.0), order=st.permutations(THINGS), count=st.integers(2, 4))
def test_a_neighbour_does_not_decide_when_a_point_stops(settle, order, count, table):
    settings = replace(THREE, settle=settle)
    together = found(settings, table, order[:count])
    (alone,) = found(settings, table, order[:1])
    assert_same(together[0], alone)
    assert_same(found(settings, table, order[:1])[0], alone)


def test_points_that_stopped_leave_the_batch(table):
    model = HalfBlind()
    scene = Observer(model, replace(THREE, settle=0.97)).look(paint(table))
    segments = scene.segments([centre_of(table, thing) for thing in THINGS])
    zoom, *rounds = model.counts.calls
    assert zoom == rounds[0] == 48
    assert rounds == sorted(rounds, reverse=True)
    assert sum(rounds) == sum(len(segment.pokes) for segment in segments)


@pytest.mark.parametrize("settle", [0.0, -0.1, 1.1, float("nan")])
def test_an_overlap_that_is_none_is_refused(settle):
    with pytest.raises(InvalidInput, match="settle"):
        DiscoverySettings(settle=settle)
