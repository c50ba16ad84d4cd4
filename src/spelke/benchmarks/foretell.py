"""Maps of what could move, and of where it would go: a world model's, and those without one.

Affordance baselines rank pixels by what catches the eye; `None` of them knows what things are.
Entry points: `AFFORDANCES`, `Forecaster`, `moved_rigidly`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from spelke.benchmarks.clips import Moment
from spelke.benchmarks.identity import digest_of
from spelke.errors import BadFile
from spelke.runtime.files import atomic_write
from spelke.types import Poke

Image = UInt8[np.ndarray, "height width 3"]
Map = Float[np.ndarray, "height width"]

_BLUR = 0.02
"""Standard deviation of the blur of gradients, as a share of the longer side."""


def uniform(image: Image) -> Map:
    """Everything alike."""
    return np.ones(image.shape[:2], np.float32)


def centre(image: Image) -> Map:
    """The nearer to the centre of the picture, the more."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    return -np.hypot((x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5).astype(np.float32)


def contrast(image: Image) -> Map:
    """Lab distance from the nearest of the median colours of the four sides of the picture."""
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    rim = max(1, round(0.05 * min(image.shape[:2])))
    sides = (lab[:rim], lab[-rim:], lab[:, :rim], lab[:, -rim:])
    colours = [np.median(side.reshape(-1, 3), axis=0) for side in sides]
    return np.min([np.linalg.norm(lab - colour, axis=2) for colour in colours], axis=0)


def gradient(image: Image) -> Map:
    """Energy of the grey gradient around each pixel."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    energy = cv2.Sobel(grey, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(grey, cv2.CV_32F, 0, 1) ** 2
    return cv2.GaussianBlur(energy, (0, 0), _BLUR * max(image.shape[:2]))


AFFORDANCES: dict[str, Callable[[Image], Map]] = {
    "uniform": uniform,
    "centre": centre,
    "border-contrast": contrast,
    "gradient": gradient,
}
"""What motion affordance is compared with."""


def moved_rigidly(
    mask: Bool[np.ndarray, "height width"], shift: Float[np.ndarray, " 2"]
) -> Float[np.ndarray, "2 height width"]:
    """The displacement field of a segment that moves as a whole."""
    return mask[None] * shift[:, None, None].astype(np.float32)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a world model says of one picture.

    Attributes:
        affordance: (height, width).
        fields: (asked point, 2, height, width), displacement by the measured shift there, pixels.
    """

    affordance: np.ndarray
    fields: np.ndarray


@dataclass(frozen=True, slots=True)
class Forecaster:
    """A world model whose forecasts are kept in a folder.

    Attributes:
        name: as it is reported. identity: changes when it would answer otherwise.
        observer: has `look(image)`, as `spelke.load` gives.
        folder: holds `<name>-maps/<digest>.npz` for each picture.
    """

    name: str
    identity: str
    observer: Any
    folder: str | os.PathLike[str]

    def forecast(self, moment: Moment) -> Forecast:
        """Ask about one picture, or read what was answered before.

        Raises:
            BadFile: the file of an earlier run is damaged.
        """
        asked = moment.points[: moment.asked].tolist(), moment.shifts[: moment.asked].tolist()
        digest = digest_of(self.identity, moment.key, moment.image.tobytes(), asked)
        path = Path(self.folder) / f"{self.name}-maps" / f"{digest}.npz"
        if path.is_file():
            return _read(path)
        scene = self.observer.look(moment.image)
        fields = [
            scene.displacement([Poke((float(x), float(y)), (float(dx), float(dy)))])
            for (x, y), (dx, dy) in zip(*asked, strict=True)
        ]
        found = Forecast(np.asarray(scene.affordance()), np.array(fields))
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(
                file,
                affordance=found.affordance.astype(np.float16),
                fields=found.fields.astype(np.float16),
            )
        return _read(path)  # the same numbers now as in a later run


def _read(path: Path) -> Forecast:
    try:
        with np.load(path) as arrays:
            return Forecast(
                arrays["affordance"].astype(np.float32), arrays["fields"].astype(np.float32)
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise BadFile(f"{path} cannot be read ({error}): delete it to ask again") from error
