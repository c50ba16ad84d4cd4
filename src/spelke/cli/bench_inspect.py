"""`spelke bench inspect`: look into a SpelkeBench file.

Exit status: 0; 1 if a picture is unusable; 2 for bad input.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spelke.cli.bench_parts import progress, say

if TYPE_CHECKING:
    from tyro.conf import Positional

    from spelke.benchmarks.inspection import Inspection
    from spelke.data.spelkebench import SpelkeBenchFile
else:
    from tyro.conf import Positional

_MAX_NAMED = 20
"""Findings that are printed; `--json` lists all."""


@dataclass(frozen=True, kw_only=True)
class Inspect:
    """Check every picture of a SpelkeBench file, say what is in it, and draw a contact sheet."""

    file: Positional[Path]
    """The HDF5 file."""
    sheet: Path | None = None
    """Picture to write; beside the file and of its name unless given."""
    count: int = 40
    """Pictures on the sheet; 0 draws none."""
    json: bool = False
    """Print everything as JSON."""

    def run(self) -> int:
        """Read, print, draw."""
        from spelke.benchmarks.inspection import draw_pictures, inspect_file
        from spelke.benchmarks.quick import write_picture
        from spelke.data.spelkebench import SpelkeBenchFile

        with SpelkeBenchFile(self.file) as file:
            with progress() as track:
                found = inspect_file(file, track)
            if self.json:
                print(json.dumps({**found.to_json(), "attributes": file.attributes}))
            else:
                print(in_words(file, found))
            if self.count > 0 and len(found.unusable) < len(file):
                path = self.sheet or self.file.with_suffix(".png")
                write_picture(path, draw_pictures(file, self.count))
                say(f"wrote {path}")
        return 1 if found.unusable else 0


def in_words(file: SpelkeBenchFile, found: Inspection) -> str:
    """What is in a file, for people."""
    plain = found.to_json()
    low, middle, high = plain["segment_share_5_50_95"] or (0, 0, 0)
    counts = {
        "sizes": found.sizes,
        "families": found.families,
        "licences": found.licences,
    }
    lines = [
        f"{file.path}: {found.num_pictures} pictures, {found.num_points} points, "
        f"{len(found.unusable)} pictures unusable",
        *(f"{name}: {value}" for name, value in file.attributes.items()),
        *(f"{name}: {_counted(counter)}" for name, counter in counts.items()),
        f"segments cover {low:.2%} to {high:.2%} of their picture (5 and 95 %), half of them "
        f"less than {middle:.2%}",
    ]
    kinds: dict[str, int] = {}
    for one in found.findings:
        kinds[one.kind] = kinds.get(one.kind, 0) + 1
    for kind, count in kinds.items():
        lines.append(f"found {count} times: {kind}")
    lines += [
        f"{'fault' if one.is_fault else 'remark'}: {one}" for one in found.findings[:_MAX_NAMED]
    ]
    if len(found.findings) > _MAX_NAMED:
        lines.append(f"and {len(found.findings) - _MAX_NAMED} more; --json lists all")
    return "\n".join(lines)


def _counted(counter: Counter[str], most: int = 8) -> str:
    names = [f"{name or 'not stated'} ({count})" for name, count in counter.most_common(most)]
    more = len(counter) - most
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
