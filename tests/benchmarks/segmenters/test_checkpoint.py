import numpy as np
import pytest
from tests.benchmarks.conftest import draw_item

from spelke.benchmarks.load_segmenter import load_segmenter
from spelke.benchmarks.segmenter import ask
from spelke.benchmarks.segmenters import classical
from spelke.benchmarks.segmenters.checkpoint import ObserverSegmenter
from spelke.errors import InvalidInput
from spelke.types import Segment

ITEMS = [draw_item(f"singles-{number}", "singles", number) for number in range(2)]


class Dots:
    """Answers with the pixels that were asked, all pictures together."""

    calls = 0

    def segments(self, images, points):
        self.calls += 1
        return [self.dots(*pair) for pair in zip(images, points, strict=True)]

    def dots(self, image, points):
        masks = np.zeros((len(points), *image.shape[:2]), bool)
        for mask, (x, y) in zip(masks, points, strict=True):
            mask[int(y), int(x)] = True
        return [Segment(mask, point, 1.0) for mask, point in zip(masks, points, strict=True)]


def test_an_observer_answers_all_points_of_all_pictures_at_once():
    model = ObserverSegmenter(Dots(), "mine", "1")
    found = ask(model, ITEMS)
    assert model.observer.calls == 1
    for item, masks in zip(ITEMS, found, strict=True):
        assert masks.shape == item.segments.shape
        assert masks[range(3), item.points[:, 1], item.points[:, 0]].all()
    assert model.run_inference(ITEMS[0].image, (5, 6)).nonzero() == (6, 5)


def test_other_settings_are_another_identity(monkeypatch):
    before = load_segmenter("disc").identity
    assert load_segmenter("disc").identity == before
    monkeypatch.setattr(classical, "digest_of_code", lambda *names: "changed")
    assert load_segmenter("disc").identity != before


def test_oracles_know_the_truth_and_say_when_they_do_not():
    assert np.array_equal(ask(load_segmenter("group-oracle"), ITEMS)[1], ITEMS[1].segments)
    assert np.array_equal(ask(load_segmenter("instance-oracle"), ITEMS)[1], ITEMS[1].instances)
    with pytest.raises(InvalidInput, match="singles-0 does not say what looks alike"):
        ask(load_segmenter("part-oracle"), ITEMS)
