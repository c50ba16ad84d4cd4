"""Seeds depend on what they name and on nothing else."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import InvalidInput
from spelke.runtime.seed import generator, numpy_generator, spawn

keys = st.lists(st.one_of(st.integers(-(10**9), 10**9), st.text(max_size=5)), max_size=4)


@given(st.integers(0, 2**62), keys, keys)
def test_different_names_give_different_seeds(seed, first, second):
    assert (spawn(seed, *first) == spawn(seed, *second)) == (first == second)


@given(st.integers(0, 2**62), keys)
def test_a_seed_fits_where_seeds_go(seed, parts):
    assert 0 <= spawn(seed, *parts) < 2**63
    generator(spawn(seed, *parts))
    numpy_generator(spawn(seed, *parts))


def test_a_number_is_not_its_text():
    assert spawn(0, 1) != spawn(0, "1")
    assert spawn(0, "a", "b") != spawn(0, "a,b")
    assert spawn(1, 2) != spawn(12)


def test_a_spawned_seed_never_changes():
    assert spawn(7, "scene", 3) == 2015253696845024534


def test_another_process_spawns_the_same_seed():
    code = "from spelke.runtime.seed import spawn; print(spawn(7, 'scene', 3))"
    environment = {**os.environ, "PYTHONHASHSEED": "123"}
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert int(output.stdout) == spawn(7, "scene", 3)


def test_generators_repeat_their_draws_and_differ_by_key():
    first, again = generator(3), generator(3)
    other = generator(3, keys=("stage", 1))
    draw = torch.rand(4, generator=first)
    assert torch.equal(draw, torch.rand(4, generator=again))
    assert not torch.equal(draw, torch.rand(4, generator=other))
    assert numpy_generator(3).random() == numpy_generator(3).random()
    assert numpy_generator(3).random() != numpy_generator(3, "stage").random()


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("key", [True, 1.5, None])
def test_a_key_that_has_no_one_spelling_is_refused(key):
    with pytest.raises(InvalidInput, match="integer or a string"):
        spawn(0, key)
