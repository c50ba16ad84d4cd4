import pytest
import torch

from spelke.errors import InvalidInput
from spelke.models.cache import Cache, LayerCache


def _tokens(batch, time, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(batch, 2, time, 4, generator=generator) for _ in range(2))


def _filled(time=5, batch=1, depth=2, capacity=8):
    cache = Cache.empty(depth, capacity)
    for layer in cache.layers:
        layer.append(*_tokens(batch, time))
    return cache


def test_what_is_appended_is_what_is_held():
    layer = LayerCache(5)
    first, second = _tokens(3, 2), _tokens(3, 3, seed=1)
    layer.append(*first)
    keys, values, prefix = layer.append(*second)
    torch.testing.assert_close(keys, torch.cat([first[0], second[0]], 2))
    torch.testing.assert_close(values, torch.cat([first[1], second[1]], 2))
    assert prefix is None


def test_a_branch_refers_to_its_trunk_without_a_copy():
    trunk = _filled()
    branch = trunk.branch(3)
    assert branch.length == 5
    assert branch.layers[0].prefix[0].data_ptr() == trunk.layers[0].keys.data_ptr()
    branch.layers[0].append(*_tokens(4, 3))
    assert (branch.length, trunk.length) == (8, 5)


def test_a_branch_of_a_branch_holds_both_stretches():
    twig = _filled().branch(2)
    for layer in twig.layers:
        layer.append(*_tokens(1, 2, seed=1))
    leaf = twig.branch(1)
    expected = torch.cat([_tokens(1, 5)[0], _tokens(1, 2, seed=1)[0]], 2)
    torch.testing.assert_close(leaf.layers[0].prefix[0], expected)
    assert _filled().branch(2).branch(1).length == 5


def test_rewinding_forgets_and_a_copy_remembers():
    cache = _filled()
    copy = cache.copy()
    cache.rewind(3)
    assert (cache.length, copy.length) == (3, 5)
    cache.layers[0].append(*_tokens(1, 2, seed=1))
    torch.testing.assert_close(copy.layers[0].keys[:, :, :5], _tokens(1, 5)[0])


def test_a_full_cache_says_so():
    with pytest.raises(InvalidInput, match="4 tokens do not fit a cache that holds 5 of 8"):
        _filled().layers[0].append(*_tokens(1, 4))


def test_sequences_that_have_parted_cannot_be_branched():
    with pytest.raises(InvalidInput, match="this one holds 3"):
        _filled(batch=3).branch(1)


@pytest.mark.parametrize("length", [4, 8])
def test_a_cache_cannot_be_rewound_into_its_prefix_or_the_future(length):
    branch = _filled().branch(3)
    for layer in branch.layers:
        layer.append(*_tokens(1, 2))
    with pytest.raises(InvalidInput, match="own tokens begin at 5 and end at 7"):
        branch.rewind(length)
