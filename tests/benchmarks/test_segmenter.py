import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spelke.benchmarks.segmenter import (
    ForeignSegmenter,
    SegmentationModel,
    ask,
    check_masks,
    in_range,
)
from spelke.errors import BadModel, InvalidInput

SIZE = (4, 5)


class Dot(SegmentationModel):
    """Answers with the pixel that was asked, and remembers the pictures."""

    name = "dot"

    def __init__(self):
        self.seen = []

    def run_inference(self, image, point):
        self.seen.append(image.copy())
        image[:] = 0  # what it does to its picture is its own affair
        mask = np.zeros(image.shape[:2], int)
        mask[point[1], point[0]] = 1
        return mask


class Batched(SegmentationModel):
    def segment_points(self, image, points):
        return np.stack([np.full(image.shape[:2], x > y) for x, y in points])


def test_a_model_that_knows_one_point_is_asked_each(items):
    found = ask(Dot(), items[:2])
    for item, masks in zip(items, found, strict=False):
        assert masks.sum() == len(item.points)
        assert masks[range(3), item.points[:, 1], item.points[:, 0]].all()


def test_a_model_cannot_spoil_the_picture_for_the_next_point(items):
    model = Dot()
    ask(model, items[:1])
    assert all(np.array_equal(image, items[0].image) for image in model.seen)
    assert items[0].image.any()


def test_a_model_that_knows_many_points_knows_one():
    image = np.zeros((*SIZE, 3), np.uint8)
    assert Batched().run_inference(image, (3, 1)).all()
    assert not Batched().run_inference(image, (1, 3)).any()


def test_a_model_that_wrote_neither_is_told_so(items):
    with pytest.raises(BadModel, match="neither run_inference nor segment_points"):
        ask(SegmentationModel(), items[:1])


@pytest.mark.parametrize("image_range", ["uint8", "float"])
def test_pictures_come_as_the_model_wants_them(items, image_range):
    model = Dot()
    model.image_range = image_range
    ask(model, items[:1])
    image = items[0].image
    if image_range == "float":
        assert model.seen[0].dtype == np.float32
        assert np.allclose(model.seen[0] * 255, image, atol=1e-4)
    else:
        assert np.array_equal(model.seen[0], image)


@given(st.integers(0, 255))
def test_the_float_convention_is_a_255th(value):
    image = np.full((1, 1, 3), value, np.uint8)
    assert in_range(image, "float").max() == np.float32(value) / np.float32(255)


@pytest.mark.usefixtures("unchecked_shapes")
def test_an_unknown_convention_is_refused():
    with pytest.raises(InvalidInput, match="accepted are uint8, float"):
        in_range(np.zeros((1, 1, 3), np.uint8), "0..1")


@pytest.mark.parametrize(
    "kind", [bool, np.uint8, np.int64, np.float32, torch.bfloat16, torch.bool], ids=str
)
def test_masks_of_zeros_and_ones_are_taken_in_any_type(kind):
    truth = np.arange(20).reshape(1, *SIZE) % 3 == 0
    is_torch = isinstance(kind, torch.dtype)
    given = torch.from_numpy(truth).to(kind) if is_torch else truth.astype(kind)
    assert np.array_equal(check_masks(given, SIZE), truth)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (None, "None: run_inference must return"),
        (np.zeros((5, 4)), r"shape \(5, 4\), accepted is \(4, 5\)"),
        (np.zeros((1, 4, 5)), r"shape \(1, 4, 5\)"),
        (np.full(SIZE, np.nan), "NaN in 100.0% of the pixels"),
        (np.full(SIZE, 255, np.uint8), "from 255 to 255, accepted are booleans or 0 and 1"),
        (np.full(SIZE, -3.5), "compare with a threshold"),
        (np.full(SIZE, np.inf), "accepted are booleans"),
        ("a mask", "accepted is an array"),
        ([[1], [0, 1]], "no array"),
    ],
)
def test_what_is_no_mask_is_named(answer, complaint, items):
    class Wrong(SegmentationModel):
        def run_inference(self, image, point):
            return answer

    with pytest.raises(BadModel, match=complaint):
        Wrong().segment_points(np.zeros((*SIZE, 3), np.uint8), np.array([[0, 0]]))


def test_too_few_masks_or_pictures_are_named(items):
    class Few(Batched):
        name = "few"

        def segment_points(self, image, points):
            return super().segment_points(image, points)[:-1]

    with pytest.raises(BadModel, match="few answered with 2 masks to 3 points"):
        ask(Few(), items[:1])

    class Short(Batched):
        name = "short"

        def segment_items(self, items):
            return []

    with pytest.raises(BadModel, match="short answered 0 pictures of 2"):
        ask(Short(), items[:2])


def test_no_points_are_no_masks():
    image = np.zeros((*SIZE, 3), np.uint8)
    assert Dot().segment_points(image, np.zeros((0, 2), int)).shape == (0, *SIZE)


def test_any_object_with_run_inference_is_a_model(items):
    class Foreign:
        def run_inference(self, input_image, poke_point):
            assert type(poke_point) is tuple
            assert all(type(value) is int for value in poke_point)
            return torch.ones(input_image.shape[:2])

    assert ask(ForeignSegmenter(Foreign(), "uint8", "mine", "1"), items[:1])[0].all()


def test_an_object_that_can_batch_is_asked_once(items):
    class Foreign:
        calls = 0

        def run_inference(self, image, point):
            raise AssertionError

        def segment_points(self, image, points):
            self.calls += 1
            return np.zeros((len(points), *image.shape[:2]))

    model = Foreign()
    ask(ForeignSegmenter(model, "float", "mine", "1"), items[:2])
    assert model.calls == 2
