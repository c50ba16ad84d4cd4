"""Warping by a known flow undoes a known motion."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import InvalidInput
from spelke.flow.warp import warp_backward

shifts = st.integers(-5, 5)


def test_no_flow_changes_nothing(generator):
    frame = torch.rand(3, 7, 9, generator=generator)
    warped = warp_backward(frame, torch.zeros(2, 7, 9))
    torch.testing.assert_close(warped.frame, frame)
    assert warped.valid.all()


@given(shifts, shifts)
def test_a_whole_shift_is_undone_exactly_where_it_is_valid(dx, dy):
    first = torch.rand(2, 12, 10, generator=torch.Generator().manual_seed(1))
    second = torch.roll(first, (dy, dx), (1, 2))
    flow = torch.tensor([float(dx), float(dy)])[:, None, None].expand(2, 12, 10)
    warped = warp_backward(second, flow)
    assert warped.valid.sum() == (12 - abs(dy)) * (10 - abs(dx))
    torch.testing.assert_close(warped.frame[:, warped.valid], first[:, warped.valid])


def test_half_a_pixel_is_the_mean_of_two():
    frame = torch.tensor([[[0.0, 1.0, 4.0]]])
    flow = torch.zeros(2, 1, 3)
    flow[0] = 0.5
    warped = warp_backward(frame, flow)
    assert warped.frame[0, 0, :2].tolist() == [0.5, 2.5]
    assert warped.valid[0].tolist() == [True, True, False]


def test_a_batch_is_warped_as_one_by_one(generator):
    frames = torch.rand(2, 2, 3, 6, 5, generator=generator)
    flows = torch.randn(2, 2, 2, 6, 5, generator=generator)
    together = warp_backward(frames, flows)
    alone = warp_backward(frames[1, 0], flows[1, 0])
    torch.testing.assert_close(together.frame[1, 0], alone.frame)
    assert torch.equal(together.valid[1, 0], alone.valid)


def test_an_unknown_flow_is_not_valid():
    flow = torch.zeros(2, 3, 3)
    flow[0, 1, 1] = torch.nan
    warped = warp_backward(torch.ones(1, 3, 3), flow)
    assert not warped.valid[1, 1]
    assert warped.frame.isfinite().all()


@pytest.mark.usefixtures("unchecked_shapes")
def test_sizes_that_differ_are_refused():
    with pytest.raises(InvalidInput, match=r"same size, got \(3, 4, 4\) and \(2, 4, 5\)"):
        warp_backward(torch.zeros(3, 4, 4), torch.zeros(2, 4, 5))
