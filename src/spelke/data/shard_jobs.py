"""What is to be made into which shard, and whether it is there already, made just so.

Nothing is silently different: a shard that was made with other options, of other scenes or of other
photographs is refused with what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from spelke.data.world_records import decode
from spelke.data.worlds import read_shards, write_shard
from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.photos import Photos
from spelke.worlds.scene import WorldScene


@dataclass(frozen=True, slots=True)
class ShardJob:
    """One shard: the scenes of seeds `first` to `first + count - 1`."""

    path: Path
    first: int
    count: int
    options: SceneOptions

    def keys(self) -> list[str]:
        """Names of its scenes, in order."""
        seeds = range(self.first, self.first + self.count)
        return [f"{self.options.split}-{seed:09d}" for seed in seeds]

    def is_done(self) -> bool:
        """Whether the shard is there, whole, and made with these options.

        Raises:
            InvalidInput: what is there was made with others, or is of other scenes.
        """
        self._check_neighbours()
        try:
            records = list(read_shards([self.path]))
            first = decode(records[0]) if records else None
        except (MissingData, BadFile):
            return False
        if first is None:
            return False
        found, wanted = [record["__key__"].decode() for record in records], self.keys()
        if found != wanted[: len(found)]:
            raise InvalidInput(
                f"{self.path} holds the scenes {found[0]} to {found[-1]}, and {wanted[0]} to "
                f"{wanted[-1]} are asked for; ask with the --shard-size and --scenes it was made "
                "with, name another folder, or remove it"
            )
        check_made_with(first, self.options, self.path)
        return len(found) == len(wanted)

    def make(self, tell: Callable[[], None] = lambda: None) -> None:
        """Make and write the shard; `tell` is called after each scene."""

        def scenes() -> Iterator[tuple[str, WorldScene]]:
            for number, key in enumerate(self.keys()):
                yield key, make_scene(self.first + number, self.options)
                tell()

        write_shard(self.path, scenes())

    def encoded(self) -> bytes:
        """Make the shard and return it, for whoever writes it elsewhere."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / self.path.name
            replace(self, path=path).make()
            return path.read_bytes()

    def _check_neighbours(self) -> None:
        """Refuse where another shard holds scenes of this one: they would be there twice."""
        for path in self.path.parent.glob(f"{self.options.split}-*.tar"):
            number = path.stem.rpartition("-")[2]
            if number.isdecimal() and self.first < int(number) < self.first + self.count:
                raise InvalidInput(
                    f"{path} holds scenes that {self.path.name} would hold too; ask with the "
                    "--shard-size it was made with, name another folder, or remove it"
                )


def check_made_with(scene: WorldScene, options: SceneOptions, path: Path) -> None:
    """Refuse to go on with what was made with other options.

    Scenes of versions that did not write their options down are checked by what they show.

    Args:
        scene: the first one of the file. options: those asked for. path: of the file.

    Raises:
        InvalidInput: with all that differs.
    """
    made = dict(scene.options) or _seen_options(scene, options)
    asked = options.to_plain()
    changed = [
        f"{name} was {_said(made[name])} and is {_said(asked[name])}"
        for name in sorted(made)
        if name in asked and made[name] != asked[name]
    ]
    if "photos" not in made or made["photos"] == asked["photos"]:
        changed += _other_photos(scene, options)
    if changed:
        raise InvalidInput(
            f"{path} was made with other options: {'; '.join(changed)}. Ask with those, name "
            "another place, or remove it"
        )


def _seen_options(scene: WorldScene, asked: SceneOptions) -> dict[str, Any]:
    """What shows of how a scene was made; with groups, not from how many drags."""
    seen = {
        "size": scene.ids.shape[0],
        "pokes": len(scene.pokes),
        "after_frames": scene.pokes.rgb is not None,
        "groups": 0 if scene.carry is None else asked.groups or 1,
    }
    return {**seen, "renderer": scene.renderer} if scene.renderer else seen


def _other_photos(scene: WorldScene, options: SceneOptions) -> list[str]:
    """Whether the installed photographs are others than those that a scene was drawn from."""
    then = [note for note in scene.notes if note.startswith("photos ")]
    now = [
        note for note in Photos(options.split, options.photos).notes if note.startswith("photos")
    ]
    if not then or then == now:
        return []
    told = now[0] if now else "only those of the wheels"
    return [f"the installed photographs were {then[0]} (number and digest) and are {told}"]


def _said(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
