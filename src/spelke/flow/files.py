"""Flow files: Middlebury `.flo` (32-bit floats) and KITTI `.png` (steps of 1/64 pixel).

Both say where the flow is known. Entry points: `read_flow`, `write_flow`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float

from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.runtime.files import write_bytes

_FLO_TAG = b"PIEH"
_FLO_UNKNOWN = 1e9
"""A component beyond this is how `.flo` says unknown; 1e10 is written."""
_KITTI_STEP = 64.0
_KITTI_ZERO = 2**15
_MAX_SIDE = 99_999
"""Largest side that a `.flo` header may claim, by the format's reference reader."""


class KnownFlow(NamedTuple):
    """A flow, and where it is known."""

    flow: Float[np.ndarray, "2 height width"]
    """In pixels of the first frame, dx then dy; 0 where it is not known."""
    valid: Bool[np.ndarray, "height width"]


def read_flow(path: str | os.PathLike[str]) -> KnownFlow:
    """Read a flow file, `.flo` (Middlebury) or `.png` (KITTI).

    Raises:
        MissingData: there is no such file.
        BadFile: it is empty, truncated, or not a flow file.
        InvalidInput: its ending is neither `.flo` nor `.png`.
    """
    path = Path(path)
    decode = {".flo": _decode_flo, ".png": _decode_kitti}.get(path.suffix.lower())
    if decode is None:
        raise InvalidInput(_unknown_ending(path))
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise MissingData(f"there is no flow file {path}; check the name") from error
    except OSError as error:
        raise BadFile(f"cannot read the flow file {path}: {error.strerror}") from error
    if not data:
        raise BadFile(f"the flow file {path} is empty (0 bytes); copy or download it again")
    return decode(data, path)


def write_flow(
    path: str | os.PathLike[str],
    flow: Float[np.ndarray, "2 height width"],
    valid: Bool[np.ndarray, "height width"] | None = None,
) -> None:
    """Write a flow file, whole or not at all; see `encode_flow`."""
    write_bytes(path, encode_flow(path, flow, valid))


def encode_flow(
    path: str | os.PathLike[str],
    flow: Float[np.ndarray, "2 height width"],
    valid: Bool[np.ndarray, "height width"] | None = None,
) -> bytes:
    """Return a flow file, `.flo` (Middlebury, exact) or `.png` (KITTI, rounded to 1/64 pixel).

    Args:
        path: ends in `.flo` or `.png`.
        flow: in pixels, dx then dy.
        valid: where the flow is known; everywhere if it is not given.

    Raises:
        InvalidInput: the ending, a shape, or a value at a known pixel is not accepted.
    """
    path = Path(path)
    encode = {".flo": _encode_flo, ".png": _encode_kitti}.get(path.suffix.lower())
    if encode is None:
        raise InvalidInput(_unknown_ending(path))
    flow = np.asarray(flow, np.float32)
    if flow.ndim != 3 or flow.shape[0] != 2 or 0 in flow.shape:
        hint = ": the components come first; use `flow.transpose(2, 0, 1)`"
        raise InvalidInput(
            f"expected a flow of (2, height, width), got {flow.shape}"
            + (hint if flow.ndim == 3 and flow.shape[-1] == 2 else "")
        )
    valid = np.ones(flow.shape[1:], np.bool_) if valid is None else np.asarray(valid, np.bool_)
    if valid.shape != flow.shape[1:]:
        raise InvalidInput(
            f"`valid` must be (height, width) = {flow.shape[1:]} like the flow, got {valid.shape}"
        )
    if not np.isfinite(flow[:, valid]).all():
        raise InvalidInput(
            "the flow holds NaN or infinite values where it is said to be known; mark them in "
            "`valid` as False"
        )
    return encode(flow, valid)


def _unknown_ending(path: Path) -> str:
    return (
        f"{path.name} does not end like a flow file; accepted are .flo (Middlebury) and .png "
        "(KITTI, 16 bits)"
    )


def _decode_flo(data: bytes, path: Path) -> KnownFlow:
    """Middlebury: tag, width and height (int32), then dx, dy pairs row by row (float32)."""
    if data[:4] != _FLO_TAG:
        raise BadFile(
            f"{path} is not a Middlebury flow file: it begins with {data[:4]!r}, not {_FLO_TAG!r}"
        )
    if len(data) < 12:
        raise BadFile(f"{path} is truncated: its header of 12 bytes has {len(data)}")
    width, height = (int(side) for side in np.frombuffer(data, "<i4", 2, 4))
    if not (1 <= width <= _MAX_SIDE and 1 <= height <= _MAX_SIDE):
        raise BadFile(f"{path} is corrupt: its header claims {width} x {height} pixels")
    expected = 12 + 8 * width * height
    if len(data) != expected:
        state = "truncated" if len(data) < expected else "corrupt"
        raise BadFile(
            f"{path} is {state}: {width} x {height} pixels take {expected} bytes, it has "
            f"{len(data)}; copy or download it again"
        )
    pairs = np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2)
    # NaN compares as false and so counts as unknown.
    valid = np.all(np.abs(pairs) <= _FLO_UNKNOWN, axis=-1)
    flow = np.where(valid, pairs.transpose(2, 0, 1), 0).astype(np.float32)
    return KnownFlow(flow, valid)


def _encode_flo(flow: np.ndarray, valid: np.ndarray) -> bytes:
    """The bytes of a Middlebury file."""
    if valid.any() and np.abs(flow[:, valid]).max() > _FLO_UNKNOWN:
        raise InvalidInput("a .flo file cannot hold displacements beyond 1e9 pixels")
    pairs = np.where(valid, flow, np.float32(10 * _FLO_UNKNOWN)).transpose(1, 2, 0)
    size = np.array(flow.shape[:0:-1], "<i4").tobytes()
    return _FLO_TAG + size + pairs.astype("<f4").tobytes()


def _decode_kitti(data: bytes, path: Path) -> KnownFlow:
    """KITTI: 16-bit RGB, (dx, dy) = (value - 2^15) / 64, and blue 1 where the flow is known."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise BadFile(f"{path} is truncated, corrupt, or not a PNG; copy or download it again")
    if pixels.dtype != np.uint16 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise BadFile(
            f"{path} is not a KITTI flow file: accepted are 3 channels of uint16, it has shape "
            f"{pixels.shape} and {pixels.dtype}"
        )
    blue, green, red = (pixels[..., channel] for channel in range(3))  # OpenCV's order
    if blue.max() > 1:
        raise BadFile(
            f"{path} is not a KITTI flow file: its blue channel, which marks known pixels by 1, "
            f"reaches {blue.max()}"
        )
    valid = blue == 1
    flow = (np.stack([red, green]).astype(np.float32) - _KITTI_ZERO) / _KITTI_STEP
    return KnownFlow(np.where(valid, flow, np.float32(0)), valid)


def _encode_kitti(flow: np.ndarray, valid: np.ndarray) -> bytes:
    """The bytes of a KITTI file."""
    codes = np.rint(np.where(valid, flow, 0).astype(np.float64) * _KITTI_STEP) + _KITTI_ZERO
    if codes.min() < 0 or codes.max() > np.iinfo(np.uint16).max:
        raise InvalidInput(
            "a KITTI file holds displacements from -512 to 511.98 pixels, got "
            f"{flow[:, valid].min():g} to {flow[:, valid].max():g}; write a .flo file"
        )
    codes = np.where(valid, codes, 0).astype(np.uint16)
    pixels = np.stack([valid.astype(np.uint16), codes[1], codes[0]], -1)
    done, encoded = cv2.imencode(".png", pixels)
    assert done
    return encoded.tobytes()
