"""What a published `.pt` file holds: which network, which tensors, or which table of flow codes.

The files were saved from a private package and come with its class names and module paths, with
prefixes of compiled modules in their keys, and with whatever else training kept. A network is known
by the shapes of its tensors; the only thing that shapes do not tell is the number of heads, which
the file's own configuration or the name of its class gives. Nothing is read before it is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from spelke.errors import BadFile, InvalidInput
from spelke.models.local_quantizer import (
    LocalQuantizer,
    LocalQuantizerConfig,
    flow_quantizer_config,
    rgb_quantizer_config,
)
from spelke.models.lras import LRAS, LRASConfig, spelkenet_1b_config, spelkenet_7b_config
from spelke.tokens.flow_table import FlowTable
from spelke.tokens.layout import CODE_SIZE
from spelke.weights.fit import empty_network, kind_of, list_faults
from spelke.weights.inert import InertArray
from spelke.weights.pickles import read_pickle

_STATES = ("model", "weights")
"""Where a file keeps its state dict."""
_COMPILED = re.compile(r"_orig_mod(ule)?\.")
_BLOCK = re.compile(r"transformer\.h\.(\d+)\.")
_CLASSES = {
    "1B_Campose_FlowQuantized_Patch8_RGBConfig": spelkenet_1b_config,
    "7B_Campose_FlowQuantized_Patch8_RGBConfig": spelkenet_7b_config,
}
"""Ends of the names of published configuration classes, whatever family and module they name."""
_FIELDS = {
    "vocab_size": "vocab_size", "num_positions": "block_size", "depth": "n_layer",
    "embed_dim": "n_embd",
}  # fmt: skip
"""Our names of sizes, and those of published configurations."""


@dataclass(frozen=True, slots=True, eq=False)
class PublishedNetwork:
    """A network of a published file.

    Attributes:
        config: ours.
        state: tensors under our keys; every one is there with the shape that it should have.
        class_name: of the configuration that the file names, or "".
    """

    config: Any
    state: Mapping[str, Tensor]
    class_name: str


def read_predictor(path: Path, num_heads: int | None = None) -> PublishedNetwork:
    """The flow predictor of a file.

    Args:
        path: a `.pt` file.
        num_heads: attention heads, for a file that does not tell.

    Raises:
        BadFile: it is no predictor, lacks tensors or contradicts itself (see also `read_pickle`).
        InvalidInput: the number of heads is unknown, or another than the file says.
    """
    state, described = _read_state(path)
    name = _class_name(described)
    sizes = _predictor_sizes(state, path)
    _check_described(sizes, described, path)
    heads = _num_heads(sizes, described, name, num_heads, path)
    try:
        config = LRASConfig(num_heads=heads, **sizes)
    except InvalidInput as error:
        raise BadFile(f"{path} describes no possible network: {error}") from error
    return PublishedNetwork(config, _fitted(LRAS, config, state, path), name)


def read_quantizer(path: Path, medium: Literal["rgb", "flow"]) -> PublishedNetwork:
    """The local quantizer of a file.

    Raises:
        BadFile: it is no quantizer of this medium or lacks tensors (see also `read_pickle`).
    """
    state, described = _read_state(path)
    kind = "a quantizer"
    width, channels = _shape(state, "encoder.0.weight", 4, path, kind)[:2]
    bits = _shape(state, "quantizer.project_in.weight", 2, path, kind)[0]
    make = rgb_quantizer_config if medium == "rgb" else flow_quantizer_config
    try:
        config: LocalQuantizerConfig = make(width, bits)
    except InvalidInput as error:
        raise BadFile(f"{path} describes no possible quantizer: {error}") from error
    if channels != config.in_channels:
        raise BadFile(
            f"{path} quantizes {channels} channels, and {medium} has {config.in_channels}; were "
            "the files of the two quantizers interchanged?"
        )
    state = _fitted(LocalQuantizer, config, state, path)
    mask = 2 ** torch.arange(bits - 1, -1, -1)
    if not torch.equal(state["quantizer.mask"].long(), mask):
        raise BadFile(f"{path} orders the bits of a code in another way than ours")
    return PublishedNetwork(config, state | {"quantizer.mask": mask}, _class_name(described))


def read_flow_table(path: Path, num_codes: int) -> FlowTable:
    """The token-to-flow table of a file, in the order of the file.

    Args:
        path: a `.pt` file: a dictionary from code to (4, 4, 2) pixels of flow.
        num_codes: size of the flow quantizer's vocabulary.

    Raises:
        BadFile: it holds something else (see also `read_pickle`).
    """
    table = read_pickle(path)
    what = f"codes to ({CODE_SIZE}, {CODE_SIZE}, 2) pixels of flow"
    if not isinstance(table, dict) or not table:
        raise BadFile(f"{path} should be a dictionary of {what}, got {_summary(table)}")
    codes, entries = [], []
    for code, entry in table.items():
        if type(code) is not int or not 0 <= code < num_codes:
            raise BadFile(
                f"{path}: {str(code)[:40]!r} is no flow code; they are 0..{num_codes - 1}"
            )
        codes.append(code)
        entries.append(_flow_of(entry, f"{path}: the entry of code {code}"))
    flow = torch.from_numpy(np.stack(entries)).permute(0, 3, 1, 2).contiguous()
    return FlowTable(torch.tensor(codes), flow)


def _read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file under their own names, and its configuration, if it has one."""
    saved = read_pickle(path)
    if not isinstance(saved, dict):
        raise BadFile(f"{path} should be a dictionary, got {_summary(saved)}")
    states = [saved[key] for key in _STATES if isinstance(saved.get(key), dict) and saved[key]]
    if not states:
        raise BadFile(
            f"{path} has no state dict under {' or '.join(map(repr, _STATES))}; it is "
            f"{_summary(saved)}"
        )
    state: dict[str, Tensor] = {}
    for key, value in states[0].items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise BadFile(
                f"{path}: its state dict holds {str(key)[:80]!r}, which is no tensor but "
                f"{_summary(value)}"
            )
        name = _COMPILED.sub("", key)
        if name in state:
            raise BadFile(f"{path} holds {name!r} twice, with and without a prefix")
        state[name] = _whole(value, name, path)
    described = saved.get("cfg")
    return state, described if isinstance(described, dict) else {}


def _whole(tensor: Tensor, name: str, path: Path) -> Tensor:
    """The tensor, unless it claims more numbers than the file holds."""
    tensor = tensor.detach()
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex():
        raise BadFile(f"{path}: {name} is a sparse, quantized or complex tensor")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise BadFile(f"{path}: {name} is larger than what the file holds of it")
    return tensor


def _class_name(described: Mapping[str, Any]) -> str:
    """The name of the configuration's class, without its module."""
    name = described.get("config_class", "")
    return name.rpartition(".")[2].replace("CCWM", "LRAS") if isinstance(name, str) else ""


def _predictor_sizes(state: Mapping[str, Tensor], path: Path) -> dict[str, int]:
    kind = "a flow predictor"
    vocab, width = _shape(state, "transformer.token_embedding.weight", 2, path, kind)
    positions = _shape(state, "transformer.positional_embedding.weight", 2, path, kind)[0]
    blocks = {match[1] for match in map(_BLOCK.match, state) if match}
    return {
        "vocab_size": vocab, "num_positions": positions, "depth": len(blocks), "embed_dim": width,
    }  # fmt: skip


def _shape(
    state: Mapping[str, Tensor], key: str, ndim: int, path: Path, kind: str
) -> tuple[int, ...]:
    if key in state and state[key].ndim == ndim:
        return tuple(state[key].shape)
    has = f"has shape {tuple(state[key].shape)}" if key in state else "is missing"
    raise BadFile(
        f"{path} is not {kind}: {key} {has}. Its {len(state)} tensors begin with "
        f"{', '.join(list(state)[:3])}; were files interchanged?"
    )


def _check_described(sizes: Mapping[str, int], described: Mapping[str, Any], path: Path) -> None:
    """Whether the file's configuration agrees with the file's tensors."""
    for ours, theirs in _FIELDS.items():
        says = described.get(theirs, sizes[ours])
        if says != sizes[ours]:
            raise BadFile(
                f"{path} contradicts itself: its configuration says {theirs}={says!r}, its tensors "
                f"{sizes[ours]}; tensors are missing or belong to another network"
            )


def _num_heads(
    sizes: Mapping[str, int],
    described: Mapping[str, Any],
    name: str,
    given: int | None,
    path: Path,
) -> int:
    """Heads by the file's configuration, by the caller, or of the published network it is."""
    says = described.get("n_head")
    if says is not None and type(says) is not int:
        raise BadFile(f"{path}: its configuration says n_head={says!r}, which is no number")
    if given is not None and says not in (None, given):
        raise InvalidInput(f"num_heads={given} was given, and {path} says {says}; leave it out")
    if says is not None or given is not None:
        return says or given or 0
    ends = [make for end, make in _CLASSES.items() if name.endswith(end)]
    for make in ends or _CLASSES.values():
        known = make()
        if all(getattr(known, key) == size for key, size in sizes.items()):
            return known.num_heads
    shown = ", ".join(f"{key}={size}" for key, size in sizes.items())
    raise InvalidInput(
        f"{path} does not say how many attention heads it has (no n_head), and a network with "
        f"{shown}{f' of class {name}' if name else ''} is not among the published ones; give the "
        "number (--num-heads)"
    )


def _fitted(cls: type[Any], config: Any, state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The state, which must fit a network of this configuration exactly."""
    network = empty_network(cls, config)
    expected = {key: kind_of(value) for key, value in network.state_dict().items()}
    faults = list_faults(expected, {key: kind_of(value) for key, value in state.items()})
    if faults:
        raise BadFile(f"{path} does not fit a {cls.__name__} of its sizes: {faults}")
    return state


def _flow_of(entry: Any, where: str) -> np.ndarray:
    """One entry of the table (4, 4, 2), float32."""
    try:
        if isinstance(entry, InertArray):
            values = entry.to_numpy()
        elif isinstance(entry, Tensor):
            values = entry.detach().float().numpy()
        else:
            values = np.array(entry, np.float64)
        with np.errstate(over="ignore"):  # becomes infinite, which is refused below
            values = values.astype(np.float32)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise BadFile(f"{where} is no array of numbers ({error})") from error
    if values.shape != (CODE_SIZE, CODE_SIZE, 2) or not np.isfinite(values).all():
        raise BadFile(
            f"{where} must be ({CODE_SIZE}, {CODE_SIZE}, 2) finite numbers, got shape "
            f"{values.shape}"
        )
    return values


def _summary(value: object) -> str:
    """What an object of a file is, for a message."""
    if isinstance(value, dict):
        return (
            f"a dictionary with {', '.join(str(key)[:40] for key in list(value)[:5]) or 'nothing'}"
        )
    return f"a {type(value).__name__}"
