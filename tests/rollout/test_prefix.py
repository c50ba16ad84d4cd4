import math

import pytest
import torch

from spelke.errors import BadCheckpoint, InvalidInput
from spelke.models.local_quantizer import LocalQuantizer, LocalQuantizerConfig
from spelke.models.prefix import PrefixConfig, PrefixWorld
from spelke.rollout.base import Glance, Query, Sampling, WorldModel
from spelke.rollout.prefix import STILL_PX, PrefixWorldModel, uniform_codes
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


def make_quantizer(num_bits=4):
    torch.manual_seed(1)
    config = LocalQuantizerConfig(
        in_channels=2, num_bits=num_bits, embed_dim=8, std=(8.0,), dropout=0.0
    )
    return LocalQuantizer(config).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = PrefixWorld(CONFIG).requires_grad_(False)
    angle = torch.arange(16) * 0.4
    table = torch.randn(16, 2, 4, 4)
    table += 6 * torch.stack([angle.cos(), angle.sin()], 1)[:, :, None, None]
    table[3] = 0
    made.init_codes(table)
    return made


@pytest.fixture(scope="module")
def model(network):
    return PrefixWorldModel(network, make_quantizer(), IN_FLOAT)


@pytest.fixture(scope="module")
def glance(model):
    return model.look(torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(2)))


def many_queries(count):
    draw = torch.Generator().manual_seed(5)
    points = torch.randint(32, (count, 2), generator=draw).tolist()
    pushes = (12 * torch.randn(count, 2, generator=draw)).tolist()
    pokes = [Poke(tuple(map(float, p)), tuple(d)) for p, d in zip(points, pushes, strict=True)]
    return [Query(tuple(pokes[: 1 + row % 4]), seed=row) for row in range(count)]


def test_it_is_a_world_model(model, glance):
    assert isinstance(model, WorldModel)
    assert isinstance(glance, Glance)
    assert (model.size, model.patch_size) == (32, 8)


def test_shapes(glance):
    queries = many_queries(3)
    assert glance.motion_affordance(queries).shape == (3, 4, 4)
    assert glance.entropy(queries).shape == (3, 4, 4)
    assert glance.expected_displacement(queries).shape == (3, 2, 32, 32)
    assert glance.sample_flow(queries, 2, Sampling()).shape == (3, 2, 32, 32)


@pytest.mark.parametrize("choice", [IN_FLOAT, IN_BFLOAT], ids=["float32", "bfloat16"])
def test_an_answer_is_the_same_to_the_last_bit_whoever_is_asked_beside(network, choice):
    model = PrefixWorldModel(network, make_quantizer(), choice)
    glance = model.look(torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(2)))
    queries = many_queries(11)
    crowded = Query(tuple(Poke.still((float(x), 2.0 + 8 * (x > 15))) for x in range(0, 32, 2)))
    together = glance.expected_displacement([*queries, crowded])
    for row, query in enumerate(queries):
        alone = glance.expected_displacement([query])[0]
        assert torch.equal(alone, together[row]), row
    assert torch.equal(glance.expected_displacement([crowded])[0], together[-1])
    turned = glance.motion_affordance(queries[::-1])
    assert torch.equal(turned.flip(0), glance.motion_affordance(queries))


def test_expected_displacement_is_the_mean_of_the_table(glance, network):
    logits = glance._ask([glance._revealed(Query((PUSH,)))], None)[0]
    cell = (logits[6, 1].softmax(0)[:, None] * network.flow_table.flatten(1)).sum(0).view(2, 4, 4)
    field = glance.expected_displacement([Query((PUSH,))])[0]
    # Patch 6 is column 2 of row 1; its slot 1 is the top right cell.
    torch.testing.assert_close(field[:, 8:12, 20:24], cell, atol=1e-5, rtol=1e-5)


def test_affordance_and_entropy_by_hand(glance, network):
    logits = glance._ask([{}], None)[0]
    still = network.flow_table.mean((2, 3)).norm(dim=1) < STILL_PX
    assert still.tolist() == [code == 3 for code in range(16)]
    moves = 1 - logits.softmax(2)[..., 3].mean(1)
    torch.testing.assert_close(glance.motion_affordance([Query(())])[0].flatten(), moves)
    log_probability = logits.log_softmax(2)
    entropy = -(log_probability.exp() * log_probability).sum(2).mean(1)
    torch.testing.assert_close(glance.entropy([Query(())])[0].flatten(), entropy)


def test_a_poke_reveals_the_code_of_uniform_motion(glance, model):
    (patch, codes) = next(iter(glance._revealed(Query((PUSH,))).items()))
    assert patch == 1 + 4 * 2
    assert codes == [int(uniform_codes(model.flow_quantizer, torch.tensor([6.0, -2.0])))] * 4


def test_the_later_of_two_pokes_in_one_patch_wins(glance):
    pushes = [(20 * math.cos(turn), 20 * math.sin(turn)) for turn in range(6)]
    candidates = [Poke((12.0, 20.0), push) for push in pushes]
    code = glance._revealed(Query((PUSH,)))
    other = next(poke for poke in candidates if glance._revealed(Query((poke,))) != code)
    both = glance.expected_displacement([Query((other, PUSH))])
    assert torch.equal(both, glance.expected_displacement([Query((PUSH,))]))
    assert not torch.equal(both, glance.expected_displacement([Query((PUSH, other))]))


def test_sampled_flow_follows_its_seed(glance):
    first, second = (Query((PUSH,), seed) for seed in (1, 2))
    fields = glance.sample_flow([first, second, first], 6, Sampling())
    assert torch.equal(fields[0], fields[2])
    assert not torch.equal(fields[0], fields[1])
    assert torch.equal(glance.sample_flow([second], 6, Sampling())[0], fields[1])


def test_sampled_flow_keeps_what_was_revealed(glance, model, monkeypatch):
    grids = []
    original = model.flow_quantizer.decode
    monkeypatch.setattr(
        model.flow_quantizer, "decode", lambda codes: grids.append(codes) or original(codes)
    )
    glance.sample_flow([Query((PUSH,), 4)], 16, Sampling())
    (grid,) = grids
    code = int(uniform_codes(model.flow_quantizer, torch.tensor([6.0, -2.0])))
    assert grid[0, 4:6, 2:4].unique().tolist() == [code]


def test_without_a_sequential_part_the_likeliest_codes_are_taken(glance, model):
    query = Query((PUSH,), 4)
    codes = glance._ask([glance._revealed(query)], None)[0].argmax(2)
    codes[9] = uniform_codes(model.flow_quantizer, torch.tensor([6.0, -2.0]))
    grid = codes.view(4, 4, 2, 2).transpose(1, 2).reshape(1, 8, 8)
    quantizer = model.flow_quantizer
    expected = quantizer.denormalise(quantizer.decode(grid))
    torch.testing.assert_close(glance.sample_flow([query], 0, Sampling()), expected)


def test_what_cannot_be_asked_is_refused(glance):
    with pytest.raises(InvalidInput, match="num_sequential"):
        glance.sample_flow([Query(())], -1, Sampling())
    with pytest.raises(InvalidInput, match="no query"):
        glance.expected_displacement([])
    with pytest.raises(InvalidInput, match="outside"):
        glance.expected_displacement([Query((Poke((40.0, 2.0), (1.0, 1.0)),))])


def test_an_image_of_another_size_is_refused(model):
    with pytest.raises(InvalidInput, match="32, 32"):
        model.look(torch.rand(3, 64, 64))


def test_an_empty_flow_table_is_refused():
    with pytest.raises(BadCheckpoint, match="flow table is empty"):
        PrefixWorldModel(PrefixWorld(CONFIG), make_quantizer(), IN_FLOAT)


def test_a_quantizer_of_another_vocabulary_is_refused(network):
    with pytest.raises(BadCheckpoint, match="32 codes"):
        PrefixWorldModel(network, make_quantizer(5), IN_FLOAT)


def test_a_checkpoint_becomes_a_model(network, tmp_path):
    from spelke.weights.load import load
    from spelke.weights.save import save

    networks = {"network": network, "flow_quantizer": make_quantizer()}
    folder = save(tmp_path / "mine", "prefix", networks, card="# mine\n")
    model = PrefixWorldModel.from_checkpoint(load(folder), IN_FLOAT)
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(2))
    original = PrefixWorldModel(network, make_quantizer(), IN_FLOAT)
    queries = [Query((PUSH,))]
    assert torch.equal(
        model.look(image).expected_displacement(queries),
        original.look(image).expected_displacement(queries),
    )
