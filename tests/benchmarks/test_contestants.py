import numpy as np
import pytest

from spelke.benchmarks import contestants
from spelke.benchmarks.contestants import (
    ORACLE,
    baseline_contestant,
    contestant,
    observer_contestant,
)
from spelke.errors import UnknownName
from spelke.types import Segment


def test_baselines_and_the_oracle_are_known_by_name(items):
    assert contestant("disc").name == "disc"
    oracle = contestant(ORACLE)
    assert oracle.is_oracle
    assert np.array_equal(oracle.answer(items[0]), items[0].instances)


def test_a_mistyped_name_is_answered_with_the_baselines_too():
    with pytest.raises(UnknownName, match="Baselines are flood-fill"):
        contestant("grabcat")


def test_other_settings_are_another_identity(monkeypatch):
    before = baseline_contestant("disc").identity
    assert baseline_contestant("disc").identity == before
    monkeypatch.setattr(contestants, "digest_of_code", lambda *names: "changed")
    assert baseline_contestant("disc").identity != before


def test_an_observer_answers_all_points_of_a_picture_at_once(items):
    class Observer:
        looks = 0

        def look(self, image):
            self.looks += 1
            self.image = image
            return self

        def segments(self, points):
            masks = np.zeros((len(points), *self.image.shape[:2]), bool)
            for mask, (x, y) in zip(masks, points, strict=True):
                mask[int(y), int(x)] = True
            return [Segment(mask, point, 1.0) for mask, point in zip(masks, points, strict=True)]

    observer = Observer()
    masks = observer_contestant("mine", observer, "1").answer(items[0])
    assert observer.looks == 1
    assert masks.shape == items[0].segments.shape
    assert masks[range(3), items[0].points[:, 1], items[0].points[:, 0]].all()
