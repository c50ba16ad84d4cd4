import math

import numpy as np
import pytest
import torch
from tests.recipes import fill_lras, golden, stored_weights

from spelke.errors import InvalidInput
from spelke.models.cache import Cache
from spelke.models.lras import (
    LRAS,
    LRASConfig,
    lras_3d_config,
    spelkenet_1b_config,
    spelkenet_7b_config,
)

SMALL = LRASConfig(vocab_size=160, num_positions=96, depth=3, num_heads=4, embed_dim=64)


@pytest.fixture(scope="module")
def arrays():
    return golden("lras_small")


@pytest.fixture(scope="module")
def network(arrays):
    network = LRAS(SMALL).eval()
    network.load_state_dict(stored_weights(arrays), strict=True)
    return network


@pytest.fixture(scope="module")
def sequence(arrays):
    return torch.from_numpy(arrays["seq"]), torch.from_numpy(arrays["pos"])


def _agrees(ours, theirs, tolerance=1e-4):
    difference = np.abs(ours.detach().float().numpy() - theirs).max()
    assert difference < tolerance, difference


def test_state_dict_has_the_published_keys_in_order(arrays, network):
    assert list(network.state_dict()) == list(stored_weights(arrays))
    assert all(
        torch.equal(ours, theirs)
        for ours, theirs in zip(
            fill_lras(LRAS(SMALL), 314).state_dict().values(),
            stored_weights(arrays).values(),
            strict=True,
        )
    )


def test_logits_are_the_published_ones(arrays, network, sequence):
    _agrees(network(*sequence), arrays["logits"])
    _agrees(network(sequence[0]), arrays["logits_default_pos"])


def test_every_layer_is_the_published_one(arrays, network, sequence):
    seen = {}
    parts = network.transformer
    names = {"block0": parts["h"][0], "block1": parts["h"][1], "block2": parts["h"][2]}
    names["ln_f"] = parts["ln_f"]
    hooks = [
        part.register_forward_hook(lambda _m, _i, out, name=name: seen.__setitem__(name, out))
        for name, part in names.items()
    ]
    hooks.append(
        parts["h"][0].register_forward_pre_hook(lambda _m, args: seen.__setitem__("emb", args[0]))
    )
    network(*sequence)
    for hook in hooks:
        hook.remove()
    for name in ("emb", *names):
        _agrees(seen[name], arrays[name])


def test_cache_holds_the_published_keys_and_values(arrays, network, sequence):
    cache = Cache.empty(SMALL.depth, 40)
    network.features(sequence[0][:1], sequence[1][:1], cache)
    for layer, keys, values in zip(cache.layers, arrays["k_cache"], arrays["v_cache"], strict=True):
        _agrees(layer.keys, keys)
        _agrees(layer.values, values)


def test_loss_and_every_gradient_are_the_published_ones(arrays, sequence):
    network = LRAS(SMALL)
    network.load_state_dict(stored_weights(arrays))
    loss = network.loss(*sequence, torch.from_numpy(arrays["tgt"]))
    loss.backward()
    _agrees(loss, arrays["loss"])
    _agrees(network(*sequence)[:, -12:], arrays["logits_tgt"])  # not shifted
    for name, parameter in network.named_parameters():
        _agrees(parameter.grad, arrays[f"grad/{name}"])


def test_bfloat16_stays_near_float32(arrays, network, sequence):
    half = LRAS(SMALL).eval().bfloat16()
    half.load_state_dict(network.state_dict())
    _agrees(half(*sequence), arrays["logits_bf16"], tolerance=0.2)


@pytest.mark.parametrize("chunk", [1, 3, 11])
def test_cached_logits_are_the_uncached_ones(network, sequence, chunk):
    cache = Cache.empty(SMALL.depth, 40)
    tokens, positions = sequence
    pieces = [
        network(part, place, cache)
        for part, place in zip(tokens.split(chunk, 1), positions.split(chunk, 1), strict=True)
    ]
    _agrees(torch.cat(pieces, 1), network(*sequence).detach().numpy())


def test_a_shared_prefix_is_the_same_as_reading_it_again(network, sequence):
    tokens, positions = sequence
    tokens, positions = tokens.clone(), positions.clone()
    tokens[1, :25], positions[1, :25] = tokens[0, :25], positions[0, :25]
    trunk = Cache.empty(SMALL.depth, 25)
    network.features(tokens[:1, :25], positions[:1, :25], trunk)
    for split in (1, 12):
        branch = Cache.after([trunk], 15)
        pieces = [
            network(part, place, branch)
            for part, place in zip(
                tokens[:, 25:].split(split, 1), positions[:, 25:].split(split, 1), strict=True
            )
        ]
        _agrees(torch.cat(pieces, 1), network(tokens, positions)[:, 25:].detach().numpy())


def test_a_token_does_not_see_the_next(network, sequence):
    tokens, positions = sequence
    before = network(tokens, positions)
    changed = tokens.clone()
    changed[:, 20] = (changed[:, 20] + 1) % SMALL.vocab_size
    after = network(changed, positions)
    assert torch.equal(before[:, :20], after[:, :20])
    assert not torch.allclose(before[:, 20], after[:, 20])


def test_a_sequence_does_not_depend_on_its_neighbours(network, sequence):
    tokens, positions = sequence
    _agrees(network(tokens, positions)[:1], network(tokens[:1], positions[:1]).detach().numpy())


def test_cut_head_gives_those_columns(network, sequence):
    whole = network(*sequence)
    _agrees(network(*sequence, columns=slice(20, 50)), whole[..., 20:50].detach().numpy())


def test_fresh_weights_follow_the_table():
    network = LRAS(
        LRASConfig(vocab_size=500, num_positions=300, depth=8, num_heads=2, embed_dim=64)
    )
    network.init_weights(torch.Generator().manual_seed(0))
    for name, value in network.state_dict().items():
        if value.ndim == 1:
            assert (value == 1).all()
        else:
            expected = 0.02 / math.sqrt(16) if "c_proj" in name else 0.02
            assert abs(value.std().item() / expected - 1) < 0.05, name


@pytest.mark.parametrize(
    ("config", "millions"),
    [(spelkenet_1b_config(), 1022.5), (spelkenet_7b_config(), 7449.4), (lras_3d_config(), None)],
)
def test_published_sizes(config, millions):
    with torch.device("meta"):
        network = LRAS(config)
    count = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    if millions is None:
        assert abs(count * 4 / 1000 - 28.35) < 0.02
    else:
        assert abs(count - millions) < 0.06


def test_a_sequence_longer_than_the_positions_says_so(network):
    with pytest.raises(InvalidInput, match=r"97 tokens .* num_positions=96"):
        network(torch.zeros(1, 97, dtype=torch.int64))


def test_bad_configs_say_why():
    with pytest.raises(InvalidInput, match="depth must be positive, got 0"):
        LRASConfig(vocab_size=2, num_positions=2, depth=0, num_heads=1, embed_dim=4)
    with pytest.raises(InvalidInput, match=r"embed_dim=10 .* num_heads=4"):
        LRASConfig(vocab_size=2, num_positions=2, depth=1, num_heads=4, embed_dim=10)
