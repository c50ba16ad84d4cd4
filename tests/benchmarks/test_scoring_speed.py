"""The measurement of scoring itself: the fast and the naive way give the same numbers."""

import pytest

from benchmarks import scoring


def test_a_few_images_are_measured_and_both_ways_agree(monkeypatch):
    monkeypatch.setattr(scoring, "SIZES", (64, 96))
    found = scoring.measure(3)
    assert found["images"] == 3
    assert found["naive_over_library"] > 0


def test_ways_that_disagree_are_not_timed_against_each_other(monkeypatch):
    monkeypatch.setattr(scoring, "SIZES", (64,))
    monkeypatch.setattr(scoring, "naive", lambda truths, masks: (0.0, 0.0))
    with pytest.raises(RuntimeError, match="disagree"):
        scoring.measure(1)
