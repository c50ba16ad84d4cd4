"""Real clips with masks of what moves: pictures, and what moved next in them.

A folder holds `SOURCE/CLIP/frames/NAME.jpg` and `SOURCE/CLIP/masks/NAME.png`: 255 is moving
foreground, 0 is background, every other value counts for nothing. How far things moved is
*measured*, by optical flow (OpenCV's DIS) between the picture and one soon after it. Nothing of
such a folder is part of this project. Entry points: `read_moments`, `item_of`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image

from spelke.benchmarks.test_set import TestItem
from spelke.data.image import read_image
from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.flow.estimate import DisEstimator

SOURCES = ("sbi2015", "ucsd_bgsub", "cdnet_highway")
"""Folders that are looked for unless others are named."""
GAPS = (1, 2, 4, 8)
"""Frames between a picture and the one after it: the first of these in which something moves."""
MOVING, STILL = 255, 0


@dataclass(frozen=True, kw_only=True, slots=True)
class MomentSettings:
    """Which pictures and things are asked about.

    Attributes:
        per_clip: pictures of a clip, spread evenly over it.
        least_shift: pixels that a thing must have moved by; a picture after which nothing moves
            so far within the longest of `GAPS` is left out.
        least_share: of the picture that a thing must cover. most_share: of it that may move.
        max_things: of one picture, the largest first.
    """

    per_clip: int = 4
    least_shift: float = 3.0
    least_share: float = 0.002
    most_share: float = 0.5
    max_things: int = 2


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A picture and what moved next.

    Attributes:
        key: name of the picture. source: folder of its clip. clip: name of that.
        image: (height, width, 3) uint8, RGB.
        things: (thing, height, width) bool, connected parts of the mask that moved.
        still: (height, width) bool, background; what is neither counts for nothing.
        points: (thing, 2) integers `(x, y)`, the deepest pixel inside of each thing.
        shifts: (thing, 2), median measured motion of each thing, pixels.
        flow: (2, height, width), measured motion of every pixel, the background's taken off.
        asked: how many of the things, from the first, are asked about.
    """

    key: str
    source: str
    clip: str
    image: np.ndarray
    things: Bool[np.ndarray, "thing height width"]
    still: Bool[np.ndarray, "height width"]
    points: np.ndarray
    shifts: Float[np.ndarray, "thing 2"]
    flow: Float[np.ndarray, "2 height width"]
    asked: int


@dataclass(frozen=True, slots=True)
class Moments:
    """Pictures with what moved next, and pictures that were left out."""

    found: list[Moment]
    left_out: dict[str, str] = field(default_factory=dict)


def read_moments(
    folder: str | os.PathLike[str],
    sources: Sequence[str] = SOURCES,
    settings: MomentSettings | None = None,
) -> Moments:
    """Choose and read pictures of all clips of some sources.

    Raises:
        MissingData: no such source, or nothing moves in any picture.
        BadFile: a clip's frames and masks do not fit each other.
    """
    settings = settings or MomentSettings()
    folder, moments = Path(folder), Moments([])
    absent = [name for name in sources if not (folder / name).is_dir()]
    if absent:
        there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        raise MissingData(
            f"no clips of {', '.join(absent)} in {folder}, which holds {', '.join(there) or 'none'}"
        )
    for source in sources:
        for clip in sorted(path.parent for path in (folder / source).glob("*/frames")):
            frames = sorted((clip / "frames").iterdir())
            for number in _spread(len(frames), settings.per_clip):
                name = f"{source}|{clip.name}"
                key = f"{name}|{frames[number].stem}"
                moment = _read(frames, number, (key, source, name), settings)
                if isinstance(moment, str):
                    moments.left_out[key] = moment
                else:
                    moments.found.append(moment)
    if not moments.found:
        reason = next(iter(moments.left_out.values()), "there are no clips")
        raise MissingData(f"no picture under {folder} shows what moves next: {reason}")
    return moments


def item_of(moment: Moment) -> TestItem:
    """The questions after segments: at each asked point, the thing that moved."""
    things = moment.things[: moment.asked]
    neither = ~(moment.things.any(0) | moment.still)
    return TestItem(
        key=moment.key,
        family=moment.source,
        clip=moment.clip,
        image=moment.image,
        points=moment.points[: moment.asked],
        segments=things,
        ignore=neither[None] & ~things,
        instances=things,
    )


def _spread(frames: int, count: int) -> list[int]:
    """`count` frames at the middles of equal parts of a clip."""
    return sorted({int((part + 0.5) * frames / count) for part in range(count)} & {*range(frames)})


def _read(
    frames: list[Path], number: int, names: tuple[str, str, str], settings: MomentSettings
) -> Moment | str:
    """Read one picture, or say why it is left out."""
    image = read_image(frames[number])
    mask = _read_mask(frames[number], (image.shape[1], image.shape[2]))
    if (mask == MOVING).mean() > settings.most_share:
        return "more than half of the picture moves"
    parts = _parts(mask, settings)
    if not parts:
        return "the mask holds nothing large enough"
    still = mask == STILL
    for gap in GAPS:
        if number + gap >= len(frames):
            return "the clip ends before anything has moved far enough"
        flow = _measured(image, read_image(frames[number + gap]), still)
        shifts = np.array([np.median(flow[:, part], axis=1) for part in parts])
        moved = np.flatnonzero(np.hypot(*shifts.T) >= settings.least_shift)
        if len(moved):
            break
    else:
        return f"nothing moves by {settings.least_shift:g} pixels within {GAPS[-1]} frames"
    things = np.array([parts[index] for index in moved])
    return Moment(
        key=names[0],
        source=names[1],
        clip=names[2],
        image=(image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8),
        things=things,
        still=still,
        points=np.array([_deepest(thing) for thing in things]),
        shifts=shifts[moved],
        flow=flow,
        asked=min(len(things), settings.max_things),
    )


def _read_mask(frame: Path, size: tuple[int, int]) -> np.ndarray:
    path = frame.parent.parent / "masks" / f"{frame.stem}.png"
    try:
        with Image.open(path) as file:
            mask = np.array(file)
    except OSError as error:
        raise BadFile(f"the frame {frame} has no readable mask {path}: {error}") from error
    if mask.shape != size:
        raise BadFile(f"{path} has (height, width) {mask.shape}, its frame {size}")
    return mask


def _parts(mask: np.ndarray, settings: MomentSettings) -> list[np.ndarray]:
    """Connected parts of the moving foreground after a 3 x 3 opening, the largest first."""
    opened = cv2.morphologyEx(
        (mask == MOVING).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)
    )
    count, labels = cv2.connectedComponents(opened, connectivity=4)
    parts = [labels == label for label in range(1, count)]
    large = [part for part in parts if part.mean() >= settings.least_share]
    return sorted(large, key=lambda part: -part.sum())


def _measured(first: torch.Tensor, second: torch.Tensor, still: np.ndarray) -> np.ndarray:
    """Optical flow less the median flow of the background, which is taken to be the camera's."""
    if first.shape != second.shape:
        raise InvalidInput(
            f"frames of one clip differ in size: {tuple(first.shape)}, {tuple(second.shape)}"
        )
    flow = DisEstimator().estimate(first, second).numpy()
    if still.any():
        flow = flow - np.median(flow[:, still], axis=1)[:, None, None]
    return flow


def _deepest(mask: np.ndarray) -> tuple[int, int]:
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(x), int(y)
