"""What is to be made into which shard, and whether it is there already, made just so.

Nothing is silently different: a shard that was made with other options, of other scenes, of other
photographs or in another version of the format is refused with what differs. One that is damaged is
made again, and one that was made with another MuJoCo is kept; both are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from spelke.data.world_records import OtherSchema, Record, decode, read_versions
from spelke.data.worlds import read_shards, write_shard
from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.runtime.versions import versions_of
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.photos import Photos
from spelke.worlds.renderers import cast_on
from spelke.worlds.scene import WorldScene


@dataclass(frozen=True, slots=True)
class ShardJob:
    """One shard: the scenes of seeds `first` to `first + count - 1`.

    `device` is where the ray caster draws them. It is where and not what, so it is none of the
    options, which scenes carry and going on compares.
    """

    path: Path
    first: int
    count: int
    options: SceneOptions
    device: str = "cpu"

    def keys(self) -> list[str]:
        """Names of its scenes, in order."""
        seeds = range(self.first, self.first + self.count)
        return [f"{self.options.split}-{seed:09d}" for seed in seeds]

    def is_done(self, tell: Callable[[str], None] = lambda text: None) -> bool:
        """Whether the shard is there, whole, and made with these options.

        Args:
            tell: called with a sentence where a file that is there is to be made again, with the
                reason, and where its scenes were made with other versions than those installed.

        Raises:
            InvalidInput: what is there was made with other options, is of other scenes or of
                another version of the format; making it would lose it.
        """
        self._check_neighbours()
        try:
            records = list(read_shards([self.path]))
            first = decode(records[0]) if records else None
            versions = [read_versions(record) for record in records]
        except MissingData:
            return False
        except OtherSchema as error:
            raise InvalidInput(
                f"{self.path} was not made by this version of spelke, and is kept: {error}. Name "
                "another folder, or remove it"
            ) from error
        except BadFile as error:
            tell(f"{self.path} is damaged and is made again: {error}")
            return False
        if first is not None:
            self._check_keys(records)
            check_made_with(first, self.options, self.path)
        tell_other_versions(versions, self.path.parent, tell)
        if len(records) < self.count:
            tell(f"{self.path} holds {len(records)} of {self.count} scenes and is made again")
        return len(records) == self.count

    def make(self, tell: Callable[[], None] = lambda: None) -> None:
        """Make and write the shard; `tell` is called after each scene."""

        def scenes() -> Iterator[tuple[str, WorldScene]]:
            for number, key in enumerate(self.keys()):
                yield key, make_scene(self.first + number, self.options)
                tell()

        with cast_on(self.device):
            write_shard(self.path, scenes())

    def encoded(self) -> bytes:
        """Make the shard and return it, for whoever writes it elsewhere."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / self.path.name
            replace(self, path=path).make()
            return path.read_bytes()

    def _check_keys(self, records: list[Record]) -> None:
        """Refuse where the shard holds other scenes than its own."""
        found, wanted = [record["__key__"].decode() for record in records], self.keys()
        if found != wanted[: len(found)]:
            raise InvalidInput(
                f"{self.path} holds the scenes {found[0]} to {found[-1]}, and {wanted[0]} to "
                f"{wanted[-1]} are asked for; ask with the --shard-size and --scenes it was made "
                "with, name another folder, or remove it"
            )

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


def tell_other_versions(
    made: Iterable[dict[str, str]], where: Path, tell: Callable[[str], None]
) -> None:
    """Say so if scenes were made with other versions than those installed.

    They are as good as others, so this is no reason to refuse; but the same seed may lead to
    another scene, so a set of both is not what one version alone would make.

    Args:
        made: versions that scenes carry. where: what holds them. tell: called with one sentence.
    """
    pairs = {pair for versions in made for pair in versions.items()}
    here = versions_of(sorted({name for name, _ in pairs}))
    other = sorted((name, then) for name, then in pairs if here.get(name, then) != then)
    if other:
        then = ", ".join(" ".join(pair) for pair in other)
        now = ", ".join(f"{name} {here[name]}" for name in sorted({name for name, _ in other}))
        tell(
            f"warning: {where} holds scenes made with {then}; installed is {now}. What is there "
            "and whole stays, new scenes are made with what is installed; for scenes of one "
            "version alone, install that version or name another place"
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
