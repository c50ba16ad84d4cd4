"""Differences of runs on the same images: laws, and what cannot be compared."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.benchmarks.compare import compare, paired_difference
from spelke.benchmarks.scoring import RunScores, score_masks, unanswered
from spelke.errors import InvalidInput

values = st.lists(
    st.tuples(st.floats(0, 1).map(lambda v: round(v, 2)), st.floats(0, 1)), min_size=6, max_size=30
)


def run_of(name, sides, keys="abcdefgh"):
    """Truth: a square of 20 pixels; answers: squares of these sides."""
    results = []
    for key, side in zip(keys, sides, strict=False):
        truth, mask = np.zeros((2, 1, 40, 40), bool)
        truth[0, :20, :20], mask[0, :side, :side] = True, True
        results.append(score_masks(key, truth, mask))
    return RunScores(name, tuple(results))


def overall(comparison, metric="mIoU"):
    (found,) = (d for d in comparison.differences if (d.metric, d.kind) == (metric, "all"))
    return found


@given(values)
def test_swapping_the_runs_turns_the_sign_and_nothing_else(pairs):
    first, second = map(list, zip(*pairs, strict=True))
    one, p_value = paired_difference(first, second)
    other, swapped = paired_difference(second, first)
    assert one.value == pytest.approx(-other.value, abs=1e-12)
    assert one.low == pytest.approx(-other.high, nan_ok=True)
    assert one.high == pytest.approx(-other.low, nan_ok=True)
    assert p_value == pytest.approx(swapped, nan_ok=True)


@given(values)
def test_the_difference_is_that_of_the_means_inside_its_interval(pairs):
    first, second = map(list, zip(*pairs, strict=True))
    found, _ = paired_difference(first, second)
    assert found.value == pytest.approx(np.mean(first) - np.mean(second), abs=1e-12)
    gaps = np.subtract(first, second)
    if np.ptp(gaps):
        assert gaps.min() - 1e-12 <= found.low <= found.high <= gaps.max() + 1e-12


def test_frames_of_one_clip_are_one_observation(rng):
    """As if each clip had been one image with the mean of its frames, and not surer than that."""
    first, second = rng.random((2, 8))
    clips = [f"clip {number}" for number in range(8) for _ in range(5)]
    alone = paired_difference(first.tolist(), second.tolist())
    frames = [np.repeat(values, 5).tolist() for values in (first, second)]
    (found, p_value), (_, too_sure) = paired_difference(*frames, clips), paired_difference(*frames)
    assert found == pytest.approx(alone[0])
    assert p_value == pytest.approx(alone[1])
    assert too_sure < p_value


def test_a_run_against_itself_differs_nowhere():
    run = run_of("mine", (20, 15, 10, 20, 5, 8, 9))
    for found in compare(run, run).differences:
        assert found.difference.value == 0
        assert math.isnan(found.difference.low)  # no spread to draw from
        assert (found.num_better, found.num_worse) == (0, 0)
        assert math.isnan(found.p_value)
        assert found.to_json()["p_value"] is None


def test_a_steady_small_lead_is_certain_although_the_means_intervals_overlap(rng):
    """What pairing is for: images differ much, the two runs differ little but always."""
    base = rng.uniform(0.1, 0.9, 60)
    found, p_value = paired_difference(
        (base + 0.03 + rng.normal(0, 0.01, 60)).tolist(), base.tolist()
    )
    assert found.low > 0.02
    assert found.high < 0.04
    assert p_value < 1e-6
    alone = 1.96 * base.std() / math.sqrt(60)
    assert alone > 0.04  # the interval of one mean reaches farther than the difference


def test_chance_is_called_significant_about_as_often_as_it_says(rng):
    found = [paired_difference(*rng.random((2, 25)).tolist())[1] < 0.05 for _ in range(200)]
    assert 0.01 <= np.mean(found) <= 0.1


def test_better_worse_and_ties_are_counted_by_image():
    found = overall(compare(run_of("a", (20, 20, 10, 15)), run_of("b", (20, 10, 20, 10))))
    assert (found.num_better, found.num_worse, found.num_images) == (2, 1, 4)
    assert found.first == pytest.approx((1 + 1 + 0.25 + 0.5625) / 4)
    assert found.difference.value == pytest.approx(found.first - found.second)
    assert math.isnan(found.difference.low)  # four images are too few


def test_only_common_images_are_compared_and_the_others_named():
    first, second = run_of("a", (20, 20, 20), "abc"), run_of("b", (20, 10, 20), "bcd")
    comparison = compare(first, second)
    assert overall(comparison).num_images == 2
    said = {(problem.key, problem.kind, problem.text) for problem in comparison.problems}
    assert said == {
        ("a", "unpaired", "only a has this image"),
        ("d", "unpaired", "only b has this image"),
    }
    with pytest.raises(InvalidInput, match="no image in common"):
        compare(run_of("a", (20,), "a"), run_of("b", (20,), "b"))


def test_an_image_whose_truth_differs_is_left_out_and_a_failure_is_not():
    first, second = run_of("a", (20, 20, 20)), run_of("b", (20, 20, 20))
    other = score_masks("b", np.ones((1, 40, 40), bool), np.ones((1, 40, 40), bool))
    lost = unanswered("c", "cut short")
    changed = RunScores("b", (second.results[0], other, lost))
    comparison = compare(first, changed)
    assert [(p.key, p.kind) for p in comparison.problems] == [("b", "other truth")]
    assert overall(comparison).difference.value == 0.5


def test_sizes_and_families_are_compared_too():
    kinds = {
        found.kind for found in compare(run_of("a", (20, 9)), run_of("b", (9, 20))).differences
    }
    assert kinds == {"all", "size", "share"}
