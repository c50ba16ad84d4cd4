"""Files that say which pictures are meant, and which points of them: text, CSV or JSON.

* `.txt`: a picture a line, then its points: `desk.jpg 312 205 90 60`. A TAB ends a name that itself
  ends in numbers. Empty lines and lines that begin with `#` are left out.
* `.csv`: a head `image,x,y`, then a point a line; a line without x and y names a picture alone.
* `.json`: `{"desk.jpg": [[312, 205], [90, 60]], "attic.jpg": []}`.

A picture that is there several times has all of its points. Entry points: `read_list`,
`PointTable`.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spelke.errors import BadFile, MissingData
from spelke.types import Point

LIST_SUFFIXES = (".txt", ".csv", ".json")

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")

Points = tuple[Point, ...]


def read_list(path: Path) -> dict[str, Points]:
    """Read which pictures a list names, as it names them and in its order, with their points.

    Raises:
        MissingData: there is no such file, or it names no picture.
        BadFile: it is not such a list; the message names the place.
    """
    parse = {".txt": _from_text, ".csv": _from_csv, ".json": _from_json}.get(path.suffix.lower())
    if parse is None:
        raise BadFile(f"{path} is no list of pictures; lists end in {' '.join(LIST_SUFFIXES)}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise MissingData(f"there is no list of pictures {path}; check the name") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"cannot read the list of pictures {path}: {error}") from error
    named: dict[str, Points] = {}
    try:
        for name, points in parse(text):
            named[name] = (*named.get(name, ()), *points)
    except (ValueError, csv.Error) as error:
        raise BadFile(f"{path}, {error}") from error
    if not named:
        raise MissingData(f"the list {path} names no picture")
    return named


class PointTable:
    """Points of pictures that are named elsewhere.

    Args:
        path: a list, see `read_list`. A name in it is the path of a picture or the end of one:
            `desk.jpg` means every picture that is called so, `attic/desk.jpg` those in such a
            folder.

    Attributes:
        unused: names in it that no picture had so far.
    """

    def __init__(self, path: Path):
        self.path = path
        self._points = read_list(path)
        self.unused = dict.fromkeys(self._points)

    def points_of(self, name: str) -> Points:
        """The points of a picture; the longest name in the table decides."""
        parts = Path(name).parts
        for first in range(len(parts)):
            known = "/".join(parts[first:]).replace("//", "/")
            if known in self._points:
                self.unused.pop(known, None)
                return self._points[known]
        return ()


def _from_text(text: str) -> Iterator[tuple[str, Points]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, tab, rest = line.partition("\t")
        values = rest.split()
        if not tab:
            words = line.split()
            count = next((i for i, w in enumerate(reversed(words)) if not _is_number(w)), 0)
            name = line.strip().rsplit(None, count)[0] if count else line
            values = words[len(words) - count :]
        if len(values) % 2 or not all(map(_is_number, values)):
            raise ValueError(
                f"line {number}: expected a picture and pairs of numbers X Y, got {line.strip()!r}"
            )
        yield name.strip(), _points(zip(values[::2], values[1::2], strict=True), f"line {number}")


def _from_csv(text: str) -> Iterator[tuple[str, Points]]:
    rows = csv.DictReader(io.StringIO(text))
    if not {"image", "x", "y"} <= set(rows.fieldnames or ()):
        raise ValueError(
            f"line 1: expected a head image,x,y, got {','.join(rows.fieldnames or ())}"
        )
    for row in rows:
        name, x, y = ((row[key] or "").strip() for key in ("image", "x", "y"))
        if not name or bool(x) != bool(y):
            raise ValueError(f"line {rows.line_num}: expected image,x,y, got {name},{x},{y}")
        yield name, _points([(x, y)] if x else [], f"line {rows.line_num}")


def _from_json(text: str) -> Iterator[tuple[str, Points]]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}: no JSON: {error.msg}") from error
    if not isinstance(document, dict):
        raise ValueError('line 1: expected {"picture": [[x, y], …], …}')
    for name, pairs in document.items():
        if not isinstance(pairs, list) or not all(isinstance(p, list) for p in pairs):
            raise ValueError(f"{name!r}: expected points as [[x, y], …], got {pairs!r}")
        yield name, _points(pairs, repr(name))


def _points(pairs: Iterable[Any], where: str) -> Points:
    points = []
    for pair in pairs:
        try:
            x, y = map(float, pair)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: a point is two numbers X Y, got {pair!r}") from error
        if not (math.isfinite(x) and math.isfinite(y)):
            raise ValueError(f"{where}: a point is two finite numbers, got {x:g} {y:g}")
        points.append((x, y))
    return tuple(points)


def _is_number(word: str) -> bool:
    return _NUMBER.fullmatch(word) is not None
