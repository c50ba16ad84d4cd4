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
    keys, values = layer.append(*second)
    torch.testing.assert_close(keys, torch.cat([first[0], second[0]], 2))
    torch.testing.assert_close(values, torch.cat([first[1], second[1]], 2))


def test_continuations_refer_to_what_they_follow_without_a_copy():
    trunk = _filled()
    branch = Cache.after([trunk], 3)
    assert branch.length == 5
    assert branch.layers[0].prefixes[0][0].data_ptr() == trunk.layers[0].keys.data_ptr()
    branch.layers[0].append(*_tokens(4, 3))
    assert (branch.length, trunk.length) == (8, 5)


def test_keys_beside_a_prefix_are_float32_and_nothing_else_is():
    trunk = Cache.empty(1, 5)
    trunk.layers[0].append(*(x.bfloat16() for x in _tokens(1, 5)))
    branch = Cache.after([trunk], 2)
    keys, values = branch.layers[0].append(*(x.bfloat16() for x in _tokens(3, 2)))
    assert (keys.dtype, values.dtype) == (torch.float32, torch.bfloat16)
    assert branch.layers[0].prefixes[0][0].dtype == torch.float32
    assert trunk.layers[0].keys.dtype == torch.bfloat16
    trunk.reserve(2)
    trunk.append_from(branch, 1)  # and back without loss
    torch.testing.assert_close(trunk.layers[0].keys[:, :, 5:].float(), keys[1:2], atol=0, rtol=0)


def test_room_can_be_made_and_what_is_held_stays():
    cache = _filled(time=5, capacity=5)
    before = cache.num_bytes
    cache.reserve(3)
    keys, _ = cache.layers[0].append(*_tokens(1, 3, seed=1))
    expected = torch.cat([_tokens(1, 5)[0], _tokens(1, 3, seed=1)[0]], 2)
    torch.testing.assert_close(keys, expected)
    assert cache.num_bytes == before * 8 // 5
    address = cache.layers[0].keys.data_ptr()
    cache.reserve(0)
    assert cache.layers[0].keys.data_ptr() == address


def test_one_continuation_can_join_what_it_follows():
    trunk = _filled(depth=1)
    branch = Cache.after([trunk], 2)
    branch.layers[0].append(*_tokens(3, 2, seed=1))
    trunk.append_from(branch, 2)
    keys, _ = trunk.layers[0].held()
    torch.testing.assert_close(keys[:, :, 5:], _tokens(3, 2, seed=1)[0][2:])
    assert trunk.length == 7


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


@pytest.mark.parametrize(
    ("caches", "message"),
    [
        (lambda: [_filled(batch=3)], "this one holds 3 after 0 others"),
        (lambda: [_grown()], "this one holds 1 after 1 others"),
        (lambda: [_filled(), _filled(time=4)], "got lengths 5, 4"),
        (list, "got lengths of nothing"),
        (lambda: [Cache.empty(1, 3)], "this cache is empty"),
    ],
)
def test_only_whole_sequences_of_one_length_can_be_continued(caches, message):
    with pytest.raises(InvalidInput, match=message):
        Cache.after(caches(), 1)


def _grown():
    branch = Cache.after([_filled()], 2)
    for layer in branch.layers:
        layer.append(*_tokens(1, 2))
    return branch


@pytest.mark.parametrize("length", [4, 8])
def test_a_cache_cannot_be_rewound_into_its_prefix_or_the_future(length):
    branch = Cache.after([_filled()], 3)
    for layer in branch.layers:
        layer.append(*_tokens(1, 2))
    with pytest.raises(InvalidInput, match="own tokens begin at 5 and end at 7"):
        branch.rewind(length)
