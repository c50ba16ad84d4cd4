"""Published `.pt` files to one checkpoint folder of ours. Entry point: `convert`.

The predictor's file is mapped, and its tensors are read, cast and written one after another, so
that converting needs no more memory than the file's own pages and one tensor.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from spelke.errors import BadFile, InvalidInput
from spelke.models.local_quantizer import LocalQuantizer
from spelke.runtime.device import choose_device
from spelke.tokens.flow_table import FlowTable, build_flow_table
from spelke.tokens.layout import Layout, find_flow_layout, flow_layout, spelkenet_layout
from spelke.weights.card import write_card
from spelke.weights.checkpoint_files import CheckpointConfig
from spelke.weights.fit import empty_network, kind_of
from spelke.weights.folders import check_target, new_folder
from spelke.weights.load import FLOW, FLOW_CODES
from spelke.weights.published import (
    PublishedNetwork,
    read_flow_table,
    read_predictor,
    read_quantizer,
)
from spelke.weights.published_files import PublishedFiles
from spelke.weights.save import write_words
from spelke.weights.shards import SHARD_BYTES, num_bytes, write_tensors

_BLOCK = 1 << 24

Report = Callable[[str, int, int], object]
"""Told how far a stage is: (stage, done, total). Stages are "checking", "table", "writing"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvertOptions:
    """How to convert."""

    dtype: torch.dtype | None = None
    """Of the predictor in the new files; None keeps the published one. Quantizers are float32."""
    shard_bytes: int = SHARD_BYTES
    """Most bytes of tensors in one file."""
    num_heads: int | None = None
    """For a predictor that does not tell."""
    device: str | torch.device = "cpu"
    """Where a flow table that is absent is built."""
    layout: Mapping[str, Any] | None = None
    """Arguments of `tokens.layout.flow_layout`, for a predictor whose sizes do not tell."""

    def __post_init__(self) -> None:
        if self.shard_bytes < 1:
            raise InvalidInput(f"shard_bytes must be positive, got {self.shard_bytes}")
        if self.dtype not in (None, torch.float32, torch.bfloat16, torch.float16):
            raise InvalidInput(f"dtype must be float32, bfloat16 or float16, got {self.dtype}")


def convert(
    files: PublishedFiles,
    folder: str | os.PathLike[str],
    options: ConvertOptions | None = None,
    report: Report = lambda *_: None,
) -> Path:
    """Write published files as a checkpoint folder of ours.

    Args:
        files: what to convert; nothing in them is executed.
        folder: to be made; its name becomes the model's name. A checkpoint there is replaced.
        options: how.
        report: told how far the work is.

    Returns:
        The folder.

    Raises:
        BadFile, MissingData: a file is not what it should be; see `published.py`.
        InvalidInput: the files do not belong together, or the folder holds something else.
        Unavailable: the disk is too small, or the folder may not be written to.
    """
    options = options or ConvertOptions()
    check_target(Path(folder).expanduser().resolve())
    networks = {
        "network": read_predictor(files.predictor, options.num_heads),
        "rgb_quantizer": read_quantizer(files.rgb_quantizer, "rgb"),
        "flow_quantizer": read_quantizer(files.flow_quantizer, "flow"),
    }
    settings = _layout_settings(networks, options.layout, files.predictor)
    table = _flow_table(networks["flow_quantizer"], files.flow_table, options.device, report)
    tensors = {
        f"{name}.{key}": value
        for name, network in networks.items()
        for key, value in network.state.items()
    } | {FLOW_CODES: table.codes, FLOW: table.flow}
    dtypes = {key: _dtype(key, value, options.dtype) for key, value in tensors.items()}
    needed = sum(num_bytes(kind_of(tensors[key])._replace(dtype=dtypes[key])) for key in tensors)
    with new_folder(folder, needed) as draft:
        training = _origin(files, networks["network"], dtypes, report)
        written = _counter(report, "writing", needed)
        sha256 = write_tensors(draft, tensors, dtypes, options.shard_bytes, written)
        configs = {name: network.config for name, network in networks.items()}
        config = CheckpointConfig("lras", configs, sha256, len(table.codes), settings, training)
        write_words(draft, config, write_card(Path(folder).name, config, needed))
    return Path(folder).expanduser().resolve()


def _layout_settings(
    networks: Mapping[str, PublishedNetwork], given: Mapping[str, Any] | None, path: Path
) -> dict[str, Any]:
    """What a checkpoint must say of a layout that is not the published one."""
    config = networks["network"].config
    codes = {
        f"{medium}_codes": networks[f"{medium}_quantizer"].config.vocab_size
        for medium in ("rgb", "flow")
    }
    layout = _given_layout(given) if given else None
    try:
        layout = layout or find_flow_layout(config.vocab_size, config.num_positions, **codes)
    except InvalidInput as error:
        raise InvalidInput(
            f"{path.name} is no flow predictor of a known layout, or the quantizers are those of "
            f"another: {error} (--layout)"
        ) from error
    described = _describe(layout)
    fits = (layout.vocab_size, layout.num_positions) == (config.vocab_size, config.num_positions)
    if not fits or codes.items() - described.items():
        raise InvalidInput(
            f"the layout has {described}, vocab_size={layout.vocab_size} and num_positions="
            f"{layout.num_positions}; {path.name} has {config.vocab_size} and "
            f"{config.num_positions}, its quantizers {codes}"
        )
    return {} if layout == spelkenet_layout() else {"layout": described}


def _given_layout(values: Mapping[str, Any]) -> Layout:
    try:
        if any(type(value) is not int or value < 1 for value in values.values()):
            raise TypeError("not a positive whole number")
        return flow_layout(**values)
    except TypeError as error:
        raise InvalidInput(
            f"a layout has rows, columns and perhaps rgb_codes, flow_codes, camera_values, "
            f"flow_positions, all positive whole numbers; got {dict(values)}"
        ) from error


def _describe(layout: Layout) -> dict[str, int]:
    """The arguments of `flow_layout` that give this layout."""
    assert layout.camera is not None, "flow layouts have a camera"
    return {
        "rows": layout.rows,
        "columns": layout.columns,
        "rgb_codes": len(layout.frames[0].codes),
        "flow_codes": len(layout.flow.codes),
        "camera_values": len(layout.camera),
        "flow_positions": (layout.camera_position - layout.flow.position) // layout.num_patches,
    }


def _flow_table(
    quantizer: PublishedNetwork, path: Path | None, device: str | torch.device, report: Report
) -> FlowTable:
    """What each flow code means, as published or decoded code by code."""
    num_codes = quantizer.config.vocab_size
    if path is not None:
        return read_flow_table(path, num_codes)
    network = cast(LocalQuantizer, empty_network(LocalQuantizer, quantizer.config))
    state = {key: _to_float32(value) for key, value in quantizer.state.items()}
    network.load_state_dict(state, assign=True)
    network.eval().to(choose_device(device).device)
    advance = _counter(report, "table", num_codes)

    def decode(codes: Tensor) -> Tensor:
        advance(len(codes))
        return network.denormalise(network.decode(codes))

    with torch.backends.cudnn.flags(allow_tf32=False):  # a GPU would round otherwise
        table = build_flow_table(decode, num_codes, device=device).to("cpu")
    if not table.flow.isfinite().all():
        raise BadFile("the flow quantizer decodes to numbers that are not finite; it is corrupt")
    return table


def _origin(
    files: PublishedFiles,
    predictor: PublishedNetwork,
    dtypes: Mapping[str, torch.dtype],
    report: Report,
) -> dict[str, Any]:
    """Where the weights came from, as JSON."""
    paths = files.all()
    checked = _counter(report, "checking", sum(path.stat().st_size for path in paths))
    return {
        "source": {
            path.name: {"bytes": path.stat().st_size, "sha256": _checksum(path, checked)}
            for path in paths
        },
        "config_class": predictor.class_name,
        "dtype": str(dtypes["network.lm_head.weight"]).removeprefix("torch."),
        "flow_table": "published" if files.flow_table else "built from the flow quantizer",
        "converted_by": f"spelke {version('spelke')}",
    }


def _checksum(path: Path, advance: Callable[[int], object]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            advance(len(block))
    return digest.hexdigest()


def _dtype(key: str, tensor: Tensor, chosen: torch.dtype | None) -> torch.dtype:
    if not tensor.is_floating_point():
        return torch.int64
    return (chosen or tensor.dtype) if key.startswith("network.") else torch.float32


def _to_float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _counter(report: Report, stage: str, total: int) -> Callable[[int], None]:
    """A function that is told of each step and reports the sum."""
    done = 0

    def advance(step: int) -> None:
        nonlocal done
        done += step
        report(stage, done, total)

    return advance
