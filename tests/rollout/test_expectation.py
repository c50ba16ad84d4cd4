import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.recipes import golden

from spelke.flow.colors import flow_to_image
from spelke.rollout.expectation import (
    code_entropy,
    fill_holes,
    mean_patch_flow,
    nearest_decoded,
    still_probability,
    tile_patches,
)


@pytest.fixture(scope="module")
def arrays():
    return golden("expected_displacement")


@pytest.mark.parametrize("in_bfloat16", [False, True])
def test_expected_displacement_is_the_published_one(arrays, in_bfloat16):
    logits = torch.from_numpy(arrays["logits"]).float()[:, 0]
    logits = logits[:, int(arrays["start"]) : int(arrays["end"])]
    decoded = torch.ones(1024, dtype=torch.bool)
    decoded[arrays["zero_rows"]] = False
    nearest = nearest_decoded(decoded, 32, one_step=True)
    assert nearest[arrays["zero_rows"]].tolist() == arrays["nearest"].tolist()
    table = torch.from_numpy(arrays["token_flow"]).permute(0, 3, 1, 2)
    logits = logits[:, arrays["token_ids"]]
    patch_flow = mean_patch_flow(logits, table, in_bfloat16=in_bfloat16)
    patch_flow[~decoded] = table.mean(0)
    known = decoded.nonzero().T
    patch_flow = fill_holes(patch_flow[None], known, 32, one_step=True)
    ours = tile_patches(patch_flow, 32)[0].permute(1, 2, 0).numpy() / 2
    if not in_bfloat16:
        assert np.abs(ours - arrays["avg_flow_oracle"]).max() < 1e-4
        return
    difference = np.abs(ours - arrays["avg_flow_bf16"])
    assert difference.max() < 0.05  # a last place of what bfloat16 holds of 7 pixels
    assert (difference > 0).mean() < 0.01
    picture = flow_to_image(arrays["avg_flow_bf16"].transpose(2, 0, 1))
    assert np.array_equal(picture, arrays["flow_vis"])


def test_a_single_hole_is_filled_from_above_else_left_else_right(arrays):
    for one_step in (True, False):
        ours = []
        for hole in range(1024):
            decoded = torch.ones(1024, dtype=torch.bool)
            decoded[hole] = False
            ours.append(nearest_decoded(decoded, 32, one_step=one_step)[hole].item())
        assert ours == arrays["single_hole_nearest"].tolist()


@given(st.sets(st.integers(0, 29), max_size=29))
def test_holes_are_filled_by_the_nearest_patch_that_was_decoded(holes):
    decoded = torch.ones(30, dtype=torch.bool)
    decoded[list(holes)] = False
    nearest = nearest_decoded(decoded, 6)
    for patch, source in enumerate(nearest.tolist()):
        if patch not in holes:
            assert source == patch
            continue

        def distance(other, patch=patch):
            return (other // 6 - patch // 6) ** 2 + (other % 6 - patch % 6) ** 2

        assert decoded[source]
        assert distance(source) == min(distance(p) for p in range(30) if p not in holes)


def test_where_nothing_was_decoded_nothing_is_filled():
    assert nearest_decoded(torch.zeros(4, dtype=torch.bool), 2).tolist() == [0, 1, 2, 3]


def test_entropy_and_stillness_of_known_distributions():
    even, sure = torch.zeros(8), torch.tensor([0.0, 200.0, 0, 0, 0, 0, 0, 0])
    assert code_entropy(even).item() == pytest.approx(np.log(8), abs=1e-5)
    assert code_entropy(sure).item() == pytest.approx(0, abs=1e-6)
    barred = torch.full((8,), float("-inf"))
    barred[:2] = 0.0
    assert code_entropy(barred).item() == pytest.approx(np.log(2), abs=1e-6)
    assert still_probability(even, torch.tensor([0, 3])).item() == pytest.approx(0.25)
    assert still_probability(sure, torch.tensor([0, 3])).item() == pytest.approx(0, abs=1e-6)


def test_expectation_of_half_precision_logits_is_computed_in_float32():
    logits = torch.randn(5, 12, generator=torch.Generator().manual_seed(0)).bfloat16()
    table = torch.randn(12, 2, 4, 4, generator=torch.Generator().manual_seed(1)) * 20
    exact = mean_patch_flow(logits.double().float(), table)
    assert torch.equal(mean_patch_flow(logits, table), exact)
    rounded = mean_patch_flow(logits, table, in_bfloat16=True)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.4
