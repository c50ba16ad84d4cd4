"""World scenes in files: WebDataset shards for training, HDF5 for evaluation.

A shard is a tar of samples; each sample is `KEY.rgb.jpg` (quality 95, 4:4:4), `KEY.ids.png`,
`KEY.depth.png` (uint16, quarter millimetres, 65535 = sky) and `KEY.npz` (everything else).
After-frames, where there are any, lie beside them as `KEY.after.jpg`, `KEY.after_ids.png` and
`KEY.after_depth.png`, all pokes stacked from top to bottom. Files are written under a temporary
name, so a shard is whole or absent.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.runtime.files import atomic_write
from spelke.worlds.scene import SCHEMA, Pokes, WorldScene

DEPTH_UNIT = 0.00025
"""Metres of one step of stored depth."""
_SKY_DEPTH = 65535

Record = dict[str, bytes]
"""One sample as it lies in a shard: extension -> bytes, and "__key__" -> its name."""

_IMAGES = ("rgb", "ids", "depth")
_NAMES = ("notes", "body_joint", "body_shape", "body_family", "body_notes")
_TABLES = ("versions", "options")
_POKE_FRAMES = ("rgb", "ids", "depth", "visible")


# -- depth -----------------------------------------------------------------------------------------


def pack_depth(depth: np.ndarray) -> np.ndarray:
    """Metres to uint16 steps; farther than 16.38 m saturates, sky (inf) becomes 65535."""
    steps = np.round(np.where(np.isfinite(depth), depth, 0) / DEPTH_UNIT)
    return np.where(np.isfinite(depth), np.minimum(steps, _SKY_DEPTH - 1), _SKY_DEPTH).astype(
        np.uint16
    )


def unpack_depth(steps: np.ndarray) -> np.ndarray:
    """uint16 steps to metres, float32, inf for sky."""
    depth = steps.astype(np.float32) * np.float32(DEPTH_UNIT)
    depth[steps == _SKY_DEPTH] = np.inf
    return depth


# -- the part of a scene that is not pictures ------------------------------------------------------


def _tables(scene: WorldScene) -> dict[str, np.ndarray]:
    """Everything but pictures, as flat arrays."""
    tables: dict[str, np.ndarray] = {}
    for item in fields(WorldScene):
        value = getattr(scene, item.name)
        if item.name in (*_IMAGES, "pokes") or value is None:
            continue
        if item.name in ("group_masks", "ignore_masks"):
            tables[item.name] = np.packbits(value, axis=-1)
        elif item.name in _TABLES:
            tables[item.name] = np.array(json.dumps(value, sort_keys=True))
        elif isinstance(value, tuple):
            tables[item.name] = np.array(json.dumps(value))
        else:
            tables[item.name] = np.asarray(value)
    for item in fields(Pokes):
        value = getattr(scene.pokes, item.name)
        if item.name not in _POKE_FRAMES:
            tables[f"poke_{item.name}"] = value
        elif item.name == "visible" and value is not None:
            tables["poke_visible"] = np.packbits(value, axis=-1)
    tables["schema"] = np.array(SCHEMA)
    return tables


def _from_tables(tables: dict[str, Any], images: dict[str, np.ndarray]) -> WorldScene:
    """The inverse of `_tables`; `images` holds rgb, ids, depth, and after_rgb and so on."""
    width = images["ids"].shape[-1]
    values: dict[str, Any] = {name: images[name] for name in _IMAGES}
    for item in fields(WorldScene):
        if item.name in (*_IMAGES, "pokes") or item.name not in tables:
            continue
        value = tables[item.name]
        if item.name in ("group_masks", "ignore_masks"):
            value = np.unpackbits(value, axis=-1, count=width).astype(bool)
        elif item.name in _TABLES:
            value = json.loads(str(value))
        elif item.name in _NAMES:
            value = tuple(json.loads(str(value)))
        elif value.ndim == 0:
            value = value.item()
        values[item.name] = value
    pokes: dict[str, Any] = {item.name: tables.get(f"poke_{item.name}") for item in fields(Pokes)}
    if pokes["visible"] is not None:
        pokes["visible"] = np.unpackbits(pokes["visible"], axis=-1, count=width).astype(bool)
    for name in ("rgb", "ids", "depth"):
        pokes[name] = images.get(f"after_{name}")
    return WorldScene(pokes=Pokes(**pokes), **values)


# -- one sample ------------------------------------------------------------------------------------


def _jpeg(picture: np.ndarray) -> bytes:
    flags = [
        cv2.IMWRITE_JPEG_QUALITY,
        95,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    return cv2.imencode(".jpg", picture[..., ::-1], flags)[1].tobytes()


def _png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 4])[1].tobytes()


def encode(scene: WorldScene, key: str) -> Record:
    """A scene as the files of one sample."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **_tables(scene))
    record = {
        "__key__": key.encode(),
        "rgb.jpg": _jpeg(scene.rgb),
        "ids.png": _png(scene.ids),
        "depth.png": _png(pack_depth(scene.depth)),
        "npz": buffer.getvalue(),
    }
    pokes = scene.pokes
    if pokes.rgb is not None and pokes.ids is not None and pokes.depth is not None:
        record["after.jpg"] = _jpeg(pokes.rgb.reshape(-1, *pokes.rgb.shape[2:]))
        record["after_ids.png"] = _png(pokes.ids.reshape(-1, pokes.ids.shape[-1]))
        steps = pack_depth(pokes.depth)
        record["after_depth.png"] = _png(steps.reshape(-1, steps.shape[-1]))
    return record


def decode(record: Record) -> WorldScene:
    """A sample back to a scene.

    Raises:
        BadFile: a file of the sample is missing or corrupt, or of another schema.
    """
    key = record.get("__key__", b"?").decode()
    try:
        with np.load(io.BytesIO(record["npz"]), allow_pickle=False) as archive:
            tables = {name: archive[name] for name in archive.files}
        _check_schema(int(tables["schema"]), key)
        images: dict[str, np.ndarray] = {
            "rgb": _picture(record, "rgb.jpg", cv2.IMREAD_COLOR_RGB),
            "ids": _picture(record, "ids.png", cv2.IMREAD_UNCHANGED),
            "depth": unpack_depth(_picture(record, "depth.png", cv2.IMREAD_UNCHANGED)),
        }
        if "after.jpg" in record:
            height, width = images["ids"].shape
            shape = (-1, height, width)
            rgb = _picture(record, "after.jpg", cv2.IMREAD_COLOR_RGB)
            ids = _picture(record, "after_ids.png", cv2.IMREAD_UNCHANGED)
            depth = _picture(record, "after_depth.png", cv2.IMREAD_UNCHANGED)
            images["after_rgb"] = rgb.reshape(*shape, 3)
            images["after_ids"] = ids.reshape(shape)
            images["after_depth"] = unpack_depth(depth.reshape(shape))
        return _from_tables(tables, images)
    except (KeyError, ValueError, OSError, TypeError, cv2.error) as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile(
            f"sample {key} is not a world scene of schema {SCHEMA}: {error!r}; make the shard again"
        ) from error


def _picture(record: Record, name: str, flag: int) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(record[name], np.uint8), flag)
    if picture is None:
        raise ValueError(f"{name} cannot be decoded")
    return picture


def _check_schema(found: int, where: str) -> None:
    if found != SCHEMA:
        raise BadFile(
            f"{where} has schema {found}, this version reads {SCHEMA}; "
            "make the scenes again: spelke worlds make"
        )


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


def read_shards(paths: Sequence[str | Path]) -> Iterator[Record]:
    """Yield the compressed samples of shards, in order; `decode` turns each into a scene.

    Raises:
        MissingData: a path does not exist.
        BadFile: a file is not a tar, is truncated, or holds samples with parts missing.
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
        raise BadFile(f"{path}: sample {record['__key__'].decode()} lacks {sorted(missing)}")
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
            for name, value in _tables(scene).items():
                if value.dtype.kind in "US":
                    group.create_dataset(name, data=str(value))  # attributes end at 64 KB
                else:
                    _put(group, name, value)
            for name in _IMAGES:
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
            names = [*_IMAGES, *(f"after_{name}" for name in _IMAGES)]
            try:
                scene = _from_tables(tables, {n: tables[n] for n in names if n in tables})
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
    if int(file.attrs.get("schema", -1)) != SCHEMA:
        found = int(file.attrs.get("schema", -1))
        file.close()
        _check_schema(found, str(path))
    return file


def read_scenes(path: str | Path) -> Iterator[WorldScene]:
    """Yield the scenes of a `.tar` shard, a folder of shards or an `.h5` set.

    Raises:
        MissingData: nothing there. InvalidInput: neither of the three. BadFile: damaged.
    """
    path = Path(path)
    if path.is_dir():
        # A hidden file is a shard that is still being written.
        shards = sorted(file for file in path.glob("*.tar") if not file.name.startswith("."))
        if not shards:
            raise MissingData(f"no .tar shards in {path}; make some: spelke worlds make {path}")
        yield from map(decode, read_shards(shards))
    elif path.suffix == ".tar":
        yield from map(decode, read_shards([path]))
    elif path.suffix in (".h5", ".hdf5"):
        yield from read_hdf5(path)
    elif not path.exists():
        raise MissingData(f"no file or folder {path}")
    else:
        raise InvalidInput(f"{path} must be a .tar shard, a folder of shards or an .h5 file")
