"""`spelke affordance`: where in a photo something could move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spelke.cli.parse import parse
from spelke.cli.photos import Answer, PhotoOptions, ask_photos, write_picture
from spelke.runtime.files import atomic_write

if TYPE_CHECKING:
    from spelke.discovery.observer import Observer
    from spelke.discovery.scene import Scene

_EXAMPLES = """\
Examples:
  spelke affordance desk.jpg
  spelke affordance photos/ --out maps"""


@dataclass(frozen=True, kw_only=True)
class AffordanceOptions(PhotoOptions):
    """Map the probability that something moves, at each pixel of a photo.

    For each photo NAME this writes NAME.affordance.png (a heat map) and NAME.affordance.npz (the
    array `motion_affordance`, (height, width) float32 in [0, 1]).
    """


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    return ask_photos(parse(AffordanceOptions, "affordance", argv, _EXAMPLES), _find, _tell)


def _find(observer: Observer, scenes: Sequence[Scene]) -> list[np.ndarray]:
    return [scene.affordance() for scene in scenes]


def _tell(scene: Scene, values: np.ndarray, photo: Path, place: Callable[[str], Path]) -> Answer:
    from spelke.viz.heat import draw_heat

    picture, array = place(".affordance.png"), place(".affordance.npz")
    write_picture(picture, draw_heat(scene.image, values))
    with atomic_write(array) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, motion_affordance=values.astype(np.float32))
    row, column = (int(i) for i in np.unravel_index(values.argmax(), values.shape))
    record = {
        "size": list(values.shape),
        "mean": round(float(values.mean()), 4),
        "max": round(float(values.max()), 4),
        "most_movable_point": [column, row],
        "files": [str(picture), str(array)],
    }
    line = f"most movable at ({column}, {row}): {record['max']:.2f}; mean {record['mean']:.2f}"
    return Answer((picture, array), (record,), (line,))
