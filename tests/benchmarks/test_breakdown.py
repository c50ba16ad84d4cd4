"""Parts of a run, and the laws of their means and intervals."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spelke.benchmarks.bootstrap import MIN_CLIPS
from spelke.benchmarks.breakdown import (
    METRICS,
    SHARES,
    SIZES,
    break_down,
    break_down_all,
    estimate,
    groups_of,
)
from spelke.benchmarks.scoring import RunScores, score_masks, unanswered


def square(side, size=(120, 120)):
    mask = np.zeros((1, *size), bool)
    mask[0, :side, :side] = True
    return mask


def run_of(*results, name="mine"):
    return RunScores(name, tuple(results))


def parts_of(run):
    return {(part.kind, part.group): part for part in break_down(run, groups_of(run.results))}


def test_a_size_is_that_of_cocos_and_its_lower_end_belongs_to_it():
    sides = {31: "small", 32: "medium", 95: "medium", 96: "large"}
    for side, name in sides.items():
        result = score_masks("it", square(side), square(side))
        (found,) = (group.name for group in groups_of([result]) if group.kind == "size")
        assert found == name


def test_shares_are_cocos_sizes_in_a_picture_of_640_by_480():
    assert SHARES["medium"] == (pytest.approx(1 / 300), pytest.approx(0.03))
    for (low, high), (area_low, area_high) in zip(SHARES.values(), SIZES.values(), strict=True):
        assert (low * 640 * 480, high * 640 * 480) == (area_low, area_high)
    truth = np.zeros((1, 100, 300), bool)
    truth[0, :10, :10] = True  # 1/300 of the picture exactly
    (found,) = (g.name for g in groups_of([score_masks("it", truth, truth)]) if g.kind == "share")
    assert found == "medium"


def test_every_segment_is_in_one_size_one_share_and_one_family(rng):
    results = []
    for number in range(12):
        truths = rng.random((3, 64, 64)) < rng.random((3, 1, 1))
        results.append(score_masks(str(number), truths, truths, family="ab"[number % 2]))
    parts = break_down(run_of(*results), groups_of(results))
    for kind in ("all", "family", "size", "share"):
        assert sum(part.num_truths for part in parts if part.kind == kind) == 36


def test_a_part_holds_the_segments_of_its_size_alone():
    truths = np.concatenate([square(20), square(100)])
    masks = np.concatenate([square(20), square(10)])
    parts = parts_of(run_of(score_masks("it", truths, masks)))
    assert parts["size", "small"].estimates["AR"].value == 1
    assert parts["size", "large"].estimates["AR"].value == 0
    assert parts["all", "all"].estimates["AR"].value == 0.5
    assert "AP" not in parts["size", "small"].estimates
    assert "AP" in parts["all", "all"].estimates


def test_images_without_an_answer_count_zero_where_they_belong():
    good = score_masks("a", square(20), square(20), family="x")
    bad = unanswered("b", "too dark", square(20), "y")
    lost = unanswered("c", "cut short")
    parts = parts_of(run_of(good, bad, lost))
    total = parts["all", "all"]
    assert {metric.name for metric in METRICS} == set(total.estimates)
    for value, _, _ in total.estimates.values():
        assert value == pytest.approx(1 / 3)
    assert (total.num_images, total.num_truths, total.num_failed) == (3, 2, 2)
    assert parts["family", "y"].estimates["mIoU_own_point"].value == 0
    assert parts["size", "small"].num_images == 2
    assert ("family", "(none)") in parts


def test_one_family_alone_is_no_part():
    results = [score_masks(key, square(20), square(20), family="x") for key in "ab"]
    assert "family" not in {group.kind for group in groups_of(results)}


def test_runs_side_by_side_have_the_parts_of_either():
    one = run_of(score_masks("a", square(20), square(20), family="x"))
    other = run_of(score_masks("a", square(20), square(9), family="y"), name="theirs")
    found = {(part.run, part.group) for part in break_down_all([one, other])}
    assert {("mine", "x"), ("theirs", "y")} <= found
    assert ("mine", "y") not in found


@given(st.lists(st.floats(0, 1), min_size=MIN_CLIPS, max_size=40), st.integers(0, 99))
def test_an_interval_lies_within_the_values_and_is_repeatable(values, seed):
    mean, low, high = estimate(values, seed=seed)
    assert mean == pytest.approx(np.mean(values))
    assume(len(set(values)) > 1)
    assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12
    assert estimate(values, seed=seed) == (mean, low, high)


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says(rng):
    covered = 0
    for seed in range(200):
        _, low, high = estimate(rng.beta(2, 3, 40).tolist(), seed=seed)
        covered += low <= 0.4 <= high
    assert 0.90 <= covered / 200 <= 0.98


def test_too_few_images_have_no_interval():
    value, low, high = estimate([0.25] * (MIN_CLIPS - 1))
    assert value == 0.25
    assert math.isnan(low)
    assert math.isnan(high)
    assert math.isnan(estimate([0.25] * MIN_CLIPS).low)  # nor do equal ones
    assert not math.isnan(estimate([0.25] * (MIN_CLIPS - 1) + [0.5]).low)
    assert math.isnan(estimate([0.5, math.nan]).value)
    assert math.isnan(estimate([]).value)


def test_plain_values_have_none_for_what_is_not_known():
    (part, *_) = break_down_all([run_of(score_masks("a", square(20), square(20)))])
    plain = part.to_json()
    assert plain["AR"] == 1
    assert plain["AR_low"] is plain["seconds_per_image"] is None
    assert (plain["images"], plain["truths"], plain["failed"]) == (1, 1, 0)
