"""Golden numbers of the published benchmark: tests/golden/spelkenet/edit_metrics.npz."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.recipes import golden

from spelke.benchmarks.edit_metrics import (
    edit_adherence,
    fit_picture,
    resize_picture,
    score_edit,
)
from spelke.errors import InvalidInput

GOLDEN = golden("edit_metrics")


@pytest.mark.parametrize("case", range(4))
def test_the_published_numbers_are_met(case):
    score = score_edit(GOLDEN[f"pred{case}"], GOLDEN[f"gt{case}"])
    ours = (score.mse, score.psnr, score.ssim)
    assert ours == pytest.approx(tuple(GOLDEN[f"metrics{case}"]), rel=1e-12, abs=1e-12)


def test_pictures_are_resized_as_published():
    picture = GOLDEN["resize_in"]
    np.testing.assert_array_equal(resize_picture(picture), GOLDEN["resize_out"])
    np.testing.assert_array_equal(fit_picture(picture[:300]), GOLDEN["fit_out"])
    np.testing.assert_array_equal(fit_picture(GOLDEN["resize_out"]), GOLDEN["resize_out"])


def test_overlap_is_the_published_one():
    first, second = (
        np.unpackbits(GOLDEN[key]).reshape(256, 256).astype(bool) for key in ("iou_a", "iou_b")
    )
    empty = np.zeros((256, 256), bool)
    ours = edit_adherence(first, second), edit_adherence(empty, empty)
    assert ours == pytest.approx(tuple(GOLDEN["iou"]), abs=1e-15)


@given(st.integers(0, 999), st.integers(1, 40))
def test_scores_are_symmetric_and_fall_with_noise(seed, noise):
    rng = np.random.default_rng(seed)
    truth = rng.integers(64, 192, (16, 16, 3)).astype(np.uint8)
    sign = rng.choice([-1, 1], truth.shape)
    near, far = ((truth + scale * noise * sign // 2).astype(np.uint8) for scale in (1, 3))
    score, worse = score_edit(near, truth), score_edit(far, truth)
    assert score == score_edit(truth, near)
    assert score.mse < worse.mse
    assert score.psnr > worse.psnr
    assert score.psnr == pytest.approx(-10 * np.log10(score.mse))


def test_equal_pictures_are_perfect():
    picture = GOLDEN["gt0"]
    score = score_edit(picture, picture)
    assert (score.mse, score.psnr, score.ssim) == (0, 100, pytest.approx(1))


@pytest.mark.usefixtures("unchecked_shapes")
def test_pictures_of_two_sizes_are_refused():
    picture = GOLDEN["gt0"]
    with pytest.raises(InvalidInput, match="one size"):
        score_edit(picture, picture[:128])
    with pytest.raises(InvalidInput, match="at least 7"):
        score_edit(picture[:5, :5], picture[:5, :5])
