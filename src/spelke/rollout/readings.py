"""The pictures that a model has read and still remembers.

A reading is what later questions look back at: large (a gigabyte for the published networks), and
as costly as many questions. So the last ones are kept, as many as memory allows, and a picture
that was forgotten is read again when it is asked about.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spelke.models.cache import Cache


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    of: weakref.ref[Any]
    variant: int
    cache: Cache


class Readings:
    """Caches of the things that were read last.

    Args:
        limit: how many are kept; at least 1.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._entries: list[_Entry] = []

    def get(self, thing: Any, variant: int, read: Callable[[], Cache]) -> Cache:
        """The reading of a thing in one variant, found or made by `read`.

        What nobody holds any more is forgotten at once, then what was not asked for longest, before
        the new one takes memory.
        """
        self._entries = [entry for entry in self._entries if entry.of() is not None]
        for place, entry in enumerate(self._entries):
            if entry.of() is thing and entry.variant == variant:
                self._entries.append(self._entries.pop(place))
                return entry.cache
        del self._entries[: max(0, len(self._entries) - self.limit + 1)]
        self._entries.append(_Entry(weakref.ref(thing), variant, read()))
        return self._entries[-1].cache
