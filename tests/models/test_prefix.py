import dataclasses

import pytest
import torch

from spelke.errors import InvalidInput
from spelke.models.prefix import Conditions, PrefixConfig, PrefixWorld

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
BATCH, QUESTIONS, ROOM = 2, 3, 4


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = PrefixWorld(CONFIG).eval()
    made.init_codes(torch.randn(16, 2) * 5, torch.Generator().manual_seed(1))
    return made.requires_grad_(False)


@pytest.fixture
def view(network):
    return network.look(torch.rand(BATCH, 3, 32, 32, generator=torch.Generator().manual_seed(2)))


@pytest.fixture
def conditions():
    draw = torch.Generator().manual_seed(3)
    shape = (BATCH, QUESTIONS, ROOM)
    return Conditions(
        torch.randn(BATCH, QUESTIONS, 6, generator=draw),
        torch.randint(16, shape, generator=draw),
        torch.randint(16, (*shape, 4), generator=draw),
        torch.tensor([True, True, True, False]).expand(shape).clone(),
    )


def everywhere():
    return torch.arange(16).expand(BATCH, QUESTIONS, -1)


def test_shapes(network, view, conditions):
    assert view.state.shape == (BATCH, 16, 16)
    assert view.detail.shape == (BATCH, 16, 4, 8)
    assert [key.shape for key, _ in view.keys_values] == [(BATCH, 2, 16, 8)] * 2
    assert network.ask(view, conditions, everywhere()).shape == (BATCH, QUESTIONS, 16, 4, 16)


def test_an_answer_does_not_depend_on_what_else_is_asked(network, view, conditions):
    every = network.ask(view, conditions, everywhere())
    order = torch.tensor([7, 3, 12])
    some = network.ask(view, conditions, order.expand(BATCH, QUESTIONS, -1))
    torch.testing.assert_close(some, every[:, :, order], atol=1e-5, rtol=1e-5)


def test_a_question_does_not_see_the_others(network, view, conditions):
    every = network.ask(view, conditions, everywhere())
    second = Conditions(*(part[:, 1:2] for part in conditions))
    alone = network.ask(view, second, everywhere()[:, 1:2])
    torch.testing.assert_close(alone, every[:, 1:2], atol=1e-5, rtol=1e-5)
    assert (every[:, 0] - every[:, 1]).abs().max() > 1e-3


def test_padding_is_unseen(network, view, conditions):
    before = network.ask(view, conditions, everywhere())
    conditions.patches[..., 3], conditions.codes[..., 3, :] = 9, 11
    torch.testing.assert_close(network.ask(view, conditions, everywhere()), before, atol=0, rtol=0)
    conditions.valid[..., 3] = True
    assert (network.ask(view, conditions, everywhere()) - before).abs().max() > 1e-3


def test_everything_revealed_is_seen(network, view, conditions):
    before = network.ask(view, conditions, everywhere())
    for place in range(3):
        changed = conditions.codes.clone()
        changed[..., place, :] = (changed[..., place, :] + 1) % 16
        after = network.ask(view, conditions._replace(codes=changed), everywhere())
        assert (after - before).abs().amax((2, 3, 4)).min() > 1e-4, place
    after = network.ask(view, conditions._replace(camera=-conditions.camera), everywhere())
    assert (after - before).abs().amax((2, 3, 4)).min() > 1e-4


def test_conditions_are_causal(network, view, conditions, monkeypatch):
    """What the first revealed patch becomes in each block does not depend on the later ones."""
    seen = []
    for block in network.blocks[1:]:
        original = block.keys_values

        def spy(x, original=original):
            seen.append(x.clone())
            return original(x)

        monkeypatch.setattr(block, "keys_values", spy)
    network.ask(view, conditions, everywhere())
    before, seen[:] = list(seen), []
    conditions.codes[..., 2, :] = (conditions.codes[..., 2, :] + 1) % 16
    network.ask(view, conditions, everywhere())
    for first, second in zip(before, seen, strict=True):
        torch.testing.assert_close(first[:, :3], second[:, :3], atol=1e-6, rtol=1e-5)
        assert (first[:, 3] - second[:, 3]).abs().max() > 1e-3


def test_pointers_are_not_among_what_is_seen(network, view, conditions):
    """Asking twice about one patch gives the same answer twice: pointers do not see each other."""
    twice = torch.tensor([5, 5, 6]).expand(BATCH, QUESTIONS, -1)
    answer = network.ask(view, conditions, twice)
    torch.testing.assert_close(answer[:, :, 0], answer[:, :, 1], atol=1e-6, rtol=1e-5)


def test_every_slot_has_its_own_answer(network, view, conditions):
    answer = network.ask(view, conditions, everywhere())
    assert (answer[:, :, :, 0] - answer[:, :, :, 1]).abs().max() > 1e-3


def test_a_patch_is_read_where_it_is(network):
    """A change in one corner of the picture changes the detail of that corner's patch only."""
    image = torch.full((1, 3, 32, 32), 0.5)
    changed = image.clone()
    changed[..., 1:3, 1:3] = 1.0
    # Group norm looks at the whole picture, so the change is compared, not zero elsewhere.
    difference = (network.look(changed).detail - network.look(image).detail).abs().amax((2, 3))[0]
    assert difference.argmax() == 0
    slots = (network.look(changed).detail - network.look(image).detail).abs().amax(3)[0, 0]
    assert slots.argmax() == 0


def test_codes_start_from_their_meaning(network):
    """Codes of similar flow have similar rows of the head and similar embeddings."""
    moved = torch.stack([torch.arange(16.0), torch.zeros(16)], 1)
    network = PrefixWorld(CONFIG)
    network.init_codes(moved, torch.Generator().manual_seed(4))
    assert torch.equal(network.displacements, moved)
    assert torch.equal(network.codes_of(moved + 0.4), torch.arange(16))
    for table in (network.head.weight, network.code_embedding.weight[:16]):
        near = (table[:-1] - table[1:]).norm(dim=1).mean()
        far = (table[:4] - table[-4:]).norm(dim=1).mean()
        assert near < 0.6 * far


def test_the_vocabulary_is_kept_with_the_weights(network):
    again = PrefixWorld(CONFIG)
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.displacements, network.displacements)


def test_the_same_vocabulary_takes_over_everything(network, view, conditions):
    again = PrefixWorld(CONFIG)
    again.learn_from(network, network.displacements)
    torch.testing.assert_close(
        again.ask(view, conditions, everywhere()), network.ask(view, conditions, everywhere()),
        atol=0.02, rtol=0.02,  # the two codes beside it have a share of a thousandth
    )  # fmt: skip


def test_a_finer_vocabulary_says_the_same_in_more_words(network, view, conditions):
    """Every code split in two that lie close: both heirs share its meaning and its probability."""
    finer = PrefixWorld(dataclasses.replace(CONFIG, num_codes=32))
    beside = torch.tensor([0.01, 0.0])
    finer.learn_from(network, torch.cat([network.displacements - beside, network.displacements]))
    assert torch.equal(finer.position, network.position)
    before = network.ask(view, conditions, everywhere()).softmax(4)
    after = finer.ask(view, conditions, everywhere()).softmax(4)
    torch.testing.assert_close(after[..., :16] + after[..., 16:], before, atol=0.01, rtol=0.2)
    expected = before @ network.displacements
    torch.testing.assert_close(after @ finer.displacements, expected, atol=0.1, rtol=0.1)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (1, 1, 32, 32), (1, 3, 32, 24)])
def test_another_size_is_refused(network, shape):
    with pytest.raises(InvalidInput, match="32, 32"):
        network.look(torch.zeros(shape))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch_size": 2}, "multiple of 4"),
        ({"patch_size": 12, "image_size": 36}, "power of two"),
        ({"image_size": 36}, "divide image_size"),
        ({"fork_depth": 0}, "fork_depth"),
        ({"fork_depth": 3}, "fork_depth"),
        ({"embed_dim": 18}, "embed_dim"),
        ({"num_heads": 3}, "multiple of 3"),
        ({"num_heads": 0}, "num_heads"),
        ({"num_codes": 0}, "num_codes"),
        ({"stem_dim": 12}, "stem_dim"),
    ],
)
def test_impossible_shapes_are_refused(change, message):
    with pytest.raises(InvalidInput, match=message):
        dataclasses.replace(CONFIG, **change)


def test_bigger_patches_hold_more_codes():
    config = dataclasses.replace(CONFIG, patch_size=16)
    assert (config.num_patches, config.num_slots) == (4, 16)
    view = PrefixWorld(config).look(torch.rand(1, 3, 32, 32))
    assert view.detail.shape == (1, 4, 16, 8)
