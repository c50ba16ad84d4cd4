"""A world scene as a record: compressed pictures and one table of everything else.

A record is what a sample of a shard holds: `rgb.jpg` (quality 95, 4:4:4), `ids.png`, `depth.png`
(uint16, quarter millimetres, 65535 = sky) and `npz` (everything else). After-frames, where there
are any, lie beside them as `after.jpg`, `after_ids.png` and `after_depth.png`, all pokes stacked
from top to bottom. Entry points: `encode`, `decode`.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import cv2
import numpy as np

from spelke.errors import BadFile
from spelke.worlds.scene import SCHEMA, Pokes, WorldScene

DEPTH_UNIT = 0.00025
"""Metres of one step of stored depth."""
_SKY_DEPTH = 65535

Record = dict[str, bytes]
"""One sample as it lies in a shard: extension -> bytes, and "__key__" -> its name."""

IMAGES = ("rgb", "ids", "depth")
"""Fields of a scene, and of what follows a poke, that are pictures."""
_NAMES = ("notes", "body_joint", "body_shape", "body_family", "body_notes")
_TABLES = ("versions", "options")
_POKE_FRAMES = (*IMAGES, "visible")


class OtherSchema(BadFile):
    """A file that is not damaged, but of another version of the format than ours, or of none."""


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


def to_tables(scene: WorldScene) -> dict[str, np.ndarray]:
    """Everything but pictures, as flat arrays."""
    tables: dict[str, np.ndarray] = {}
    for item in fields(WorldScene):
        value = getattr(scene, item.name)
        if item.name in (*IMAGES, "pokes") or value is None:
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


def from_tables(tables: dict[str, Any], images: dict[str, np.ndarray]) -> WorldScene:
    """The inverse of `to_tables`; `images` holds rgb, ids, depth, and after_rgb and so on."""
    width = images["ids"].shape[-1]
    values: dict[str, Any] = {name: images[name] for name in IMAGES}
    for item in fields(WorldScene):
        if item.name in (*IMAGES, "pokes") or item.name not in tables:
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
    for name in IMAGES:
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
    np.savez_compressed(buffer, allow_pickle=False, **to_tables(scene))
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
        OtherSchema: the sample is of another version of the format.
        BadFile: a file of the sample is missing or corrupt.
    """
    with _reading(record):
        with np.load(io.BytesIO(record["npz"]), allow_pickle=False) as archive:
            tables = {name: archive[name] for name in archive.files}
        check_schema(tables.get("schema"), _key(record))
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
        return from_tables(tables, images)


def read_versions(record: Record) -> dict[str, str]:
    """What a sample was made with (`WorldScene.versions`), without decoding its pictures.

    Raises:
        BadFile: its table is missing or corrupt.
    """
    with _reading(record), np.load(io.BytesIO(record["npz"]), allow_pickle=False) as archive:
        return json.loads(str(archive["versions"])) if "versions" in archive.files else {}


def _key(record: Record) -> str:
    return record.get("__key__", b"?").decode()


@contextmanager
def _reading(record: Record) -> Iterator[None]:
    """What goes wrong with the bytes of a sample is a `BadFile` that names it."""
    try:
        yield
    except BadFile:
        raise
    except (
        KeyError, ValueError, OSError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile,
        zlib.error, cv2.error,
    ) as error:  # fmt: skip
        raise BadFile(
            f"sample {_key(record)} is not a world scene of schema {SCHEMA}: {error!r}; make the "
            "shard again"
        ) from error


def _picture(record: Record, name: str, flag: int) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(record[name], np.uint8), flag)
    if picture is None:
        raise ValueError(f"{name} cannot be decoded")
    return picture


def check_schema(found: Any, where: str) -> None:
    """Refuse scenes of another version of the format.

    Args:
        found: the number in the file; None where it holds none.
        where: what holds it, for people.

    Raises:
        OtherSchema: `found` is another number than ours.
    """
    number = None if found is None else int(found)
    if number != SCHEMA:
        raise OtherSchema(
            f"{where} has {'no schema' if number is None else f'schema {number}'}, this version "
            f"reads {SCHEMA}; make the scenes again, in another place or after removing these: "
            "spelke worlds make"
        )
