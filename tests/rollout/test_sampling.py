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
    look_up,
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


EVERY_WAY = [
    (Sampling(1.0), False),
    (Sampling(1.0, 7), False),
    (Sampling(1.0, 7, 0.8), False),
    (Sampling(1.0, None, 0.8), False),
    (Sampling(1.0), True),
]


@pytest.mark.parametrize(("sampling", "multinomial"), EVERY_WAY)
def test_a_draw_depends_on_its_own_generator_and_not_on_its_neighbours(sampling, multinomial):
    logits = torch.randn(6, 400, generator=torch.Generator().manual_seed(0))
    together = sample_tokens(logits, sampling, _generators(6), multinomial=multinomial)
    alone = [
        sample_tokens(
            logits[row : row + 1],
            sampling,
            _generators(6)[row : row + 1],
            multinomial=multinomial,
        )
        for row in range(6)
    ]
    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize(("sampling", "multinomial"), EVERY_WAY)
def test_draws_follow_the_distribution(sampling, multinomial):
    logits = 2 * torch.randn(20, generator=torch.Generator().manual_seed(3))
    generators = [torch.Generator().manual_seed(1)] * 4000
    rows = logits.expand(4000, 20)
    draws = sample_tokens(rows, sampling, generators, multinomial=multinomial)
    frequency = torch.bincount(draws, minlength=20) / 4000
    assert (frequency - token_probabilities(logits, sampling)).abs().max() < 0.03


def test_blocked_and_not_allowed_tokens_are_never_drawn():
    logits = torch.randn(200, 300, generator=torch.Generator().manual_seed(0))
    best = logits[0].topk(3).indices.tolist()
    for sampling in (Sampling(1.0), Sampling(1.0, 9)):
        drawn = sample_tokens(logits, sampling, _generators(200), blocked=best)
        assert not set(drawn.tolist()) & set(best)
    drawn = sample_tokens(logits, Sampling(1.0), _generators(200), allowed=best)
    assert set(drawn.tolist()) == set(best)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=300).filter(any), st.integers(0, 100))
def test_a_number_finds_the_token_at_which_the_sum_passes_it(weights, hundredths):
    probabilities = torch.tensor(weights).double() / sum(weights)
    # Halfway between the places where whole weights end, where rounding cannot matter.
    place = (hundredths * sum(weights) // 101 + 0.5) / sum(weights)
    found = look_up(probabilities[None].float(), torch.tensor([place]))
    assert found.item() == int((probabilities.cumsum(0) < place).sum())


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-24])
def test_the_ends_of_the_unit_interval_find_tokens_that_can_be(uniform):
    probabilities = torch.zeros(40, 500)
    probabilities[:, 130:370] = torch.rand(40, 240, generator=torch.Generator().manual_seed(0))
    probabilities /= probabilities.sum(1, keepdim=True)
    found = look_up(probabilities, torch.full((40,), uniform))
    assert (probabilities.gather(1, found[:, None]) > 0).all()
    assert (found < 140).all() if uniform == 0 else (found > 360).all()


def test_a_spent_draw_takes_as_much_as_a_published_one():
    spent, drawn = _generators(1, 5), _generators(1, 5)
    spend_draw(300, spent)
    sample_tokens(torch.randn(1, 300), Sampling(0.7, 5, 0.5), drawn, multinomial=True)
    assert torch.equal(spent[0].get_state(), drawn[0].get_state())
