"""The scenes of a folder of shards, compressed in memory, and which shards were unusable."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from spelke.data.world_records import Record, decode
from spelke.data.worlds import list_shards, read_shards
from spelke.errors import BadFile, MissingData, Unavailable
from spelke.runtime.device import free_bytes


class LoadedShards(NamedTuple):
    """What a folder of shards holds.

    Attributes:
        records: all compressed scenes, in the order of the shards' names.
        skipped: shards that were left out, with the reason.
    """

    records: list[Record]
    skipped: dict[Path, str]


def load_shards(
    folder: Path, *, skip_bad: bool = False, tell: Callable[[str], None] = lambda text: None
) -> LoadedShards:
    """Read all shards of a folder.

    Each shard is read to its end, and its first scene decoded, so that a truncated shard, or one
    of another schema, is found before training and not in the middle of it.

    Args:
        folder: of `.tar` files, as `spelke worlds make` writes them.
        skip_bad: leave unusable shards out.
        tell: called with one sentence for each shard that is left out.

    Raises:
        MissingData: there are no shards, or none that is usable.
        BadFile: a shard is unusable and `skip_bad` is False; the message names it.
        Unavailable: they do not fit into memory.
    """
    paths = list_shards(folder)
    _check_room(folder, paths)
    loaded = LoadedShards([], {})
    for path in paths:
        try:
            loaded.records.extend(_read(path))
        except BadFile as error:
            if not skip_bad:
                raise BadFile(
                    f"{error}. To train without the unusable shards, add --skip-bad-shards"
                ) from error
            loaded.skipped[path] = str(error)
            tell(f"Left out {path.name}: {error}")
    if not loaded.records:
        raise MissingData(
            f"none of the {len(paths)} shards in {folder} is usable; make them again with "
            f"`spelke worlds make {folder}`"
        )
    return loaded


def digest_of(records: Sequence[Record]) -> str:
    """Tells other scenes, or others' order: by the names and sizes of all that records hold."""
    digest = hashlib.sha256()
    for record in records:
        sizes = ",".join(f"{name}:{len(content)}" for name, content in sorted(record.items()))
        digest.update(record["__key__"] + b"\0" + sizes.encode() + b"\n")
    return digest.hexdigest()[:12]


def _check_room(folder: Path, paths: Sequence[Path]) -> None:
    needed, free = sum(path.stat().st_size for path in paths), free_bytes(torch.device("cpu"))
    if free is not None and needed > free:
        raise Unavailable(
            f"the {len(paths)} shards in {folder} take {needed / 1e9:.1f} GB in memory, where they "
            f"are kept, and {free / 1e9:.1f} GB are free; train on a folder of fewer shards, or on "
            "a machine with more memory"
        )


def _read(path: Path) -> list[Record]:
    records = list(read_shards([path]))
    if not records:
        raise BadFile(f"{path} holds no scenes; make it again")
    try:
        decode(records[0])
    except BadFile as error:
        raise BadFile(f"{path}: {error}") from error
    return records
