import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spelke.tokens.flow_codes import cell_displacements, nearest_codes, spread_cells

PLANE = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, -4.0], [-2.0, 2.0]])


def test_a_cell_is_the_mean_of_its_pixels():
    flow = torch.arange(2 * 2 * 8 * 12).view(2, 2, 8, 12).float()
    moved = cell_displacements(flow)
    assert moved.shape == (2, 2, 3, 2)
    torch.testing.assert_close(moved[1, 1, 2], flow[1, :, 4:8, 8:12].mean((1, 2)))


def test_cells_come_back_where_they_were():
    moved = torch.randn(3, 2, 5, 2)
    flow = spread_cells(moved)
    assert flow.shape == (3, 2, 8, 20)
    torch.testing.assert_close(cell_displacements(flow), moved)
    assert torch.equal(flow[1, :, 4, 8], flow[1, :, 7, 11])


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.floats(-6, 6, width=32)] * 2), min_size=1, max_size=40))
def test_no_code_is_nearer_than_the_nearest(points):
    moved = torch.tensor(points)
    codes = nearest_codes(PLANE, moved)
    away = (moved[:, None] - PLANE).norm(dim=2)
    torch.testing.assert_close(away.gather(1, codes[:, None])[:, 0], away.amin(1))


def test_what_is_written_does_not_depend_on_the_neighbours():
    draw = torch.Generator().manual_seed(0)
    vocabulary = 8 * torch.randn(200, 2, generator=draw)
    moved = 8 * torch.randn(500, 2, generator=draw)
    together = nearest_codes(vocabulary, moved)
    assert torch.equal(together, torch.cat([nearest_codes(vocabulary, one[None]) for one in moved]))


@pytest.mark.parametrize("shape", [(2,), (3, 2), (0, 2), (2, 1, 4, 2)])
def test_any_shape_is_written(shape):
    assert nearest_codes(PLANE, torch.zeros(shape)).shape == shape[:-1]
    assert not nearest_codes(PLANE, torch.zeros(shape)).any()


def test_autocast_does_not_round_what_is_written():
    near = torch.tensor([[100.0, 0.0], [100.25, 0.0]])  # one number in bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert nearest_codes(near, near).tolist() == [0, 1]
