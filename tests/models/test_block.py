import torch

from spelke.models.block import Block
from spelke.models.cache import LayerCache


def _block():
    torch.manual_seed(0)
    return Block(16, 2).eval(), torch.randn(2, 9, 16)


def test_published_names_and_nothing_else():
    block, _ = _block()
    assert {name: tuple(value.shape) for name, value in block.state_dict().items()} == {
        "ln_1.weight": (16,),
        "attn.c_attn.weight": (48, 16),
        "attn.c_proj.weight": (16, 16),
        "ln_2.weight": (16,),
        "mlp.c_fc.weight": (64, 16),
        "mlp.c_proj.weight": (16, 64),
    }


def test_bidirectional_tokens_have_no_order():
    block, x = _block()
    turned = torch.arange(8, -1, -1)
    torch.testing.assert_close(block(x[:, turned]), block(x)[:, turned], atol=1e-5, rtol=1e-5)


def test_a_cache_continues_where_the_sequence_stopped():
    block, x = _block()
    whole = block(x, causal=True)
    cache = LayerCache(9)
    pieces = [block(part, causal=True, cache=cache) for part in x.split([4, 1, 3, 1], 1)]
    torch.testing.assert_close(torch.cat(pieces, 1), whole, atol=1e-5, rtol=1e-5)


def test_prefix_and_cross_attention_see_what_the_block_made_of_others():
    block, x = _block()
    picture, poke = x[:, :6], x[:, 6:]
    both = block(x)[:, 6:]
    seen = block.keys_values(picture)
    torch.testing.assert_close(block(poke, prefix=seen), both, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(block(poke, block.keys_values(x)), both, atol=1e-5, rtol=1e-5)
