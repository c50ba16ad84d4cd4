"""Photographs that come inside the scikit-image and scikit-learn wheels, as a source of textures.

Nothing is downloaded. The photographs of the two splits are disjoint. `coffee` is in neither: it is
the picture of our demonstrations, so no model of ours may have seen a single pixel of it.
"""

from __future__ import annotations

import functools
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from spelke.errors import MissingData

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


@functools.cache
def read_photo(split: str, name: str) -> np.ndarray:
    """Read one photograph.

    Returns:
        (height, width, 3) uint8, RGB, its shorter side at most 512 pixels.

    Raises:
        MissingData: the wheel on this machine does not hold the file.
    """
    package, inside = PHOTOS[split][name]
    spec = find_spec(package)
    path = Path(spec.origin).parent / inside if spec and spec.origin else None
    if path is None or not path.is_file():
        raise MissingData(
            f"photograph '{name}' is not at {package}/{inside}; "
            "reinstall the wheel: pip install --force-reinstall scikit-image scikit-learn"
        )
    picture = np.asarray(Image.open(path).convert("RGB"))
    factor = 512 / min(picture.shape[:2])
    if factor < 1:
        picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return picture


def crop_photo(rng: np.random.Generator, split: str, side: int) -> np.ndarray:
    """A random crop of a random photograph, turned, mirrored and with its hue shifted.

    Returns:
        (side, side, 3) float32 in [0, 1].
    """
    names = sorted(PHOTOS[split])
    photo = read_photo(split, names[rng.integers(len(names))])
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
