"""Checkpoint folders that are whole or absent, and where those of published models are kept.

A folder is written beside its target under a hidden name and takes its place at the end.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spelke.errors import InvalidInput, Unavailable
from spelke.runtime.files import raise_if_unwritable
from spelke.weights.checkpoint_files import CARD, CONFIG
from spelke.weights.shards import INDEX, SHARD, WEIGHTS

_SPARE_BYTES = 10**6
"""For everything in a checkpoint that is not a tensor."""


@contextmanager
def new_folder(folder: str | os.PathLike[str], needed: int = 0) -> Iterator[Path]:
    """Give a folder to fill; when the block ends well, it takes the place of `folder`.

    Args:
        folder: a new or empty folder, or a checkpoint of ours, which is replaced.
        needed: bytes that will be written, to be refused at once where they find no room.

    Yields:
        The folder to fill. It exists and is empty.

    Raises:
        InvalidInput: the folder holds something else.
        Unavailable: the disk is too small or full, or the folder may not be written to.
    """
    target = Path(folder).expanduser().resolve()
    check_target(target)
    check_room(target, needed)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        draft.mkdir(parents=True)
        yield draft
        _replace(draft, target)
    except Exception as error:
        raise_if_unwritable(error, target)
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_room(target: Path, needed: int) -> None:
    """Refuse to begin to write what the disk cannot hold.

    Raises:
        Unavailable: fewer than `needed` bytes are free.
    """
    place = next((parent for parent in target.parents if parent.exists()), Path(target.anchor))
    free = shutil.disk_usage(place).free
    if needed and needed + _SPARE_BYTES > free:
        raise Unavailable(
            f"{target} needs {needed / 1e9:.2f} GB and {free / 1e9:.2f} GB are free in {place}; "
            "free some space or write to another disk. Nothing was written"
        )


def leftovers(folder: str | os.PathLike[str]) -> list[Path]:
    """Drafts of this folder that a killed process left behind, or another one is filling."""
    target = Path(folder).expanduser().resolve()
    return sorted(target.parent.glob(f".{target.name}.*.part"))


def check_target(target: Path) -> None:
    """Refuse to write a checkpoint over anything but a checkpoint.

    Raises:
        InvalidInput: the folder holds something else.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise InvalidInput(f"cannot write a checkpoint to {target}: there is a file of that name")
    names = {path.name for path in target.iterdir()}
    others = {name for name in names - {CONFIG, WEIGHTS, INDEX, CARD} if not SHARD.fullmatch(name)}
    if others:
        raise InvalidInput(
            f"{target} holds {', '.join(sorted(others)[:3])}, which would be lost; name an empty "
            "or new folder"
        )
    if names and not _is_ours(target / CONFIG):
        raise InvalidInput(
            f"{target} holds a model of another program, which would be lost; name an empty or "
            "new folder"
        )


def _is_ours(config: Path) -> bool:
    try:
        values = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and {"schema", "architecture"} <= values.keys()


def _replace(draft: Path, target: Path) -> None:
    """Put `draft` in the place of `target`; a folder cannot be replaced in one step."""
    old = draft.with_suffix(".old")
    if target.exists():
        target.rename(old)
    try:
        draft.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
