import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recipes import golden

from spelke.errors import InvalidInput
from spelke.rollout.base import Sampling
from spelke.rollout.sampling import (
    keep_top_k,
    keep_top_p,
    sample_tokens,
    spend_draw,
    token_probabilities,
)


@pytest.fixture(scope="module")
def arrays():
    return golden("sampling")


def _case(arrays, index):
    combo = json.loads(str(arrays["combos_json"]))[index]
    sampling = Sampling(combo["temp"], combo["top_k"], combo["top_p"])
    lists = {"allowed": combo["allowed"] or (), "blocked": combo["blacklist"] or ()}
    return sampling, lists, arrays[f"probs_{index}"]


def _generators(count, seed=0):
    return [torch.Generator().manual_seed(seed + row) for row in range(count)]


@pytest.mark.parametrize("index", range(8))
def test_distributions_are_the_published_ones(arrays, index):
    sampling, lists, expected = _case(arrays, index)
    ours = token_probabilities(torch.from_numpy(arrays["logits"]), sampling, **lists)
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-6)


def test_where_the_published_rule_gives_nan_we_say_why(arrays):
    sampling, lists, expected = _case(arrays, 8)
    assert np.isnan(expected).any()
    with pytest.raises(InvalidInput, match=r"left none of the 10 allowed tokens"):
        token_probabilities(torch.from_numpy(arrays["logits"]), sampling, **lists)


def test_temperature_zero_takes_the_likeliest(arrays):
    logits = torch.from_numpy(arrays["logits"]).flatten(0, 1)
    generators = _generators(len(logits))
    before = [generator.get_state() for generator in generators]
    ours = sample_tokens(logits, Sampling(0.0), generators)
    assert np.array_equal(ours.view(3, 2).numpy(), arrays["argmax"])
    assert all(
        torch.equal(generator.get_state(), state)
        for generator, state in zip(generators, before, strict=True)
    )
    best = ours[0].item()
    assert sample_tokens(logits[:1], Sampling(0.0), [], blocked=[best]).item() != best


def test_a_distribution_at_temperature_zero_is_refused():
    with pytest.raises(InvalidInput, match="positive temperature, got 0"):
        token_probabilities(torch.zeros(3), Sampling(0.0))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=2, max_size=20), st.integers(1, 25))
def test_top_k_keeps_all_ties_of_the_kth(values, k):
    logits = torch.tensor(values).float()
    least = sorted(values, reverse=True)[min(k, len(values)) - 1]
    kept = keep_top_k(logits, k).isfinite()
    assert kept.tolist() == [value >= least for value in values]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-4, 4), min_size=2, max_size=20), st.floats(0.0, 1.0))
def test_top_p_keeps_the_least_number_of_tokens_that_reach_p(values, p):
    logits = torch.tensor(values)
    probability = logits.softmax(0)
    kept = probability[keep_top_p(logits, p).isfinite()]
    assert len(kept) >= 1
    assert kept.sum() - kept.min() <= p + 1e-5
    assert kept.sum() >= min(p, 1 - 1e-5) - 1e-5


def test_a_draw_depends_on_its_own_generator_and_not_on_its_neighbours():
    logits = torch.randn(6, 40, generator=torch.Generator().manual_seed(0))
    together = sample_tokens(logits, Sampling(1.0), _generators(6))
    alone = [
        sample_tokens(logits[row : row + 1], Sampling(1.0), _generators(6)[row : row + 1])
        for row in range(6)
    ]
    assert torch.equal(together, torch.cat(alone))


def test_draws_follow_the_distribution():
    logits = torch.tensor([0.0, 1.0, 2.0]).expand(4000, 3)
    draws = sample_tokens(logits, Sampling(1.0), [torch.Generator().manual_seed(1)] * 4000)
    frequency = torch.bincount(draws, minlength=3) / 4000
    assert (frequency - logits[0].softmax(0)).abs().max() < 0.03


def test_a_spent_draw_takes_as_much_as_a_real_one():
    spent, drawn = _generators(1, 5), _generators(1, 5)
    spend_draw(300, spent)
    sample_tokens(torch.randn(1, 300), Sampling(0.7, 5, 0.5), drawn)
    assert torch.equal(spent[0].get_state(), drawn[0].get_state())
