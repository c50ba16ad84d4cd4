"""Real photographs with masks: a folder that the user names, listed by its manifest.

`segments_manifest.json` in that folder lists pictures, masks and one click point for each movable
thing (see `read_photos` for the fields). Nothing of it is part of this project; what is absent is
skipped by name. Families are the sources, because who drew a mask decides what it is worth.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from spelke.benchmarks.baselines import component_at
from spelke.benchmarks.test_set import TestItem
from spelke.data.label_maps import read_label_map, read_pixels
from spelke.errors import BadFile, InvalidInput, MissingData, SpelkeError

MANIFEST = "segments_manifest.json"
_CAMVID = re.compile(r"0001TP|0006R0|0016E5|Seq05VD")  # Brostow et al. 2009


@dataclass(frozen=True, slots=True)
class Photos:
    """Pictures that could be read, and those that could not.

    Attributes:
        items: with the masks as truth; there is no oracle, the instances are the truth again.
        skipped: picture to the reason.
    """

    items: list[TestItem]
    skipped: dict[str, str] = field(default_factory=dict)


def read_photos(folder: str | os.PathLike[str], sources: tuple[str, ...] = ()) -> Photos:
    """Read the pictures of a manifest.

    An entry of `items` names `image`, `mask` (a grey or palette PNG of the same size), `source`,
    `ignore_value` (mask value that counts for nothing, or null) and `segments`, each with
    `value` (of its pixels in the mask), `click_xy` and, if several things share a value,
    `component_of_value`: the segment is then the edge-connected part that holds the click, after
    a 3 x 3 opening. `clip` names the clip that it is a frame of; see `clip_of` where it is absent.

    Args:
        folder: holds `segments_manifest.json`; paths in it are relative to it.
        sources: only these, or all.

    Raises:
        MissingData: no manifest, no such source, or none of its pictures is there.
        BadFile: the manifest is not what is described here.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    photos = Photos([])
    for entry in read_manifest(folder, sources):
        name = str(entry.get("image"))
        try:
            photos.items.append(read_photo(folder, entry))
        except (SpelkeError, OSError) as error:
            photos.skipped[name] = str(error)
        except (KeyError, TypeError, ValueError) as error:
            raise BadFile(f"{path}: the entry of {name} is incomplete: {error!r}") from error
    if not photos.items:
        reason = next(iter(photos.skipped.values()), "it lists none")
        raise MissingData(f"no picture of {path} can be read: {reason}")
    return photos


def read_manifest(folder: Path, sources: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the entries of a manifest, of some sources or all; see `read_photos`.

    Raises:
        MissingData: no manifest, or no such source. BadFile: it is not what is described there.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise MissingData(f"no {MANIFEST} in {folder}: name the folder that holds it")
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["items"]
        known = {entry["source"] for entry in entries}
    except (ValueError, KeyError, TypeError) as error:
        raise BadFile(f"{path} is not a manifest of segments: {error!r}") from error
    unknown = sorted(set(sources) - known)
    if unknown:
        raise MissingData(
            f"no source {', '.join(unknown)} in {path}; it has {', '.join(sorted(known))}"
        )
    return [entry for entry in entries if not sources or entry["source"] in sources]


def read_photo(folder: Path, entry: Mapping[str, Any]) -> TestItem:
    """Read one entry of a manifest; see `read_photos`.

    Raises:
        MissingData, BadFile: the picture or its mask is absent or unreadable.
        InvalidInput: they do not fit each other.
    """
    image = read_pixels(folder / entry["image"])
    values = read_label_map(folder / entry["mask"])
    if values.shape != image.shape[:2]:
        raise InvalidInput(
            f"{entry['mask']} has (height, width) {values.shape}, its picture {image.shape[:2]}"
        )
    segments = [_segment(values, segment) for segment in entry["segments"]]
    masks = np.array(segments, bool).reshape(-1, *values.shape)
    ignore = np.zeros_like(masks)
    if entry.get("ignore_value") is not None:
        ignore |= values == entry["ignore_value"]
    return TestItem(
        key=entry["image"].replace("/", "|"),
        family=entry["source"],
        image=image,
        points=np.array([segment["click_xy"] for segment in entry["segments"]]).reshape(-1, 2),
        segments=masks,
        ignore=ignore & ~masks,
        instances=masks,
        clip=clip_of(entry),
    )


def clip_of(entry: Mapping[str, Any]) -> str:
    """Name of the clip that a picture is a frame of, or "".

    It is `clip` where the entry has it, `SOURCE/CLIP` for `SOURCE/CLIP/frames/NAME`, and for
    CamVid, which tells its four drives in the names of its frames, the drive.
    """
    path = PurePosixPath(entry["image"])
    if "clip" in entry:
        return str(entry["clip"])
    if path.parent.name == "frames":
        return str(path.parent.parent)
    drive = _CAMVID.match(path.name) if entry["source"] == "camvid" else None
    return f"camvid/{drive[0]}" if drive else ""


def _segment(values: np.ndarray, segment: Mapping[str, Any]) -> np.ndarray:
    mask = values == segment["value"]
    if not segment.get("component_of_value"):
        return mask
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    x, y = segment["click_xy"]
    return component_at(opened.astype(bool), (int(x), int(y)))
