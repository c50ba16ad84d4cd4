"""`spelke worlds make|show`: physical scenes with exact truth, made and looked at.

Progress and remarks go to standard error. Exit status: 0; 1 if a shard could not be made; 2 for bad
input or a missing library.
"""

from __future__ import annotations

import itertools
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from spelke.cli.cluster import Cluster, ClusterOptions, part_of
from spelke.cli.parse import parse
from spelke.cli.shard_making import make_shards
from spelke.data.shard_jobs import ShardJob, check_made_with, tell_other_versions
from spelke.data.world_records import decode
from spelke.data.worlds import hdf5_keys, read_hdf5, read_scenes, read_shards, write_hdf5
from spelke.errors import BadFile, InvalidInput, SpelkeError, Unavailable
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.layout import FAMILIES
from spelke.worlds.renderers import cast_device, cast_on
from spelke.worlds.scene import WorldScene

_EXAMPLES = """\
Examples:
  spelke worlds make shards --scenes 20000 --workers 8 --no-after-frames
  spelke worlds make test.h5 --scenes 200 --split test --format hdf5 --groups
  spelke worlds make shards --scenes 1000000 --engine ray --workers 64
  spelke worlds make shards --scenes 1000000 --shard $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
  spelke worlds show shards/train-000000000.tar --out sheet.png
  spelke worlds show 7 --count 3"""


@dataclass(frozen=True, kw_only=True)
class Make:
    """Make scenes: shards for training, or one HDF5 file for evaluation.

    What is already there and whole is kept, so the same command resumes; Ctrl-C leaves whole shards
    only. What is damaged is named and made again; what was made otherwise is refused. A scene
    depends on its seed, not on who makes it. On a cluster shards are sent back and written here.
    """

    out: tyro.conf.Positional[Path]
    """Folder for shards, or the .h5 file."""
    scenes: int = 1000
    """How many."""
    split: Literal["train", "test"] = "train"
    """test draws from textures, photographs and shapes that train never shows."""
    families: tuple[str, ...] = FAMILIES
    """Scene families to draw from."""
    workers: int = 2
    """Processes; one for each core."""
    pokes: int = 8
    """Pokes of each scene."""
    size: int = 256
    """Side of the image in pixels."""
    seed: int = 0
    """Scene number i is drawn from seed + i."""
    format: Literal["webdataset", "hdf5"] = "webdataset"
    """webdataset: .tar shards. hdf5: one file."""
    groups: bool = False
    """Label Spelke groups by simulation (half a second a scene)."""
    directions: int = 8
    """Drags of each body for its group."""
    renderer: Literal["gl", "raycast"] = "gl"
    """gl: MuJoCo's OpenGL. raycast: torch, slower, on machines without OpenGL."""
    device: str = "cpu"
    """Where raycast computes: cpu, cuda or cuda:1. Each process takes memory of its own there."""
    after_frames: bool = True
    """Render what each poke leads to."""
    photos: tuple[Literal["wheels", "wallpapers"], ...] = ("wheels",)
    """Photographs for textures: those in the wheels, installed wallpapers."""
    shard_size: int = 500
    """Scenes in one shard."""
    shard: Annotated[str, tyro.conf.arg(metavar="I/N")] = ""
    """Only part I, counted from 0, of N parts of the shards, as for one of N machines."""
    cluster: Cluster = field(default_factory=ClusterOptions)

    def run(self) -> int:
        """Make what is missing."""
        self._check()
        jobs = list(self._jobs())
        if self.format == "hdf5" and self._joined(jobs):
            print(f"{self.out} is there already, with all scenes", file=sys.stderr)
            return 0
        mine = set(part_of([job.path.name for job in jobs], self.shard))
        part = [job for job in jobs if job.path.name in mine]
        remarks: list[str] = []
        todo = [job for job in part if not job.is_done(remarks.append)]
        for remark in dict.fromkeys(remarks):  # said only once nothing is refused, each once
            _tell(remark)
        wanted, missing = (sum(job.count for job in some) for some in (part, todo))
        if missing < wanted:
            print(f"{wanted - missing} scenes are there already", file=sys.stderr)
        started = time.monotonic()
        failed = self._make(todo) if todo else 0
        if failed:
            print(f"{failed} of {len(part)} shards failed; the others are done", file=sys.stderr)
            return 1
        speed = missing / max(time.monotonic() - started, 1e-9)
        if self.format == "hdf5" and self.shard:
            print(
                f"part {self.shard} of {self.out} is made; once all parts are, the same command "
                "without --shard joins them",
                file=sys.stderr,
            )
            return 0
        if self.format == "hdf5":
            self._join(jobs)
        print(f"{wanted} scenes in {self.out} ({speed:.1f} scenes/s)", file=sys.stderr)
        return 0

    def _check(self) -> None:
        """Refuse numbers out of range, and a device that cannot be used."""
        for name in ("scenes", "workers", "shard_size", "directions"):
            if getattr(self, name) < 1:
                option = name.replace("_", "-")
                raise InvalidInput(f"--{option} must be at least 1, got {getattr(self, name)}")
        if self.seed < 0:
            raise InvalidInput(f"--seed must not be negative, got {self.seed}")
        if self.renderer == "gl" and self.device != "cpu":
            raise InvalidInput(
                f"--device {self.device} is for --renderer raycast; gl draws where this machine's "
                "OpenGL does. Leave --device out, or add --renderer raycast"
            )
        try:
            cast_device(self.device)
        except Unavailable:
            if self.cluster.engine == "local":
                raise  # on a cluster its nodes need the device, and each of them looks for it

    def _make(self, jobs: list[ShardJob]) -> int:
        if self.cluster.engine == "ray":
            return make_shards(jobs, self.workers, self.cluster)
        with cast_on(self.device):  # this process tries a scene before there are workers
            return make_shards(jobs, self.workers, self.cluster)

    def _jobs(self) -> Iterator[ShardJob]:
        options = SceneOptions(
            families=self.families,
            split=self.split,
            size=self.size,
            pokes=self.pokes,
            after_frames=self.after_frames,
            renderer=self.renderer,
            groups=self.directions if self.groups else 0,
            photos=self.photos,
        )
        folder, step = self.out, self.shard_size
        if self.format == "hdf5":
            if folder.suffix not in (".h5", ".hdf5"):
                raise InvalidInput(f"an HDF5 file must end in .h5 or .hdf5, got {folder}")
            folder, step = self._parts(), min(step, 20)
        elif folder.suffix in (".h5", ".hdf5", ".tar") or folder.is_file():
            raise InvalidInput(f"shards need a folder, got {folder}; for a file: --format hdf5")
        for start in range(0, self.scenes, step):
            first = self.seed + start
            path = folder / f"{self.split}-{first:09d}.tar"
            yield ShardJob(path, first, min(step, self.scenes - start), options, self.device)

    def _parts(self) -> Path:
        return self.out.with_name(f".{self.out.name}.parts")

    def _joined(self, jobs: list[ShardJob]) -> bool:
        if not self.out.is_file():
            return False
        wanted = [key for job in jobs for key in job.keys()]  # noqa: SIM118
        try:
            same = hdf5_keys(self.out) == wanted
            scenes = list(read_hdf5(self.out, wanted[:1])) if same else []
        except BadFile as error:  # it bears the name that was given, so it may be another's file
            raise InvalidInput(
                f"{self.out} is there and is kept, but is no set to go on with: {error}. Name "
                "another file, or remove it"
            ) from error
        if not same:
            raise InvalidInput(f"{self.out} holds other scenes; name another file or remove it")
        check_made_with(scenes[0], jobs[0].options, self.out)
        tell_other_versions([scenes[0].versions], self.out, _tell)
        return True

    def _join(self, jobs: list[ShardJob]) -> None:
        records = read_shards([job.path for job in jobs])
        write_hdf5(self.out, ((record["__key__"].decode(), decode(record)) for record in records))
        shutil.rmtree(self._parts())


def _tell(remark: str) -> None:
    print(remark, file=sys.stderr)


@dataclass(frozen=True, kw_only=True)
class Show:
    """Draw scenes on one sheet: picture, bodies, group, poke, flow, and how well it all fits."""

    source: tyro.conf.Positional[str]
    """A .tar shard, a folder of shards, an .h5 file, or a seed (a whole number)."""
    out: Path = Path("worlds.png")
    """The picture to write."""
    count: int = 6
    """How many scenes."""
    split: Literal["train", "test"] = "train"
    """For seeds."""

    def run(self) -> int:
        """Draw the sheet."""
        from PIL import Image

        from spelke.runtime.files import atomic_write
        from spelke.viz.worlds import draw_worlds

        if self.count < 1:
            raise InvalidInput(f"--count must be at least 1, got {self.count}")
        if self.out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
            raise InvalidInput(f"--out must be a .png, .jpg or .webp file, got {self.out}")
        scenes = list(itertools.islice(self._scenes(), self.count))
        sheet = Image.fromarray(draw_worlds(scenes))
        with atomic_write(self.out) as temporary:
            sheet.save(temporary)
        print(f"{len(scenes)} scenes drawn in {self.out}", file=sys.stderr)
        return 0

    def _scenes(self) -> Iterator[WorldScene]:
        if not self.source.isdecimal():
            yield from read_scenes(self.source)
            return
        options = SceneOptions(split=self.split, pokes=2, groups=8)
        for seed in itertools.count(int(self.source)):
            yield make_scene(seed, options)


Command = Annotated[
    Annotated[Make, tyro.conf.subcommand("make")] | Annotated[Show, tyro.conf.subcommand("show")],
    tyro.conf.OmitArgPrefixes,
]


@dataclass(frozen=True, kw_only=True)
class WorldsOptions:
    """Make or show simulated scenes with exact ground truth."""

    command: Command


def main(argv: Sequence[str]) -> int:
    """Run the verb."""
    return parse(WorldsOptions, "worlds", argv, _EXAMPLES).command.run()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SpelkeError as problem:
        sys.exit(f"spelke: {problem}")
