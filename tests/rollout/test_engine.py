"""The engine of the published model on a small grid: what may change the speed and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recipes import fill_lras, fill_quantizer, golden, published_model

from spelke.errors import InvalidInput
from spelke.models.local_quantizer import (
    LocalQuantizer,
    flow_quantizer_config,
    rgb_quantizer_config,
)
from spelke.models.lras import LRAS, LRASConfig
from spelke.rollout.base import Ask, Glance, Query, Sampling, WorldModel
from spelke.rollout.prompt import PublishedOptions, published_options
from spelke.rollout.published import PublishedWorldModel
from spelke.tokens.flow_table import FlowTable
from spelke.tokens.layout import flow_layout, spelkenet_layout
from spelke.types import Poke

SMALL = flow_layout(4, 4, rgb_codes=64, flow_codes=32, camera_values=2000)
DRAWN = Sampling(1.0)
QUERIES = [
    Query((), 0),
    Query((Poke((12.0, 13.0), (6.0, 2.0)),), 1),
    Query((Poke((20.0, 4.0), (-6.0, 2.0)), Poke((12.0, 20.0), (0.0, 3.0))), 2),
    Query((Poke((12.0, 13.0), (6.0, 2.0)),), 3),
    Query((Poke((12.0, 13.0), (6.0, 2.0)),), 1),
    *(Query((Poke((4.0 + 2 * seed, 20.0), (3.0, 1.0 * seed)),), seed) for seed in range(9)),
]


def _model(dtype=torch.float32, device="cpu", **changes):
    network = LRAS(
        LRASConfig(
            vocab_size=SMALL.vocab_size,
            num_positions=SMALL.num_positions,
            depth=2,
            num_heads=2,
            embed_dim=32,
        )
    )
    return PublishedWorldModel(
        fill_lras(network, 5).requires_grad_(False).to(device, dtype),
        fill_quantizer(LocalQuantizer(rgb_quantizer_config(16, num_bits=6)), 6).to(device),
        fill_quantizer(LocalQuantizer(flow_quantizer_config(16, num_bits=5)), 7).to(device),
        SMALL,
        **changes,
    )


@pytest.fixture(scope="module")
def small():
    return _model()


@pytest.fixture(scope="module")
def pictures():
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def _answers(model, asks):
    return {
        "affordance": model.motion_affordance(asks),
        "entropy": model.entropy(asks),
        "expected": model.expected_displacement(asks),
        "sampled": model.sample_flow(asks, 3, DRAWN),
        "at once": model.sample_flow(asks, 0, DRAWN),
    }


def _asks(model, pictures, queries=QUERIES):
    """Questions about several pictures, well mixed."""
    glances = model.look(pictures)
    return [Ask(glances[i % len(glances)], query) for i, query in enumerate(queries)]


def test_it_is_a_world_model(small, pictures):
    assert isinstance(small, WorldModel)
    assert isinstance(small.look(pictures)[0], Glance)
    assert (small.size, small.patch_size) == (32, 8)
    assert small.batching == str(small.budget)


@pytest.mark.parametrize("frame0_order", ["pinned", "per-seed"])
def test_an_answer_does_not_depend_on_its_neighbours_to_the_last_bit(pictures, frame0_order):
    model = _model(options=PublishedOptions(frame0_order=frame0_order))
    asks = _asks(model, pictures)
    together = _answers(model, asks)
    for row, ask in enumerate(asks):
        for name, answer in _answers(model, [ask]).items():
            assert torch.equal(answer[0], together[name][row]), name
    order = torch.randperm(len(asks), generator=torch.Generator().manual_seed(1)).tolist()
    for name, answer in _answers(model, [asks[row] for row in order]).items():
        assert torch.equal(answer, together[name][order]), name


def test_an_answer_does_not_depend_on_what_else_is_remembered(pictures):
    """Two workers that share the questions answer as one that has all: shards do not matter."""
    whole = _model()
    together = _answers(whole, _asks(whole, pictures))
    forgetful = _model(budget=replace(whole.budget, bytes_free=2 * whole.budget.reading_bytes))
    assert forgetful.budget.readings == 1
    asks = _asks(forgetful, pictures)
    for rows in (range(0, len(asks), 2), range(1, len(asks), 2)):
        for name, answer in _answers(forgetful, [asks[row] for row in rows]).items():
            assert torch.equal(answer, together[name][list(rows)]), name


@pytest.mark.parametrize("width", [1, 3, 5, 64])
def test_any_number_of_lanes_and_several_pictures_in_a_batch(small, pictures, width):
    """As on a GPU, where lanes are not filled up and readings stand side by side."""
    budget = replace(
        small.budget, fixed_lanes=None, lane_token_bytes=small.budget.bytes_free // 60 // width
    )
    other = _model(budget=budget)
    ours, theirs = (_answers(model, _asks(model, pictures)) for model in (small, other))
    for name, answer in ours.items():
        torch.testing.assert_close(theirs[name], answer, atol=1e-4, rtol=1e-4)


def test_fast_is_exact_if_only_the_order_is_pinned(pictures):
    """Cut heads and shared readings against the published way with the same order."""
    fast = _model(options=PublishedOptions(frame0_seed=3))
    exact = _model(
        options=replace(
            published_options(),
            whole_vocabulary=False,
            counts_every_poke=False,
            draws_multinomial=False,
            spends_pointer_draws=False,
            expects_in_bfloat16=False,
            fills_one_step=False,
        )
    )
    queries = [replace(query, seed=3) for query in QUERIES]
    ours, theirs = (_answers(model, _asks(model, pictures, queries)) for model in (fast, exact))
    for name, answer in ours.items():
        torch.testing.assert_close(theirs[name], answer, atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def recorded():
    return golden("predictor_real_layout_recipe")


def test_fast_answers_are_the_recorded_ones_at_the_seed_that_is_pinned(recorded):
    """Cut heads, one pass, a shared reading: at seed 0 the published code has the same order."""
    fast = published_model(PublishedOptions())
    picture = torch.from_numpy(recorded["image_u8"]).permute(2, 0, 1)[None] / 255
    queries = {"affordance": Query(()), "poke_par": Query((Poke((128.0, 128.0), (10.0, 0.0)),))}
    asks = [Ask(fast.look(picture)[0], query) for query in queries.values()]
    fields = fast.expected_displacement(asks)[:, :, ::2, ::2].permute(0, 2, 3, 1) / 2
    still, entropy = 1 - fast.motion_affordance(asks), fast.entropy(asks)
    for row, name in enumerate(queries):
        expected = {
            key: torch.from_numpy(recorded[f"fp32/{name}/{key}"])
            for key in ("avg_flow_oracle", "prob_no_motion", "entropy")
        }
        torch.testing.assert_close(fields[row], expected["avg_flow_oracle"], atol=1e-4, rtol=0)
        torch.testing.assert_close(still[row], expected["prob_no_motion"], atol=1e-5, rtol=0)
        torch.testing.assert_close(entropy[row], expected["entropy"], atol=1e-4, rtol=0)


@pytest.mark.slow
def test_fast_is_exact_on_the_published_grid_if_only_the_order_is_pinned(recorded):
    picture = torch.from_numpy(recorded["image_u8"]).permute(2, 0, 1)[None] / 255
    exact = replace(published_options(), expects_in_bfloat16=False, whole_vocabulary=False)
    queries = [Query((Poke((128.0, 96.0 + 8 * row), (10.0, 3.0)),), seed=4) for row in range(3)]
    fields = []
    for options in (PublishedOptions(frame0_seed=4), exact):
        model = published_model(options)
        asks = [Ask(model.look(picture)[0], query) for query in queries]
        greedy = model.sample_flow(asks, 6, Sampling(temperature=0.0))
        fields.append((model.expected_displacement(asks), greedy))
    torch.testing.assert_close(fields[0][0], fields[1][0], atol=1e-4, rtol=0)
    torch.testing.assert_close(fields[0][1], fields[1][1], atol=1e-4, rtol=0)


@pytest.mark.slow
def test_neighbours_change_no_bit_on_the_published_grid(recorded):
    model = published_model(PublishedOptions())
    picture = torch.from_numpy(recorded["image_u8"]).permute(2, 0, 1)[None] / 255
    (glance,) = model.look(picture)
    asks = [
        Ask(glance, Query((Poke((16.0 * row + 20, 128.0), (10.0, 3.0)),), row)) for row in range(5)
    ]
    together = model.expected_displacement(asks), model.sample_flow(asks, 3, DRAWN)
    for row in (0, 4):
        alone = (
            model.expected_displacement(asks[row : row + 1]),
            model.sample_flow(asks[row : row + 1], 3, DRAWN),
        )
        for ours, theirs in zip(alone, together, strict=True):
            assert torch.equal(ours[0], theirs[row])


def test_bfloat16_is_near_float32(pictures):
    ours, half = (_model(dtype) for dtype in (torch.float32, torch.bfloat16))
    fields = [model.expected_displacement(_asks(model, pictures)) for model in (ours, half)]
    assert all(field.dtype == torch.float32 for field in fields)
    scale = fields[0].abs().mean()
    assert (fields[0] - fields[1]).abs().mean() < 0.05 * scale
    drawn = half.sample_flow(_asks(half, pictures), 3, DRAWN)
    assert torch.isfinite(drawn).all()


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gpu_answers_as_the_cpu_does(small, pictures, dtype):
    other = _model(dtype, "cuda")
    assert other.budget.fixed_lanes is None
    ours, theirs = (_answers(model, _asks(model, pictures)) for model in (small, other))
    for name in ("affordance", "entropy", "expected"):
        scale = ours[name].abs().mean()
        close = 1e-3 if dtype is torch.float32 else 0.05
        assert (ours[name] - theirs[name].cpu()).abs().mean() < close * scale, name
    assert all(torch.isfinite(answer).all() for answer in theirs.values())


def test_a_table_that_names_some_codes_needs_only_their_logits(small, pictures):
    table = small.flow_table
    some = torch.tensor([3, 30, 7, 12])
    cut = _model(flow_table=FlowTable(table.codes[some], table.flow[some]), zero_codes=(3, 7))
    assert cut._table_head.weight.shape == (4, 32)
    ask = _asks(cut, pictures[:1], QUERIES[1:2])
    (_, features), *_ = cut._first(ask)
    logits = cut.network.logits(features)[..., SMALL.flow.codes.start + some]
    torch.testing.assert_close(cut._table_head.logits(features), logits)
    assert torch.isfinite(cut.expected_displacement(ask)).all()


def test_what_is_drawn_depends_on_the_seed(small, pictures):
    first, second = (Query(QUERIES[1].pokes, seed) for seed in (10, 11))
    asks = _asks(small, pictures[:1], [first, second, first])
    fields = small.sample_flow(asks, 8, DRAWN)
    assert not torch.allclose(fields[0], fields[1])
    assert torch.equal(fields[0], fields[2])


def test_orders_agree_where_the_seeds_do(small, pictures):
    pinned = _model(options=PublishedOptions(frame0_seed=3))
    per_seed = _model(options=PublishedOptions(frame0_order="per-seed"))
    ours, theirs = (
        _answers(model, _asks(model, pictures, [QUERIES[3]])) for model in (pinned, per_seed)
    )
    for name, answer in ours.items():
        assert torch.equal(answer, theirs[name])
    other = small.entropy(_asks(small, pictures, [QUERIES[3]]))
    assert not torch.allclose(other, ours["entropy"])


def test_a_picture_is_read_once_and_every_token_once(pictures):
    model, read = _model(), []
    hook = model.network.transformer["token_embedding"].register_forward_hook(
        lambda _module, inputs, _out: read.append(tuple(inputs[0].shape))
    )
    asks = _asks(model, pictures[:1], QUERIES[:3])
    model.motion_affordance(asks)
    model.expected_displacement(asks)
    assert read.count((1, 5 * 16 + 8)) == 1
    assert read.count((1, 5 * 4 + 12)) == 2  # four still corners are known, twelve patches asked
    read.clear()
    model.sample_flow(asks[1:2], 2, DRAWN)
    hook.remove()
    lanes = [shape for shape in read if shape[0] > 1]
    # Five known patches and the first pointer; then codes, pointers together with the last code.
    assert [time for _, time in lanes] == [26, 1, 1, 1, 2, 1, 1, 1]
    assert {width for width, _ in lanes} == {model.budget.fixed_lanes}
    assert [time for width, time in read if width == 1] == [1 + 9, 9, 9, 9]


def test_a_forgotten_picture_is_read_again_and_the_dead_make_room(pictures):
    model = _model(budget=replace(_model().budget, bytes_free=10**6, reading_bytes=2 * 10**5))
    assert model.budget.readings == 2
    asks = _asks(model, pictures, [QUERIES[1]] * 3)
    first = model.expected_displacement(asks)
    assert len(model._readings._entries) == 2
    assert torch.equal(model.expected_displacement(asks), first)
    del asks
    model.expected_displacement(_asks(model, pictures[:1], QUERIES[1:2]))
    assert len(model._readings._entries) == 1


def test_poked_patches_do_not_move_by_chance(small, pictures):
    ask = _asks(small, pictures[:1], QUERIES[1:2])
    affordance = small.motion_affordance(ask)[0]
    poked = torch.zeros(4, 4, dtype=torch.bool)
    poked[1, 1] = poked[::3, ::3] = True
    assert (affordance[poked] == 0).all()
    assert ((affordance[~poked] > 0) & (affordance[~poked] <= 1)).all()
    assert (small.entropy(ask)[0][~poked] <= np.log(32) + 1e-4).all()


def test_sampled_fields_hold_the_poke_itself_and_only_flow_codes(small, pictures):
    ask = _asks(small, pictures[:1], QUERIES[1:2])
    ((_, decoded),) = small.decode(ask, 4, DRAWN)
    codes = decoded.tokens[0] - SMALL.flow.codes.start
    assert ((codes >= 0) & (codes < 32)).all()
    poke = torch.tensor([6.0, 2.0]).view(1, 2, 1, 1).expand(1, 2, 8, 8)
    assert torch.equal(codes[5], small.encode_flow(poke).flatten())
    free = _model(options=PublishedOptions(whole_vocabulary=True))
    ((_, decoded),) = free.decode(_asks(free, pictures[:1], QUERIES[1:2]), 4, DRAWN)
    assert (decoded.tokens[0] >= SMALL.flow.codes.stop).any()


@settings(max_examples=8, deadline=None)
@given(count=st.integers(0, 20))
def test_more_sequential_patches_than_there_are_is_all_of_them(small, pictures, count):
    ask = _asks(small, pictures[:1], QUERIES[1:2])
    ((row, decoded),) = small.decode(ask, count, DRAWN)
    assert row == 0
    assert decoded.parallel.shape == (1, max(0, 11 - count))
    assert (decoded.tokens > 0).all()


def test_the_camera_can_be_left_unsaid(small, pictures):
    silent = _model(options=PublishedOptions(has_camera=False))
    ours, theirs = (
        model.entropy(_asks(model, pictures[:1], QUERIES[:1])) for model in (silent, small)
    )
    assert not torch.allclose(ours, theirs)


def test_a_table_is_decoded_where_none_is_given(small):
    table = small.flow_table
    assert table.flow.shape == (32, 2, 4, 4)
    speeds = table.flow.norm(dim=1).mean((1, 2))
    assert set(small.zero_codes.tolist()) == set(speeds.topk(2, largest=False).indices.tolist())


@pytest.mark.usefixtures("unchecked_shapes")
def test_a_picture_of_another_size_and_a_glance_of_another_model_are_refused(small):
    with pytest.raises(InvalidInput, match=r"\(image, 3, 32, 32\), got \(1, 3, 16, 32\)"):
        small.look(torch.zeros(1, 3, 16, 32))
    with pytest.raises(InvalidInput, match="str is another model's"):
        small.entropy([Ask("a picture", QUERIES[0])])


def test_nothing_asked_is_nothing_answered(small):
    for answer in _answers(small, []).values():
        assert len(answer) == 0


def test_parts_that_do_not_fit_are_refused(small):
    parts = (small.network, small.rgb_quantizer, small.flow_quantizer)
    with pytest.raises(InvalidInput, match="vocab_size: the network or quantizer has"):
        PublishedWorldModel(*parts, spelkenet_layout())
    with pytest.raises(InvalidInput, match="looks at squares, got a grid of 2x8"):
        PublishedWorldModel(
            *parts, flow_layout(2, 8, rgb_codes=64, flow_codes=32, camera_values=2000)
        )
    other = LocalQuantizer(rgb_quantizer_config(16, num_bits=5))
    with pytest.raises(InvalidInput, match=r"RGB codes: .* has 32, the layout 64"):
        PublishedWorldModel(small.network, other, small.flow_quantizer, SMALL)


def test_options_default_to_the_pinned_order(small):
    assert small.options == PublishedOptions()
    assert small.options.is_pinned
