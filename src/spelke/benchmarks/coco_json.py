"""COCO JSON with instance masks: polygons and run-length codes, crowds as pixels to ignore.

Entry point: `CocoFile`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from pycocotools import mask as coco_mask

from spelke.data.label_maps import Selection, item_of_masks, keys_of, read_pixels
from spelke.data.test_item import TestItem
from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.export.coco import decode_rle

_ENCODE: Any = coco_mask.frPyObjects  # its types leave out what it accepts


class CocoFile:
    """Pictures and masks that a COCO JSON file lists.

    Args:
        path: the JSON.
        images: folder that its `file_name`s are in.

    Raises:
        MissingData: there is no such file. BadFile: it is not such a file.
    """

    def __init__(self, path: str | os.PathLike[str], images: str | os.PathLike[str]):
        self.path, self.images = Path(path), Path(images)
        if not self.path.is_file():
            raise MissingData(f"there is no COCO file {self.path}")
        try:
            plain = json.loads(self.path.read_text(encoding="utf-8"))
            self.entries: list[dict[str, Any]] = sorted(
                plain["images"], key=lambda entry: str(entry["file_name"])
            )
            self._annotations: dict[Any, list[dict[str, Any]]] = {}
            for annotation in plain["annotations"]:
                self._annotations.setdefault(annotation["image_id"], []).append(annotation)
            self._licences = {one["id"]: str(one["name"]) for one in plain.get("licenses", ())}
            self.keys = keys_of([entry["file_name"] for entry in self.entries])
        except (ValueError, KeyError, TypeError) as error:
            raise BadFile(
                f"{self.path} is no COCO file with images and annotations: {error!r}"
            ) from error

    def read(self, index: int, selection: Selection) -> TestItem | None:
        """Read one picture; None if it has no mask that is wanted.

        Raises:
            MissingData, BadFile, InvalidInput: the picture is absent, unreadable, of another size,
                or a mask of it is none.
        """
        entry = self.entries[index]
        found = self._annotations.get(entry.get("id"), [])
        if not found:
            return None
        image = read_pixels(self.images / entry["file_name"])
        size = image.shape[:2]
        said = (entry.get("height", size[0]), entry.get("width", size[1]))
        if said != size:
            raise InvalidInput(
                f"{entry['file_name']} is {size} (height, width), but {self.path.name} says {said}"
            )
        things = [decode(one, size) for one in found if not one.get("iscrowd")]
        crowds = [decode(one, size) for one in found if one.get("iscrowd")]
        licence = self._licences.get(entry.get("license"), "")
        return item_of_masks(
            self.keys[index],
            image,
            np.array(things, bool).reshape(-1, *size),
            selection,
            ignore=np.logical_or.reduce(crowds) if crowds else None,
            attributes={"licence": licence} if licence else {},
        )


def decode(annotation: dict[str, Any], size: tuple[int, ...]) -> Bool[np.ndarray, "height width"]:
    """Draw the mask of one annotation.

    Raises:
        InvalidInput: its segmentation is neither polygons nor a run-length code of that size.
    """
    height, width = size
    segmentation: Any = annotation.get("segmentation")
    where = f"annotation {annotation.get('id')}"
    try:
        if isinstance(segmentation, list):
            mask = _draw_polygons(segmentation, height, width)
        else:
            counts: Any = segmentation["counts"]
            if isinstance(counts, list):
                counts = _compress(segmentation)
            mask = decode_rle({"size": segmentation["size"], "counts": counts})
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput(f"{where} has no polygons or run-length code: {error}") from error
    if mask.shape != (height, width):
        raise InvalidInput(
            f"{where} is of size {mask.shape} (height, width), its picture {(height, width)}"
        )
    return mask


def _draw_polygons(polygons: Sequence[Any], height: int, width: int) -> np.ndarray:
    """The union of polygons x1, y1, x2, y2, … with three corners or more."""
    if not polygons or any(len(corners) < 6 or len(corners) % 2 for corners in polygons):
        raise ValueError("a polygon needs three corners x, y or more")
    code: Any = coco_mask.merge(_ENCODE(polygons, height, width))
    return decode_rle({"size": [height, width], "counts": code["counts"].decode("ascii")})


def _compress(segmentation: dict[str, Any]) -> str:
    """Runs as a list of lengths, as text."""
    code: Any = _ENCODE(segmentation, *segmentation["size"])
    return code["counts"].decode("ascii")
