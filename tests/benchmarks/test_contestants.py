from dataclasses import replace

import numpy as np
import pytest

from spelke.benchmarks import contestants
from spelke.benchmarks.contestants import (
    ORACLE,
    PART_ORACLE,
    baseline_contestant,
    contestant,
    observer_contestant,
)
from spelke.errors import InvalidInput, UnknownName
from spelke.types import Segment


def test_baselines_and_the_oracle_are_known_by_name(items):
    assert contestant("disc").name == "disc"
    oracle = contestant(ORACLE)
    assert oracle.is_oracle
    assert np.array_equal(oracle.answer(items[:1])[0], items[0].instances)


def test_the_oracle_of_looks_answers_where_looks_are_known(items):
    oracle = contestant(PART_ORACLE)
    assert oracle.is_oracle
    known = replace(items[0], looks=items[0].instances & (np.arange(96) < 60))
    assert np.array_equal(oracle.answer([known])[0], known.looks)
    with pytest.raises(InvalidInput, match="looks alike"):
        oracle.answer(items[:1])


def test_a_mistyped_name_is_answered_with_the_baselines_too():
    with pytest.raises(UnknownName, match="Baselines are flood-fill"):
        contestant("grabcat")


def test_other_settings_are_another_identity(monkeypatch):
    before = baseline_contestant("disc").identity
    assert baseline_contestant("disc").identity == before
    monkeypatch.setattr(contestants, "digest_of_code", lambda *names: "changed")
    assert baseline_contestant("disc").identity != before


def test_an_observer_answers_all_points_of_all_pictures_at_once(items):
    class Observer:
        calls = 0

        def segments(self, images, points):
            self.calls += 1
            return [self.dots(*pair) for pair in zip(images, points, strict=True)]

        def dots(self, image, points):
            masks = np.zeros((len(points), *image.shape[:2]), bool)
            for mask, (x, y) in zip(masks, points, strict=True):
                mask[int(y), int(x)] = True
            return [Segment(mask, point, 1.0) for mask, point in zip(masks, points, strict=True)]

    observer = Observer()
    found = observer_contestant("mine", observer, "1").answer(items[:2])
    assert observer.calls == 1
    for item, masks in zip(items[:2], found, strict=True):
        assert masks.shape == item.segments.shape
        assert masks[range(3), item.points[:, 1], item.points[:, 0]].all()
