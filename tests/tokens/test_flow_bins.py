"""Golden numbers of the published quantiser: tests/golden/spelkenet/flow_utils.npz."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.recipes import golden

from spelke.tokens.flow_bins import FLOW_RANGE, bins_to_flow, flow_to_bins

HALF_BIN = 256 / 511


def test_bins_are_the_published_ones():
    arrays = golden("flow_utils")
    bins = flow_to_bins(torch.from_numpy(arrays["q_in"]))
    np.testing.assert_array_equal(bins, arrays["q"])
    np.testing.assert_allclose(bins_to_flow(bins), arrays["dq"], atol=1e-4)


@given(st.lists(st.floats(-256, 256, width=32), min_size=1))
def test_binning_costs_at_most_half_a_bin(values):
    flow = torch.tensor(values)
    assert (bins_to_flow(flow_to_bins(flow)) - flow).abs().max() <= HALF_BIN + 1e-4


def test_every_bin_stands_for_itself():
    bins = torch.arange(512)
    assert torch.equal(flow_to_bins(bins_to_flow(bins)), bins)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_larger_flow_never_has_a_smaller_bin(first, second):
    bins = flow_to_bins(torch.tensor(sorted([first, second])))
    assert 0 <= bins[0] <= bins[1] <= 511


def test_rest_is_half_a_pixel_to_the_right():
    assert flow_to_bins(torch.tensor(0.0)) == 256
    assert bins_to_flow(torch.tensor(256)).item() == pytest.approx(0.501, abs=1e-3)
    assert bins_to_flow(torch.tensor([0, 511])).tolist() == [-FLOW_RANGE, FLOW_RANGE]
