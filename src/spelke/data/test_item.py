"""One picture with points and the segment that each should get: what every model is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from spelke.errors import InvalidInput


@dataclass(frozen=True, slots=True, eq=False)
class TestItem:
    """One picture and its questions.

    Attributes:
        key: name of the picture, unique in its set.
        family: kind of scene, by which scores are reported.
        image: (height, width, 3) uint8, RGB.
        points: (point, 2) integers `(x, y)` in pixels, the places that are poked.
        segments: (point, height, width) bool, the truth of each point: what moves along.
        ignore: likewise, pixels that count for nothing in that answer.
        instances: likewise, the object under each point alone, for the oracle.
        attributes: what else is known, such as "licence" and "source".
        looks: as `segments`, what of the object under each point looks as it does there, for the
            oracle of looks; None where that is not known.
        clip: name of the video or scene that this is one picture of; its pictures resemble each
            other, so intervals draw them together. "" where it is the only one.
    """

    __test__ = False  # not a test class, whatever pytest makes of its name

    key: str
    family: str
    image: np.ndarray
    points: np.ndarray
    segments: np.ndarray
    ignore: np.ndarray
    instances: np.ndarray
    attributes: Mapping[str, str] = field(default_factory=dict)
    looks: np.ndarray | None = None
    clip: str = ""

    def __post_init__(self) -> None:
        height, width = self.image.shape[:2]
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise InvalidInput(
                f"{self.key}: image must be (height, width, 3) uint8, "
                f"got {self.image.dtype} of shape {self.image.shape}"
            )
        count = len(self.points)
        for name in ("segments", "ignore", "instances", "looks"):
            masks: np.ndarray | None = getattr(self, name)
            if masks is None:  # only looks may be unknown
                continue
            if masks.shape != (count, height, width) or masks.dtype != np.bool_:
                raise InvalidInput(
                    f"{self.key}: {name} must be {(count, height, width)} bool, "
                    f"got {masks.dtype} of shape {masks.shape}"
                )
        inside = (self.points >= 0) & (self.points < (width, height))
        if self.points.shape != (count, 2) or not inside.all():
            raise InvalidInput(
                f"{self.key}: points must be (x, y) inside the {width}x{height} image"
            )

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with all that an answer or a score depends on.

        That is everything but the `attributes`. The key is part of it because random numbers of a
        model are seeded by it.
        """
        digest = hashlib.sha256(repr((self.key, self.family, self.clip)).encode())
        masks = (self.segments, self.ignore, self.instances, self.looks)
        arrays = (self.image, self.points.astype(np.int64), *masks)
        for values in arrays:
            digest.update(repr(None if values is None else values.shape).encode())
            if values is not None:
                is_mask = values.dtype == np.bool_
                digest.update((np.packbits(values) if is_mask else values).tobytes())
        return digest.hexdigest()[:12]
