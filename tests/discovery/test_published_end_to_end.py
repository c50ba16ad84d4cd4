"""The released pipeline on its own kind of network: picture and point in, segment out.

The released code draws the last companion point from a random state that sampling on its CPU has
advanced; that one point is taken from the golden file, everything else is computed.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.recipes import fill_lras, golden, tiny_quantizers

from spelke.discovery import segment as segment_module
from spelke.discovery.observer import Observer
from spelke.discovery.probe import probe
from spelke.discovery.settings import Stage, published_1b
from spelke.models.lras import LRAS, LRASConfig
from spelke.rollout.base import Query, Sampling
from spelke.rollout.prompt import published_options
from spelke.rollout.published import PublishedWorldModel
from spelke.tokens.flow_table import ZERO_FLOW_CODES, FlowTable
from spelke.tokens.layout import spelkenet_layout
from spelke.types import Poke


@pytest.fixture(scope="module")
def published_model():
    layout = spelkenet_layout()
    arrays = golden("predictor_real_layout_recipe")
    config = LRASConfig(
        vocab_size=layout.vocab_size,
        num_positions=layout.num_positions,
        depth=2,
        num_heads=4,
        embed_dim=64,
    )
    table = FlowTable(
        torch.from_numpy(arrays["token_ids"]).long(),
        torch.from_numpy(arrays["token_flow"]).permute(0, 3, 1, 2).contiguous(),
    )
    return PublishedWorldModel(
        fill_lras(LRAS(config), 1234).requires_grad_(False),
        *tiny_quantizers(),
        layout,
        flow_table=table,
        zero_codes=ZERO_FLOW_CODES,
        options=published_options(),
    )


class RecordedPokes:
    """Asks a world model, with the pokes of the last recorded call instead of the drawn ones."""

    def __init__(self, model, calls):
        self.model = model
        self.size, self.patch_size = model.size, model.patch_size
        self.calls = calls
        self.asked: list[Query] = []

    def look(self, image):
        return RecordedGlance(self, self.model.look(image))


class RecordedGlance:
    def __init__(self, recorded, glance):
        self.recorded = recorded
        self.glance = glance
        self.motion_affordance = glance.motion_affordance
        self.entropy = glance.entropy

    def expected_displacement(self, queries):
        self.recorded.asked.extend(queries)
        return self.glance.expected_displacement(queries)

    def sample_flow(self, queries, num_sequential, sampling):
        self.recorded.asked.extend(queries)
        last = self.recorded.calls[-1]["flow_cond"]
        pokes = tuple(Poke((x, y), (end_x - x, end_y - y)) for x, y, end_x, end_y in last)
        queries = [*queries[:-1], Query(pokes, queries[-1].seed)]
        return self.glance.sample_flow(queries, num_sequential, sampling)


@pytest.mark.slow
def test_the_segment_of_the_released_code(published_model, monkeypatch):
    arrays = golden("segment_e2e_recipe")
    calls = json.loads(str(arrays["calls_json"]))
    settings = replace(
        published_1b(),
        zoom=Stage(num_directions=2),
        zoom_steps=1,
        final=Stage(
            num_directions=2,
            num_sequential=2,
            companion="together",
            sampling=Sampling(top_k=1),
        ),
    )
    tracks = []

    def watched(glance_at, some, *rest):
        tracks[:] = some
        probe(glance_at, some, *rest)

    monkeypatch.setattr(segment_module, "probe", watched)
    model = RecordedPokes(published_model, calls)
    found = (
        Observer(model, settings)
        .look(arrays["image_u8"])
        .segment(tuple(arrays["poke"].tolist()), seed=0)
    )
    asked = [
        ([[*poke.point, *poke.end] for poke in query.pokes], query.seed) for query in model.asked
    ]
    expected = [(call["flow_cond"], call["seed"]) for call in calls]
    assert asked[:-1] == expected[:-1]
    assert asked[-1][0][:-1] == expected[-1][0][:-1]
    (track,) = tracks
    coarse, initial, final = (level.evidence for level in track.levels)
    # The released maps of the first two are half as wide, in pixels half as wide.
    assert np.abs(coarse[::2, ::2] / 2 - arrays["heat0"]).max() < 1e-3
    assert np.abs(initial[::2, ::2] / 2 - arrays["heat1"]).max() < 1e-3
    assert np.abs(final[::2, ::2] - arrays["heat2"]).max() < 1e-2
    assert np.array_equal(found.mask, np.unpackbits(arrays["segment"]).reshape(256, 256) > 0)
