"""SpelkeBench files: pictures with points and the segment that each point should get.

One HDF5 file with one group for each picture: `rgb` (height, width, 3), `segment` (point, height,
width) and `centroid` (point, 2), which the benchmark's description also calls `image`,
`segments_gt` and `poke_location`. Both are read, in any number format and range that they can
hold. Files of ours add the arrays `ignore` and `instance` and attributes (`family`, `clip`,
`fingerprint`, licence, source); whoever reads the published names finds what they expect.

Entry points: `SpelkeBenchFile`, `write_spelkebench`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spelke.data.bench_arrays import as_image, as_masks, as_points
from spelke.data.bench_checks import Finding, disagreements, remarks
from spelke.data.test_item import TestItem
from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.runtime.files import atomic_write

SCHEMA = "spelke-test-set-2"
NAMES = {
    "image": ("rgb", "image"),
    "segments": ("segment", "segments_gt"),
    "points": ("centroid", "poke_location"),
}
"""Arrays of a group under the names that the published code and its description give them."""
_RESERVED = ("family", "clip", "fingerprint")
_MAX_VALUES = 2**32
"""Largest array that is read, so that a forged shape cannot fill the memory."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A picture as it was read, or None where a finding is a fault."""

    item: TestItem | None
    findings: tuple[Finding, ...]


class SpelkeBenchFile:
    """The pictures of a file, each read when it is asked for.

    It can be handed to other processes: each opens the file for itself.

    Args:
        path: the HDF5 file.

    Attributes:
        keys: names of the pictures, sorted.
        attributes: what the file says of itself.

    Raises:
        MissingData: there is no such file, or nothing in it.
        BadFile: it is no HDF5 file, or cut short.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        if not self.path.is_file():
            raise MissingData(f"no SpelkeBench file at {self.path}; name an .h5 file that exists")
        self._file: h5py.File | None = None
        self._process = os.getpid()
        opened = self._open()
        try:
            self.keys: tuple[str, ...] = tuple(sorted(opened))
            self.attributes = {name: _plain(value) for name, value in opened.attrs.items()}
        except (OSError, RuntimeError, KeyError) as error:
            raise BadFile(f"{self.path} is damaged ({error}); get it again") from error
        if not self.keys:
            self.close()
            raise MissingData(f"{self.path} is empty; a SpelkeBench file has a group per picture")

    def read(self, key: str) -> Reading:
        """Read one picture and all that can be said against it.

        Raises:
            MissingData: there is no such picture.
        """
        if key not in self.keys:
            near = ", ".join(self.keys[:3])
            raise MissingData(f"{self.path} holds no picture {key!r}; its pictures are {near}, …")
        try:
            is_ours = self.attributes.get("schema") == SCHEMA
            return read_group(key, self._open()[key], is_ours)
        except (OSError, RuntimeError, KeyError) as error:
            text = f"its data cannot be read ({error}); the file is damaged: get it again"
            return Reading(None, (Finding(key, "damaged", text),))

    def __getitem__(self, key: str) -> TestItem:
        """Read one picture.

        Raises:
            MissingData: there is no such picture. BadFile: it is not usable; all faults are named.
        """
        reading = self.read(key)
        if reading.item is None:
            faults = "; ".join(found.text for found in reading.findings if found.is_fault)
            raise BadFile(f"{self.path}, {key}: {faults}")
        return reading.item

    def __iter__(self) -> Iterator[TestItem]:
        return (self[key] for key in self.keys)

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    def __len__(self) -> int:
        return len(self.keys)

    def __enter__(self) -> SpelkeBenchFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    def close(self) -> None:
        """Close the file; reading opens it again."""
        if self._file is not None and self._process == os.getpid():
            self._file.close()
        self._file = None

    def _open(self) -> h5py.File:
        if self._file is None or self._process != os.getpid():
            try:
                # Shared disks of clusters often cannot lock, and nobody writes here.
                self._file = h5py.File(self.path, "r", locking="best-effort")
            except OSError as error:
                raise BadFile(
                    f"{self.path} is no HDF5 file or is cut short ({error}); get it again"
                ) from error
            self._process = os.getpid()
        return self._file


def read_group(key: str, group: Any, is_ours: bool) -> Reading:
    """Read the group of one picture; see `SpelkeBenchFile.read`.

    Args:
        key: its name.
        group: of the HDF5 file.
        is_ours: whether a fingerprint is one of `SCHEMA`, by which the picture is verified.
    """
    findings: list[Finding] = []
    if not isinstance(group, h5py.Group):
        text = "is an array, not a group; each picture is a group of arrays"
        return Reading(None, (Finding(key, "wrong keys", text),))
    found = {role: next((n for n in names if n in group), None) for role, names in NAMES.items()}
    missing = [" or ".join(NAMES[role]) for role, name in found.items() if name is None]
    if missing:
        text = (
            f"has the arrays {', '.join(sorted(group)) or 'none'}; "
            f"missing is {'; missing is '.join(missing)}"
        )
        return Reading(None, (Finding(key, "wrong keys", text),))

    def take(kind: str, name: Any, check: Callable[[np.ndarray], np.ndarray]) -> np.ndarray | None:
        try:
            return check(_array(group, str(name)))
        except InvalidInput as error:
            findings.append(Finding(key, kind, f"`{name}` {error}"))
        return None

    image = take("image", found["image"], as_image)
    masks = take("masks", found["segments"], as_masks)
    points = None
    if image is not None:
        size = image.shape[:2]
        points = take("points", found["points"], lambda values: as_points(values, size))
    if image is not None and masks is not None and points is not None:
        findings += disagreements(key, image, masks, points)
    if image is None or masks is None or points is None or findings:
        return Reading(None, tuple(findings))
    try:
        item = _item_of(key, group, image, masks, points)
    except InvalidInput as error:
        return Reading(None, (Finding(key, "masks", str(error)),))
    if is_ours and item.fingerprint != group.attrs.get("fingerprint", item.fingerprint):
        text = "is not what was written: its fingerprint differs; make or get the file again"
        return Reading(None, (Finding(key, "changed", text),))
    return Reading(item, tuple(remarks(item)))


def _item_of(
    key: str, group: h5py.Group, image: np.ndarray, masks: np.ndarray, points: np.ndarray
) -> TestItem:
    prefix = re.match(r"[A-Za-z]*", key)
    return TestItem(
        key=key,
        family=str(group.attrs.get("family", prefix.group() if prefix else "")),
        image=image,
        points=points,
        segments=masks,
        ignore=as_masks(_array(group, "ignore")) if "ignore" in group else np.zeros_like(masks),
        instances=as_masks(_array(group, "instance")) if "instance" in group else masks,
        attributes={
            name: _plain(value) for name, value in group.attrs.items() if name not in _RESERVED
        },
        looks=as_masks(_array(group, "look")) if "look" in group else None,
        clip=str(group.attrs.get("clip", "")),
    )


def write_spelkebench(
    path: str | os.PathLike[str],
    items: Iterable[TestItem],
    attributes: Mapping[str, str] | None = None,
) -> int:
    """Write a file, whole or not at all, one picture in memory at a time.

    Args:
        path: the `.h5` to write.
        items: pictures; keys must be unique and hold no slash.
        attributes: of the file as a whole, such as "source".

    Returns:
        Number of pictures written.

    Raises:
        InvalidInput: a key that cannot be used. MissingData: there are no pictures.
    """
    count = 0
    with atomic_write(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update({**(attributes or {}), "schema": SCHEMA})
        for item in items:
            if not item.key or "/" in item.key or item.key in file:
                wrong = "is there twice" if item.key in file else "cannot name a picture"
                raise InvalidInput(
                    f"the key {item.key!r} {wrong}; keys must be unique and hold no slash"
                )
            _write_group(file.create_group(item.key), item)
            count += 1
        if not count:
            raise MissingData(f"there are no pictures to write to {path}")
    return count


def _write_group(group: h5py.Group, item: TestItem) -> None:
    group.attrs.update(dict(item.attributes))
    group.attrs["family"] = item.family
    if item.clip:
        group.attrs["clip"] = item.clip
    group.attrs["fingerprint"] = item.fingerprint
    arrays = {
        "rgb": item.image,
        "segment": item.segments.astype(np.uint8),
        "centroid": item.points.astype(np.int32),
        "ignore": item.ignore.astype(np.uint8),
        "instance": item.instances.astype(np.uint8),
    }
    if item.looks is not None:
        arrays["look"] = item.looks.astype(np.uint8)
    for name, values in arrays.items():
        group.create_dataset(name, data=values, compression="gzip", compression_opts=4)


def _array(group: h5py.Group, name: str) -> np.ndarray:
    dataset = group[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "buif":
        raise InvalidInput("is no array of numbers")
    if (dataset.size or 0) > _MAX_VALUES:
        raise InvalidInput(f"claims the shape {dataset.shape}, more than can be read")
    return np.asarray(dataset[()])


def _plain(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
