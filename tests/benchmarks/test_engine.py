"""The engine's benchmark: the naive path is the same model, and what is counted is what is read."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from benchmarks.engine import check_answers, check_choices, check_memory, compare
from benchmarks.engine_cases import (
    Case,
    ceiling_of,
    greedy_regret,
    isolated,
    measure,
    measure_segment,
    passes_of,
    segment_settings,
)
from benchmarks.engine_report import Machine, Run, SegmentRun, ratio, record, segment_record
from benchmarks.machine import Ceiling, MemoryGauge, timed
from benchmarks.naive import NaiveWorldModel
from benchmarks.random_model import SIZES, Setup, build, num_parameters

from benchmarks import engine
from spelke.benchmarks.cost import NetworkSize, Pass, cost_of
from spelke.errors import InvalidInput, Unavailable
from spelke.models.lras import LRAS
from spelke.rollout.base import Sampling, WorldModel
from spelke.rollout.prompt import published_options
from spelke.rollout.published import PublishedWorldModel

GRID = Setup(size="grid")
ZOOM, NEW = Case("zoom", 3, 1), Case("zoom, new", 3, 1, reads_picture=True)
FINAL = Case("final", 3, 2, sequential=3)


@pytest.fixture(scope="module")
def model():
    return build(GRID)


@pytest.fixture(scope="module")
def picture():
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))


def both(model, picture, case):
    """Each model with the case's questions about its own glance."""
    for world in (model, NaiveWorldModel(model)):
        yield world, case.asks(world.look(picture)[0], model.size)


def _with(model, **options):
    return PublishedWorldModel(
        model.network,
        model.rgb_quantizer,
        model.flow_quantizer,
        model.layout,
        flow_table=model.flow_table,
        options=replace(model.options, **options),
    )


# --- the same answers --------------------------------------------------------------------------


@pytest.mark.parametrize("frame0_order", ["pinned", "per-seed"])
def test_the_naive_path_answers_as_the_engine_does(model, picture, frame0_order):
    model = _with(model, frame0_order=frame0_order)
    (fast, asks), (slow, naive_asks) = both(model, picture, ZOOM)
    for name in ("expected_displacement", "motion_affordance", "entropy"):
        ours, theirs = getattr(fast, name)(asks), getattr(slow, name)(naive_asks)
        assert ours.std() > 0.1
        assert (ours - theirs).abs().max() < 1e-4
    moved = fast.expected_displacement(asks)
    assert (moved[0] - moved[1]).abs().max() > 0.1  # pokes matter, so the agreement says something


@pytest.mark.parametrize("sequential", [0, 3, 10, 99])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_naive_path_draws_what_the_engine_draws(model, picture, sequential, temperature):
    (fast, asks), (slow, naive_asks) = both(model, picture, FINAL)
    sampling = Sampling(temperature)
    tokens = {row: flow.tokens[0] for row, flow in fast.decode(asks, sequential, sampling)}
    for row, ask in enumerate(naive_asks):
        assert torch.equal(slow.call(ask, sequential, sampling).tokens, tokens[row])
    ours = fast.sample_flow(asks, sequential, sampling)
    assert torch.allclose(slow.sample_flow(naive_asks, sequential, sampling), ours, atol=1e-4)


def test_the_naive_path_knows_the_published_options(model, picture):
    published = PublishedWorldModel(
        model.network, model.rgb_quantizer, model.flow_quantizer, model.layout,
        flow_table=model.flow_table, options=published_options(),
    )  # fmt: skip
    (fast, asks), (slow, naive_asks) = both(published, picture, FINAL)
    ours, theirs = (w.sample_flow(a, 3, Sampling()) for w, a in ((fast, asks), (slow, naive_asks)))
    assert torch.allclose(ours, theirs, atol=1e-4)
    ours, theirs = fast.expected_displacement(asks), slow.expected_displacement(naive_asks)
    assert (ours - theirs).abs().max() < 0.3  # rounded to bfloat16 at every step


def test_it_keeps_all_logits_and_nothing_else(model, picture):
    slow, (ask, *_) = next(iter(list(both(model, picture, FINAL))[1:]))
    assert isinstance(slow, WorldModel)
    answer = slow.call(ask, 3)
    assert answer.logits.shape == (16, 4, SIZES["grid"].vocab_size)
    silent = torch.ones(16, dtype=torch.bool)
    silent[answer.decoded] = False
    assert silent.sum() == 6 + 3
    assert not answer.logits[silent].any()
    assert (answer.logits[answer.decoded].std(-1) > 0.1).all()


def test_greedy_choices_are_the_naive_networks_best(model, picture):
    regret, share = greedy_regret(GRID, Case("", 2, 2, 3))
    assert regret < 1e-5
    assert share > 0.95
    slow, (ask, *_) = next(iter(list(both(model, picture, FINAL))[1:]))
    tokens = slow.call(ask, 3, Sampling(0.0)).tokens
    patch = slow.call(ask, 3).decoded[0]
    flow = model.layout.flow.codes
    tokens[patch, 2] = flow.start + (tokens[patch, 2] + 1 - flow.start) % len(flow)
    assert slow.regret(ask, tokens, 3)[patch, 2] > 1e-3


# --- the counts --------------------------------------------------------------------------------


@pytest.fixture
def read(monkeypatch):
    """(sequences, tokens, tokens before) of every pass, and rows and columns of every head."""
    passes, heads = [], []
    features, linear = LRAS.features, torch.nn.functional.linear

    def counted(self, tokens, positions=None, cache=None):
        passes.append((*tokens.shape, 0 if cache is None else cache.length))
        return features(self, tokens, positions, cache)

    def noted(x, weight, *rest):
        if weight.shape[0] in COLUMNS:
            heads.append((x.shape[:-1].numel(), weight.shape[0]))
        return linear(x, weight, *rest)

    monkeypatch.setattr(LRAS, "features", counted)
    monkeypatch.setattr(torch.nn.functional, "linear", noted)
    return passes, heads


VOCABULARY, CODES = SIZES["grid"].vocab_size, 32
COLUMNS = (VOCABULARY,)
"""Only the whole vocabulary: 32 is the width of the network too."""


@pytest.mark.parametrize("case", [ZOOM, NEW, FINAL])
@pytest.mark.parametrize("path", ["engine", "naive"])
def test_the_cost_model_lists_the_passes_that_are_made(model, picture, read, case, path):
    world = model if path == "engine" else NaiveWorldModel(model)
    glance = world.look(picture)[0]
    asks = case.asks(glance, model.size)
    if path == "engine" and not case.reads_picture:
        world.expected_displacement(asks[:1])
    passes, heads = read
    passes.clear()
    heads.clear()
    if case.sequential is None:
        world.expected_displacement(asks)
    else:
        world.sample_flow(asks, case.sequential, Sampling())
    expected = passes_of(GRID, case, path)
    assert passes == [(one.sequences, one.tokens, one.cached) for one in expected]
    assert sum(rows for rows, _ in heads) == (
        sum(one.logit_rows for one in expected) if path == "naive" else 0
    )


def test_a_table_cuts_the_head_of_the_expected_displacement_alone():
    cut = replace(GRID, table=7)
    assert {one.vocabulary for one in passes_of(cut, ZOOM, "engine")} == {7}
    assert {one.vocabulary for one in passes_of(cut, FINAL, "engine")} == {CODES}
    assert {one.vocabulary for one in passes_of(cut, ZOOM, "naive")} == {None}
    assert len(build(cut).flow_table.codes) == 7


def test_parameters_are_those_of_the_network(model):
    assert num_parameters(SIZES["grid"]) == sum(p.numel() for p in model.network.parameters())
    assert num_parameters(SIZES["1b"]) == pytest.approx(1022.5e6, rel=1e-3)
    assert num_parameters(SIZES["7b"]) == pytest.approx(7449.4e6, rel=1e-3)


# --- the report --------------------------------------------------------------------------------

NETWORK = NetworkSize(embed_dim=10, depth=1, vocabulary=100)
MACHINE = Machine(NETWORK, Ceiling(products=1e6, head=5e5, attention=2e5, bandwidth=1e6), 4)


def _run(path, calls, seconds, peak, passes, answer=0.0):
    return Run("case", path, None, calls, seconds, 1, 1000, peak, passes, np.full(3, answer))


def test_ratios_are_of_one_call():
    slow = _run("naive", 1, 10.0, 9000, [Pass(100, logit_rows=10)])
    fast = _run("engine", 5, 5.0, 3000, 5 * [Pass(10, cached=20, logit_rows=1, vocabulary=50)])
    found = ratio(slow, fast, MACHINE)
    assert found["time"] == 10
    assert found["memory"] == 4
    assert found["memory_with_weights"] == 3
    blocks, pairs, head = 24 * 100 * 10, 4 * 10 * (10 * 20 + 55), 2 * 10 * 50
    row = record(fast, MACHINE)
    assert row["flops_per_call"] == blocks + pairs + head
    assert found["flops"] == cost_of(NETWORK, slow.passes).flops / (blocks + pairs + head)
    assert row["tokens_per_second"] == 10
    assert row["blocks_seconds_per_call"] == pytest.approx(blocks / 1e6)
    assert row["attention_seconds_per_call"] == pytest.approx(pairs / 2e5)
    assert row["head_seconds_per_call"] == pytest.approx(head / 5e5)
    assert row["ceiling_share"] == pytest.approx((blocks + pairs + head) / 1e6)
    assert ratio(slow, replace(fast, bytes_peak=None), MACHINE)["memory"] is None


def test_a_pass_of_one_token_is_bound_by_memory():
    one = Pass(1, cached=30, logit_rows=1, sequences=2, shared=20)
    read = 4 * (12 * 100 + 10 * 100 + (20 + 2 * 10) * 20)
    assert MACHINE.least([one]) == pytest.approx(read / 1e6)
    assert MACHINE.least([one, one]) == pytest.approx(2 * read / 1e6)


def test_a_segment_is_compared_with_as_many_calls():
    slow, drawn = (_run("naive", 1, seconds, 8000, []) for seconds in (2.0, 3.0))
    segment = SegmentRun(3, 15, 24, 5.0, 1000, 4000)
    row = segment_record(segment, slow, drawn)
    assert row["naive_seconds"] == 15 * 2 + 24 * 3
    assert row["time"] == pytest.approx(102 / 5)
    assert row["memory_with_weights"] == 2
    assert segment_record(replace(segment, bytes_peak=None), slow, drawn)["time"] == row["time"]


def test_answers_that_differ_are_no_comparison():
    here = [_run(path, 1, 1.0, 2, [], answer) for path, answer in (("naive", 0), ("engine", 2e-5))]
    assert check_answers(*here) == pytest.approx(2e-5)
    for answer in (1e-3, np.nan):
        with pytest.raises(RuntimeError, match="pixels apart"):
            check_answers(here[0], replace(here[1], answer=np.full(3, answer)))
    check_choices(1e-4)
    with pytest.raises(RuntimeError, match="misses the naive path's best logit"):
        check_choices(0.1)


def test_what_does_not_fit_is_refused_before_it_is_loaded(monkeypatch):
    monkeypatch.setattr(engine, "free_bytes", lambda device: 24 * 10**9)
    check_memory(Setup(size="1b"))
    with pytest.raises(Unavailable, match=r"about \d\d GB on cpu .* 24 GB are free"):
        check_memory(Setup(size="7b"))
    monkeypatch.setattr(engine, "free_bytes", lambda device: None)
    check_memory(Setup(size="7b"))


def test_memory_and_time_are_those_of_the_work():
    device = torch.device("cpu")
    gauge = MemoryGauge(device)
    if gauge.before is None:
        pytest.skip("resident memory cannot be read here")
    timing = timed(lambda: torch.ones(2**24).sum(), device, 2)
    assert (timing.runs, timing.result) == (2, 2**24)
    assert timing.seconds > 0
    assert gauge.peak() - gauge.before > 0.8 * 4 * 2**24
    again = MemoryGauge(device)
    assert again.peak() - again.before < 4 * 2**23


# --- everything --------------------------------------------------------------------------------


def _at_once(work, *arguments):
    return work(*arguments)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_both_paths_are_measured_and_reported(dtype):
    setup = replace(GRID, dtype=dtype, threads=torch.get_num_threads())
    pairs = compare(setup, [NEW, ZOOM, FINAL], 1, _at_once)
    assert [(slow.path, slow.calls, fast.path, fast.calls) for slow, fast in pairs] == [
        ("naive", 1, "engine", 3)
    ] * 3
    assert pairs[0][0] is pairs[1][0]
    network = NetworkSize(32, 2, VOCABULARY)
    machine = replace(MACHINE, network=network)
    row = segment_record(SegmentRun(1, 2, 3, 1.0, 5, 6), pairs[0][0], pairs[2][0])
    text = engine.as_text(setup, machine, pairs, row)
    assert "zoom, new: " in text
    assert f"grid: 2 layers x 32, random weights, {dtype}, cpu" in text
    found = json.loads(engine.as_json(setup, machine, pairs, row))
    assert [case["ratio"]["flops"] > 1 for case in found["cases"]] == [True] * 3
    assert found["segment"]["sampled"] == 3


def test_a_wrong_engine_is_found(monkeypatch):
    monkeypatch.setattr(
        PublishedWorldModel, "expected_displacement", lambda self, asks: torch.zeros(3, 2, 32, 32)
    )
    with pytest.raises(RuntimeError, match="pixels apart"):
        compare(GRID, [NEW], 0, _at_once)


def test_a_segment_counts_its_questions():
    settings = segment_settings("published_1b", 2)
    assert settings.final.num_sequential == 2
    run = measure_segment(GRID, settings)
    assert (run.looks, run.expected, run.sampled) == (3, 15, 24)
    assert segment_settings("notebook", 2).final.num_sequential is None
    with pytest.raises(InvalidInput, match="`--sequential 2` or fewer"):
        segment_settings("published_fast", 16)


@pytest.mark.slow
def test_a_process_of_its_own_gives_the_same():
    here, there = (run(measure, GRID, ZOOM, "engine", 0) for run in (_at_once, isolated))
    assert np.array_equal(here.answer, there.answer)
    assert there.passes == here.passes


@pytest.mark.slow
def test_ceilings_are_plausible():
    ceiling = ceiling_of(GRID)
    assert ceiling.attention > 1e8
    assert 1e8 < ceiling.products < 1e14
    assert 1e8 < ceiling.bandwidth < 1e13
