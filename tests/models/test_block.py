import torch

from spelke.models.block import Block, Norm
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


def test_cross_attention_sees_what_the_block_made_of_others():
    block, x = _block()
    seen = block.keys_values(x)
    torch.testing.assert_close(block(x[:, 6:], seen), block(x)[:, 6:], atol=1e-5, rtol=1e-5)


def test_norms_are_float32_whatever_comes_in():
    norm = Norm(16).bfloat16()
    x = 100 * torch.randn(3, 16).bfloat16()
    out = norm(x)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, torch.nn.functional.layer_norm(x.float(), (16,)))
