import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spelke.errors import BadCheckpoint, InvalidInput
from spelke.models.prefix import PrefixConfig, PrefixWorld
from spelke.rollout.base import Ask, Query, Sampling, WorldModel
from spelke.rollout.packs import BatchShape
from spelke.rollout.prefix import STILL_PX, PrefixWorldModel
from spelke.runtime.device import DeviceChoice
from spelke.types import Poke

CONFIG = PrefixConfig(
    image_size=32,
    num_codes=16,
    embed_dim=16,
    depth=3,
    fork_depth=1,
    num_heads=2,
    stem_dim=8,
    cell_dim=8,
)
IN_FLOAT = DeviceChoice(torch.device("cpu"), torch.float32, "for tests")
IN_BFLOAT = DeviceChoice(torch.device("cpu"), torch.bfloat16, "for tests")
PUSH = Poke((9.0, 17.0), (6.0, -2.0))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = PrefixWorld(CONFIG).requires_grad_(False)
    angle = torch.arange(16) * 0.4
    moved = torch.randn(16, 2) + 6 * torch.stack([angle.cos(), angle.sin()], 1)
    moved[3] = 0
    made.init_codes(moved)
    return made


@pytest.fixture(scope="module")
def model(network):
    return PrefixWorldModel(network, IN_FLOAT)


@pytest.fixture(scope="module")
def images():
    return torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def glance(model, images):
    return model.look(images[:1])[0]


def about(glance, *queries):
    return [Ask(glance, query) for query in queries]


def logits_of(model, glance, *queries):
    """Logits (query, patch, slot, code)."""
    asks = about(glance, *queries)
    return model._reduced(asks, model._all_known(asks), None, lambda logits: logits)


def revealed(model, glance, *pokes):
    return model._all_known(about(glance, Query(pokes)))[0]


def many_queries(count):
    draw = torch.Generator().manual_seed(5)
    points = torch.randint(32, (count, 2), generator=draw).tolist()
    pushes = (12 * torch.randn(count, 2, generator=draw)).tolist()
    pokes = [Poke(tuple(map(float, p)), tuple(d)) for p, d in zip(points, pushes, strict=True)]
    return [Query(tuple(pokes[: 1 + row % 4]), seed=row) for row in range(count)]


def test_it_is_a_world_model(model):
    assert isinstance(model, WorldModel)
    assert (model.size, model.patch_size) == (32, 8)


def test_shapes(model, glance):
    asks = about(glance, *many_queries(3))
    assert model.motion_affordance(asks).shape == (3, 4, 4)
    assert model.entropy(asks).shape == (3, 4, 4)
    assert model.expected_displacement(asks).shape == (3, 2, 32, 32)
    assert model.sample_flow(asks, 2, Sampling()).shape == (3, 2, 32, 32)


def every_answer(model, asks):
    return {
        "affordance": model.motion_affordance(asks),
        "entropy": model.entropy(asks),
        "expected": model.expected_displacement(asks),
        "sampled": model.sample_flow(asks, 3, Sampling()),
    }


@pytest.mark.parametrize("choice", [IN_FLOAT, IN_BFLOAT], ids=["float32", "bfloat16"])
def test_an_answer_is_the_same_to_the_last_bit_whoever_is_asked_beside(network, choice, images):
    model = PrefixWorldModel(network, choice)
    assert model.shape == BatchShape(1, 4)
    glances = model.look(images)
    crowded = Query(tuple(Poke.still((float(x), 2.0 + 8 * (x > 15))) for x in range(0, 32, 2)))
    queries = [*many_queries(14), crowded]
    asks = [Ask(glances[row % 4], query) for row, query in enumerate(queries)]
    together = every_answer(model, asks)
    turned = every_answer(model, asks[::-1])
    for row in (0, 1, 7, 14):
        (again,) = model.look(images[row % 4][None])
        alone = every_answer(model, [Ask(again, queries[row])])
        for name, answer in alone.items():
            assert torch.equal(answer[0], together[name][row]), (row, name)
            assert torch.equal(answer[0], turned[name].flip(0)[row]), (row, name)


@settings(deadline=None, max_examples=10)
@given(
    shape=st.builds(BatchShape, st.integers(1, 4), st.integers(1, 9)),
    pictures=st.lists(st.integers(0, 4), min_size=1, max_size=20),
)
def test_batches_of_any_shape_give_the_same_answers(network, model, images, shape, pictures):
    other = PrefixWorldModel(network, IN_FLOAT, shape)
    queries = many_queries(len(pictures))
    expected, found = (
        every_answer(
            one, [Ask(glances[p], query) for p, query in zip(pictures, queries, strict=True)]
        )
        for one in (model, other)
        for glances in [one.look(images)]
    )
    for name, answer in found.items():
        torch.testing.assert_close(answer, expected[name], atol=1e-4, rtol=1e-4, msg=name)


def test_a_glance_keeps_nothing_of_the_pictures_beside_it(network, images):
    model = PrefixWorldModel(network, IN_FLOAT, BatchShape(5, 8))
    alone, *_ = model.look(images)
    assert alone.view.state.untyped_storage().nbytes() == 16 * 16 * 4


def test_a_poke_costs_one_pack_and_pictures_share_a_batch(network, images, monkeypatch):
    shapes = []
    original = network.ask

    def counted(view, conditions, patches):
        shapes.append(tuple(patches.shape[:2]))
        return original(view, conditions, patches)

    monkeypatch.setattr(network, "ask", counted)
    model = PrefixWorldModel(network, IN_FLOAT, BatchShape(3, 8))
    glances = model.look(images)
    model.expected_displacement([Ask(glances[0], query) for query in many_queries(9)])
    assert shapes == [(2, 8)]
    shapes.clear()
    model.expected_displacement([Ask(glance, Query(())) for glance in glances])
    assert shapes == [(3, 8), (2, 8)]


def test_expected_displacement_is_the_mean_of_the_table(model, glance, network):
    (logits,) = logits_of(model, glance, Query((PUSH,)))
    cell = (logits[6, 1].softmax(0)[:, None] * network.displacements).sum(0)
    (field,) = model.expected_displacement(about(glance, Query((PUSH,))))
    # Patch 6 is column 2 of row 1; its slot 1 is the top right cell.
    assert field[:, 8:12, 20:24].unique(dim=1).shape[1] == 1
    torch.testing.assert_close(field[:, 8, 20], cell, atol=1e-5, rtol=1e-5)


def test_affordance_and_entropy_by_hand(model, glance, network):
    (logits,) = logits_of(model, glance, Query(()))
    still = network.displacements.norm(dim=1) < STILL_PX
    assert still.tolist() == [code == 3 for code in range(16)]
    moves = 1 - logits.softmax(2)[..., 3].mean(1)
    asks = about(glance, Query(()))
    torch.testing.assert_close(model.motion_affordance(asks)[0].flatten(), moves)
    log_probability = logits.log_softmax(2)
    entropy = -(log_probability.exp() * log_probability).sum(2).mean(1)
    torch.testing.assert_close(model.entropy(asks)[0].flatten(), entropy)


def test_a_poke_reveals_the_code_of_uniform_motion(model, glance):
    ((patch, codes),) = revealed(model, glance, PUSH).items()
    assert patch == 1 + 4 * 2
    assert codes == [int(model.network.codes_of(torch.tensor([6.0, -2.0])))] * 4


def test_pokes_are_written_as_codes_in_batches(model, glance):
    pokes = [query.pokes[0] for query in many_queries(70)]
    together = model._codes([poke.displacement for poke in pokes])
    alone = [int(model.network.codes_of(torch.tensor(p.displacement))) for p in pokes]
    assert together == alone


def test_the_later_of_two_pokes_in_one_patch_wins(model, glance):
    pushes = [(20 * math.cos(turn), 20 * math.sin(turn)) for turn in range(6)]
    candidates = [Poke((12.0, 20.0), push) for push in pushes]
    code = revealed(model, glance, PUSH)
    other = next(poke for poke in candidates if revealed(model, glance, poke) != code)
    both, alone, turned = model.expected_displacement(
        about(glance, Query((other, PUSH)), Query((PUSH,)), Query((PUSH, other)))
    )
    assert torch.equal(both, alone)
    assert not torch.equal(both, turned)


def test_sampled_flow_follows_its_seed(model, glance):
    first, second = (Query((PUSH,), seed) for seed in (1, 2))
    fields = model.sample_flow(about(glance, first, second, first), 6, Sampling())
    assert torch.equal(fields[0], fields[2])
    assert not torch.equal(fields[0], fields[1])
    assert torch.equal(model.sample_flow(about(glance, second), 6, Sampling())[0], fields[1])


def test_sampled_flow_keeps_what_was_revealed(model, glance):
    (flow,) = model.sample_flow(about(glance, Query((PUSH,), 4)), 16, Sampling())
    meant = model.network.displacements[model.network.codes_of(torch.tensor([6.0, -2.0]))]
    assert torch.equal(flow[:, 16:24, 8:16], meant[:, None, None].expand(-1, 8, 8))


def test_without_a_sequential_part_the_likeliest_codes_are_taken(model, glance):
    query = Query((PUSH,), 4)
    codes = logits_of(model, glance, query)[0].argmax(2)
    codes[9] = model.network.codes_of(torch.tensor([6.0, -2.0]))
    moved = model.network.displacements[codes]  # (patch, slot, 2)
    (flow,) = model.sample_flow(about(glance, query), 0, Sampling())
    for patch, slot in [(0, 0), (3, 2), (9, 1), (14, 3)]:
        y, x = 8 * (patch // 4) + 4 * (slot // 2), 8 * (patch % 4) + 4 * (slot % 2)
        assert torch.equal(flow[:, y + 3, x], moved[patch, slot])


def test_what_cannot_be_asked_is_refused(model, glance):
    with pytest.raises(InvalidInput, match="num_sequential"):
        model.sample_flow(about(glance, Query(())), -1, Sampling())
    for ask in (model.expected_displacement, lambda asks: model.sample_flow(asks, 2, Sampling())):
        with pytest.raises(InvalidInput, match="no question"):
            ask([])
    with pytest.raises(InvalidInput, match="outside"):
        model.expected_displacement(about(glance, Query((Poke((40.0, 2.0), (1.0, 1.0)),))))


def test_an_image_of_another_size_is_refused(model):
    with pytest.raises(InvalidInput, match="32, 32"):
        model.look(torch.rand(1, 3, 64, 64))


def test_an_empty_vocabulary_is_refused():
    with pytest.raises(BadCheckpoint, match="are all zero"):
        PrefixWorldModel(PrefixWorld(CONFIG), IN_FLOAT)


def test_a_checkpoint_becomes_a_model(network, tmp_path):
    from spelke.weights.load import load
    from spelke.weights.save import save

    folder = save(tmp_path / "mine", "prefix", {"network": network}, card="# mine\n")
    model = PrefixWorldModel.from_checkpoint(load(folder), IN_FLOAT)
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    original = PrefixWorldModel(network, IN_FLOAT)
    ours, theirs = (
        one.expected_displacement(about(one.look(images)[0], Query((PUSH,))))
        for one in (model, original)
    )
    assert torch.equal(ours, theirs)
