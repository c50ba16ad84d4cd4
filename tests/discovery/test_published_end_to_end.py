"""The released pipeline on its own kind of network: picture and point in, segment out.

The recorded run took the expectation in float64, and drew the last companion point from a random
state that sampling on its CPU had advanced; a GPU, for which it is written, leaves that state
alone, and so do we. That one point is taken from the record; everything else is computed.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.recipes import golden, published_model

from spelke.discovery import segment as segment_module
from spelke.discovery.load import load
from spelke.discovery.observer import Observer
from spelke.discovery.pokes import companion_point
from spelke.discovery.probe import probe
from spelke.discovery.settings import Stage, published_1b
from spelke.rollout.base import Ask, Query, Sampling
from spelke.rollout.prompt import published_options
from spelke.rollout.sampling import spend_draw
from spelke.tokens.patches import from_patches
from spelke.types import Poke
from spelke.weights import save

SETTINGS = replace(
    published_1b(),
    zoom=Stage(num_directions=2),
    zoom_steps=1,
    final=Stage(
        num_directions=2, num_sequential=2, companion="together", sampling=Sampling(top_k=1)
    ),
)


class RecordedPokes:
    """Asks a world model, with the pokes of the last recorded call instead of the drawn ones."""

    def __init__(self, model, last_pokes):
        self.model = model
        self.size, self.patch_size = model.size, model.patch_size
        self.batching = model.batching
        self.look = model.look
        self.motion_affordance, self.entropy = model.motion_affordance, model.entropy
        self.last_pokes = last_pokes
        self.drawn: list[Ask] = []
        self.asked: list[tuple[Ask, int]] = []

    def expected_displacement(self, asks):
        self.drawn += asks
        self.asked += [(ask, 0) for ask in asks]
        return self.model.expected_displacement(asks)

    def sample_flow(self, asks, num_sequential, sampling):
        self.drawn += asks
        *first, (glance, query) = asks
        asks = [*first, Ask(glance, Query(self.last_pokes, query.seed))]
        self.asked += [(ask, num_sequential) for ask in asks]
        return self.model.sample_flow(asks, num_sequential, sampling)


@pytest.fixture(scope="module")
def arrays():
    return golden("segment_e2e_recipe")


@pytest.fixture(scope="module")
def calls(arrays):
    return json.loads(str(arrays["calls_json"]))


@pytest.fixture(scope="module")
def run(arrays, calls):
    """The model that was asked, the track of the point, the segment."""
    predictor = published_model(replace(published_options(), expects_in_bfloat16=False))
    pokes = (Poke((x, y), (to_x - x, to_y - y)) for x, y, to_x, to_y in calls[-1]["flow_cond"])
    model = RecordedPokes(predictor, tuple(pokes))
    tracks = []

    def watched(world_model, some, *rest):
        tracks[:] = some
        probe(world_model, some, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment_module, "probe", watched)
        scene = Observer(model, SETTINGS).look(arrays["image_u8"])
        segment = scene.segment(tuple(arrays["poke"].tolist()), seed=0)
    (track,) = tracks
    return model, track, segment


@pytest.mark.slow
def test_the_questions_are_the_recorded_ones(run, calls):
    asked = [
        ([[*poke.point, *poke.end] for poke in query.pokes], query.seed)
        for _, query in run[0].drawn
    ]
    expected = [(call["flow_cond"], call["seed"]) for call in calls]
    assert asked[:-1] == expected[:-1]
    assert asked[-1][0][:-1] == expected[-1][0][:-1]
    assert [count for _, count in run[0].asked] == [call["num_seq"] for call in calls]


@pytest.mark.slow
def test_the_companion_that_is_not_drawn_comes_from_a_state_that_sampling_advanced(run, calls):
    model, track, _ = run
    generator = torch.Generator().manual_seed(calls[-2]["seed"])
    for _ in range(5 * SETTINGS.final.num_sequential):
        spend_draw(model.model.layout.vocab_size, [generator])
    found = companion_point(track.region, track.point, generator)
    assert list(found) == calls[-1]["flow_cond"][-1][:2]


@pytest.mark.slow
def test_the_crop_is_the_recorded_one(run, arrays):
    _, track, _ = run
    meta = (*track.point, *track.view.boxes[0], track.view.ratios[0])
    assert np.array_equal(meta, arrays["crop_meta"][0])


@pytest.mark.slow
@pytest.mark.parametrize("call", range(6))
def test_the_codes_of_every_call_are_the_recorded_ones(run, arrays, call):
    model, _, _ = run
    ask, num_sequential = model.asked[call]
    ((_, decoded),) = model.model.decode([ask], num_sequential, SETTINGS.final.sampling)
    codes = from_patches(decoded.tokens, 32)[0] - model.model.layout.flow.codes.start
    assert np.array_equal(codes, arrays["pred_codes"][call])


@pytest.mark.slow
def test_the_maps_and_the_segment_are_the_recorded_ones(run, arrays):
    _, track, segment = run
    coarse, initial, final = (level.evidence for level in track.levels)
    # The released maps of the first two are half as wide, in pixels half as wide.
    assert np.abs(coarse[::2, ::2] / 2 - arrays["heat0"]).max() < 1e-3
    assert np.abs(initial[::2, ::2] / 2 - arrays["heat1"]).max() < 1e-3
    assert np.abs(final[::2, ::2] - arrays["heat2"]).max() < 1e-2
    assert np.array_equal(segment.mask, np.unpackbits(arrays["segment"]).reshape(256, 256) > 0)


@pytest.mark.slow
def test_a_saved_predictor_answers_as_recorded(tmp_path):
    predictor = published_model()
    parts = ("network", "rgb_quantizer", "flow_quantizer")
    networks = {name: getattr(predictor, name) for name in parts}
    folder = save(tmp_path / "mine", "lras", networks, card="# mine")
    recorded = golden("predictor_real_layout_recipe")
    scene = load(folder, "cpu", parity="reference").look(recorded["image_u8"])
    still = 1 - scene.patch_affordance
    assert np.abs(still - recorded["fp32/affordance/prob_no_motion"]).max() < 1e-6
