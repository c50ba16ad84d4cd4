"""The stand-in network of the golden is replaced by one whose features are the position ids."""

import numpy as np
import pytest
import torch
from tests.recipes import golden

from spelke.models.cache import Cache
from spelke.models.lras import LRAS, LRASConfig
from spelke.rollout.order import published_orders
from spelke.rollout.prompt import pack_picture
from spelke.rollout.seq2par import Question, decode_flow, first_features, pointer_tokens
from spelke.tokens.layout import flow_layout, spelkenet_layout
from spelke.tokens.patches import from_patches, to_patches
from spelke.tokens.sequence import TokenSequence, pack_patches, patch_positions, split_order

PUBLISHED = spelkenet_layout()


class Echo(LRAS):
    """Remembers what it reads; what the head would read is the position id."""

    def __init__(self):
        super().__init__(
            LRASConfig(vocab_size=2, num_positions=2, depth=1, num_heads=1, embed_dim=1)
        )
        self.read = []

    def features(self, tokens, positions=None, cache=None):
        self.read.append(TokenSequence(tokens[0], positions[0]))
        nothing = torch.zeros(len(tokens), 1, tokens.shape[1], 1)
        cache.layers[0].append(nothing, nothing)
        return positions[..., None].double()


def _patch_and_slot(features):
    place = features[..., 0].long() - PUBLISHED.flow.position
    return place // 5, place % 5


def _parallel_rule(features):
    patch, slot = _patch_and_slot(features)
    return (37 * patch + 1009 * slot) % 32768 + PUBLISHED.flow.codes.start


def _sequential_rule(features, step):
    patch, slot = _patch_and_slot(features)
    return (41 * patch + 17 * (slot + 1)) % 32768 + PUBLISHED.flow.codes.start


@pytest.mark.parametrize("case", ["A", "B", "C_duplicate", "D_empty_nocam"])
def test_what_is_read_and_found_is_as_published(case):
    arrays = golden("seq2par_plumbing")
    seed, conditioned = int(arrays[f"{case}/seed"]), arrays[f"{case}/unmask"].tolist()
    camera = arrays["campose_codes"].tolist() if arrays[f"{case}/use_campose"] else None
    picture = to_patches(torch.from_numpy(arrays["frame0_codes"]).long())[0]
    sequence = pack_picture(picture, seed, PUBLISHED, camera)

    _, order = published_orders(seed, PUBLISHED.num_patches)
    given, rest = split_order(order, conditioned, len(conditioned))
    codes = to_patches(torch.from_numpy(arrays["flow_codes_abs"]).long())[0][given]
    codes = codes - PUBLISHED.flow.codes.start
    question = Question(given[None], codes[None], rest[None])
    network, count = Echo(), int(arrays[f"{case}/num_seq"])
    reading = Cache.empty(1, 1)
    reading.layers[0].append(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1))
    (decoded,) = decode_flow(
        network,
        [reading],
        question,
        PUBLISHED.flow,
        count,
        _sequential_rule,
        _parallel_rule,
    )

    read = sequence
    for part in network.read:
        read = read + part
    assert np.array_equal(read.tokens.numpy(), arrays[f"{case}/pass4_seq"])
    assert np.array_equal(read.positions.numpy(), arrays[f"{case}/pass4_pos"])
    # The published code reads everything again for each slot.
    count_parallel = int(arrays[f"{case}/P"])
    lengths = [read.length - slots * count_parallel for slots in (3, 2, 1, 0)]
    assert lengths == arrays[f"{case}/lens"].tolist()
    found = from_patches(decoded.tokens, 32)
    assert np.array_equal(found.numpy(), arrays[f"{case}/pred_codes_abs"])
    relative = decoded.tokens[0, decoded.parallel[0]] - PUBLISHED.flow.codes.start
    likeliest = arrays[f"{case}/logits_argmax_rel"][decoded.parallel[0]]
    assert np.array_equal(relative.numpy(), likeliest)
    assert np.array_equal(rest.numpy(), arrays[f"{case}/rmi_rel"])
    assert decoded.parallel.shape[1] == arrays[f"{case}/P"]
    others = sorted(set(range(1024)) - set(decoded.parallel[0].tolist()))
    assert others == arrays[f"{case}/zero_logit_rows"].tolist()
    if count:
        prompt = sequence + pack_patches(codes, given, PUBLISHED.flow)
        assert np.array_equal(prompt.tokens.numpy(), arrays[f"{case}/rollout_seq"])
        pointers = pointer_tokens(rest, PUBLISHED.flow).tokens
        assert np.array_equal(pointers.numpy(), arrays[f"{case}/rollout_rmi"])
        places = patch_positions(torch.cat([given, rest]), PUBLISHED.flow)[:, :5].flatten()
        places = torch.cat([sequence.positions, places])
        assert np.array_equal(places.numpy(), arrays[f"{case}/rollout_pos"])
        assert arrays[f"{case}/rollout_n"] == 5 * count


@pytest.mark.parametrize("case", ["B", "C_duplicate", "D_empty_nocam", "E_motion"])
def test_only_with_motion_indices_the_published_pointers_stand_at_positions_of_others(case):
    """Its fifth recorded case asks to decode three patches first; we do not offer this.

    The first of them and then a patch that is given get the pointers, at positions of others; so
    what is given is decoded once more.
    """
    arrays = golden("seq2par_plumbing")
    tokens, places = arrays[f"{case}/pass4_seq"], arrays[f"{case}/pass4_pos"]
    stop = int(arrays[f"{case}/lens"][0]) - int(arrays[f"{case}/P"])
    start = stop - int(arrays[f"{case}/rollout_n"])
    pointers = tokens[start:stop:5] - PUBLISHED.flow.pointers.start
    patches, slots = np.divmod(places[start:stop:5] - PUBLISHED.flow.position, 5)
    assert (slots == 0).all()
    if case == "E_motion":
        asked, given = arrays["E_motion/motion"], arrays["E_motion/unmask"]
        assert pointers[0] == asked[0]
        assert pointers[1] in given
        assert np.array_equal(pointers, arrays["E_motion/rmi_rel"][: len(pointers)])
        assert not {*pointers.tolist()} & {*patches.tolist()}
        nothing_known = set(arrays["E_motion/zero_logit_rows"].tolist())
        assert nothing_known == {*given.tolist(), *patches.tolist()}
    else:
        assert np.array_equal(pointers, patches)


LAYOUT = flow_layout(3, 3, rgb_codes=8, flow_codes=16, camera_values=2000)
CONFIG = LRASConfig(
    vocab_size=LAYOUT.vocab_size,
    num_positions=LAYOUT.num_positions,
    depth=2,
    num_heads=2,
    embed_dim=16,
)


@pytest.fixture(scope="module")
def network():
    network = LRAS(CONFIG).eval().requires_grad_(False)
    network.init_weights(torch.Generator().manual_seed(0))
    for parameter in network.parameters():
        parameter.mul_(8)
    return network


def _setting(network):
    generator = torch.Generator().manual_seed(1)
    picture = pack_picture(torch.randint(8, (9, 4), generator=generator), 0, LAYOUT)
    prefix = Cache.empty(CONFIG.depth, picture.length)
    network.features(picture.tokens[None], picture.positions[None], prefix)
    orders = torch.stack([published_orders(seed, 9)[1] for seed in (3, 4)])
    codes = torch.randint(16, (2, 2, 4), generator=generator)
    return picture, prefix, Question(orders[:, :2], codes, orders[:, 2:])


@pytest.mark.parametrize("count", [0, 1, 3, 7])
def test_cached_decoding_is_decoding_without_a_cache(network, count):
    picture, prefix, question = _setting(network)
    flow = LAYOUT.flow

    def best(features):
        return network.logits(features).argmax(-1)

    ours = list(
        decode_flow(
            network, [prefix], question, flow, count, lambda features, step: best(features), best
        )
    )
    assert prefix.length == picture.length
    for row in range(2):
        given, codes, order = (part[row : row + 1] for part in question)
        known = TokenSequence(picture.tokens[None], picture.positions[None])
        known = known + pack_patches(codes, given, flow)
        expected = torch.zeros(9, 4, dtype=torch.int64)
        expected[given[0]] = codes[0] + flow.codes.start
        for patch in order[0, :count].tolist():
            pointer = pointer_tokens(torch.tensor([[patch]]), flow)
            known = known + pointer
            for slot in range(4):
                token = best(network.features(known.tokens, known.positions))[:, -1:]
                known = known + TokenSequence(token, pointer.positions + slot + 1)
                expected[patch, slot] = token.item()
        rest = order[:, count:]
        if rest.shape[1]:
            pointers = pointer_tokens(rest, flow)
            known = known + pointers
            for slot in range(4):
                features = network.features(known.tokens, known.positions)
                tokens = best(features[:, -rest.shape[1] :])
                known = known + TokenSequence(tokens, pointers.positions + slot + 1)
                expected[rest[0], slot] = tokens[0]
        assert torch.equal(ours[row].tokens[0], expected)


def test_the_first_pass_is_the_first_slot_of_the_whole(network):
    _, prefix, questions = _setting(network)
    question = Question(*(part[:1] for part in questions))
    first = first_features(network, prefix, question, LAYOUT.flow)

    def best(features):
        return network.logits(features).argmax(-1)

    (whole,) = decode_flow(network, [prefix], question, LAYOUT.flow, 0, lambda *_: None, best)
    torch.testing.assert_close(first, whole.features[:, :, 0])
    assert prefix.length == 53
