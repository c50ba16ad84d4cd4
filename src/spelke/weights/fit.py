"""Whether the tensors that a file holds are exactly those that a network wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

_SHOWN = 5
"""Names in a message before it says how many more there are."""


class TensorKind(NamedTuple):
    """Shape and number format of a tensor that need not have been read."""

    shape: tuple[int, ...]
    dtype: torch.dtype


def kind_of(tensor: Tensor) -> TensorKind:
    """Shape and number format of a tensor."""
    return TensorKind(tuple(tensor.shape), tensor.dtype)


def empty_network(cls: type[nn.Module], config: Any) -> nn.Module:
    """A network whose tensors are about to be replaced, without memory for them where possible."""
    # Drawing initial weights must not move the caller's random state.
    with torch.random.fork_rng(devices=[]):
        with torch.device("meta"):
            network = cls(config)
        # Buffers that are not saved are computed by the constructor, so they must be real.
        if {name for name, _ in network.named_buffers()} <= set(network.state_dict()):
            return network
        return cls(config)


def list_faults(expected: Mapping[str, TensorKind], found: Mapping[str, TensorKind]) -> str:
    """What is missing, unexpected, of another shape or of another kind; empty if all fits.

    Integers and floating-point numbers are different kinds; their widths may differ.
    """
    both = [(key, kind, found[key]) for key, kind in expected.items() if key in found]
    groups = (
        ("missing", [key for key in expected if key not in found]),
        ("unexpected", [key for key in found if key not in expected]),
        (
            "of another shape",
            [f"{key} is {has.shape} instead of {wants.shape}" for key, wants, has in both
             if has.shape != wants.shape],
        ),
        (
            "of another kind",
            [f"{key} is {has.dtype} instead of {wants.dtype}" for key, wants, has in both
             if has.dtype.is_floating_point != wants.dtype.is_floating_point],
        ),
    )  # fmt: skip
    return "; ".join(f"{_listed(names)} {title}" for title, names in groups if names)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
