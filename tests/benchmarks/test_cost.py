"""The table of tokens and FLOPs of the published networks, 1B and 7B."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from spelke.benchmarks.cost import (
    PATCHES,
    SPELKENET_1B,
    SPELKENET_7B,
    Cost,
    Pass,
    bytes_read,
    cost_of,
    engine_call,
    least_seconds,
    prefix_ask,
    prefix_look,
    published_cached_call,
    published_cached_segment,
    published_call,
    published_scene,
    published_segment,
)
from spelke.models.prefix import Conditions, PrefixConfig, PrefixWorld

TABLE = 4097
"""A size of the table from codes to flow."""

CALLS = {
    "parallel only, reference": (published_call(5), 30_802, 67, 464, 0.01),
    "parallel only, cached": (published_cached_call(5), 4_101, 12.4, 72, 0.01),
    "first slot only, cached": (
        published_cached_call(5, slots=1, vocabulary=TABLE), 1_044, 2.6, 16.6, 0.02,
    ),
    "scene": (published_scene(), 5_128, 9.7, 73, 0.01),
    "final, reference": (published_call(6, sequential=256), 39_810, 87, 602, 0.01),
    # The table counts fewer logit rows than decoding all four slots takes.
    "final, cached": (published_cached_call(6, sequential=256), 4_358, 12.6, 75, 0.06),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_the_published_table_is_met(name):
    passes, tokens, small, large, tolerance = CALLS[name]
    cost_1b, cost_7b = cost_of(SPELKENET_1B, passes), cost_of(SPELKENET_7B, passes)
    assert cost_1b.tokens == cost_7b.tokens == tokens
    assert cost_1b.flops == pytest.approx(small * 1e12, rel=tolerance)
    assert cost_7b.flops == pytest.approx(large * 1e12, rel=tolerance)


def test_the_engine_reads_every_token_once():
    zoom = engine_call(5, conditioned=5, columns=TABLE)
    alone = published_cached_call(5, slots=1, vocabulary=TABLE)
    assert cost_of(SPELKENET_1B, zoom) == 5 * cost_of(SPELKENET_1B, alone)
    final = engine_call(24, conditioned=6, sequential=256, columns=TABLE)
    cached = published_cached_call(6, sequential=256, vocabulary=TABLE)
    assert len(final) == 4 * 256 + 24 * 4
    spared = 256 * SPELKENET_1B.flops_per_logit_row(TABLE)  # no logits at pointers
    one = cost_of(SPELKENET_1B, cached)
    assert cost_of(SPELKENET_1B, final) == 24 * Cost(one.tokens, one.flops - spared)


def test_lanes_without_a_question_cost_what_the_others_do():
    drawing, filling = engine_call(9, 6, 2, lanes=8), engine_call(16, 6, 2, lanes=8)
    assert [one for one in drawing if one.sequences == 8] == [
        one for one in filling if one.sequences == 8
    ]
    assert len(drawing) == 2 * 4 * 2 + 9 * 4
    assert engine_call(2, 5, PATCHES - 5)[-1].sequences == 2  # nothing is left to do in parallel


def test_a_step_is_bound_by_what_it_reads_and_a_picture_by_arithmetic():
    step, scene = Pass(1, 5000, 1, vocabulary=TABLE, sequences=24, shared=4900), published_scene()
    weights = 12 * 1280**2 * 36 + 1280 * TABLE
    assert bytes_read(SPELKENET_1B, step, 2) == 2 * (weights + (4900 + 24 * 100) * 2 * 1280 * 36)
    flops, bandwidth = 1e15, 4e12
    seconds = bytes_read(SPELKENET_1B, step, 2) / bandwidth
    assert least_seconds(SPELKENET_1B, [step], flops, bandwidth, 2) == seconds
    seconds += cost_of(SPELKENET_1B, scene).flops / flops
    assert least_seconds(SPELKENET_1B, [step, *scene], flops, bandwidth, 2) == seconds


def test_one_whole_segment_costs_what_the_table_says():
    reference, cached = published_segment(SPELKENET_1B), published_cached_segment(SPELKENET_1B)
    assert reference.tokens == 1_417_470
    assert reference.flops == pytest.approx(3.1e15, rel=0.01)
    assert cached.tokens == pytest.approx(0.14e6, rel=0.04)
    assert cached.flops == pytest.approx(0.38e15, rel=0.04)
    assert round(reference.flops / cached.flops) == 8
    large, small = published_segment(SPELKENET_7B), published_cached_segment(SPELKENET_7B)
    assert large.flops == pytest.approx(21.4e15, rel=0.01)
    assert small.flops == pytest.approx(2.3e15, rel=0.04)


def test_a_cached_token_takes_the_memory_that_the_table_says():
    assert SPELKENET_1B.cache_values_per_token * 2 == pytest.approx(184e3, rel=0.01)
    assert SPELKENET_7B.cache_values_per_token * 2 == pytest.approx(524e3, rel=0.01)


def test_splitting_a_causal_pass_in_two_changes_nothing():
    whole = cost_of(SPELKENET_1B, [Pass(100, cached=7)])
    assert cost_of(SPELKENET_1B, [Pass(30, cached=7), Pass(70, cached=37)]) == whole


def test_a_bidirectional_pass_attends_to_every_pair():
    assert Pass(66, is_causal=False).pairs == 66**2
    assert Pass(5, cached=64, is_causal=False).pairs == 5 * (64 + 5)


CONFIG = PrefixConfig(
    image_size=64, embed_dim=64, depth=4, fork_depth=2, num_heads=2, stem_dim=16, cell_dim=16
)


@contextmanager
def counting():
    """Torch's own count, which knows matrix products but no fused attention on a CPU."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        yield counter


@pytest.mark.usefixtures("unchecked_shapes")  # masks are biases, which blocks do not announce
@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, fork_depth=3, num_codes=32)])
def test_our_layout_costs_what_torch_counts(config):
    network = PrefixWorld(config).eval()
    with counting() as counter:
        view = network.look(torch.rand(1, 3, 64, 64))
    assert prefix_look(config).flops == pytest.approx(counter.get_total_flops(), rel=0.01)
    assert prefix_look(config).tokens == 64
    questions, known, pointers = 3, 5, 40
    conditions = Conditions(
        torch.zeros(1, questions, 6),
        torch.arange(known).expand(1, questions, known),
        torch.zeros(1, questions, known, config.num_slots, dtype=torch.int64),
        torch.ones(1, questions, known, dtype=torch.bool),
    )
    patches = torch.arange(pointers).expand(1, questions, pointers)
    with counting() as counter:
        network.ask(view, conditions, patches)
    cost = prefix_ask(config, known, pointers, questions)
    assert cost.flops == pytest.approx(counter.get_total_flops(), rel=0.01)
    assert cost.tokens == questions * (1 + known + pointers)


def test_costs_add_and_multiply():
    assert 3 * Cost(1, 10) + Cost(2, 5) == Cost(5, 35)
