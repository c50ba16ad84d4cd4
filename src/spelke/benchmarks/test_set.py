"""Sets of test pictures that are checked when they are read, and names for what they hold.

The format is that of `data.spelkebench`. Entry points: `TestItem`, `write_test_set`,
`read_test_set`, `fingerprint_of`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence

from spelke.data.spelkebench import SCHEMA, SpelkeBenchFile, write_spelkebench
from spelke.data.test_item import TestItem
from spelke.errors import BadFile

__all__ = ["TestItem", "fingerprint_of", "read_test_set", "write_test_set"]


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


def fingerprint_of(items: Sequence[TestItem]) -> str:
    """Twelve hexadecimal digits for a whole set, in any order of its pictures."""
    parts = sorted(f"{item.key}={item.fingerprint}" for item in items)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
