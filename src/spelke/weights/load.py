"""A name or a folder to networks that are ready to be asked.

Nothing is executed while loading: JSON and safetensors only. Every tensor must be there, with the
shape that the configuration implies, and nothing else. Entry point: `load`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spelke.errors import BadCheckpoint, Unavailable
from spelke.runtime.device import free_bytes
from spelke.tokens.flow_table import FlowTable
from spelke.tokens.layout import CODE_SIZE
from spelke.weights.checkpoint_files import (
    CONFIG,
    CheckpointConfig,
    check_integrity,
    read_config,
)
from spelke.weights.fit import TensorKind, empty_network, kind_of, list_faults
from spelke.weights.shards import num_bytes, read_kinds, read_tensors
from spelke.weights.table import MODELS, find_model, named_folder

FLOW_CODES, FLOW = "flow_table.codes", "flow_table.flow"
"""Keys of the table of flow codes."""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Trained networks with everything that is known about them.

    Attributes:
        name: of the model, or of its folder.
        folder: where it was read.
        architecture: a key of `weights.architectures.ARCHITECTURES`.
        networks: part name ("network", "flow_quantizer", "rgb_quantizer") to network, in
            evaluation mode and without gradients.
        configs: part name to its configuration.
        settings: for whoever asks the model; free JSON.
        training: data, steps, versions; free JSON.
        flow_table: what each flow code means, where the checkpoint says it.
    """

    name: str
    folder: Path
    architecture: str
    networks: Mapping[str, nn.Module]
    configs: Mapping[str, Any]
    settings: Mapping[str, Any]
    training: Mapping[str, Any]
    flow_table: FlowTable | None = None

    @property
    def network(self) -> nn.Module:
        """The main network."""
        return self.networks["network"]

    @property
    def config(self) -> Any:
        """The configuration of the main network."""
        return self.configs["network"]


def load(
    name: str | os.PathLike[str],
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Checkpoint:
    """Load a model by its name, or from a folder.

    Args:
        name: a name of `spelke weights list`, or a folder that `save` wrote. A name of the table
            wins over a folder that is called the same; write `./name` for that.
        device: where the weights go.
        dtype: of the main network's weights in memory, whatever the file holds. Quantizers are
            float32: rounding them would change what their codes mean.

    Raises:
        UnknownName: neither a model nor a folder is called so.
        MissingData: the folder is absent or is no checkpoint.
        Unavailable: the model is published but was not fetched and converted here, or the device
            has not enough free memory for it.
        BadCheckpoint: the files are corrupt, of another architecture, or do not fit together.
    """
    folder = find_folder(name)
    config = read_config(folder)
    check_integrity(folder, config.sha256)
    networks = {
        part.name: empty_network(part.network_class(), config.configs[part.name])
        for part in config.parts
    }
    files = [folder / name for name in config.sha256]
    kinds = read_kinds(files)
    _check_fit(folder, networks, config, kinds)
    _check_memory(folder, kinds, torch.device(device), dtype)
    tensors = {
        # Cast one by one, so that memory never holds both forms of a large network.
        key: _cast(key, value, dtype)
        for key, value in read_tensors(files, torch.device(device))
    }
    for name, network in networks.items():
        _fill(network, {key: tensors[f"{name}.{key}"] for key in network.state_dict()})
    table = FlowTable(tensors[FLOW_CODES], tensors[FLOW]) if config.flow_entries else None
    return Checkpoint(
        folder.name,
        folder,
        config.architecture,
        networks,
        config.configs,
        config.settings,
        config.training,
        table,
    )


def find_folder(name: str | os.PathLike[str]) -> Path:
    """The checkpoint folder that a name or path means (see `load` for what it raises)."""
    if isinstance(name, str) and name in MODELS:
        return named_folder(name)
    path = Path(name).expanduser()
    # A bare word that is no folder is a mistyped name, not a mistyped path.
    if path.is_dir() or isinstance(name, os.PathLike) or len(path.parts) != 1:
        return path
    find_model(str(name))
    raise AssertionError("find_model refuses what the table does not hold")


def _check_fit(
    folder: Path,
    networks: Mapping[str, nn.Module],
    config: CheckpointConfig,
    found: Mapping[str, TensorKind],
) -> None:
    expected = {
        f"{name}.{key}": kind_of(value)
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
    if config.flow_entries:
        expected[FLOW_CODES] = TensorKind((config.flow_entries,), torch.int64)
        shape = (config.flow_entries, 2, CODE_SIZE, CODE_SIZE)
        expected[FLOW] = TensorKind(shape, torch.float32)
    faults = list_faults(expected, found)
    if faults:
        files = ", ".join(config.sha256)
        raise BadCheckpoint(
            f"{files} in {folder} does not fit the networks that {CONFIG} describes: {faults}. "
            "The files belong to different checkpoints; copy all from the same source"
        )


def _check_memory(
    folder: Path, kinds: Mapping[str, TensorKind], device: torch.device, dtype: torch.dtype
) -> None:
    needed = sum(
        num_bytes(TensorKind(kind.shape, _dtype_in_memory(key, kind.dtype, dtype)))
        for key, kind in kinds.items()
    )
    free = free_bytes(device)
    if free is not None and needed > free:
        raise Unavailable(
            f"the weights of {folder} take {needed / 1e9:.1f} GB and {device} has "
            f"{free / 1e9:.1f} GB free; use a smaller model, or a machine with more memory"
        )


def _dtype_in_memory(key: str, dtype: torch.dtype, wanted: torch.dtype) -> torch.dtype:
    if not dtype.is_floating_point:
        return dtype
    return wanted if key.startswith("network.") else torch.float32


def _cast(key: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(_dtype_in_memory(key, tensor.dtype, dtype))


def _fill(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Give an empty network its tensors, where those are, ready for use."""
    network.load_state_dict(state, assign=True)
    network.to(device=next(iter(state.values())).device)
    network.eval().requires_grad_(False)
