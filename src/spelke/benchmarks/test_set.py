"""Sets of test pictures, in memory and in files that are checked when they are read.

The format is that of `data.spelkebench`. Entry points: `TestItem`, `TestSet`, `write_test_set`,
`read_test_set`, `fingerprint_of`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from spelke.data.spelkebench import SCHEMA, Reading, SpelkeBenchFile, write_spelkebench
from spelke.data.test_item import TestItem
from spelke.errors import BadFile, InvalidInput, MissingData

__all__ = ["TestItem", "TestSet", "fingerprint_of", "read_test_set", "write_test_set"]


class TestSet:
    """A set in memory, and a file of it for whoever looks at the answers later.

    Args:
        path: the SpelkeBench file.
        items: the pictures; keys must be unique.

    Raises:
        InvalidInput: two pictures of one key.
    """

    __test__ = False  # not a test class, whatever pytest makes of its name

    def __init__(self, path: str | os.PathLike[str], items: Sequence[TestItem]):
        self.path = Path(path)
        self.items = {item.key: item for item in items}
        if len(self.items) < len(items):
            raise InvalidInput(f"{len(items) - len(self.items)} pictures have the key of another")
        self.fingerprint = fingerprint_of(items)

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    def __len__(self) -> int:
        return len(self.items)

    def read(self, key: str) -> Reading:
        """One picture; it has been checked when it was made."""
        return Reading(self.items[key], ())

    def write(self) -> None:
        """Write the file unless it holds exactly these pictures.

        Raises:
            InvalidInput: a key that holds a slash.
            Unavailable: the disk is full or the folder may not be written.
        """
        try:
            with SpelkeBenchFile(self.path) as file:
                is_there = file.attributes.get("fingerprint") == self.fingerprint
        except (MissingData, BadFile):
            is_there = False
        if not is_there:
            about = {"fingerprint": self.fingerprint}
            write_spelkebench(self.path, self.items.values(), about)


def write_test_set(path: str | os.PathLike[str], items: Iterable[TestItem]) -> None:
    """Write a set, whole or not at all."""
    write_spelkebench(path, items)


def read_test_set(path: str | os.PathLike[str]) -> list[TestItem]:
    """Read a set and verify every picture against its fingerprint.

    Raises:
        MissingData: there is no such file.
        BadFile: not a test set, another schema, or contents that changed since they were written.
    """
    try:
        with SpelkeBenchFile(path) as file:
            schema = file.attributes.get("schema")
            if schema != SCHEMA:
                raise BadFile(f"{path} has schema {schema!r}, not {SCHEMA!r}")
            return list(file)
    except BadFile as error:
        raise BadFile(f"{error}; or delete it to remake it") from error


def fingerprint_of(items: Iterable[TestItem]) -> str:
    """Twelve hexadecimal digits for a whole set, in any order of its pictures."""
    parts = sorted(f"{item.key}={item.fingerprint}" for item in items)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
