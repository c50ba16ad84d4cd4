"""A model that answers a point in a picture with a mask: the interface, and the check of answers.

Any class with `run_inference(image, point)` can be measured, as SpelkeBench publishes it; one that
inherits from `SegmentationModel` can also answer many points, or many pictures, at once.
Entry points: `SegmentationModel` (to write a model), `ask` (to use one). `load_segmenter` in
`load_segmenter.py` makes one from its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Int, UInt8

from spelke.data.test_item import TestItem
from spelke.errors import BadModel, InvalidInput

ImageRange = Literal["uint8", "float"]
"""How a model wants its pictures: (height, width, 3) uint8 in 0..255, or float32 in 0..1."""

Points = Int[np.ndarray, "point 2"]
Masks = Bool[np.ndarray, "point height width"]


class SegmentationModel:
    """Base of all models that are measured. Write `run_inference` or `segment_points`.

    Attributes:
        name: as it is reported, and what its files are called.
        image_range: how its pictures come, see `ImageRange`.
        identity: changes when the same name would answer otherwise (other code or settings).
        weights: hexadecimal digits that change with its weights; "" where it has none or where
            they are not known.
        is_oracle: it is told the truth, so it is no competitor.
        at_once: how many pictures it likes to be given together.
        observer: the world model behind it, for what a mask does not tell; None if there is none.
    """

    name: str = ""
    image_range: ImageRange = "uint8"
    identity: str = ""
    weights: str = ""
    is_oracle: bool = False
    at_once: int = 1
    observer: Any = None

    def run_inference(self, image: np.ndarray, point: tuple[int, int]) -> Any:
        """Segment what is at one point; the interface that SpelkeBench publishes.

        Args:
            image: (height, width, 3) RGB in `image_range`.
            point: `(x, y)` in pixels.

        Returns:
            (height, width) of 0 and 1: see `check_masks`.
        """
        if type(self).segment_points is SegmentationModel.segment_points:
            raise BadModel(
                f"{type(self).__name__} has neither run_inference nor segment_points: write one"
            )
        return self.segment_points(image, np.array([point]))[0]

    def segment_points(self, image: np.ndarray, points: Points) -> Any:
        """Segment what is at each of some points; one after another unless overridden.

        Args:
            image: (height, width, 3) RGB in `image_range`.
            points: (point, 2) integers `(x, y)` in pixels.

        Returns:
            (point, height, width) of 0 and 1.
        """
        size = image.shape[:2]
        # A copy for each: what a model does to its picture must not reach the next question.
        found = [
            check_masks(self.run_inference(image.copy(), (x, y)), size, of_one=True)
            for x, y in points.tolist()
        ]
        return np.array(found, bool).reshape(-1, *size)

    def segment_items(self, items: Sequence[TestItem]) -> list[Any]:
        """Answer some pictures with all their points; each by itself unless overridden."""
        return [
            self.segment_points(in_range(item.image, self.image_range), item.points)
            for item in items
        ]


def ask(model: SegmentationModel, items: Sequence[TestItem]) -> list[Masks]:
    """Ask a model about some pictures and check what it answers.

    Returns:
        For each picture (point, height, width) bool.

    Raises:
        BadModel: it answered with something else than one mask for each point.
        Exception: whatever the model raises.
    """
    found = model.segment_items(items)
    if len(found) != len(items):
        raise BadModel(f"{model.name} answered {len(found)} pictures of {len(items)}")
    answers = []
    for masks, item in zip(found, items, strict=True):
        checked = check_masks(masks, item.image.shape[:2])
        if len(checked) != len(item.points):
            raise BadModel(
                f"{model.name} answered with {len(checked)} masks to {len(item.points)} points"
            )
        answers.append(checked)
    return answers


def check_masks(masks: Any, size: tuple[int, int], of_one: bool = False) -> np.ndarray:
    """Return masks as booleans, or say why they are none.

    Args:
        masks: array or tensor (point, height, width), or (height, width) with `of_one`; booleans
            or numbers that are all 0 or 1.
        size: (height, width) of the picture.
        of_one: whether it is the answer to one point.

    Raises:
        BadModel: no array, another shape, NaN, or values besides 0 and 1.
    """
    values = _as_array(masks)
    if values.shape[0 if of_one else 1 :] != size or values.ndim != (2 if of_one else 3):
        shape = size if of_one else ("points", *size)
        raise BadModel(
            f"the model answered with shape {values.shape}, accepted is {shape}: "
            "a mask has the height and width of the picture that was given"
        )
    if values.dtype == np.bool_:
        return values
    if values.dtype.kind == "f" and np.isnan(values).any():
        share = np.isnan(values).mean()
        raise BadModel(f"the model answered with NaN in {share:.1%} of the pixels")
    if not ((values == 0) | (values == 1)).all():
        raise BadModel(
            f"the model answered with {values.dtype} from {values.min()} to {values.max()}, "
            "accepted are booleans or 0 and 1: compare with a threshold in the model"
        )
    return values.astype(bool)


def _as_array(masks: Any) -> np.ndarray:
    if masks is None:
        raise BadModel("the model answered with None: run_inference must return its mask")
    if hasattr(masks, "detach"):  # a torch tensor, maybe on a GPU, maybe in bfloat16
        masks = masks.detach().cpu()
        masks = masks.float() if masks.is_floating_point() else masks
    try:
        values = np.asarray(masks)
    except ValueError as error:  # lists of different lengths
        raise BadModel(f"the model answered with what is no array: {error}") from error
    if values.dtype.kind not in "biuf":
        raise BadModel(
            f"the model answered with {type(masks).__name__} of {values.dtype}, accepted is an "
            "array of booleans or numbers"
        )
    return values


def in_range(image: UInt8[np.ndarray, "height width 3"], image_range: ImageRange) -> np.ndarray:
    """Return a picture as a model wants it, see `ImageRange`."""
    if image_range == "uint8":
        return image
    if image_range == "float":
        return image.astype(np.float32) / 255
    raise InvalidInput(
        f"image_range is {image_range!r}, accepted are {', '.join(get_args(ImageRange))}"
    )


class ForeignSegmenter(SegmentationModel):
    """Any object with `run_inference(image, point)`, as a `SegmentationModel`.

    Its own `segment_points(image, points)` is used where it has one.

    Args:
        model: the object.
        image_range: how its pictures come.
        name: as it is reported.
        identity: see `SegmentationModel`.
    """

    def __init__(self, model: Any, image_range: ImageRange, name: str, identity: str):
        self.model, self.image_range = model, image_range
        self.name, self.identity = name, identity
        self.weights = str(getattr(model, "weights_digest", ""))

    def run_inference(self, image: np.ndarray, point: tuple[int, int]) -> Any:
        """Ask the object."""
        return self.model.run_inference(image, point)

    def segment_points(self, image: np.ndarray, points: Points) -> Any:
        """Ask the object, about all points at once if it can."""
        if hasattr(self.model, "segment_points"):
            return self.model.segment_points(image.copy(), points.copy())
        return super().segment_points(image, points)
