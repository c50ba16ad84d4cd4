from __future__ import annotations

import hashlib
import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from spelke.errors import BadCheckpoint
from spelke.weights.shards import SHARD, num_bytes, read_kinds, read_tensors, write_tensors

KINDS = [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.uint8]
TENSORS = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6),
    st.tuples(st.lists(st.integers(0, 4), max_size=3), st.sampled_from(KINDS)),
    min_size=1,
    max_size=8,
)


def make(description):
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randint(0, 100, shape, generator=generator).to(dtype)
        for name, (shape, dtype) in description.items()
    }


@given(TENSORS)
def test_the_bytes_are_those_that_the_library_writes(tmp_path_factory, description):
    tensors, folder = make(description), tmp_path_factory.mktemp("one")
    save_file(tensors, folder / "expected", metadata={"format": "pt"})
    digests = write_tensors(folder, tensors, {})
    written = (folder / "model.safetensors").read_bytes()
    assert written == (folder / "expected").read_bytes()
    assert digests == {"model.safetensors": hashlib.sha256(written).hexdigest()}


@given(TENSORS, st.integers(1, 200))
def test_any_limit_gives_the_same_tensors(tmp_path_factory, description, limit):
    tensors, folder = make(description), tmp_path_factory.mktemp("many")
    digests = write_tensors(folder, tensors, {}, limit)
    paths = [folder / name for name in digests]
    found = dict(read_tensors(paths))
    assert found.keys() == tensors.keys() == read_kinds(paths).keys()
    for name, value in tensors.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)
        assert read_kinds(paths)[name].shape == tuple(value.shape)
    for path in paths:
        kinds = read_kinds([path])
        assert len(kinds) == 1 or sum(map(num_bytes, kinds.values())) <= limit


def test_several_files_come_with_the_usual_index(tmp_path):
    tensors = {name: torch.ones(10) for name in "cab"}
    digests = write_tensors(tmp_path, tensors, {}, shard_bytes=80)
    assert list(digests) == [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    assert all(SHARD.fullmatch(name) for name in digests)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 120}
    assert index["weight_map"] == dict(zip("cab", [*digests, list(digests)[1]], strict=True)) | {
        "a": next(iter(digests))
    }


def test_tensors_are_cast_on_their_way_and_views_are_packed(tmp_path):
    wide = torch.randn(6, 4)
    write_tensors(tmp_path, {"a": wide.T, "b": wide[0]}, {"a": torch.bfloat16})
    found = load_file(tmp_path / "model.safetensors")
    assert torch.equal(found["a"], wide.T.bfloat16())
    assert torch.equal(found["b"], wide[0])


def test_progress_adds_up_to_the_bytes(tmp_path):
    steps = []
    write_tensors(tmp_path, {"a": torch.ones(3), "b": torch.ones(5)}, {}, 8, steps.append)
    assert sum(steps) == 32


def test_a_tensor_in_two_files_is_refused(tmp_path):
    paths = [tmp_path / name for name in ("one", "two")]
    for path in paths:
        save_file({"a": torch.ones(1)}, path)
    with pytest.raises(BadCheckpoint, match="holds a, as another file"):
        read_kinds(paths)


def test_numbers_that_nothing_here_uses_are_refused(tmp_path):
    save_file({"a": torch.ones(2).to(torch.float8_e4m3fn)}, tmp_path / "one")
    with pytest.raises(BadCheckpoint, match="numbers of kind F8_E4M3"):
        read_kinds([tmp_path / "one"])
