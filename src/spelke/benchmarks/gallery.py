"""Real pictures to look at: affordance, displacement and segment of some chosen at random.

Pictures come from the same folder as `real.read_photos`. A documentation may only show those that
their licence lets it show, so every source has its licence here, and `OPEN` ones are the default.
Entry points: `find_pictures`, `draw_gallery`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from spelke.data.image import read_image
from spelke.errors import BadFile, MissingData
from spelke.types import Poke
from spelke.viz.arrows import draw_displacement
from spelke.viz.heat import draw_heat
from spelke.viz.overlay import draw_point, draw_segment
from spelke.viz.sheet import Panel, arrange

OPEN = ("MIT", "CC BY 4.0", "Apache-2.0", "CC0")
"""Licences that let a documentation show a picture, with its source named."""


@dataclass(frozen=True, slots=True)
class Source:
    """Files of one origin. `pattern` is relative to the folder."""

    pattern: str
    licence: str
    credit: str


SOURCES = (
    Source("spelke_figs/editbench_pair*_b.jpg", "MIT", "3DEditBench"),
    Source("spelke_figs/rose.png", "MIT", "SpelkeNet"),
    Source("franka_vjepa2/*.npz", "MIT", "V-JEPA 2"),
    Source("bridge_octo/*.npz", "CC BY 4.0", "BridgeData"),
    Source("clips_nomask/sam2_*.mp4", "Apache-2.0", "SAM 2"),
    Source("clips_nomask/mmtracking_*.mp4", "Apache-2.0", "MMTracking"),
    Source("clips_nomask/cotracker_*.mp4", "CC BY-NC 4.0", "CoTracker"),
    Source("tabletop_rgbd/*-color.png", "non-commercial", "UnseenObjectClustering"),
    Source("human_seg/images/*.jpg", "not stated", "Human segmentation data set"),
    Source("camvid/images/*.jpg", "CC BY-NC 4.0", "CamVid"),
)
ARCHIVE_ARRAYS = {"franka_vjepa2": "observations", "bridge_octo": "image_0"}
"""Array of pictures in an archive of a source; of an episode the first frame is taken."""
MOMENTS = (0.2, 0.4, 0.6, 0.8)
"""Parts of a clip at which a frame is taken."""
EPISODE_STEP = 3
"""One of so many robot episodes is taken: they show the same sink."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture with where it is from."""

    name: str
    licence: str
    credit: str
    image: np.ndarray


def find_pictures(
    folder: str | os.PathLike[str], licences: Sequence[str] = OPEN
) -> list[Callable[[], Photo]]:
    """List the pictures under a folder whose licence is among `licences`, in a fixed order.

    Returns:
        For each picture a function that reads it.

    Raises:
        MissingData: there is none.
    """
    folder = Path(folder)
    found: list[Callable[[], Photo]] = []
    for source in SOURCES:
        if source.licence in licences:
            for path in sorted(folder.glob(source.pattern)):
                found += _readers(path, source)
    if not found:
        raise MissingData(
            f"no picture under {folder} has one of the licences {', '.join(licences)}; known are "
            + ", ".join(sorted({source.licence for source in SOURCES}))
        )
    return found


def choose(
    pictures: Sequence[Callable[[], Photo]], count: int, generator: np.random.Generator
) -> list[Photo]:
    """Read `count` different pictures drawn at random, or all where there are fewer."""
    drawn = generator.permutation(len(pictures))[:count]
    return [pictures[index]() for index in sorted(drawn.tolist())]


def draw_gallery(
    observer: Any,
    photos: Iterable[Photo],
    title: str = "",
    pictures_per_row: int = 2,
    cell_height: int = 170,
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw for each photo: the point, motion affordance, displacement by a poke, the segment.

    The point is where the motion affordance is greatest, so that what is shown is the model's own
    choice; the poke goes right by a tenth of the width.

    Args:
        observer: has `look(image)`, as `spelke.load` gives.
        photos: what to show.
        title: above everything.
        pictures_per_row: photos in a row, of four panels each.
        cell_height: of a panel in pixels.
    """
    panels = [panel for photo in photos for panel in panels_of(observer, photo)]
    return arrange(panels, columns=4 * pictures_per_row, cell_height=cell_height, title=title)


def panels_of(observer: Any, photo: Photo) -> list[Panel]:
    """Draw the four panels of one photo; see `draw_gallery`."""
    scene = observer.look(photo.image)
    affordance = scene.affordance()
    y, x = np.unravel_index(int(affordance.argmax()), affordance.shape)
    point = (float(x), float(y))
    poke = Poke(point, (0.1 * photo.image.shape[1], 0.0))
    segment = scene.segment(point)
    small = max(photo.image.shape[:2]) < 128
    zoom = 4 if small else None
    return [
        Panel(draw_point(photo.image, point, zoom=zoom), note=photo.name),
        Panel(
            draw_heat(photo.image, affordance, bar=False), note=f"affordance {affordance.max():.2f}"
        ),
        Panel(
            draw_displacement(photo.image, scene.displacement(poke), zoom=zoom), note="poked right"
        ),
        Panel(
            draw_segment(photo.image, segment, show_pokes=False, zoom=zoom),
            note=f"segment, confidence {segment.confidence:.2f}",
        ),
    ]


def _readers(path: Path, source: Source) -> list[Callable[[], Photo]]:
    if path.suffix == ".npz":
        return [
            _reader(path, source, f"{path.stem} {index}", lambda i=index: _from_archive(path, i))
            for index in range(_count_in_archive(path))
        ]
    if path.suffix == ".mp4":
        return [
            _reader(path, source, f"{path.stem} {moment:.0%}", lambda m=moment: _from_clip(path, m))
            for moment in MOMENTS
        ]
    return [_reader(path, source, path.stem, lambda: _from_file(path))]


def _reader(
    path: Path, source: Source, name: str, read: Callable[[], np.ndarray]
) -> Callable[[], Photo]:
    return lambda: Photo(name, source.licence, source.credit, read())


def _from_file(path: Path) -> np.ndarray:
    return (read_image(path).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)


def _archive(path: Path) -> np.ndarray:
    name = ARCHIVE_ARRAYS[path.parent.name]
    with np.load(path) as arrays:
        pictures = arrays[name]
    height, width = pictures.shape[-3:-1]
    if path.parent.name == "bridge_octo":
        pictures = pictures[::EPISODE_STEP, :1]
    return pictures.reshape(-1, height, width, 3)


def _count_in_archive(path: Path) -> int:
    return len(_archive(path))


def _from_archive(path: Path, index: int) -> np.ndarray:
    return np.ascontiguousarray(_archive(path)[index])


def _from_clip(path: Path, moment: float) -> np.ndarray:
    clip = cv2.VideoCapture(str(path))
    try:
        clip.set(cv2.CAP_PROP_POS_FRAMES, int(moment * clip.get(cv2.CAP_PROP_FRAME_COUNT)))
        is_read, frame = clip.read()
    finally:
        clip.release()
    if not is_read:
        raise BadFile(f"no frame can be read from {path} at {moment:.0%}")
    return np.ascontiguousarray(frame[..., ::-1])
