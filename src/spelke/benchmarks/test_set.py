"""Pictures with points and the segment that each point should get: what every model is asked.

A set is one HDF5 file with one group for each picture, under the names that SpelkeBench uses
(`rgb`, `segment`, `centroid`) and three of ours. Entry points: `TestItem`, `write_test_set`,
`read_test_set`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.runtime.files import atomic_write

SCHEMA = "spelke-test-set-1"


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
    """

    __test__ = False  # not a test class, whatever pytest makes of its name

    key: str
    family: str
    image: np.ndarray
    points: np.ndarray
    segments: np.ndarray
    ignore: np.ndarray
    instances: np.ndarray

    def __post_init__(self) -> None:
        height, width = self.image.shape[:2]
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise InvalidInput(
                f"{self.key}: image must be (height, width, 3) uint8, "
                f"got {self.image.dtype} of shape {self.image.shape}"
            )
        count = len(self.points)
        for name in ("segments", "ignore", "instances"):
            masks = getattr(self, name)
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
        """Twelve hexadecimal digits that change when the picture or its questions do."""
        digest = hashlib.sha256(self.image.tobytes())
        digest.update(np.ascontiguousarray(self.points, np.int64).tobytes())
        digest.update(np.packbits(self.segments).tobytes())
        return digest.hexdigest()[:12]


def write_test_set(path: str | os.PathLike[str], items: Iterable[TestItem]) -> None:
    """Write a set, whole or not at all; see the module for the names in the file."""
    with atomic_write(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["schema"] = SCHEMA
        for item in items:
            group = file.create_group(item.key)
            group.attrs["family"] = item.family
            group.attrs["fingerprint"] = item.fingerprint
            arrays = {
                "rgb": item.image,
                "segment": item.segments.astype(np.uint8),
                "centroid": item.points.astype(np.int16),
                "ignore": item.ignore.astype(np.uint8),
                "instance": item.instances.astype(np.uint8),
            }
            for name, values in arrays.items():
                group.create_dataset(name, data=values, compression="gzip", compression_opts=4)


def read_test_set(path: str | os.PathLike[str]) -> list[TestItem]:
    """Read a set and verify every picture against its fingerprint.

    Raises:
        MissingData: there is no such file.
        BadFile: not a test set, another schema, or contents that changed since they were written.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingData(f"no test set at {path}; `spelke bench quick` makes one")
    try:
        with h5py.File(path, "r") as file:
            schema = file.attrs.get("schema")
            if schema != SCHEMA:
                raise BadFile(
                    f"{path} has schema {schema!r}, not {SCHEMA!r}: delete it to remake it"
                )
            return [_read_item(path, file[key]) for key in file]
    except (OSError, KeyError, InvalidInput) as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile(
            f"{path} cannot be read as a test set ({error}): delete it to remake it"
        ) from error


def _read_item(path: Path, group: Any) -> TestItem:
    # A group whose members h5py's types cannot know.
    item = TestItem(
        key=group.name.strip("/"),
        family=str(group.attrs["family"]),
        image=group["rgb"][:],
        points=group["centroid"][:].astype(np.int64),
        segments=group["segment"][:].astype(bool),
        ignore=group["ignore"][:].astype(bool),
        instances=group["instance"][:].astype(bool),
    )
    if item.fingerprint != group.attrs["fingerprint"]:
        raise BadFile(f"{path}: {item.key} is not what was written: delete the file to remake it")
    return item


def fingerprint_of(items: Sequence[TestItem]) -> str:
    """Twelve hexadecimal digits for a whole set, in any order of its pictures."""
    parts = sorted(f"{item.key}={item.fingerprint}" for item in items)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
