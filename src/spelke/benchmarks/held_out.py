"""Test sets from simulated worlds that nothing was trained on, made again from their seeds.

The truth of a point is what the simulation moved along when the body under it was dragged in eight
directions (its Spelke group), not the outline of the body; what moved along in some drags only is
ignored. Every scene is kept in a cache as soon as it is made, so that an interrupted run goes on.
Entry point: `make_test_set`.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from spelke.benchmarks.identity import digest_of, digest_of_code
from spelke.benchmarks.test_set import TestItem, read_test_set, write_test_set
from spelke.errors import BadFile, MissingExtra, SpelkeError, Unavailable
from spelke.runtime.seed import numpy_generator
from spelke.worlds.layout import FAMILIES

if TYPE_CHECKING:
    from spelke.worlds.generate import SceneOptions

FIRST_SEED = {"test": 7_000_000, "train": 8_000_000}
"""Far from the seeds of training and of its periodic evaluation, so that neither saw a scene."""
SEEDS_PER_FAMILY = 100_000
MAX_BROKEN = 20
"""Scenes of one family that may fail before the generator itself is taken to be broken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOutSettings:
    """Which scenes and points make a set.

    Attributes:
        num_points: at least so many, spread evenly over the families.
        families: kinds of scene.
        split: "test" for what is reported, "train" to tune baselines on.
        size: side of the picture in pixels.
        directions: drags that decide what moves along.
        max_points: of one picture.
        min_share: of the picture that a body must show to be asked about.
    """

    num_points: int = 250
    families: tuple[str, ...] = FAMILIES
    split: str = "test"
    size: int = 256
    directions: int = 8
    max_points: int = 4
    min_share: float = 0.003


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A set and the scenes that could not be made.

    Attributes:
        items: pictures with their questions.
        broken: key of a scene to what went wrong.
    """

    items: list[TestItem]
    broken: dict[str, str] = field(default_factory=dict)


MakeItem = Callable[[HeldOutSettings, str, int], TestItem]


def make_test_set(
    settings: HeldOutSettings,
    cache: str | os.PathLike[str] | None = None,
    workers: int = 1,
    make: MakeItem | None = None,
    track: Callable[[str, int, int], None] | None = None,
) -> HeldOut:
    """Make a set, or read from the cache what of it was made before.

    The set depends on the settings and the code of the generator only, not on `workers`.

    Args:
        settings: which scenes.
        cache: folder for finished scenes; None takes `default_cache()`.
        workers: processes that make scenes.
        make: (settings, family, number) -> item; None renders worlds.
        track: told (family, points so far, points wanted).

    Raises:
        Unavailable, MissingExtra: MuJoCo, its graphics or disk space are missing.
        SpelkeError: too many scenes of a family failed.
    """
    make = make_item if make is None else make
    folder = Path(default_cache() if cache is None else cache) / set_name(settings)
    wanted = -(-settings.num_points // len(settings.families))
    made = HeldOut([])
    with _mapping(workers) as run:
        for family in settings.families:
            found = broken = number = 0
            while found < wanted:
                wave = range(number, number + max(workers, -(-(wanted - found) // 3)))
                number = wave.stop
                jobs = [(make, folder, settings, family, index) for index in wave]
                for index, outcome in zip(wave, run(_make_or_read, jobs), strict=True):
                    if found >= wanted:
                        break  # what is made ahead must not depend on the number of workers
                    if isinstance(outcome, str):
                        made.broken[item_key(family, index)] = outcome
                        broken += 1
                    elif len(outcome.points):
                        made.items.append(outcome)
                        found += len(outcome.points)
                    if track:
                        track(family, min(found, wanted), wanted)
                if broken > MAX_BROKEN or number > SEEDS_PER_FAMILY:
                    example = next(reversed(made.broken.values()), "no body was in view")
                    raise SpelkeError(
                        f"{broken} of {number} scenes of the family {family} failed, "
                        f"the last with: {example}. `spelke doctor` checks the renderer"
                    )
    return made


def make_item(settings: HeldOutSettings, family: str, number: int) -> TestItem:
    """Simulate and render one scene and choose its points."""
    from spelke.worlds.generate import make_scene

    seed, options = seed_and_options(settings, family, number)
    scene = make_scene(seed, options)
    return item_of(scene, item_key(family, number), settings, numpy_generator(seed, "points"))


def seed_and_options(
    settings: HeldOutSettings, family: str, number: int
) -> tuple[int, SceneOptions]:
    """What `make_scene` needs to make one scene of a set."""
    from spelke.worlds.generate import SceneOptions

    seed = FIRST_SEED[settings.split] + SEEDS_PER_FAMILY * FAMILIES.index(family) + number
    return seed, SceneOptions(
        families=(family,),
        split=settings.split,
        size=settings.size,
        pokes=1,
        after_frames=False,
        groups=settings.directions,
    )


def item_of(
    scene: Any, key: str, settings: HeldOutSettings, generator: np.random.Generator
) -> TestItem:
    """Ask about the bodies of a scene that move and show enough of themselves.

    The point of a body is drawn from the pixels that are at least half as deep inside of it as
    its deepest one.

    Args:
        scene: a `spelke.worlds.scene.WorldScene` with its groups.
        key: name of the picture.
        settings: see there.
        generator: draws bodies and points.
    """
    least = settings.min_share * scene.ids.size
    points, bodies = [], []
    for body in generator.permutation(np.flatnonzero(scene.body_movable)):
        own = scene.ids == body
        segment, ignore = scene.group_masks[body], scene.ignore_masks[body]
        moves = (segment & own).any()
        if not moves or own.sum() < least or (segment & ~ignore).sum() < least:
            continue
        depth = np.asarray(ndimage.distance_transform_edt(np.pad(own, 1)))[1:-1, 1:-1]
        rows, columns = np.nonzero((depth >= 0.5 * depth.max()) & ~ignore)
        if len(rows) == 0:
            continue
        drawn = generator.integers(len(rows))
        points.append((columns[drawn], rows[drawn]))
        bodies.append(body)
        if len(points) == settings.max_points:
            break
    return TestItem(
        key=key,
        family=scene.family,
        image=scene.rgb,
        points=np.array(points, np.int64).reshape(-1, 2),
        segments=scene.group_masks[bodies].astype(bool),
        ignore=scene.ignore_masks[bodies].astype(bool),
        instances=scene.ids[None] == np.array(bodies, int)[:, None, None],
        looks=look_masks(scene, np.array(points, np.int64).reshape(-1, 2)),
    )


def look_masks(scene: Any, points: np.ndarray) -> np.ndarray:
    """What of the body under each point wears the material that the point shows.

    Args:
        scene: a `spelke.worlds.scene.WorldScene`.
        points: (point, 2) integers `(x, y)`, none of them on the sky.

    Returns:
        (point, height, width) bool: visible pixels of all parts of that body with that material.
    """
    table = np.append(scene.part_look, -2)  # the last one is the sky
    looks = table[np.minimum(scene.parts, len(scene.part_look))]
    columns, rows = points.T
    same_body = scene.ids == scene.ids[rows, columns][:, None, None]
    return same_body & (looks == looks[rows, columns][:, None, None])


def item_key(family: str, number: int) -> str:
    """Name of the picture of a family with a running number."""
    return f"{family}-{number:05d}"


def default_cache() -> Path:
    """Folder of what can be made again: `$XDG_CACHE_HOME/spelke`, else `~/.cache/spelke`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "spelke"


def set_name(settings: HeldOutSettings) -> str:
    """Name of the cache folder of a set: another generator or other questions, another name.

    The number of points and the choice of families are not part of it, so that a larger set
    reuses the scenes of a smaller one.
    """
    asked = (settings.size, settings.directions, settings.max_points, settings.min_share)
    code = digest_of_code("spelke.worlds", "spelke.benchmarks.held_out")
    return f"worlds-{settings.split}-{digest_of(asked, code)}"


def _make_or_read(
    job: tuple[MakeItem, Path, HeldOutSettings, str, int],
) -> TestItem | str:
    """One scene, or what went wrong; what this machine lacks is raised."""
    make, folder, settings, family, number = job
    path = folder / f"{item_key(family, number)}.h5"
    if path.is_file():
        try:
            return read_test_set(path)[0]
        except BadFile:
            path.unlink()  # damaged: it is made again
    try:
        item = make(settings, family, number)
        write_test_set(path, [item])
    except (Unavailable, MissingExtra, MemoryError):
        raise
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return item


@contextmanager
def _mapping(workers: int) -> Iterator[Callable[[Callable, Iterable], Iterable]]:
    """`map` in this process or in several; the results come in the order of the jobs."""
    if workers <= 1:
        yield map
        return
    # Forking a process that holds a graphics context or torch threads can hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread)
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)


def _one_thread() -> None:
    """Processes share the cores, so each renders and computes with one thread."""
    os.environ.update({"LP_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})
