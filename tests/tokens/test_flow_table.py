import torch

from spelke.tokens.flow_table import FlowTable, build_flow_table


def _decode(codes):
    """Code c moves by (c - 5, 0) px, and a place at the border of a map decodes to nonsense."""
    flow = torch.stack([codes - 5.0, torch.zeros_like(codes, dtype=torch.float32)], 1)
    flow[:, :, [0, -1]] = 99.0
    flow[:, :, :, [0, -1]] = 99.0
    return flow.repeat_interleave(4, 2).repeat_interleave(4, 3)


def test_a_table_reads_the_middle_of_constant_maps():
    table = build_flow_table(_decode, 16, chunk=5)
    assert table.codes.tolist() == list(range(16))
    expected = torch.arange(16.0)[:, None, None].expand(16, 4, 4) - 5
    assert torch.equal(table.flow[:, 0], expected)
    assert (table.flow[:, 1] == 0).all()


def test_still_codes_are_the_slowest_of_the_codes_that_the_table_holds():
    flow = torch.zeros(4, 2, 4, 4)
    flow[:, 0] = torch.tensor([3.0, -0.5, 0.1, -7.0])[:, None, None]
    table = FlowTable(torch.tensor([10, 20, 30, 40]), flow)
    assert table.still_codes().tolist() == [30, 20]
