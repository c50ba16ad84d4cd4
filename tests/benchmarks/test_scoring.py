"""Scores of runs on the disk: laws, the published numbers, and everything that can be wrong."""

import math
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.recipes import golden

from spelke.benchmarks.breakdown import break_down_all
from spelke.benchmarks.predictions import Prediction, write_prediction
from spelke.benchmarks.scoring import score_masks, score_run, unanswered
from spelke.benchmarks.segment_metrics import TEN_THRESHOLDS
from spelke.data.spelkebench import SpelkeBenchFile, write_spelkebench
from spelke.errors import InvalidInput, MissingData

GOLDEN = golden("metrics_ap_ar")


def predict(item, masks, **more):
    return Prediction(item.key, item.family, item.image, item.points, item.segments, masks, **more)


@pytest.fixture
def folder(items, tmp_path):
    """Predictions that are right for singles and the single instance for stacks."""
    for item in items:
        masks = item.segments if item.family == "singles" else item.instances
        write_prediction(tmp_path / "run", predict(item, masks, seconds=0.25))
    return tmp_path / "run"


def test_clips_come_from_the_dataset_or_else_from_the_prediction(items, tmp_path):
    for item in items:
        write_prediction(tmp_path / "run", predict(item, item.segments, clip="told"))
    assert {result.clip for result in score_run(tmp_path / "run").results} == {"told"}
    path = tmp_path / "set.h5"
    write_spelkebench(path, [replace(item, clip=item.family) for item in items])
    run = score_run(tmp_path / "run", SpelkeBenchFile(path))
    assert {result.clip for result in run.results} == {"singles", "stacks"}
    total = break_down_all([run])[0]
    assert (total.num_images, total.num_clips) == (6, 2)
    assert math.isnan(total.estimates["AR"].low)


def test_a_manifest_of_another_program_is_named_and_the_predictions_are_scored(folder):
    (folder / "manifest.json").write_text('{"by": "someone"}')
    run = score_run(folder)
    assert len(run.results) == 6
    assert not run.is_oracle
    (problem,) = run.problems
    assert (problem.key, problem.kind) == ("manifest.json", "unreadable")


@pytest.fixture
def dataset(items, tmp_path):
    path = tmp_path / "set.h5"
    write_spelkebench(path, items)
    return SpelkeBenchFile(path)


@pytest.mark.parametrize("case", range(6))
def test_the_published_numbers_come_out_of_a_folder(case, tmp_path):
    truths, masks = GOLDEN[f"gt{case}"].astype(bool), GOLDEN[f"pred{case}"].astype(bool)
    points = np.zeros((len(truths), 2), np.int64)
    image = np.zeros((*truths.shape[1:], 3), np.uint8)
    write_prediction(tmp_path, Prediction("it", "", image, points, truths, masks))
    (result,) = score_run(tmp_path).results
    assert result.score.average_precision == pytest.approx(GOLDEN[f"AP{case}"], abs=1e-15)
    assert result.score.average_recall == pytest.approx(GOLDEN[f"AR{case}"], abs=1e-15)
    assert result.score.mean_iou == pytest.approx(GOLDEN[f"mIoU{case}"], abs=1e-15)


def random_masks(seed, count, size=(24, 32)):
    generator = np.random.default_rng(seed)
    masks = np.zeros((count, *size), bool)
    for mask in masks:
        top, left = generator.integers(0, 16, 2)
        mask[top : top + generator.integers(3, 16), left : left + generator.integers(3, 16)] = True
    return masks


@given(st.integers(0, 2**31), st.integers(1, 5))
def test_a_perfect_prediction_scores_one_in_everything(seed, count):
    masks = random_masks(seed, count)
    result = score_masks("it", masks, masks)
    assert result.score.average_precision == result.score.average_recall == 1
    assert result.score.recall(TEN_THRESHOLDS) == result.score.precision(TEN_THRESHOLDS) == 1
    assert result.score.mean_iou == result.score.own_iou == result.score.own_recall == 1
    assert (result.boundary == 1).all()


@given(st.integers(0, 2**31), st.integers(1, 5), st.integers(1, 5))
def test_the_order_of_truths_and_of_predictions_does_not_matter(seed, count, others):
    truths, masks = random_masks(seed, count), random_masks(seed + 1, others)
    generator = np.random.default_rng(seed)
    turned, shuffled = generator.permutation(count), generator.permutation(others)
    some = score_masks("it", truths, masks)
    other = score_masks("it", truths[turned], masks[shuffled])
    assert some.score.matched.sum() == pytest.approx(other.score.matched.sum(), abs=1e-12)
    assert np.array_equal(some.score.best[turned], other.score.best)
    assert np.array_equal(some.areas[turned], other.areas)


@given(st.integers(0, 2**31), st.integers(1, 4), st.floats(0.05, 0.9), st.floats(0.0, 0.1))
def test_a_stricter_threshold_never_raises_recall(seed, count, threshold, more):
    score = score_masks("it", random_masks(seed, count), random_masks(seed + 1, count)).score
    loose, strict = np.array([threshold]), np.array([threshold + more])
    assert score.recall(strict) <= score.recall(loose)
    assert score.precision(strict) <= score.precision(loose)


@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 4))
def test_the_parts_of_an_image_add_up_to_it(seed, count, others):
    result = score_masks("it", random_masks(seed, count), random_masks(seed + 1, others))
    chosen = np.random.default_rng(seed).random(count) > 0.5
    total = sum(
        part.score.average_recall * part.score.num_points
        for part in (result.of(chosen), result.of(~chosen))
    )
    assert total == pytest.approx(result.score.average_recall * count, abs=1e-12)


@pytest.mark.parametrize("hits", [10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
def test_ten_thresholds_are_reached_by_exactly_their_own_overlap(hits):
    """20 pixels of truth, of which the answer holds some: an overlap of 0.50, 0.55 … 0.95."""
    truth, mask = np.zeros((2, 1, 5, 5), bool)
    truth.flat[:20], mask.flat[:hits] = True, True
    score = score_masks("it", truth, mask).score
    assert score.recall(TEN_THRESHOLDS) == pytest.approx((hits - 9) / 10)


def test_the_published_thresholds_have_no_095_and_the_ten_do():
    truth, mask = np.ones((1, 10, 10), bool), np.ones((1, 10, 10), bool)
    mask[0, 0, :8] = False  # an overlap of 0.92
    score = score_masks("it", truth, mask).score
    assert (score.recall(), score.recall(TEN_THRESHOLDS)) == (1, 0.9)


def test_empty_masks():
    empty, full = np.zeros((1, 9, 9), bool), np.ones((1, 9, 9), bool)
    assert score_masks("it", empty, empty).score.average_recall == 1  # the published code stops
    for truth, mask in ((empty, full), (full, empty)):
        score = score_masks("it", truth, mask).score
        assert score.average_recall == score.mean_iou == score.own_iou == 0


def test_no_prediction_at_all_scores_zero():
    result = score_masks("it", random_masks(0, 3), np.zeros((0, 24, 32), bool))
    assert (result.score.average_precision, result.score.average_recall) == (0, 0)
    assert (result.score.mean_iou, result.boundary.sum()) == (0, 0)
    assert unanswered("it", "why").score.average_recall == 0


def test_a_truth_without_an_answer_of_its_own_has_no_boundary():
    truths = random_masks(0, 3)
    result = score_masks("it", truths, truths[:1])
    assert result.boundary.tolist() == [1, 0, 0]
    assert math.isnan(result.score.own_iou)


def test_ignored_pixels_count_neither_for_overlap_nor_for_boundary():
    truth, ignore = np.zeros((2, 1, 40, 40), bool)
    truth[0, 10:20, 10:20] = True
    mask = truth.copy()
    mask[0, 20:30, 10:20] = True
    ignore[0, 20:] = True
    result = score_masks("it", truth, mask, ignore)
    assert (result.score.own_iou, result.boundary[0]) == (1, 1)
    assert score_masks("it", truth, mask).boundary[0] < 1


def test_a_run_is_scored_image_by_image(folder):
    run = score_run(folder)
    assert [result.key for result in run.results] == sorted(result.key for result in run.results)
    assert {result.family for result in run.results} == {"singles", "stacks"}
    for result in run.results:
        assert result.seconds == 0.25
        assert (result.score.mean_iou == 1) == (result.family == "singles")
    assert (run.name, run.problems, run.num_failed) == ("run", (), 0)


def test_with_a_dataset_the_scores_are_the_same(folder, dataset):
    for one, other in zip(
        score_run(folder).results, score_run(folder, dataset).results, strict=True
    ):
        assert np.array_equal(one.score.matched, other.score.matched)
        assert (one.key, one.family) == (other.key, other.family)


def kinds(run):
    return sorted((problem.key, problem.kind) for problem in run.problems)


def test_what_is_wrong_in_the_dataset_is_no_fault_of_the_model(folder, dataset):
    (folder / "stacks-1.h5").unlink()
    dataset.close()
    with h5py.File(dataset.path, "a") as file:
        file["stacks-1/centroid"][0] = 5000
    run = score_run(folder, SpelkeBenchFile(dataset.path))
    assert kinds(run) == [("stacks-1", "unusable")]
    assert (len(run.results), run.num_failed) == (5, 0)


def test_missing_images_score_zero_and_are_named(folder, dataset):
    (folder / "stacks-1.h5").unlink()
    run = score_run(folder, dataset)
    assert kinds(run) == [("stacks-1", "missing")]
    assert len(run.results) == 6
    (result,) = (result for result in run.results if result.error)
    assert (result.key, result.score.average_recall, result.family) == ("stacks-1", 0, "stacks")
    assert len(result.areas) == 3
    assert run.count_problems() == "1 missing"
    assert len(score_run(folder).results) == 5  # nobody knows of it


def test_unknown_and_duplicate_names_are_left_out(folder, dataset, items):
    (folder / "another.h5").write_bytes((folder / "stacks-1.h5").read_bytes())
    assert kinds(score_run(folder)) == [("stacks-1", "duplicate")]
    with h5py.File(folder / "another.h5", "a") as file:
        file.attrs["key"] = "another"
    run = score_run(folder, dataset)
    assert kinds(run) == [("another", "unknown")]
    assert len(run.results) == 6
    assert len(score_run(folder).results) == 7


def overwrite(path, name, values):
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = values
        del file.attrs["digest"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.zeros((3, 50, 50), "u1"), "shape"),
        (np.full((3, 96, 96), np.nan), "not binary"),
        (np.full((3, 96, 96), 0.5), "not binary"),
        (np.zeros((96, 96), "u1"), "shape"),
    ],
)
def test_answers_that_are_no_masks_score_zero_and_the_rest_goes_on(folder, values, says):
    overwrite(folder / "singles-0.h5", "segment_pred", values)
    run = score_run(folder)
    assert kinds(run) == [("singles-0", "failed")]
    assert says in run.problems[0].text
    assert len(run.results) == 6
    assert run.num_failed == 1
    result = run.results[0]
    assert (result.score.average_recall, result.score.own_iou, len(result.areas)) == (0, 0, 3)


def test_truncated_files_and_failures_are_named_and_counted(folder, dataset, items):
    path = folder / "singles-0.h5"
    path.write_bytes(path.read_bytes()[:300])
    (folder / "singles-1.h5").unlink()
    write_prediction(folder, predict(items[1], None, error="ValueError: too dark"))
    for run in (score_run(folder), score_run(folder, dataset)):
        assert kinds(run) == [("singles-0", "unreadable"), ("singles-1", "failed")]
        assert run.problems[1].text == "ValueError: too dark"
        assert run.num_failed == 2
        assert np.mean([result.score.average_recall for result in run.results[:3]]) < 0.5


def test_a_failure_that_was_answered_later_does_not_count(folder, items):
    write_prediction(folder, predict(items[0], None, error="once"))
    run = score_run(folder)
    assert (run.problems, run.num_failed, len(run.results)) == ((), 0, 6)


def test_the_truth_of_the_dataset_counts_and_must_have_the_size_of_the_answer(
    folder, dataset, items
):
    other = predict(items[0], items[0].segments[:, :90])
    small = Prediction(
        other.key, "", items[0].image[:90], items[0].points, items[0].segments[:, :90], other.masks
    )
    write_prediction(folder, small)
    assert score_run(folder).num_failed == 0
    run = score_run(folder, dataset)
    assert kinds(run) == [(items[0].key, "failed")]
    assert "cannot be compared" in run.problems[0].text


def test_files_of_the_published_program_are_read(tmp_path):
    masks = random_masks(0, 2)
    with h5py.File(tmp_path / "entityseg_1_image2926.h5", "w") as file:
        for name in ("segments", "segment_gt", "segment_pred"):
            file.create_dataset(name, data=masks.astype(np.float32), compression="gzip")
        file["probe_points"], file["image"] = np.zeros((2, 2)), np.zeros((24, 32, 3))
    (result,) = score_run(tmp_path).results
    assert (result.key, result.score.average_recall) == ("entityseg_1_image2926", 1)


def test_a_folder_without_predictions_is_refused(tmp_path):
    with pytest.raises(MissingData, match="no predictions in"):
        score_run(tmp_path)
    with pytest.raises(MissingData, match="there is no folder"):
        score_run(tmp_path / "absent")


def test_sizes_that_differ_are_refused_with_arrays_too():
    with pytest.raises(InvalidInput, match="resize the predictions"):
        score_masks("it", random_masks(0, 1), random_masks(0, 1, (20, 20)))
