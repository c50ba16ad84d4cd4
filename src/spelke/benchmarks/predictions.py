"""What a model answered, one file for each picture, in the format that SpelkeBench publishes.

`<key>.h5` holds `segments` and `segment_gt` (both the truth), `segment_pred`, `probe_points` and
`image`; ours adds `ignore` where there is any, and attributes by which a file is verified. Where
many models answer the same pictures, `image` is left out and one file beside them holds all. A
picture that the model failed on lies in the folder `failed`, without `segment_pred`, beside a text
with the traceback. Entry points: `read_prediction`, `write_prediction`, `Prediction`.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spelke.data.bench_arrays import as_image, as_masks
from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.runtime.files import atomic_write

SCHEMA = "spelke-prediction-1"
TRUTH, ANSWER, POINTS = ("segments", "segment_gt"), ("segment_pred",), ("probe_points",)
_POINT_NAMES = (*POINTS, "probe_point")  # the second is what the published description says


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """One picture, its truth and what a model answered.

    Attributes:
        key: name of the picture.
        family: kind of scene; "" where it is not known.
        image: (height, width, 3) uint8; None where the file has none or it was not asked for.
        points: (point, 2) integers `(x, y)`.
        truths: (point, height, width) bool.
        masks: (mask, height, width) bool; None if the model failed.
        ignore: (point, height, width) bool, pixels that count for nothing; None: all count.
        seconds: wall time; NaN where it is not known.
        error: why there are no masks, or "".
        traceback: where that happened, or "".
        fingerprint: of the picture and its questions; "" in files of other programs.
        identity: of the model and its settings; likewise.
        clip: that the picture is of; see `TestItem`.
    """

    key: str
    family: str
    image: np.ndarray | None
    points: np.ndarray
    truths: np.ndarray
    masks: np.ndarray | None
    ignore: np.ndarray | None = None
    seconds: float = math.nan
    error: str = ""
    traceback: str = ""
    fingerprint: str = ""
    identity: str = ""
    clip: str = ""


def safe_name(key: str) -> str:
    """A name for files: what file systems refuse is written as `%2f`."""
    return re.sub(r"^\.|[^\w .,=+@()-]", lambda sign: f"%{ord(sign.group()):02x}", key)


def file_name(key: str) -> str:
    """Name of the file of a picture."""
    return safe_name(key) + ".h5"


def write_prediction(folder: str | os.PathLike[str], prediction: Prediction) -> Path:
    """Write one prediction, whole or not at all; return its file.

    A failed one goes to `failed/`, and takes its leave from there once there is an answer.

    Raises:
        Unavailable: the disk is full or the folder may not be written.
    """
    name = file_name(prediction.key)
    failed = Path(folder) / "failed" / name
    if prediction.masks is None:
        with atomic_write(failed.with_suffix(".txt")) as temporary:
            temporary.write_text(f"{prediction.error}\n\n{prediction.traceback}", encoding="utf-8")
        path = failed
    else:
        path = Path(folder) / name
    with atomic_write(path) as temporary, h5py.File(temporary, "w") as file:
        _fill(file, prediction)
    for stale in (path.parent / "failed" / name,) if prediction.masks is not None else ():
        stale.unlink(missing_ok=True)
        stale.with_suffix(".txt").unlink(missing_ok=True)
    return path


def _fill(file: h5py.File, prediction: Prediction) -> None:
    file.attrs.update(
        schema=SCHEMA,
        key=prediction.key,
        family=prediction.family,
        clip=prediction.clip,
        fingerprint=prediction.fingerprint,
        identity=prediction.identity,
        seconds=prediction.seconds,
        error=prediction.error,
        digest=digest_of_masks(prediction.masks),
    )
    arrays = {
        "segments": prediction.truths.astype(np.uint8),
        "probe_points": prediction.points.astype(np.int32),
    }
    if prediction.image is not None:
        arrays["image"] = prediction.image
    if prediction.masks is not None:
        arrays["segment_pred"] = prediction.masks.astype(np.uint8)
    if prediction.ignore is not None and prediction.ignore.any():
        arrays["ignore"] = prediction.ignore.astype(np.uint8)
    for name, values in arrays.items():
        file.create_dataset(name, data=values, compression="gzip", compression_opts=4)
    file["segment_gt"] = file["segments"]  # a second name for the same data
    if prediction.traceback:
        file["traceback"] = prediction.traceback


def digest_of_masks(masks: np.ndarray | None) -> str:
    """Twelve hexadecimal digits that change with any pixel of some masks; "" for None."""
    if masks is None:
        return ""
    digest = hashlib.sha256(repr(masks.shape).encode())
    digest.update(np.packbits(masks).tobytes())
    return digest.hexdigest()[:12]


def read_prediction(path: str | os.PathLike[str], with_image: bool = True) -> Prediction:
    """Read a prediction of ours or of the published program.

    Answers that are no masks (another size than the truth, not binary, NaN) are read as failed, so
    that the truth still counts.

    Args:
        path: the `.h5` file.
        with_image: whether the picture is read, which takes most of the time.

    Raises:
        MissingData: there is no such file.
        BadFile: it is damaged, holds no truth, or another answer than was written.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingData(f"there is no prediction {path}")
    try:
        with h5py.File(path, "r") as file:
            return _read(path, file, with_image)
    except (OSError, RuntimeError, KeyError, InvalidInput) as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile(
            f"{path} cannot be read as a prediction ({error}): delete it and run again"
        ) from error


def _read(path: Path, file: h5py.File, with_image: bool) -> Prediction:
    truth = _first(file, TRUTH)
    if truth is None:
        raise BadFile(
            f"{path} holds {', '.join(sorted(file)) or 'nothing'}, but no segments or segment_gt: "
            "it is no prediction file"
        )
    truths = as_masks(truth)
    points = _first(file, _POINT_NAMES)
    masks, error = _read_masks(file, truths)
    attributes: Any = file.attrs
    if "digest" in attributes and digest_of_masks(masks) != attributes["digest"] and not error:
        raise BadFile(f"{path} holds another answer than was written: delete it and run again")
    ignore = _first(file, ("ignore",))
    image = _first(file, ("image",)) if with_image else None
    return Prediction(
        key=str(attributes.get("key", path.stem)),
        family=str(attributes.get("family", "")),
        image=None if image is None else as_image(image),
        points=np.zeros((0, 2), np.int64) if points is None else points.astype(np.int64),
        truths=truths,
        masks=masks,
        ignore=None if ignore is None else as_masks(ignore),
        seconds=float(attributes.get("seconds", math.nan)),
        error=str(attributes.get("error", "")) or error,
        traceback=file["traceback"].asstr()[()] if "traceback" in file else "",  # type: ignore
        fingerprint=str(attributes.get("fingerprint", "")),
        identity=str(attributes.get("identity", "")),
        clip=str(attributes.get("clip", "")),
    )


def _read_masks(file: h5py.File, truths: np.ndarray) -> tuple[np.ndarray | None, str]:
    """The answer, or why it is none."""
    values = _first(file, ANSWER)
    if values is None:
        return None, "there is no answer (no segment_pred)"
    if values.ndim != 3 or values.shape[1:] != truths.shape[1:]:
        height, width = truths.shape[1:]
        return None, f"the answer has shape {values.shape}, accepted is (masks, {height}, {width})"
    try:
        return as_masks(values), ""
    except InvalidInput as error:
        return None, f"the answer {error}"


def _first(file: h5py.File, names: tuple[str, ...]) -> np.ndarray | None:
    found: Any = next((file[name] for name in names if name in file), None)
    return None if found is None else np.asarray(found[()])
