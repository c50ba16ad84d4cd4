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
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from spelke.errors import BadCheckpoint
from spelke.weights.checkpoint_files import (
    WEIGHTS,
    CheckpointConfig,
    check_integrity,
    read_config,
)
from spelke.weights.table import MODELS, find_model, shipped_folder

_SHOWN = 5
"""Names in a message before it says how many more there are."""


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
    """

    name: str
    folder: Path
    architecture: str
    networks: Mapping[str, nn.Module]
    configs: Mapping[str, Any]
    settings: Mapping[str, Any]
    training: Mapping[str, Any]

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
        dtype: of the weights in memory, whatever the file holds.

    Raises:
        UnknownName: neither a model nor a folder is called so.
        MissingData: the folder is absent or is no checkpoint.
        Unavailable: the model is published but has to be converted first.
        BadCheckpoint: the files are corrupt, of another architecture, or do not fit together.
    """
    folder = find_folder(name)
    config = read_config(folder)
    check_integrity(folder, config.sha256)
    tensors = _read_tensors(folder / WEIGHTS, torch.device(device))
    networks = _build(config, tensors, dtype, folder / WEIGHTS)
    return Checkpoint(
        folder.name,
        folder,
        config.architecture,
        networks,
        config.configs,
        config.settings,
        config.training,
    )


def find_folder(name: str | os.PathLike[str]) -> Path:
    """The checkpoint folder that a name or path means (see `load` for what it raises)."""
    if isinstance(name, str) and name in MODELS:
        return shipped_folder(name)
    path = Path(name).expanduser()
    # A bare word that is no folder is a mistyped name, not a mistyped path.
    if path.is_dir() or isinstance(name, os.PathLike) or len(path.parts) != 1:
        return path
    find_model(str(name))
    raise AssertionError("find_model refuses what the table does not hold")


def _read_tensors(path: Path, device: torch.device) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise BadCheckpoint(
            f"{path} cannot be read as safetensors ({error}): it is corrupt, truncated or of "
            "another format; copy the checkpoint again from its source"
        ) from error


def _build(
    config: CheckpointConfig, tensors: dict[str, Tensor], dtype: torch.dtype, path: Path
) -> dict[str, nn.Module]:
    networks = {
        part.name: _empty(part.network_class(), config.configs[part.name]) for part in config.parts
    }
    expected = {
        f"{name}.{key}": value
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
    _check_fit(expected, tensors, path)
    for name, network in networks.items():
        state = {key: _cast(tensors[f"{name}.{key}"], dtype) for key in network.state_dict()}
        network.load_state_dict(state, assign=True)
        network.to(device=next(iter(state.values())).device)
        network.eval().requires_grad_(False)
    return networks


def _empty(cls: type[nn.Module], config: Any) -> nn.Module:
    """A network whose tensors are about to be replaced, without memory for them where possible."""
    # Drawing initial weights must not move the caller's random state.
    with torch.random.fork_rng(devices=[]):
        with torch.device("meta"):
            network = cls(config)
        # Buffers that are not saved are computed by the constructor, so they must be real.
        if {name for name, _ in network.named_buffers()} <= set(network.state_dict()):
            return network
        return cls(config)


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _check_fit(expected: dict[str, Tensor], found: dict[str, Tensor], path: Path) -> None:
    missing = [key for key in expected if key not in found]
    surplus = [key for key in found if key not in expected]
    shapes = [
        f"{key} is {tuple(found[key].shape)} instead of {tuple(value.shape)}"
        for key, value in expected.items()
        if key in found and found[key].shape != value.shape
    ]
    kinds = [
        f"{key} is {found[key].dtype} instead of {value.dtype}"
        for key, value in expected.items()
        if key in found and found[key].is_floating_point() != value.is_floating_point()
    ]
    groups = (
        ("missing", missing),
        ("unexpected", surplus),
        ("of another shape", shapes),
        ("of another kind", kinds),
    )
    faults = [f"{_listed(names)} {title}" for title, names in groups if names]
    if faults:
        raise BadCheckpoint(
            f"{path} does not fit the networks that config.json describes: {'; '.join(faults)}. "
            "The two files belong to different checkpoints; copy both from the same source"
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
