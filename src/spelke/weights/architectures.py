"""Which networks a checkpoint of each architecture holds, and the classes that build them.

The classes are named by their place and imported only when a checkpoint is read, so listing names
costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from spelke.errors import BadCheckpoint
from spelke.weights.nearest import did_you_mean


@dataclass(frozen=True, slots=True)
class Part:
    """One network of a checkpoint."""

    name: str
    """Its section in `config.json` and the prefix of its keys in `model.safetensors`."""
    config: str
    """Where its configuration class is, as `module:class`."""
    network: str
    """Where its class is, as `module:class`."""
    required: bool = True
    """Whether a checkpoint without it is refused."""

    def config_class(self) -> type[Any]:
        """The dataclass that its section is read into."""
        return _resolve(self.config)

    def network_class(self) -> type[Any]:
        """The `nn.Module` that is built from such a configuration."""
        return _resolve(self.network)


def _quantizer(name: str) -> Part:
    place = "spelke.models.local_quantizer"
    return Part(name, f"{place}:LocalQuantizerConfig", f"{place}:LocalQuantizer")


ARCHITECTURES: dict[str, tuple[Part, ...]] = {
    "lras": (
        Part("network", "spelke.models.lras:LRASConfig", "spelke.models.lras:LRAS"),
        _quantizer("flow_quantizer"),
        _quantizer("rgb_quantizer"),
    ),
    "prefix": (
        Part("network", "spelke.models.prefix:PrefixConfig", "spelke.models.prefix:PrefixWorld"),
    ),
    "local_quantizer": (_quantizer("network"),),
    "two_frame": (
        Part(
            "network",
            "spelke.models.two_frame:TwoFrameConfig",
            "spelke.models.two_frame:TwoFramePredictor",
        ),
    ),
}
"""Architecture names to their parts."""

WITH_FLOW_TABLE = ("lras",)
"""Architectures whose checkpoints may bring what each flow code means (see `flow_table.py`)."""


def parts_of(architecture: object, where: str) -> tuple[Part, ...]:
    """The parts of an architecture that a file names.

    Args:
        architecture: the name found.
        where: what was read, for the message.

    Raises:
        BadCheckpoint: no such architecture is known here.
    """
    if isinstance(architecture, str) and architecture in ARCHITECTURES:
        return ARCHITECTURES[architecture]
    hint = did_you_mean(architecture, ARCHITECTURES) if isinstance(architecture, str) else ""
    raise BadCheckpoint(
        f"{where} is of architecture {architecture!r}; {hint}this version of Spelke knows "
        f"{', '.join(ARCHITECTURES)}. Use a checkpoint of one of these, or a newer Spelke"
    )


def _resolve(place: str) -> type[Any]:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
