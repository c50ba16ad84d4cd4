import numpy as np
import pytest
import torch
from tests.recipes import golden, stored_weights

from spelke.errors import InvalidInput
from spelke.models.cache import Cache
from spelke.models.lras import LRAS, LRASConfig
from spelke.rollout.base import Sampling
from spelke.rollout.sampling import sample_tokens, spend_draw
from spelke.rollout.sequential import FREE, decode_sequential, unread
from spelke.tokens.sequence import TokenSequence

PROMPT, STEPS = 20, 20
CONFIG = LRASConfig(vocab_size=160, num_positions=96, depth=3, num_heads=4, embed_dim=64)


@pytest.fixture(scope="module")
def arrays():
    return golden("lras_small")


@pytest.fixture(scope="module")
def network(arrays):
    network = LRAS(CONFIG).eval().requires_grad_(False)
    network.load_state_dict(stored_weights(arrays))
    return network


def _prompt_and_wanted(arrays, known=None):
    positions = torch.from_numpy(arrays["roll_pos"])
    prompt = TokenSequence(torch.from_numpy(arrays["roll_in"]), positions[:, :PROMPT])
    tokens = torch.full((1, STEPS), FREE)
    if known is not None:
        tokens[:, : len(known)] = torch.from_numpy(known)
    tokens[:, ::5] = torch.from_numpy(arrays["roll_ptr"])
    return prompt, TokenSequence(tokens, positions[:, PROMPT : PROMPT + STEPS])


def _roll(network, arrays, sampling, known=None, **options):
    """Tokens, and the logits before each choice."""
    prompt, wanted = _prompt_and_wanted(arrays, known)
    generators = [torch.Generator().manual_seed(123)]
    seen = {}

    def choose(features, step):
        seen[step] = network.logits(features)
        return sample_tokens(seen[step], sampling, generators, multinomial=True)

    def spend():
        if sampling.temperature:
            spend_draw(CONFIG.vocab_size, generators)

    cache = Cache.empty(CONFIG.depth, PROMPT + STEPS)
    tokens = decode_sequential(network, cache, prompt, wanted, choose, forced=spend, **options)
    return tokens.numpy(), seen


def _logits_agree(seen, expected):
    difference = max(
        np.abs(logits.numpy() - expected[:, step]).max() for step, logits in seen.items()
    )
    assert difference < 1e-4


def test_greedy_rollout_is_the_published_one(network, arrays):
    tokens, seen = _roll(network, arrays, Sampling(0.0))
    assert np.array_equal(tokens, arrays["roll_seq_t0"][:, PROMPT:])
    assert sorted(seen) == [step for step in range(STEPS) if step % 5]
    _logits_agree(seen, arrays["roll_logits_t0"])


@pytest.mark.parametrize(
    ("name", "sampling"),
    [("t1_k20_p09", Sampling(1.0, 20, 0.9)), ("t07", Sampling(0.7))],
)
def test_sampled_rollouts_are_the_published_ones(network, arrays, name, sampling):
    tokens, _ = _roll(network, arrays, sampling)
    assert np.array_equal(tokens, arrays[f"roll_seq_{name}_seed123"][:, PROMPT:])


def test_guided_rollout_is_the_published_one(network, arrays):
    tokens, seen = _roll(network, arrays, Sampling(0.0), guidance=0.5)
    assert np.array_equal(tokens, arrays["roll_seq_t0_cfg05"][:, PROMPT:])
    _logits_agree(seen, arrays["roll_logits_t0_cfg05"])


def test_forced_rollout_is_the_published_one(network, arrays):
    tokens, seen = _roll(network, arrays, Sampling(0.0), known=arrays["forced_remaining"][:7])
    assert np.array_equal(tokens, arrays["roll_seq_t0_forced7"][:, PROMPT:])
    assert min(seen) == 7


def test_what_is_not_read_yet_completes_the_cache(network, arrays):
    prompt, wanted = _prompt_and_wanted(arrays)
    cache = Cache.empty(CONFIG.depth, PROMPT + STEPS)

    def choose(features, step):
        return network.logits(features).argmax(-1)

    tokens = decode_sequential(network, cache, prompt, wanted, choose)
    rest = unread(prompt, wanted, tokens)
    assert cache.length + rest.length == PROMPT + STEPS
    last = network(rest.tokens, rest.positions, cache)[:, -1]
    everything = prompt + TokenSequence(tokens, wanted.positions)
    torch.testing.assert_close(
        last, network(everything.tokens, everything.positions)[:, -1], atol=1e-4, rtol=1e-4
    )


def test_where_nothing_is_free_nothing_is_read(network, arrays):
    prompt, wanted = _prompt_and_wanted(arrays)
    known = wanted.cut(0, 1)
    cache = Cache.empty(CONFIG.depth, PROMPT + STEPS)
    tokens = decode_sequential(network, cache, prompt, known, lambda *_: pytest.fail("chose"))
    assert cache.length == 0
    assert torch.equal(unread(prompt, known, tokens).tokens, (prompt + known).tokens)


def test_a_step_that_is_free_in_some_sequences_only_is_refused(network):
    tokens = torch.tensor([[FREE, 3], [4, 3]])
    wanted = TokenSequence(tokens, torch.zeros(2, 2, dtype=torch.int64))
    with pytest.raises(InvalidInput, match="free in all sequences of a batch, or in none"):
        decode_sequential(network, Cache.empty(3, 4), wanted.cut(0, 0), wanted, lambda *_: tokens)
