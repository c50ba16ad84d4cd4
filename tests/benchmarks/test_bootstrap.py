"""Intervals over clips: as wide as statistics says, and no narrower for frames that repeat."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.benchmarks.bootstrap import (
    MIN_CLIPS,
    bootstrap_interval,
    clips_apart,
    count_clips,
    means_by_clip,
    resampled_means,
    span,
)


def interval(values, clips=None, seed=1, **options):
    return bootstrap_interval(
        np.asarray(values, float), np.random.default_rng(seed), clips, **options
    )


def test_the_interval_of_a_mean_has_the_width_that_statistics_says():
    values = np.random.default_rng(0).normal(size=400)
    low, high = interval(values, num_resamples=2000)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_images_without_a_clip_and_clips_of_one_image_are_the_same():
    values = np.random.default_rng(0).random(30)
    alone = interval(values)
    assert interval(values, [""] * 30) == alone
    assert interval(values, [f"clip {index}" for index in range(30)]) == alone


@given(st.integers(1, 5), st.integers(0, 99))
def test_frames_that_repeat_each_other_make_nothing_surer(repeats, seed):
    values = np.random.default_rng(seed).random(12)
    frames = [f"clip {index}" for index in range(12) for _ in range(repeats)]
    assert interval(np.repeat(values, repeats), frames) == pytest.approx(interval(values))


def test_clips_are_covered_about_as_often_as_it_says_and_frames_alone_are_not(rng):
    """Twenty clips of ten frames that share most of what makes them hard."""
    clips = [f"clip {index}" for index in range(20) for _ in range(10)]
    covered = {"clips": 0, "frames": 0}
    for seed in range(200):
        values = np.repeat(rng.normal(size=20), 10) + 0.3 * rng.normal(size=200)
        for name, chosen in (("clips", clips), ("frames", None)):
            low, high = interval(values, chosen, seed)
            covered[name] += low <= 0 <= high
    assert 0.86 <= covered["clips"] / 200 <= 0.98
    assert covered["frames"] / 200 < 0.6


@given(st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=1, max_size=12))
def test_clips_are_numbered_and_every_image_of_none_is_one_by_itself(clips):
    numbers = clips_apart(clips)
    for i, first in enumerate(clips):
        for j, second in enumerate(clips):
            assert (numbers[i] == numbers[j]) == (i == j or first == second != "")
    assert count_clips(clips) == clips.count("") + len(set(clips) - {""})
    values = np.arange(len(clips), dtype=float)
    means = means_by_clip(values, clips)
    assert (means * np.bincount(numbers)).sum() == pytest.approx(values.sum())


def test_too_few_clips_have_no_interval_however_many_frames_they_have():
    values = np.random.default_rng(0).random(60)
    few = [f"clip {index % (MIN_CLIPS - 1)}" for index in range(60)]
    assert all(math.isnan(end) for end in interval(values, few))
    assert not resampled_means(values, np.random.default_rng(0), few).size
    enough = [f"clip {index % MIN_CLIPS}" for index in range(60)]
    assert interval(values, enough)[0] < values.mean() < interval(values, enough)[1]
    assert span((math.nan, math.nan)) == "–"
    assert span((-0.5, 0.25), "+.2f") == "-0.50 to +0.25"
