"""One question asked of many photos: which files, where the answers go, progress, failures.

Shared by the verbs that look at photos. A photo that fails is reported, skipped and counted; what
is finished stays, also after Ctrl-C, and is not asked again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from spelke.cli.cluster import Cluster, ClusterOptions, part_of
from spelke.errors import InvalidInput, MissingData, Unavailable

if TYPE_CHECKING:
    from spelke.cli.looking import Ask, LookerCard
    from spelke.data.picture_lists import Points, PointTable
    from spelke.data.pictures import Source
    from spelke.discovery.observer import Observer
    from spelke.discovery.scene import Scene
    from spelke.runtime.pools import Pool
    from spelke.runtime.process_pool import Place

_OURS = (".overlay.png", ".affordance.png", ".displacement.png")
"""Endings of pictures that we write; they are not taken as photos out of a folder."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a verb has to say about the results of one photo."""

    records: tuple[dict[str, Any], ...]
    """For `--json`; the photo's name is added."""
    lines: tuple[str, ...]
    """For people."""


@dataclass(frozen=True, kw_only=True)
class PhotoOptions:
    """What every verb that looks at photos can be told, and what such a verb defines."""

    endings: ClassVar[tuple[str, ...]] = ()
    """Of the files that it writes for each photo; that of a picture first."""

    images: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="IMAGE…", help_behavior_hint=""),
    ]
    """Photos: files, folders (the pictures directly inside), quoted patterns, lists (.txt, .csv,
    .json), WebDatasets (.tar, "photos-{000..009}.tar")."""
    model: Annotated[str, tyro.conf.arg(metavar="NAME")] = "spelke-small"
    """A name of `spelke weights list`, or a folder that holds a checkpoint."""
    device: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """cpu, cuda, cuda:1 or mps; the best that is here if not given."""
    parity: Literal["fast", "reference"] = "fast"
    """reference: answer as the published code does, number for number and with its defects; for
    published networks, and slower."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for the results; beside each photo if not given."""
    seed: int = 0
    """The same seed gives the same answer."""
    json: bool = False
    """Print results as JSON, one object per line, on standard output."""
    again: bool = False
    """Answer photos anew that are answered already."""
    shard: Annotated[str, tyro.conf.arg(metavar="I/N")] = ""
    """Only part I, counted from 0, of N parts, as for one of N machines; a .tar stays whole."""
    workers: int = 1
    """Processes, each with the model; one is this process, unless on a cluster."""
    gpus: tuple[int, ...] = ()
    """One process on each of these GPUs instead of --workers."""
    cluster: Cluster = field(default_factory=ClusterOptions)

    def prepared(self, observer: Observer) -> Observer:
        """The observer as the verb wants it."""
        return observer

    def point_table(self) -> PointTable | None:
        """Points of photos, where a file names them."""
        return None

    def question(self) -> tuple[Any, ...]:
        """All that answers depend on, besides the photo, its own points, the model and the seed."""
        raise NotImplementedError

    def find(
        self, observer: Observer, scenes: Sequence[Scene], points: Sequence[Points]
    ) -> Sequence[Any]:
        """What the verb is about, of each of some photos that are asked side by side."""
        raise NotImplementedError

    def files_of(self, scene: Scene, found: Any, ask: Ask) -> dict[str, bytes]:
        """What was found as files, by `encode_results`."""
        raise NotImplementedError

    def tell(self, places: Sequence[Path]) -> Told:
        """Read the files again, in the order of `endings`, and say what they hold.

        Raises:
            SpelkeError: one of them is damaged.
        """
        raise NotImplementedError

    def pool(self) -> Pool:
        """Workers as they were asked for."""
        from spelke.cli.looking import make_looker
        from spelke.runtime.pools import Here
        from spelke.runtime.process_pool import ProcessPool, gpu_places, local_places
        from spelke.runtime.ray_pool import RayPool

        def make_for(place: Place) -> Callable[[], Any]:
            return partial(make_looker, replace(self, device=place.device))

        if self.workers < 1:
            raise InvalidInput(f"--workers must be at least 1, got {self.workers}")
        cluster = self.cluster
        if cluster.engine == "ray":
            if self.gpus:
                raise InvalidInput("--gpus is for this machine; with ray say --gpus-per-worker")
            here = replace(self, device="cuda:0") if cluster.gpus_per_worker > 0 else self
            return RayPool(partial(make_looker, here), cluster.ray_options(self.workers), _say)
        if self.gpus:
            return ProcessPool(make_for, gpu_places(self.gpus))
        if self.workers > 1:
            return ProcessPool(make_for, local_places(self.workers, self.device))
        return Here(partial(make_looker, self))


def ask_photos(options: PhotoOptions) -> int:
    """Ask the same of every photo.

    Returns:
        0, or 1 if some photos failed.

    Raises:
        SpelkeError: whatever concerns the whole call, or the only photo.
    """
    from spelke.cli.photo_run import OK, SOME_FAILED, PhotoRun
    from spelke.data.pictures import Picture, pictures_of
    from spelke.runtime.pools import ask_each, in_groups

    sources = find_photos(options.images)
    mine = set(part_of([source.name for source in sources], options.shard))
    sources = [source for source in sources if source.name in mine]
    _refuse_shared(sources, options.out)
    if not sources:
        _say(f"part {options.shard} holds no photo: there are more parts than photos")
        return OK
    table = options.point_table()
    total = len(sources) if all(isinstance(source, Picture) for source in sources) else None
    with _running(options) as pool, _progress(total) as (console, advance):
        card: LookerCard = pool.greeting()
        for remark in card.remarks:
            _say(remark)
        run = PhotoRun(options, card, console, advance, is_alone=total == 1)
        asks = run.missing(pictures_of(sources, table))
        try:
            for ask, found in ask_each(pool, in_groups(asks, card.at_once)):
                run.take(ask, found)
        except Unavailable as error:  # a full disk stays full
            console.print(str(error), style="red", markup=False, soft_wrap=True)
            return SOME_FAILED
        return run.end(() if table is None or options.shard else table.unused)


def find_photos(images: tuple[Path, ...]) -> list[Source]:
    """The photos that are meant, without the pictures that we write ourselves.

    Raises:
        InvalidInput: nothing was named.
        MissingData: a file does not exist, or a folder or pattern holds no photo.
    """
    from spelke.data.pictures import find_sources

    if not images:
        raise InvalidInput("no photo was named; give files, folders or quoted patterns")
    found = find_sources(images)
    kept = [source for source in found if source.path in images or not source.name.endswith(_OURS)]
    if not kept:
        names = ", ".join(map(str, images))
        raise MissingData(f"{names} holds only results of Spelke, no photo to look at")
    return kept


def _refuse_shared(sources: Sequence[Source], out: Path | None) -> None:
    """Refuse photos whose results would overwrite each other's."""
    from spelke.cli.photo_run import stem_of

    owners: dict[Path, Source] = {}
    for source in sources:
        stem = stem_of(source, out)
        other = owners.setdefault(stem.absolute(), source)
        if other is not source:
            raise InvalidInput(
                f"{other.name} and {source.name} would both write {stem}.*; ask about them in two "
                "calls with different --out"
            )


@contextmanager
def _running(options: PhotoOptions) -> Iterator[Pool]:
    """The workers, and at the end how each of several processes ended."""
    from spelke.runtime.process_pool import ProcessPool, name_of_exit

    pool = options.pool()
    try:
        with pool:
            yield pool
    finally:
        if isinstance(pool, ProcessPool):
            for title, codes in pool.exit_codes.items():
                _say(f"{title}: {', '.join(map(name_of_exit, codes)) or 'not started'}")


@contextmanager
def _progress(total: int | None) -> Iterator[tuple[Console, Callable[[], None]]]:
    """A bar on standard error for more than one photo; nothing where nobody watches."""
    console = Console(stderr=True)
    if total == 1 or not console.is_terminal:
        yield console, lambda: None
        return
    columns = (TextColumn("photos"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Standard output must stay what it is: JSON for a pipe.
    with Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task("", total=total)
        yield console, lambda: bar.advance(task)


def _say(message: str) -> None:
    """Tell a person something on standard error."""
    print(message, file=sys.stderr)
