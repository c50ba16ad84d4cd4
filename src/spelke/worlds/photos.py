"""Photographs as a source of textures: those of two wheels, and of installed wallpapers.

The wheels are scikit-image and scikit-learn; nothing is downloaded. The photographs of the two
splits are disjoint. `coffee` is in neither: it is the picture of our demonstrations, so no model of
ours may have seen a single pixel of it. Those of scikit-image are in the public domain or under
free licences (its `data/README.txt`), the two of scikit-learn under CC BY 2.0.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.worlds.wallpapers import find_wallpapers

PHOTOS: dict[str, dict[str, tuple[str, str]]] = {
    "train": {
        "astronaut": ("skimage", "data/astronaut.png"),
        "brick": ("skimage", "data/brick.png"),
        "camera": ("skimage", "data/camera.png"),
        "coins": ("skimage", "data/coins.png"),
        "grass": ("skimage", "data/grass.png"),
        "hubble": ("skimage", "data/hubble_deep_field.jpg"),
        "ihc": ("skimage", "data/ihc.png"),
        "motorcycle": ("skimage", "data/motorcycle_left.png"),
        "page": ("skimage", "data/page.png"),
        "retina": ("skimage", "data/retina.jpg"),
        "rocket": ("skimage", "data/rocket.jpg"),
        "flower": ("sklearn", "datasets/images/flower.jpg"),
    },
    "test": {
        "chelsea": ("skimage", "data/chelsea.png"),
        "gravel": ("skimage", "data/gravel.png"),
        "moon": ("skimage", "data/moon.png"),
        "text": ("skimage", "data/text.png"),
        "china": ("sklearn", "datasets/images/china.jpg"),
    },
}


SOURCES = ("wheels", "wallpapers")
"""Where photographs may come from; see `wallpapers` for the second."""


class Photos:
    """The photographs of one split, and which of them were used.

    Attributes:
        split: "train" or "test".
        sources: where they may come from.
        used: names of the photographs that were cropped, in the order of their first use.
    """

    def __init__(self, split: str, sources: Sequence[str] = ("wheels",)) -> None:
        """List what there is.

        Args:
            split: "train" or "test".
            sources: some of `SOURCES`.

        Raises:
            InvalidInput: an unknown source, or none. MissingData: a source has nothing here.
        """
        unknown = sorted(set(sources) - set(SOURCES))
        if unknown or not sources:
            raise InvalidInput(
                f"unknown photographs {unknown or 'none given'}; choose from {', '.join(SOURCES)}"
            )
        self.split, self.sources = split, tuple(sources)
        self._paths = list_photos(split, tuple(sorted(set(sources))))
        self.used: list[str] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """Which photographs were used; with wallpapers also how many there are, fingerprinted."""
        used = tuple(f"photo {name}" for name in self.used)
        if "wallpapers" not in self.sources:
            return used
        names = hashlib.sha256("\n".join(sorted(self._paths)).encode()).hexdigest()
        return (*used, f"photos {len(self._paths)}:{names[:8]}")

    def crop(self, rng: np.random.Generator, side: int) -> np.ndarray:
        """A random crop of a random photograph, turned, mirrored and with its hue shifted.

        Returns:
            (side, side, 3) float32 in [0, 1].
        """
        names = sorted(self._paths)
        name = names[rng.integers(len(names))]
        if name not in self.used:
            self.used.append(name)
        return _vary(rng, read_photo(name, self._paths[name]), side)


@functools.cache
def list_photos(split: str, sources: tuple[str, ...]) -> dict[str, Path]:
    """Name -> file of every photograph of a split in some sources.

    Raises:
        MissingData: an installed wheel lacks a photograph, or no wallpapers are installed.
    """
    found: dict[str, Path] = {}
    if "wheels" in sources:
        for name, (package, inside) in PHOTOS[split].items():
            found[name] = _inside_wheel(name, package, inside)
    if "wallpapers" in sources:
        for name, path in find_wallpapers(split).items():
            found[f"wallpaper {name}"] = path
    return found


def _inside_wheel(name: str, package: str, inside: str) -> Path:
    spec = find_spec(package)
    path = Path(spec.origin).parent / inside if spec and spec.origin else None
    if path is None or not path.is_file():
        raise MissingData(
            f"photograph '{name}' is not at {package}/{inside}; "
            "reinstall the wheel: pip install --force-reinstall scikit-image scikit-learn"
        )
    return path


@functools.lru_cache(maxsize=192)
def read_photo(name: str, path: Path) -> np.ndarray:
    """Read one photograph.

    Returns:
        (height, width, 3) uint8, RGB, its shorter side at most 512 pixels.

    Raises:
        BadFile: the file is not a whole picture.
    """
    try:
        with Image.open(path) as image:
            image.draft("RGB", (1024, 1024))  # a JPEG is decoded no larger than needed
            picture = np.asarray(image.convert("RGB"))
    except OSError as error:
        raise BadFile(f"photograph '{name}' at {path} cannot be read: {error}") from error
    factor = 512 / min(picture.shape[:2])
    if factor < 1:
        picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return picture


def _vary(rng: np.random.Generator, photo: np.ndarray, side: int) -> np.ndarray:
    shorter = min(photo.shape[:2])
    window = int(shorter * rng.uniform(0.2, 1.0))
    top = rng.integers(photo.shape[0] - window + 1)
    left = rng.integers(photo.shape[1] - window + 1)
    crop = cv2.resize(
        photo[top : top + window, left : left + window], (side, side), interpolation=cv2.INTER_AREA
    )
    crop = np.rot90(crop, int(rng.integers(4)))
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    crop = np.ascontiguousarray(crop)
    if rng.random() < 0.5:
        hsv = cv2.cvtColor(crop, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + rng.integers(180)) % 180
        crop = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return crop.astype(np.float32) / 255
