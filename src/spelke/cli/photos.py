"""One question asked of many photos: which files, where the answers go, progress, failures.

Shared by the verbs that look at photos. A photo that fails is reported, skipped and counted; what
is finished stays, also after Ctrl-C.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import numpy as np
import tyro
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from spelke.errors import InvalidInput, SpelkeError, Unavailable
from spelke.runtime.files import atomic_write

if TYPE_CHECKING:
    from spelke.discovery.observer import Observer
    from spelke.discovery.scene import Scene

OK, SOME_FAILED = 0, 1
PHOTOS_AT_ONCE = 16
"""Photos that are asked side by side, except on the CPU, where that brings no speed and each is
better finished before the next."""

_OURS = (".overlay.png", ".affordance.png", ".displacement.png")
"""Endings of pictures that we write; they are not taken as photos out of a folder."""


@dataclass(frozen=True, kw_only=True)
class PhotoOptions:
    """What every verb that looks at photos can be told."""

    images: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="IMAGE…", help_behavior_hint=""),
    ]
    """Photos: files, folders (the pictures directly inside) or quoted patterns."""
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

    def prepared(self, observer: Observer) -> Observer:
        """The observer as the verb wants it."""
        return observer


@dataclass(frozen=True, slots=True)
class Answer:
    """What a verb has to say about one photo."""

    files: tuple[Path, ...]
    """Written."""
    records: tuple[dict[str, Any], ...]
    """For `--json`; the photo's name is added."""
    lines: tuple[str, ...]
    """For people."""


Found = TypeVar("Found")
Find = Callable[["Observer", "Sequence[Scene]"], Sequence[Found]]
"""What a verb is about, of each of some photos that are asked side by side."""
Tell = Callable[["Scene", Found, Path, Callable[[str], Path]], Answer]
"""Writes it down: (scene, what was found, photo, function from ending to file to write)."""


def ask_photos(options: PhotoOptions, find: Find[Found], tell: Tell[Found]) -> int:
    """Ask the same of every photo.

    Returns:
        0, or 1 if some photos failed.

    Raises:
        SpelkeError: whatever concerns the whole call, or the only photo.
    """
    photos = find_photos(options.images)
    stems = {photo: target_stem(photo, options.out) for photo in photos}
    _refuse_shared(stems)
    observer, at_once = _load(options)
    failed = 0
    with _progress(len(photos)) as (console, advance):
        try:
            for photo, outcome in _outcomes(observer, photos, find, at_once):
                try:
                    if isinstance(outcome, Exception):
                        raise outcome
                    place = partial(_at, stems[photo])
                    _print_answer(tell(*outcome, photo, place), photo, options.json, console)
                except Unavailable:
                    raise
                except (SpelkeError, MemoryError) as error:
                    if len(photos) == 1:
                        raise
                    failed += 1
                    _complain(error, photo, console)
                advance()
        except Unavailable as error:  # a full disk stays full
            _complain(error, photo, console)
            return SOME_FAILED
    if failed:
        console.print(f"{failed} of {len(photos)} photos failed; the others are done")
    return SOME_FAILED if failed else OK


def find_photos(images: tuple[Path, ...]) -> list[Path]:
    """The photos that are meant, without the pictures that we write ourselves.

    Raises:
        InvalidInput: nothing was named.
        MissingData: a file does not exist, or a folder or pattern holds no photo.
    """
    from spelke.data.image import find_images
    from spelke.errors import MissingData

    if not images:
        raise InvalidInput("no photo was named; give files, folders or quoted patterns")
    photos: list[Path] = []
    for image in images:
        found = find_images(image)
        kept = [path for path in found if path == image or not path.name.endswith(_OURS)]
        if not kept:
            raise MissingData(f"{image} holds only results of Spelke, no photo to look at")
        photos += kept
    return list(dict.fromkeys(photos))


def target_stem(photo: Path, out: Path | None) -> Path:
    """Where the results of a photo go, without ending."""
    return (photo.parent if out is None else out) / photo.stem


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Write a (height, width, 3) uint8 picture as PNG, whole or not at all."""
    with atomic_write(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")


def _at(stem: Path, ending: str) -> Path:
    return stem.with_name(stem.name + ending)


def _refuse_shared(stems: dict[Path, Path]) -> None:
    owners: dict[Path, Path] = {}
    for photo, stem in stems.items():
        other = owners.setdefault(stem.absolute(), photo)
        if other != photo:
            raise InvalidInput(
                f"{other} and {photo} would both write {stem}.*; ask about them in two calls with "
                "different --out"
            )


def _load(options: PhotoOptions) -> tuple[Observer, int]:
    """The observer, and how many photos it is asked about side by side."""
    import spelke
    from spelke.discovery.load import device_choice

    choice = device_choice(options.device, options.parity)
    print(f"{options.model} on {choice}", file=sys.stderr)
    observer = spelke.load(options.model, device=str(choice.device), parity=options.parity)
    print(observer.world_model.batching, file=sys.stderr)
    return options.prepared(observer), 1 if choice.device.type == "cpu" else PHOTOS_AT_ONCE


def _outcomes(
    observer: Observer, photos: Sequence[Path], find: Find[Found], at_once: int
) -> Iterator[tuple[Path, tuple[Scene, Found] | Exception]]:
    """For each photo, in order, its scene and what was found in it, or why there is nothing."""
    for first in range(0, len(photos), at_once):
        some = photos[first : first + at_once]
        scenes: dict[Path, Scene] = {}
        outcomes: dict[Path, tuple[Scene, Found] | Exception] = {}
        for photo in some:
            try:
                scenes[photo] = observer.look(photo)
            except (SpelkeError, MemoryError) as error:
                outcomes[photo] = error
        outcomes |= _found(observer, scenes, find)
        yield from ((photo, outcomes[photo]) for photo in some)


def _found(
    observer: Observer, scenes: dict[Path, Scene], find: Find[Found]
) -> dict[Path, tuple[Scene, Found] | Exception]:
    """Ask about all together; where that fails, about each alone, to know which it was."""
    if not scenes:
        return {}
    try:
        found = find(observer, list(scenes.values()))
    except (SpelkeError, MemoryError) as error:
        if len(scenes) == 1:
            return dict.fromkeys(scenes, error)
        alone = [_found(observer, {photo: scene}, find) for photo, scene in scenes.items()]
        return {photo: outcome for one in alone for photo, outcome in one.items()}
    pairs = zip(scenes.values(), found, strict=True)
    return dict(zip(scenes, pairs, strict=True))


def _complain(error: Exception, photo: Path, console: Console) -> None:
    text = str(error) or type(error).__name__
    console.print(f"{photo}: {text}", style="red", markup=False, soft_wrap=True)


def _print_answer(answer: Answer, photo: Path, as_json: bool, console: Console) -> None:
    for line in answer.lines:
        console.print(f"{photo.name}: {line}", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        results = [json.dumps({"image": str(photo), **record}) for record in answer.records]
    else:
        results = [os.fspath(path) for path in answer.files]
    for result in results:
        print(result, flush=True)


@contextmanager
def _progress(total: int) -> Iterator[tuple[Console, Callable[[], None]]]:
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
