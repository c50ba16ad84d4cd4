"""`spelke bench renderers|textures`: held-out worlds in other pictures, the same points asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spelke.cli.bench_parts import (
    OnWorlds,
    ask,
    make_worlds,
    progress,
    say,
    table_console,
)

if TYPE_CHECKING:
    from spelke.benchmarks.held_out import HeldOutSettings
    from spelke.benchmarks.test_set import TestItem

Versions = dict[str, list["TestItem"]]


@dataclass(frozen=True, kw_only=True)
class Shift(OnWorlds):
    """What both comparisons ask for."""

    points: int = 120
    """At least so many points, spread evenly over the families."""
    json: bool = False
    """Print one JSON object for each model and version instead of a table."""
    sheet: bool = False
    """Draw some points of the first model in every version."""


@dataclass(frozen=True, kw_only=True)
class Renderers(Shift):
    """Score models on the same scenes drawn by OpenGL, by the ray caster, and by Cycles."""

    cycles: Path | None = None
    """Folder for Blender's Cycles: scenes are written there for `tools/cycles_render.py`, and
    what that drew is scored by a later run."""

    def run(self) -> int:
        """Make the set, draw it again, ask the models, print the scores."""
        from spelke.benchmarks.redraw import RENDERERS

        def draw(settings: HeldOutSettings, items: list[TestItem]) -> Versions:
            versions = _redrawn(settings, items, RENDERERS)
            if self.cycles:
                versions["cycles"] = _by_cycles(settings, versions["gl"], self.cycles)
            return {name: found for name, found in versions.items() if found}

        return _compare(self, draw, "renderers")


@dataclass(frozen=True, kw_only=True)
class Textures(Shift):
    """Score models on the same scenes in procedural textures and in photographs."""

    photos: tuple[str, ...] = ("wheels", "wallpapers")
    """Sources of photographs: those inside Python packages, and installed wallpapers."""

    def run(self) -> int:
        """Make the set, dress it otherwise, ask the models, print the scores."""
        from spelke.benchmarks.redraw import TEXTURES
        from spelke.worlds.photos import Photos

        Photos("test", self.photos)  # refuses here what this machine does not have
        versions = {name: TEXTURES[name] for name in ("procedural", *self.photos)}
        return _compare(
            self, lambda settings, items: _redrawn(settings, items, versions), "textures"
        )


def _compare(
    verb: Shift, draw: Callable[[HeldOutSettings, list[TestItem]], Versions], title: str
) -> int:
    from spelke.benchmarks.held_out import HeldOutSettings, default_cache
    from spelke.benchmarks.redraw import WITH_SHAPES
    from spelke.benchmarks.shift import compare, draw_table, in_all

    contestants = verb.contestants()
    settings = HeldOutSettings(num_points=verb.points, families=WITH_SHAPES)
    made = make_worlds(settings, verb.workers)
    versions = in_all(draw(settings, made.items))
    folder = verb.out or default_cache() / "answers" / title
    outcomes = {name: ask(contestants, items, folder / name) for name, items in versions.items()}
    rows = []
    for contestant in contestants:
        answers = {name: found.answers[contestant.name] for name, found in outcomes.items()}
        rows += compare(contestant.name, versions, answers)
    if verb.json:
        for row in rows:
            print(json.dumps(row.to_json()))
    table_console(verb.json).print(draw_table(rows, f"Held-out worlds, {title}"))
    if verb.sheet:
        first = contestants[0].name
        _write_sheet(versions, {name: found.answers[first] for name, found in outcomes.items()},
                     folder / f"{first}.png")  # fmt: skip
    say(f"answers and scores are in {folder}")
    failed = any(found.num_failed for found in outcomes.values())
    return 1 if failed or made.broken else 0


def _redrawn(settings: HeldOutSettings, items: Sequence[TestItem], versions: Any) -> Versions:
    from spelke.benchmarks.redraw import redraw

    with progress() as track:
        drawn, left_out = redraw(settings, track(items, "drawing again"), versions)
    for reason in left_out.values():
        say(f"left out: {reason}")
    return drawn


def _by_cycles(settings: HeldOutSettings, items: Sequence[TestItem], path: Path) -> list[TestItem]:
    """The items that Cycles drew; the others are written down for it."""
    from spelke.benchmarks.redraw import CyclesFolder, make_again

    folder = CyclesFolder(path)
    missing = [item for item in items if not folder.is_written(item)]
    with progress() as track:
        for item in track(missing, "writing scenes down"):
            folder.export(item, make_again(settings, item))
    read = [folder.read(item) for item in items]
    found = [item for item in read if item is not None]
    if len(found) < len(items):
        say(
            f"{len(items) - len(found)} of {len(items)} scenes have no picture by Cycles yet. Draw "
            f"them with `PYTHON_WITH_BPY tools/cycles_render.py {path}/*` and run this again"
        )
    return found


def _write_sheet(versions: Versions, answers: Any, path: Path) -> None:
    import numpy as np

    from spelke.benchmarks.quick import write_picture
    from spelke.benchmarks.shift import draw_versions

    write_picture(path, draw_versions(versions, answers, np.random.default_rng(0)))
    say(f"wrote {path}")
