"""Many pictures, wherever they are: files, folders, patterns, lists, WebDatasets.

A WebDataset is a `.tar` of samples; of each the picture is taken (`KEY.jpg`, …; of several the one
called `image` or `rgb`), and its points from `KEY.points.json` (`[[x, y], …]`). A picture that
cannot be read says so when it is read, and does not keep others from being read.
Entry points: `find_sources`, `pictures_of`.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from glob import glob, has_magic
from pathlib import Path, PurePosixPath
from typing import Any

from spelke.data.image import IMAGE_SUFFIXES, find_images, read_bytes
from spelke.data.picture_lists import LIST_SUFFIXES, Points, PointTable, read_list
from spelke.errors import BadFile, MissingData, MissingExtra

_TAR = re.compile(r"\.(tar|tar\.gz|tgz)$", re.IGNORECASE)
_TAR_END = bytes(2 * 512)
"""Two blocks of zeros end a .tar; most writers add more of them."""
_POINTS = "points.json"
_FAVOURITES = ("image", "rgb")
"""What the picture of a sample is called where it has several: `KEY.rgb.jpg`."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One of many pictures.

    Attributes:
        name: for people, and for tables of points: a path, or that of the tar and the file in it.
        folder: where results go unless another is named.
        label: results are called so there, with endings; it may hold slashes.
        points: of its own, (x, y) in pixels.
        path: of the file; None for one in a tar.
        data: of one in a tar.
        fault: why it has no data, or "".
    """

    name: str
    folder: Path
    label: str
    points: Points = ()
    path: Path | None = None
    data: bytes = b""
    fault: str = ""

    def read(self) -> bytes:
        """The bytes of the file.

        Raises:
            MissingData: it does not exist. BadFile: it cannot be read.
        """
        if self.fault:
            raise BadFile(self.fault)
        return self.data if self.path is None else read_bytes(self.path)


@dataclass(frozen=True, slots=True)
class PictureTar:
    """A WebDataset shard."""

    path: Path

    @property
    def name(self) -> str:
        """For people."""
        return str(self.path)

    @property
    def folder(self) -> Path:
        """See `Picture`."""
        return self.path.parent

    @property
    def label(self) -> str:
        """Its file name without ending; the results of its pictures go into such a folder."""
        return _TAR.sub("", self.path.name)


Source = Picture | PictureTar


def find_sources(names: Iterable[Path]) -> list[Source]:
    """List what is meant by pictures, folders, patterns, lists and tars, each once.

    A folder gives the pictures directly inside it, in the order of their names; a pattern
    (`photos/**/*.jpg`, `photos-{000..009}.tar`) what it matches. Names in a list are relative to
    its folder; see `picture_lists`.

    Raises:
        MissingData: a name means nothing that exists, or a folder or pattern holds no picture.
        BadFile: a list is damaged. MissingExtra: braces need webdataset.
    """
    found: dict[Path, Source] = {}
    for name in names:
        for source in _sources_of(name.expanduser()):
            path = source.path
            assert path is not None
            before = found.setdefault(path, source)
            if isinstance(before, Picture) and before is not source:
                points = source.points if isinstance(source, Picture) else ()
                found[path] = replace(before, points=(*before.points, *points))
    return list(found.values())


def pictures_of(sources: Sequence[Source], table: PointTable | None = None) -> Iterator[Picture]:
    """Yield the pictures of all sources, those of tars as they are read.

    Args:
        sources: see `find_sources`.
        table: further points.
    """
    for source in sources:
        for picture in [source] if isinstance(source, Picture) else _samples(source):
            if table is None:
                yield picture
            else:
                more = table.points_of(picture.name)
                yield replace(picture, points=(*picture.points, *more)) if more else picture


def _sources_of(path: Path) -> Iterator[Source]:
    """What one name means."""
    if "{" in str(path) and not path.exists():
        for name in _without_braces(str(path)):
            yield from _sources_of(Path(name))
    elif path.suffix.lower() in LIST_SUFFIXES and not path.is_dir() and not has_magic(str(path)):
        for name, points in read_list(path).items():
            yield _source(path.parent / name, points)
    elif _TAR.search(path.name) and has_magic(str(path)) and not path.exists():
        tars = sorted(Path(name) for name in glob(str(path), recursive=True))
        if not tars:
            raise MissingData(f"the pattern {path} matches no .tar file (from {Path.cwd()})")
        yield from map(PictureTar, tars)
    else:
        yield from map(_source, find_images(path))


def _source(path: Path, points: Points = ()) -> Source:
    if _TAR.search(path.name) and not points:
        return PictureTar(path)
    return Picture(str(path), path.parent, path.stem, points, path)


def _without_braces(pattern: str) -> Iterator[str]:
    try:
        from braceexpand import braceexpand
    except ImportError as error:
        raise MissingExtra(_needs_webdataset(f"braces in {pattern}")) from error
    try:
        names = list(braceexpand(pattern))
    except ValueError as error:
        raise MissingData(f"the braces in {pattern} do not match: {error}") from error
    if names == [pattern]:
        raise MissingData(f"there is no file or folder {pattern}; check the name")
    yield from names


def _samples(tar: PictureTar) -> Iterator[Picture]:
    """The pictures of a shard; where it is damaged, one that says so is the last."""
    try:
        from webdataset.tariterators import group_by_keys, tar_file_expander
    except ImportError as error:
        raise MissingExtra(_needs_webdataset(tar.name)) from error
    seen: set[str] = set()
    try:
        with tar.path.open("rb") as stream:
            for sample in group_by_keys(tar_file_expander([{"url": tar.name, "stream": stream}])):
                key = sample["__key__"]
                yield _picture_of(tar, sample, key in seen)
                seen.add(key)
        if tar.path.suffix.lower() == ".tar":
            check_tar_end(tar.path)
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:
        reason = str(error.args[0] if error.args else error).partition(" @ ")[0]
        fault = f"{tar.path} is no whole .tar file ({reason}); {len(seen)} samples could be read"
        yield Picture(tar.name, tar.folder, tar.label, fault=fault)
    else:
        if not seen:
            fault = f"{tar.path} holds no samples"
            yield Picture(tar.name, tar.folder, tar.label, fault=fault)


def check_tar_end(path: Path) -> None:
    """Refuse a .tar that was cut between two files, which its readers take for its end.

    Raises:
        tarfile.ReadError: it does not end as a .tar does. OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - len(_TAR_END)))
        if file.read() != _TAR_END:
            raise tarfile.ReadError("its end is missing")


def _picture_of(tar: PictureTar, sample: dict[str, Any], is_double: bool) -> Picture:
    """The picture of a sample, or what is wrong with it."""
    key = sample["__key__"]
    picture = Picture(f"{tar.path}/{key}", tar.folder, f"{tar.label}/{key}")
    if ".." in PurePosixPath(key).parts or PurePosixPath(key).is_absolute():
        return replace(picture, fault=f"{picture.name} points out of its folder; rename it")
    if is_double:
        return replace(picture, fault=f"{picture.name} is there twice; rename one of them")
    kinds = [kind for kind in sample if f".{kind.rpartition('.')[2]}" in IMAGE_SUFFIXES]
    plain = [kind for kind in kinds if "." not in kind]
    named = [kind for kind in kinds if kind.partition(".")[0] in _FAVOURITES]
    choice = plain or named or kinds
    if len(choice) != 1:
        what = f"several pictures ({', '.join(choice)})" if choice else "no picture"
        return replace(picture, fault=f"{picture.name} holds {what}; a sample has one")
    try:
        points = _points_of(sample.get(_POINTS))
    except (ValueError, TypeError) as error:
        return replace(picture, fault=f"{picture.name}.{_POINTS} is not [[x, y], …]: {error}")
    (kind,) = choice
    return replace(picture, name=f"{picture.name}.{kind}", points=points, data=sample[kind])


def _points_of(text: bytes | None) -> Points:
    return () if text is None else tuple((float(x), float(y)) for x, y in json.loads(text))


def _needs_webdataset(what: str) -> str:
    return f"{what} cannot be read without webdataset: pip install 'spelke[train]'"
