"""`spelke bench pack …`: SpelkeBench files from worlds, photographs, COCO JSON, PNG masks, DAVIS.

Exit status: 0; 1 if something was left out that should be in; 2 for bad input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from spelke.cli.bench_parts import cores, progress, rendering, say
from spelke.errors import InvalidInput, SpelkeError

if TYPE_CHECKING:
    from tyro.conf import Positional

    from spelke.data.label_maps import Pair, Selection
    from spelke.data.test_item import TestItem
else:
    from tyro.conf import Positional


@dataclass(frozen=True, kw_only=True)
class _Masks:
    """Which masks become segments, and what is known of the pictures."""

    min_share: float = 0.001
    """Part of the picture that a mask must cover."""
    max_segments: int = 20
    """Most segments of one picture; the largest are taken."""
    licence: str = ""
    """Of all pictures, kept in the file."""
    source: str = ""
    """Where they are from, kept in the file."""

    def selection(self) -> Selection:
        """As the library takes it."""
        from spelke.data.label_maps import Selection

        return Selection(min_share=self.min_share, max_segments=self.max_segments)

    def known(self) -> dict[str, str]:
        """What is known of each picture."""
        known = {"licence": self.licence, "source": self.source}
        return {name: value for name, value in known.items() if value}


@dataclass(frozen=True, kw_only=True)
class Labels(_Masks):
    """Pictures and PNG label maps of the same names: each value of a map is a segment."""

    out: Positional[Path]
    """The HDF5 file to write."""
    images: Path
    """Folder of pictures."""
    masks: Path
    """Folder of label maps, NAME.png for the picture NAME.jpg."""
    background: int = 0
    """Value that is no segment."""
    ignore: int = 255
    """Value that counts for nothing; -1 if there is none."""

    def run(self) -> int:
        """Read, write."""
        from spelke.data.label_maps import find_pairs

        return _pack_pairs(self, find_pairs(self.images, self.masks), self.background, self.ignore)


@dataclass(frozen=True, kw_only=True)
class Davis(_Masks):
    """Annotated frames of a DAVIS folder (JPEGImages and Annotations)."""

    out: Positional[Path]
    """The HDF5 file to write."""
    folder: Path
    """Holds JPEGImages and Annotations."""
    every: int = 0
    """Take one annotated frame of so many; 0 takes the first of each sequence."""
    resolution: str = "480p"
    """Folder between."""

    def run(self) -> int:
        """Read, write."""
        from spelke.data.label_maps import find_davis

        if self.every < 0:
            raise InvalidInput(f"--every must be 0 or more, got {self.every}")
        return _pack_pairs(self, find_davis(self.folder, self.every, self.resolution), 0, 255)


@dataclass(frozen=True, kw_only=True)
class Coco(_Masks):
    """Pictures with a COCO JSON file of instances; crowds are ignored pixels."""

    out: Positional[Path]
    """The HDF5 file to write."""
    json: Path
    """The JSON file."""
    images: Path
    """Folder of pictures."""

    def run(self) -> int:
        """Read, write."""
        from dataclasses import replace

        from spelke.benchmarks.coco_json import CocoFile

        file, selection, known = CocoFile(self.json, self.images), self.selection(), self.known()

        def read(index: int) -> TestItem | None:
            item = file.read(index, selection)
            return item and replace(item, attributes={**known, **item.attributes})

        return _pack(self.out, range(len(file.keys)), read, lambda index: file.keys[index])


@dataclass(frozen=True, kw_only=True)
class Worlds:
    """Held-out simulated worlds; the segment of a point is what the simulation moved along."""

    out: Positional[Path]
    """The HDF5 file to write, such as spelkebench-worlds.h5."""
    pictures: int = 500
    """So many pictures, spread over the families; a larger file holds those of a smaller one."""
    workers: int | None = None
    """Processes that render; one for each core unless given."""

    def run(self) -> int:
        """Render or read from the cache, write."""
        from spelke.benchmarks.held_out import HeldOutSettings
        from spelke.benchmarks.packing import world_items
        from spelke.data.spelkebench import write_spelkebench

        if self.pictures < 1:
            raise InvalidInput(f"--pictures must be at least 1, got {self.pictures}")
        with rendering() as track:
            made = world_items(
                self.pictures, HeldOutSettings(), workers=self.workers or cores(), track=track
            )
        for key, reason in made.broken.items():
            say(f"the scene {key} could not be made and is left out: {reason}")
        count = write_spelkebench(self.out, made.items, {"title": "spelkebench-worlds"})
        say(f"wrote {count} pictures to {self.out}; look: spelke bench inspect {self.out}")
        return 1 if made.broken else 0


@dataclass(frozen=True, kw_only=True)
class Photos:
    """Photographs of a folder with segments_manifest.json; licences and sources are kept."""

    out: Positional[Path]
    """The HDF5 file to write, such as spelkebench-real.h5."""
    data: Path
    """Folder with the manifest, pictures and masks."""
    sources: tuple[str, ...] = ()
    """Only pictures of these sources; all unless given."""
    without: tuple[str, ...] = ("may be merged",)
    """Leave out pictures whose mask_kind holds one of these texts."""

    def run(self) -> int:
        """Read, write."""
        from spelke.benchmarks.packing import photo_items
        from spelke.data.spelkebench import write_spelkebench

        left_out: dict[str, int] = {}

        def skip(name: str, reason: str) -> None:
            left_out[reason] = left_out.get(reason, 0) + 1

        items = photo_items(self.data, self.sources, self.without, skip)
        count = write_spelkebench(self.out, items, {"title": "spelkebench-real"})
        for reason, number in left_out.items():
            say(f"left out {number} pictures: {reason}")
        say(f"wrote {count} pictures to {self.out}; look: spelke bench inspect {self.out}")
        return 0


Source = Annotated[
    Annotated[Worlds, tyro.conf.subcommand("worlds")]
    | Annotated[Photos, tyro.conf.subcommand("photos")]
    | Annotated[Coco, tyro.conf.subcommand("coco")]
    | Annotated[Labels, tyro.conf.subcommand("labels")]
    | Annotated[Davis, tyro.conf.subcommand("davis")],
    tyro.conf.OmitArgPrefixes,
]


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Make a SpelkeBench file of pictures with masks, or of worlds; a point lies deep in each."""

    source: Source

    def run(self) -> int:
        """Make it."""
        return self.source.run()


def _pack_pairs(
    verb: Labels | Davis, found: tuple[list[Pair], list[str]], background: int, ignore: int
) -> int:
    from spelke.data.label_maps import read_pair

    pairs, alone = found
    for name in alone:
        say(f"left out {name}: there is no file beside it")
    selection, known = verb.selection(), verb.known()

    def read(pair: Pair) -> TestItem | None:
        return read_pair(
            pair,
            selection,
            background=background,
            ignore_value=None if ignore < 0 else ignore,
            attributes=known,
        )

    return _pack(verb.out, pairs, read, lambda pair: pair.key) or bool(alone)


def _pack(
    out: Path,
    things: Iterable[Any],
    read: Callable[[Any], TestItem | None],
    name: Callable[[Any], str],
) -> int:
    """Write what can be read and say what cannot."""
    from spelke.data.spelkebench import write_spelkebench

    wrong: list[str] = []
    empty: list[str] = []

    def items(track: Callable[..., Iterable[Any]]) -> Iterator[TestItem]:
        for thing in track(list(things), "packing"):
            try:
                item = read(thing)
            except (SpelkeError, OSError) as error:
                wrong.append(f"left out {name(thing)}: {error}")
                continue
            if item is None:
                empty.append(name(thing))
            else:
                yield item

    try:
        with progress() as track:
            count = write_spelkebench(out, items(track))
    finally:
        for text in wrong:
            say(text)
    if empty:
        say(f"left out {len(empty)} pictures without a mask that is wanted: {', '.join(empty[:5])}")
    say(f"wrote {count} pictures to {out}; look: spelke bench inspect {out}")
    return 1 if wrong else 0
