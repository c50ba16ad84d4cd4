"""Our own sets as SpelkeBench files: simulated worlds, and photographs listed by a manifest.

Entry points: `world_items`, `photo_items`.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from spelke.benchmarks.held_out import HeldOut, HeldOutSettings, make_test_set
from spelke.benchmarks.real import read_manifest, read_photo
from spelke.data.test_item import TestItem
from spelke.errors import SpelkeError

MERGED = ("may be merged",)
"""What `mask_kind` says of masks that do not tell touching things apart."""
NO_LICENCE = "not stated"


def world_items(
    count: int,
    settings: HeldOutSettings,
    *,
    workers: int = 1,
    cache: str | os.PathLike[str] | None = None,
    track: Callable[[str, int, int], None] | None = None,
) -> HeldOut:
    """Make pictures of held-out worlds, as evenly from the families as their number allows.

    Scenes come in the order of their seeds, so a larger set holds a smaller one; finished ones
    are kept in the cache and not made again.

    Args:
        count: of pictures.
        settings: which worlds; its number of points is not looked at.
        workers, cache, track: see `make_test_set`.

    Raises:
        see `make_test_set`.
    """
    families = settings.families
    shares = [count // len(families) + (i < count % len(families)) for i in range(len(families))]
    found = HeldOut([])
    for family, share in zip(families, shares, strict=True):
        items: list[TestItem] = []
        points = share
        while len(items) < share:
            asked = replace(settings, families=(family,), num_points=points)
            made = make_test_set(asked, cache=cache, workers=workers, track=track)
            items = made.items
            found.broken.update(made.broken)
            points += max(1, math.ceil((share - len(items)) * points / max(1, len(items))))
        known = {"source": "simulated worlds of spelke", "licence": "MIT"}
        found.items.extend(replace(item, attributes=known) for item in islice(items, share))
    return found


def photo_items(
    folder: str | os.PathLike[str],
    sources: Sequence[str] = (),
    without: Sequence[str] = MERGED,
    skip: Callable[[str, str], None] = lambda name, reason: None,
) -> Iterator[TestItem]:
    """Read the photographs of a folder with a manifest, with licence and source of each.

    The licence of a source is what its `SOURCE.md` states in a line `Licence as stated: …`.

    Args:
        folder: see `real.read_photos`.
        sources: only these, or all.
        without: pictures whose `mask_kind` contains one of these texts are left out.
        skip: told (picture, reason) of each that is left out.

    Raises:
        see `real.read_manifest`.
    """
    folder = Path(folder)
    notes: dict[str, Mapping[str, str]] = {}
    for entry in read_manifest(folder, sources):
        source, name = entry["source"], str(entry.get("image"))
        kind = str(entry.get("mask_kind", ""))
        if any(text in kind for text in without):
            skip(name, f"its masks are {kind}")
            continue
        try:
            item = read_photo(folder, entry)
        except (SpelkeError, OSError, KeyError, TypeError, ValueError) as error:
            skip(name, f"{type(error).__name__}: {error}")
            continue
        if source not in notes:
            notes[source] = read_source(folder / source)
        about = {"mask_kind": kind, "truth": str(entry.get("truth", "")), "file": name}
        key = re.sub(r"\.\w+$", "", name).replace("/", "_")
        yield replace(item, key=key, attributes={**notes[source], **about})


def read_source(folder: Path) -> dict[str, str]:
    """Read licence and origin of a source from its `SOURCE.md`."""
    path = folder / "SOURCE.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    licence = re.search(r"^Licence as stated:\s*(.+)$", text, re.MULTILINE)
    origin = re.search(r"^- (?:Repository|Source): (.+)$", text, re.MULTILINE)
    return {
        "licence": licence[1].strip() if licence else NO_LICENCE,
        "source": origin[1].strip() if origin else folder.name,
    }
