"""Golden numbers of the published evaluation: tests/golden/spelkenet/metrics_ap_ar.npz."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.recipes import golden

from spelke.benchmarks.matching import iou_matrix, match
from spelke.benchmarks.segment_metrics import (
    THRESHOLDS,
    recall_of,
    score_image,
    score_overlaps,
    summarise,
)
from spelke.errors import InvalidInput

GOLDEN = golden("metrics_ap_ar")


@pytest.mark.parametrize("case", range(6))
def test_the_published_numbers_are_met_exactly(case):
    truths, predictions = GOLDEN[f"gt{case}"], GOLDEN[f"pred{case}"]
    overlaps = iou_matrix(truths, predictions)
    assert np.array_equal(overlaps, GOLDEN[f"iou{case}"])
    assert np.array_equal(np.stack(match(overlaps)), GOLDEN[f"assign{case}"])
    score = score_image(truths, predictions)
    assert score.average_precision == pytest.approx(GOLDEN[f"AP{case}"], abs=1e-15)
    assert score.average_recall == pytest.approx(GOLDEN[f"AR{case}"], abs=1e-15)
    assert score.mean_iou == pytest.approx(GOLDEN[f"mIoU{case}"], abs=1e-15)


def test_the_thresholds_keep_their_published_drift():
    assert np.array_equal(GOLDEN["thresholds"], THRESHOLDS)
    for name in ("0p5", "0p6", "0p7", "0p9"):
        overlap, recall = GOLDEN[f"exact_iou_{name}"]
        assert recall_of(np.array([overlap])) == pytest.approx(recall, abs=1e-15)


@given(st.integers(0, 2**31), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_the_order_of_predictions_does_not_matter_to_the_published_numbers(seed, count):
    generator = np.random.default_rng(seed)
    overlaps = generator.random((count, count))
    shuffled = overlaps[:, generator.permutation(count)]
    score, other = score_overlaps(overlaps), score_overlaps(shuffled)
    assert score.average_recall == other.average_recall
    assert score.mean_iou == other.mean_iou
    assert score.own_iou <= score.mean_iou + 1e-12


def test_answering_for_the_wrong_point_is_seen_only_by_the_own_scores():
    masks = np.zeros((2, 8, 8), bool)
    masks[0, :4], masks[1, 4:] = True, True
    score = score_image(masks, masks[::-1])
    assert (score.average_recall, score.mean_iou) == (1, 1)
    assert (score.own_recall, score.own_iou) == (0, 0)


def test_no_predictions_score_zero_and_have_no_own_scores():
    score = score_image(np.ones((2, 4, 4), bool), np.zeros((0, 4, 4), bool))
    assert (score.average_precision, score.average_recall, score.mean_iou) == (0, 0, 0)
    assert np.isnan(score.own_iou)


def test_a_summary_is_the_plain_mean_over_images_inside_its_interval():
    generator = np.random.default_rng(0)
    scores = [score_overlaps(generator.random((count, count))) for count in (1, 2, 5, 3) * 5]
    summary = summarise(scores, np.random.default_rng(1))
    assert summary.average_recall == np.mean([score.average_recall for score in scores])
    assert summary.num_points == 55
    assert summary.num_images == 20
    low, high = summary.iou_interval
    assert low < summary.mean_iou < high
    assert summarise(scores, np.random.default_rng(1)) == summary


def test_nothing_scored_is_refused():
    with pytest.raises(InvalidInput, match="no image was scored"):
        summarise([], np.random.default_rng(0))
