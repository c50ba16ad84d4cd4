import torch

from spelke.models.cache import Cache
from spelke.models.lras import LRAS, LRASConfig
from spelke.rollout.parallel import decode_parallel
from spelke.tokens.sequence import TokenSequence

CONFIG = LRASConfig(vocab_size=50, num_positions=60, depth=2, num_heads=2, embed_dim=16)


def _network():
    network = LRAS(CONFIG).eval().requires_grad_(False)
    network.init_weights(torch.Generator().manual_seed(0))
    for parameter in network.parameters():
        parameter.mul_(8)
    return network


def test_four_short_passes_are_four_passes_over_everything():
    network = _network()
    generator = torch.Generator().manual_seed(1)
    prompt = TokenSequence(
        torch.randint(50, (2, 7), generator=generator), torch.arange(40, 47).expand(2, 7)
    )
    pointers = TokenSequence(
        torch.tensor([[30, 31, 32], [32, 30, 31]]), torch.tensor([[0, 5, 10], [10, 0, 5]])
    )

    def pick(features):
        return network.logits(features).argmax(-1)

    cache = Cache.empty(CONFIG.depth, 7 + 3 * 4)
    found = decode_parallel(network, cache, prompt, pointers, pick)
    sequence = prompt + pointers
    for slot in range(4):
        logits = network(sequence.tokens, sequence.positions)[:, -3:]
        torch.testing.assert_close(
            network.logits(found.features[:, :, slot]), logits, atol=1e-4, rtol=1e-4
        )
        assert torch.equal(found.tokens[:, :, slot], logits.argmax(-1))
        sequence = sequence + TokenSequence(logits.argmax(-1), pointers.positions + slot + 1)
    assert cache.length == sequence.length - 3
