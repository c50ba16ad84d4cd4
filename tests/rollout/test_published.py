from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.recipes import fill_lras, fill_quantizer, golden, tiny_quantizers

from spelke.errors import InvalidInput
from spelke.models.local_quantizer import (
    LocalQuantizer,
    flow_quantizer_config,
    rgb_quantizer_config,
)
from spelke.models.lras import LRAS, LRASConfig
from spelke.rollout.base import Glance, Query, Sampling, WorldModel
from spelke.rollout.prompt import PublishedOptions, published_options
from spelke.rollout.published import PublishedWorldModel
from spelke.tokens.flow_table import ZERO_FLOW_CODES, FlowTable
from spelke.tokens.layout import flow_layout, spelkenet_layout
from spelke.tokens.patches import from_patches
from spelke.types import Poke

# --- the published vocabulary and positions, against recorded numbers -------------------------

REAL = spelkenet_layout()
POKE = Poke((128.0, 128.0), (10.0, 0.0))
GROUPS = {
    "affordance": (Query(()), 0),
    "poke_par": (Query((POKE,)), 0),
    "poke_seq6_t0_seed4": (Query((POKE,), seed=4), 6),
}


@pytest.fixture(scope="module")
def arrays():
    return golden("predictor_real_layout_recipe")


@pytest.fixture(scope="module")
def real(arrays):
    config = LRASConfig(
        vocab_size=REAL.vocab_size,
        num_positions=REAL.num_positions,
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
        REAL,
        flow_table=table,
        zero_codes=ZERO_FLOW_CODES,
        options=published_options(),
    )


@pytest.fixture(scope="module")
def image(arrays):
    return torch.from_numpy(arrays["image_u8"]).permute(2, 0, 1) / 255


def _differs(ours, theirs):
    return np.abs(ours.detach().float().numpy() - theirs).max()


def test_affordance_and_entropy_are_the_published_ones(real, image, arrays):
    glance = real.look(image)
    assert np.array_equal(
        from_patches(glance.codes[None], 32)[0].numpy(), arrays["fp32/affordance/frame0_codes"]
    )
    query, _ = GROUPS["affordance"]
    still = 1 - glance.motion_affordance([query])[0]
    # A poked patch is still by decree: its affordance is 0.
    assert _differs(still, arrays["fp32/affordance/prob_no_motion"]) < 1e-6
    assert _differs(glance.entropy([query])[0], arrays["fp32/affordance/entropy"]) < 1e-4
    field = glance.expected_displacement([query])[0]
    published = field[:, ::2, ::2].permute(1, 2, 0) / 2
    assert _differs(published, arrays["fp32/affordance/avg_flow_oracle"]) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", GROUPS)
def test_every_logit_and_code_is_the_published_one(real, image, arrays, name):
    query, count = GROUPS[name]
    expected = {
        key.split("/")[2]: value for key, value in arrays.items() if key.startswith(f"fp32/{name}/")
    }
    glance = real.look(image)
    ((_, decoded),) = glance.decode([query], count, Sampling(temperature=0.0))
    codes = from_patches(decoded.tokens, 32)[0] - REAL.flow.codes.start
    assert np.array_equal(codes.numpy(), expected["pred_codes_rel"])
    patches = decoded.parallel[0]
    assert sorted(set(range(1024)) - set(patches.tolist())) == expected["zero_rows"].tolist()
    flow, probe = REAL.flow.codes, arrays["probe_vocab"]
    for features, at in zip(decoded.features[0].split(128), patches.split(128), strict=True):
        logits = real.network.logits(features)
        lse_flow = logits[..., flow.start : flow.stop].logsumexp(-1)
        assert _differs(lse_flow, expected["lse_flow"][at]) < 1e-4
        assert _differs(logits.logsumexp(-1), expected["lse_all"][at]) < 1e-4
        assert _differs(logits[:, :2, probe], expected["probe_logits"][at]) < 1e-4
    field = glance.sample_flow([query], count, Sampling(temperature=0.0))[0]
    assert _differs(field[:, ::4, ::4].permute(1, 2, 0), expected["flow_pred_px_sub4"]) < 1e-3
    if count == 0:
        field = glance.expected_displacement([query])[0, :, ::2, ::2].permute(1, 2, 0) / 2
        assert _differs(field, expected["avg_flow_oracle"]) < 1e-4
        assert _differs(glance.entropy([query])[0], expected["entropy"]) < 1e-4


@pytest.mark.slow
def test_sampled_codes_are_the_published_ones(real, image, arrays):
    query, count = GROUPS["poke_seq6_t0_seed4"]
    ((_, decoded),) = real.look(image).decode([query], count, Sampling(1.0, 1000, 0.9))
    codes = from_patches(decoded.tokens, 32)[0] - REAL.flow.codes.start
    assert np.array_equal(codes.numpy(), arrays["fp32/sampled_seed4/pred_codes_rel"])


@pytest.mark.slow
def test_bfloat16_is_near_the_published_bfloat16(real, image, arrays):
    half = LRAS(real.network.config).bfloat16()
    half.load_state_dict(real.network.state_dict())
    model = PublishedWorldModel(
        half,
        real.rgb_quantizer,
        real.flow_quantizer,
        REAL,
        flow_table=real.flow_table,
        zero_codes=ZERO_FLOW_CODES,
        options=published_options(),
    )
    query, _ = GROUPS["poke_par"]
    field = model.look(image).expected_displacement([query])[0, :, ::2, ::2].permute(1, 2, 0) / 2
    assert _differs(field, arrays["bf16/poke_par/avg_flow_oracle"]) < 0.3


# --- a small grid, against the laws ------------------------------------------------------------

SMALL = flow_layout(4, 4, rgb_codes=64, flow_codes=32, camera_values=2000)
DRAWN = Sampling(1.0)


@pytest.fixture(scope="module")
def small():
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
        fill_lras(network, 5).requires_grad_(False),
        fill_quantizer(LocalQuantizer(rgb_quantizer_config(16, num_bits=6)), 6),
        fill_quantizer(LocalQuantizer(flow_quantizer_config(16, num_bits=5)), 7),
        SMALL,
    )


@pytest.fixture(scope="module")
def picture():
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))


def _with(model, **options):
    return PublishedWorldModel(
        model.network,
        model.rgb_quantizer,
        model.flow_quantizer,
        model.layout,
        options=replace(model.options, **options),
    )


QUERIES = [
    Query((), 0),
    Query((Poke((12.0, 13.0), (6.0, 2.0)),), 1),
    Query((Poke((20.0, 4.0), (-6.0, 2.0)), Poke((12.0, 20.0), (0.0, 3.0))), 2),
    Query((Poke((12.0, 13.0), (6.0, 2.0)),), 3),
    Query((Poke((12.0, 13.0), (6.0, 2.0)),), 1),
]


def _answers(model, picture, queries):
    glance = model.look(picture)
    return {
        "affordance": glance.motion_affordance(queries),
        "entropy": glance.entropy(queries),
        "expected": glance.expected_displacement(queries),
        "sampled": glance.sample_flow(queries, 3, DRAWN),
    }


def test_it_is_a_world_model(small, picture):
    assert isinstance(small, WorldModel)
    assert isinstance(small.look(picture), Glance)
    assert (small.size, small.patch_size) == (32, 8)


@pytest.mark.parametrize("frame0_order", ["pinned", "per-seed"])
def test_an_answer_does_not_depend_on_its_neighbours(small, picture, frame0_order):
    model = _with(small, frame0_order=frame0_order)
    together = _answers(model, picture, QUERIES)
    for max_batch in (1, 2):
        fewer = _answers(_with(model, max_batch=max_batch), picture, QUERIES)
        for name, answer in together.items():
            torch.testing.assert_close(fewer[name], answer, atol=1e-3, rtol=1e-3)
    for row, query in enumerate(QUERIES):
        alone = _answers(model, picture, [query])
        for name, answer in together.items():
            torch.testing.assert_close(alone[name][0], answer[row], atol=1e-3, rtol=1e-3)
    for answer in together.values():
        torch.testing.assert_close(answer[1], answer[4], atol=1e-3, rtol=1e-3)


def test_what_is_drawn_depends_on_the_seed(small, picture):
    glance = small.look(picture)
    first, second = (Query(QUERIES[1].pokes, seed) for seed in (10, 11))
    fields = glance.sample_flow([first, second, first], 8, DRAWN)
    assert not torch.allclose(fields[0], fields[1])
    assert torch.equal(glance.sample_flow([first], 8, DRAWN), glance.sample_flow([first], 8, DRAWN))


def test_orders_agree_where_the_seeds_do(small, picture):
    pinned = _with(small, frame0_order="pinned", frame0_seed=3)
    per_seed = _with(small, frame0_order="per-seed")
    query = [QUERIES[3]]
    for name, answer in _answers(pinned, picture, query).items():
        torch.testing.assert_close(_answers(per_seed, picture, query)[name], answer)
    assert not torch.allclose(
        small.look(picture).entropy(query), pinned.look(picture).entropy(query)
    )


def test_a_glance_reads_the_picture_once_for_all_questions(small, picture):
    lengths = []
    hook = small.network.transformer["token_embedding"].register_forward_hook(
        lambda _module, inputs, _out: lengths.append(tuple(inputs[0].shape))
    )
    glance = small.look(picture)
    glance.motion_affordance(QUERIES)
    glance.expected_displacement(QUERIES)
    hook.remove()
    reading = (1, 5 * 16 + 8)
    assert lengths.count(reading) == 1
    assert (3, 5 * 5 + 11) in lengths


def test_poked_patches_do_not_move_by_chance(small, picture):
    glance = small.look(picture)
    affordance = glance.motion_affordance(QUERIES[1:2])[0]
    poked = torch.zeros(4, 4, dtype=torch.bool)
    poked[1, 1] = poked[::3, ::3] = True
    assert (affordance[poked] == 0).all()
    assert ((affordance[~poked] > 0) & (affordance[~poked] <= 1)).all()
    assert (glance.entropy(QUERIES[1:2])[0][~poked] <= np.log(32) + 1e-4).all()


def test_sampled_fields_hold_the_poke_itself_and_only_flow_codes(small, picture):
    ((_, decoded),) = small.look(picture).decode(QUERIES[1:2], 4, DRAWN)
    codes = decoded.tokens[0] - SMALL.flow.codes.start
    assert ((codes >= 0) & (codes < 32)).all()
    poke = torch.tensor([6.0, 2.0]).view(1, 2, 1, 1).expand(1, 2, 8, 8)
    assert torch.equal(codes[5], small.encode_flow(poke).flatten())
    free = _with(small, whole_vocabulary=True)
    ((_, decoded),) = free.look(picture).decode(QUERIES[1:2], 4, DRAWN)
    assert (decoded.tokens[0] >= SMALL.flow.codes.stop).any()


def test_more_sequential_patches_than_there_are_is_all_of_them(small, picture):
    glance = small.look(picture)
    assert glance.sample_flow(QUERIES, 99, DRAWN).shape == (5, 2, 32, 32)
    ((_, decoded),) = glance.decode(QUERIES[1:2], 99, DRAWN)
    assert decoded.parallel.shape == (1, 0)
    assert (decoded.tokens > 0).all()


def test_the_camera_can_be_left_unsaid(small, picture):
    silent = _with(small, has_camera=False)
    ours, theirs = (model.look(picture).entropy(QUERIES[:1]) for model in (silent, small))
    assert not torch.allclose(ours, theirs)


def test_a_table_is_decoded_where_none_is_given(small):
    table = small.flow_table
    assert table.flow.shape == (32, 2, 4, 4)
    speeds = table.flow.norm(dim=1).mean((1, 2))
    assert set(small.zero_codes.tolist()) == set(speeds.topk(2, largest=False).indices.tolist())


@pytest.mark.usefixtures("unchecked_shapes")
def test_a_picture_of_another_size_is_refused(small):
    with pytest.raises(InvalidInput, match=r"\(3, 32, 32\), got \(3, 16, 32\)"):
        small.look(torch.zeros(3, 16, 32))


def test_parts_that_do_not_fit_are_refused(small):
    parts = (small.network, small.rgb_quantizer, small.flow_quantizer)
    with pytest.raises(InvalidInput, match="vocab_size: the network or quantizer has"):
        PublishedWorldModel(*parts, REAL)
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
