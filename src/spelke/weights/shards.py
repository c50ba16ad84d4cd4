"""Tensors to safetensors files and back, one tensor at a time.

The library's `save_file` wants all tensors of a file at once. Here a file is written as its
tensors come, so that a large model never lies in memory twice; the bytes are the same. A model
above the limit becomes several files and an index, under the names that other programs expect.
Source: the safetensors format (8 bytes of length, a JSON header, then the tensors without gaps).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from spelke.errors import BadCheckpoint
from spelke.weights.fit import TensorKind

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
"""Names of the files of a model that is in several."""
SHARD_BYTES = 5 * 10**9
"""Bytes of tensors in one file."""

_DTYPES = {
    "I64": torch.int64, "F64": torch.float64, "F32": torch.float32, "I32": torch.int32,
    "BF16": torch.bfloat16, "F16": torch.float16, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
"""In the order in which the library writes them: wide numbers first, so all are aligned."""
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


def write_tensors(
    folder: Path,
    tensors: Mapping[str, Tensor],
    dtypes: Mapping[str, torch.dtype],
    shard_bytes: int = SHARD_BYTES,
    report: Callable[[int], object] = lambda _: None,
) -> dict[str, str]:
    """Write tensors to one safetensors file, or to several with an index.

    Args:
        folder: where they go.
        tensors: each is read, cast and written before the next, so those that are mapped from a
            file need no memory.
        dtypes: number format in the file, for those that change it.
        shard_bytes: most that one file holds, unless a single tensor is larger.
        report: called with the number of bytes that were written.

    Returns:
        File name to SHA-256, in hexadecimal.
    """
    assert sys.byteorder == "little", "safetensors is little-endian"
    kinds = {
        name: TensorKind(tuple(value.shape), dtypes.get(name, value.dtype))
        for name, value in tensors.items()
    }
    shards = _split(kinds, shard_bytes)
    digests: dict[str, str] = {}
    places: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        single = len(shards) == 1
        file = WEIGHTS if single else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        chosen = {name: kinds[name] for name in names}
        digests[file] = _write_file(folder / file, tensors, chosen, report)
        places |= dict.fromkeys(names, file)
    if len(shards) > 1:
        total = sum(num_bytes(kind) for kind in kinds.values())
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return digests


def num_bytes(kind: TensorKind) -> int:
    """What a tensor takes in a file."""
    return math.prod(kind.shape) * kind.dtype.itemsize


def read_kinds(paths: Sequence[Path]) -> dict[str, TensorKind]:
    """Shapes and formats of all tensors of a model, from the files' headers alone.

    Raises:
        BadCheckpoint: a file is no safetensors, or two hold the same tensor.
    """
    kinds: dict[str, TensorKind] = {}
    for path in paths:
        with _opened(path, "cpu") as file:
            for name in file.keys():  # noqa: SIM118 - the file is no mapping
                if name in kinds:
                    raise BadCheckpoint(
                        f"{path} holds {name}, as another file of this checkpoint does; copy the "
                        "checkpoint again from its source"
                    )
                part = file.get_slice(name)
                kinds[name] = TensorKind(tuple(part.get_shape()), _dtype(part.get_dtype(), path))
    return kinds


def read_tensors(
    paths: Sequence[Path], device: torch.device | str = "cpu"
) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a model one after another, each straight onto the device.

    Raises:
        BadCheckpoint: a file is no safetensors.
    """
    for path in paths:
        with _opened(path, str(device)) as file:
            for name in file.keys():  # noqa: SIM118 - the file is no mapping
                yield name, file.get_tensor(name)


def _split(kinds: Mapping[str, TensorKind], limit: int) -> list[list[str]]:
    """Names for each file, filled in the order in which the tensors come."""
    shards: list[list[str]] = [[]]
    filled = 0
    for name, kind in kinds.items():
        size = num_bytes(kind)
        if shards[-1] and filled + size > limit:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards


def _write_file(
    path: Path,
    tensors: Mapping[str, Tensor],
    kinds: Mapping[str, TensorKind],
    report: Callable[[int], object],
) -> str:
    """Write one file and return its SHA-256."""
    order = {dtype: rank for rank, dtype in enumerate(_DTYPES.values())}
    names = sorted(kinds, key=lambda name: (order[kinds[name].dtype], name))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in names:
        start, end = end, end + num_bytes(kinds[name])
        code = _CODES[kinds[name].dtype]
        header[name] = {
            "dtype": code, "shape": list(kinds[name].shape), "data_offsets": [start, end],
        }  # fmt: skip
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for piece in (len(text).to_bytes(8, "little"), text):
            digest.update(piece)
            file.write(piece)
        for name in names:
            data = _bytes_of(tensors[name], kinds[name].dtype)
            digest.update(data)
            file.write(data)
            report(len(data))
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _bytes_of(tensor: Tensor, dtype: torch.dtype) -> memoryview:
    flat = tensor.detach().to(device="cpu", dtype=dtype).contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


@contextmanager
def _opened(path: Path, device: str) -> Iterator[Any]:
    """`safe_open` whose errors say which file it was and what to do."""
    try:
        with safe_open(path, framework="pt", device=device) as file:
            yield file
    except (SafetensorError, OSError, ValueError) as error:
        raise BadCheckpoint(
            f"{path} cannot be read as safetensors ({error}): it is corrupt, truncated or of "
            "another format; copy the checkpoint again from its source"
        ) from error


def _dtype(code: str, path: Path) -> torch.dtype:
    if code in _DTYPES:
        return _DTYPES[code]
    raise BadCheckpoint(f"{path} holds numbers of kind {code}, which no network here uses")
