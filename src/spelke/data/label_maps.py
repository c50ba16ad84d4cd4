"""Pictures with masks, as other data sets keep them, into benchmark items with a point for each.

PNG label maps (each value a segment) and DAVIS folders. What is wrong with one picture
is named, and the rest goes on. Entry points: `find_pairs`, `find_davis`, `read_pair`,
`item_of_masks`, `read_label_map`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Int
from PIL import Image

from spelke.data.image import find_images, read_image
from spelke.data.test_item import TestItem
from spelke.errors import BadFile, InvalidInput, MissingData


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which masks of a picture become segments.

    Attributes:
        min_share: of the picture that a mask must cover.
        max_segments: of one picture; the largest are taken.
    """

    min_share: float = 0.001
    max_segments: int = 20

    def __post_init__(self) -> None:
        if not 0 <= self.min_share < 1 or self.max_segments < 1:
            raise InvalidInput(
                "the least share must be in [0, 1) and the most segments at least 1, got "
                f"{self.min_share} and {self.max_segments}"
            )


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture, its label map, and names for them; `clip` as in `TestItem`."""

    key: str
    family: str
    image: Path
    labels: Path
    clip: str = ""


def find_pairs(
    images: str | os.PathLike[str], masks: str | os.PathLike[str]
) -> tuple[list[Pair], list[str]]:
    """Find the label map `masks/NAME.png` of every picture `images/NAME.*`.

    Returns:
        Pairs, and the names of pictures without a label map.

    Raises:
        MissingData: there are no pictures, or none has a label map.
    """
    pairs, alone = [], []
    for path in find_images(images):
        labels = Path(masks) / f"{path.stem}.png"
        if labels.is_file():
            pairs.append(Pair(path.stem, "", path, labels))
        else:
            alone.append(path.name)
    if not pairs:
        raise MissingData(
            f"no picture of {images} has a label map of its name in {masks} (NAME.png)"
        )
    return pairs, alone


def find_davis(
    folder: str | os.PathLike[str], every: int = 0, resolution: str = "480p"
) -> tuple[list[Pair], list[str]]:
    """Find annotated frames of DAVIS: `JPEGImages/480p/SEQUENCE/*.jpg`, `Annotations/…/*.png`.

    Args:
        folder: holds both.
        every: take one annotated frame of so many; 0 takes the first of each sequence only.
        resolution: name of the folder between, which may be absent.

    Returns:
        Pairs, whose family is the sequence, and the annotations without a frame.

    Raises:
        MissingData: there is no annotated frame.
    """
    folder = Path(folder)
    roots = [
        root / resolution if (root / resolution).is_dir() else root
        for root in (folder / "JPEGImages", folder / "Annotations")
    ]
    pairs, alone = [], []
    for sequence in sorted(path for path in roots[1].glob("*") if path.is_dir()):
        annotated = sorted(sequence.glob("*.png"))
        for labels in annotated[:: every or len(annotated)] if annotated else ():
            image = roots[0] / sequence.name / f"{labels.stem}.jpg"
            if image.is_file():
                key = f"{sequence.name}_{labels.stem}"
                pairs.append(Pair(key, sequence.name, image, labels, clip=sequence.name))
            else:
                alone.append(f"{sequence.name}/{labels.name}")
    if not pairs:
        raise MissingData(
            f"{folder} has no annotated frame: DAVIS keeps JPEGImages/{resolution}/SEQUENCE/"
            f"00000.jpg and Annotations/{resolution}/SEQUENCE/00000.png"
        )
    return pairs, alone


def read_pair(
    pair: Pair,
    selection: Selection,
    *,
    background: int = 0,
    ignore_value: int | None = 255,
    attributes: Mapping[str, str] | None = None,
) -> TestItem | None:
    """Read a picture and make a segment of each value of its label map.

    Args:
        pair: the files.
        selection: which segments.
        background: value that is no segment.
        ignore_value: value of pixels that count for nothing; None: there are none.
        attributes: of the item.

    Returns:
        The item; None if no segment is left.

    Raises:
        BadFile: a file cannot be read. InvalidInput: their sizes differ.
    """
    image, labels = read_pixels(pair.image), read_label_map(pair.labels)
    if labels.shape != image.shape[:2]:
        raise InvalidInput(
            f"{pair.labels} has (height, width) {labels.shape}, its picture {image.shape[:2]}"
        )
    values = [value for value in np.unique(labels) if value not in (background, ignore_value)]
    # A map of 0 and 255 alone is a mask, not a segment of pixels that count for nothing.
    if not values and ignore_value is not None and (labels == ignore_value).any():
        values, ignore_value = [ignore_value], None
    masks = np.array([labels == value for value in values], bool).reshape(-1, *labels.shape)
    ignore = labels == ignore_value if ignore_value is not None else None
    return item_of_masks(
        pair.key,
        image,
        masks,
        selection,
        family=pair.family,
        clip=pair.clip,
        ignore=ignore,
        attributes=attributes,
    )


def item_of_masks(
    key: str,
    image: np.ndarray,
    masks: Bool[np.ndarray, "mask height width"],
    selection: Selection,
    *,
    family: str = "",
    clip: str = "",
    ignore: Bool[np.ndarray, "height width"] | None = None,
    attributes: Mapping[str, str] | None = None,
) -> TestItem | None:
    """Make an item of a picture and its masks, the largest first, with a point deep in each.

    Returns:
        The item; None if no mask is left.
    """
    areas = masks.sum((1, 2))
    order = np.argsort(-areas, kind="stable")
    least = max(1, selection.min_share * masks[0].size) if len(masks) else 1
    kept = masks[[index for index in order if areas[index] >= least][: selection.max_segments]]
    if not len(kept):
        return None
    nothing = np.zeros_like(kept)
    return TestItem(
        key=key,
        family=family,
        image=image,
        points=np.array([deepest_point(mask) for mask in kept], np.int64),
        segments=kept,
        ignore=nothing if ignore is None else (nothing | ignore) & ~kept,
        instances=kept,
        attributes=attributes or {},
        clip=clip,
    )


def deepest_point(mask: Bool[np.ndarray, "height width"]) -> tuple[int, int]:
    """Return the `(x, y)` in a mask that is farthest from its border; the first of several."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(column) - 1, int(row) - 1


def read_pixels(path: Path) -> np.ndarray:
    """Read a picture as (height, width, 3) uint8."""
    picture = read_image(path)
    return (picture.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)


def read_label_map(path: Path) -> Int[np.ndarray, "height width"]:
    """Read a grey or palette picture as its values.

    Raises:
        MissingData: there is none. BadFile: it cannot be read, or has colours.
    """
    if not path.is_file():
        raise MissingData(f"there is no mask {path}")
    try:
        with Image.open(path) as file:
            values = np.array(file)  # palette images give their indices
    except (OSError, ValueError) as error:
        raise BadFile(f"{path} cannot be read as a mask: {error}") from error
    if values.ndim != 2:
        raise BadFile(f"{path} must be a grey or palette picture, it has shape {values.shape}")
    return values.astype(np.int64)


def keys_of(paths: Sequence[str]) -> list[str]:
    """Return a key for each file name: its path without suffix, made unique by its number."""
    keys = [str(Path(path).with_suffix("")).replace("/", "_") for path in paths]
    return [
        key if keys.index(key) == number else f"{key}_{number}" for number, key in enumerate(keys)
    ]
