"""World scenes in files: WebDataset shards for training, HDF5 for evaluation.

A shard is a tar of samples; the files of each are `KEY.` and the names in its record
(`world_records`). Files are written under a temporary name, so a shard is whole or absent.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spelke.data.pictures import check_tar_end
from spelke.data.world_records import (
    IMAGES,
    OtherSchema,
    Record,
    check_schema,
    decode,
    encode,
    from_tables,
    to_tables,
)
from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.runtime.files import atomic_write
from spelke.worlds.scene import SCHEMA, WorldScene

# -- shards ----------------------------------------------------------------------------------------


def write_shard(path: str | Path, scenes: Iterable[tuple[str, WorldScene]]) -> int:
    """Write one shard; it appears under its name only when it is whole.

    Args:
        path: the `.tar` to write.
        scenes: (key, scene) pairs; keys must be unique and hold no dots.

    Returns:
        Number of scenes written.
    """
    count = 0
    with atomic_write(path) as temporary, tarfile.open(temporary, "w") as tar:
        for key, scene in scenes:
            record = encode(scene, key)
            for name, content in record.items():
                if name == "__key__":
                    continue
                info = tarfile.TarInfo(f"{key}.{name}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            count += 1
    return count


def list_shards(folder: Path) -> list[Path]:
    """The shards of a folder, by name, without those that are still being written (hidden files).

    Raises:
        MissingData: there are none.
    """
    shards = sorted(path for path in folder.glob("*.tar") if not path.name.startswith("."))
    if not shards:
        raise MissingData(
            f"{folder} holds no shards (*.tar); make some with `spelke worlds make {folder}`"
        )
    return shards


def read_shards(paths: Sequence[str | Path]) -> Iterator[Record]:
    """Yield the compressed samples of shards, in order; `decode` turns each into a scene.

    Raises:
        MissingData: a path does not exist.
        BadFile: a file is not a tar, is truncated (also between two of its files), or holds
            samples with parts missing.
    """
    for path in map(Path, paths):
        if not path.is_file():
            raise MissingData(f"no shard at {path}; make some: spelke worlds make {path.parent}")
        try:
            yield from _read_shard(path)
        except (tarfile.TarError, EOFError) as error:
            raise BadFile(f"{path} is not a whole tar file ({error}); make it again") from error


def _read_shard(path: Path) -> Iterator[Record]:
    record: Record = {}
    with tarfile.open(path, "r:") as tar:
        check_tar_end(path)  # before the first sample, so that nobody takes a part for the whole
        for member in tar:
            key, _, extension = member.name.partition(".")
            content = tar.extractfile(member)
            body = b"" if content is None else content.read()
            if len(body) != member.size:
                raise BadFile(f"{path} ends inside {member.name}; make it again")
            if record and record["__key__"] != key.encode():
                yield _whole(record, path)
                record = {}
            record.setdefault("__key__", key.encode())
            record[extension] = body
    if record:
        yield _whole(record, path)


def _whole(record: Record, path: Path) -> Record:
    missing = {"rgb.jpg", "ids.png", "depth.png", "npz"} - set(record)
    if missing:
        # The tar is whole, so this is no damage: whoever wrote it calls its files otherwise.
        raise OtherSchema(
            f"{path}: sample {record['__key__'].decode()} lacks {sorted(missing)}, which scenes of "
            f"schema {SCHEMA} have; name a shard made by this version of spelke"
        )
    return record


# -- HDF5 ------------------------------------------------------------------------------------------


def write_hdf5(path: str | Path, scenes: Iterable[tuple[str, WorldScene]]) -> int:
    """Write an evaluation set, one group for each scene, pictures gzip-compressed.

    Returns:
        Number of scenes written.
    """
    import h5py

    count = 0
    with atomic_write(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format"] = "spelke-worlds"
        file.attrs["schema"] = SCHEMA
        for key, scene in scenes:
            group = file.create_group(key)
            for name, value in to_tables(scene).items():
                if value.dtype.kind in "US":
                    group.create_dataset(name, data=str(value))  # attributes end at 64 KB
                else:
                    _put(group, name, value)
            for name in IMAGES:
                _put(group, name, getattr(scene, name))
                after = getattr(scene.pokes, name)
                if after is not None:
                    _put(group, f"after_{name}", after)
            count += 1
    return count


def _put(group: Any, name: str, value: np.ndarray) -> None:
    value = np.asarray(value)
    if value.size < 1024:
        group.create_dataset(name, data=value)
    else:
        group.create_dataset(name, data=value, compression="gzip", compression_opts=4)


def hdf5_keys(path: str | Path) -> list[str]:
    """Names of the scenes in an evaluation set, in order."""
    with _open_hdf5(path) as file:
        return sorted(file)


def read_hdf5(path: str | Path, keys: Sequence[str] | None = None) -> Iterator[WorldScene]:
    """Yield scenes of an evaluation set, all or the named ones.

    Raises:
        MissingData: no file, or no scene of that name. BadFile: not such a file, or another schema.
    """
    with _open_hdf5(path) as file:
        for key in sorted(file) if keys is None else keys:
            if key not in file:
                raise MissingData(
                    f"{path} holds no scene {key!r}; its scenes: {sorted(file)[:5]} ..."
                )
            group = file[key]
            tables = {name: _array(item) for name, item in group.items()}
            names = [*IMAGES, *(f"after_{name}" for name in IMAGES)]
            try:
                scene = from_tables(tables, {n: tables[n] for n in names if n in tables})
            except (KeyError, TypeError, ValueError) as error:
                raise BadFile(f"scene {key} of {path} is incomplete: {error!r}") from error
            yield scene


def _array(item: Any) -> np.ndarray:
    value = item[()]
    return np.array(value.decode()) if isinstance(value, bytes) else np.asarray(value)


def _open_hdf5(path: str | Path) -> Any:
    import h5py

    if not Path(path).is_file():
        raise MissingData(f"no evaluation set at {path}; make one: spelke worlds make {path}")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise BadFile(f"{path} is not a readable HDF5 file ({error}); make it again") from error
    if file.attrs.get("format") != "spelke-worlds":
        file.close()
        raise BadFile(f"{path} is an HDF5 file, but not of world scenes; name one made by spelke")
    try:
        check_schema(file.attrs.get("schema"), str(path))
    except BadFile:
        file.close()
        raise
    return file


def read_scenes(path: str | Path) -> Iterator[WorldScene]:
    """Yield the scenes of a `.tar` shard, a folder of shards or an `.h5` set.

    Raises:
        MissingData: nothing there. InvalidInput: neither of the three. BadFile: damaged.
    """
    path = Path(path)
    if path.is_dir():
        yield from map(decode, read_shards(list_shards(path)))
    elif path.suffix == ".tar":
        yield from map(decode, read_shards([path]))
    elif path.suffix in (".h5", ".hdf5"):
        yield from read_hdf5(path)
    elif not path.exists():
        raise MissingData(f"no file or folder {path}")
    else:
        raise InvalidInput(f"{path} must be a .tar shard, a folder of shards or an .h5 file")
