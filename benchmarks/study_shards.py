"""Shards of some families only, copied scene by scene without touching what is in them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spelke.data.world_records import Record
from spelke.data.worlds import read_shards
from spelke.errors import MissingData
from spelke.runtime.files import atomic_write


def shards_of(data: Path, families: Sequence[str], folder: Path) -> Path:
    """A folder of shards with the scenes of these families; made once.

    Args:
        data: folder of shards of all families.
        families: to keep.
        folder: where to make it.

    Raises:
        MissingData: `data` holds no scene of these families.
    """
    target = folder / f"{'-'.join(families)}.shards" / "train-000000000.tar"
    if not target.exists():
        shards = sorted(path for path in data.glob("*.tar") if not path.name.startswith("."))
        kept = [record for record in read_shards(shards) if _family(record) in families]
        if not kept:
            raise MissingData(f"{data} holds no scene of the families {', '.join(families)}")
        with atomic_write(target) as temporary, tarfile.open(temporary, "w") as tar:
            for record in kept:
                _add(tar, record)
    return target.parent


def _add(tar: tarfile.TarFile, record: Record) -> None:
    key = record["__key__"].decode()
    for name, content in record.items():
        if name != "__key__":
            info = tarfile.TarInfo(f"{key}.{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def _family(record: Record) -> str:
    """Without decoding the pictures."""
    with np.load(io.BytesIO(record["npz"])) as tables:
        return str(tables["family"])
