"""Whether a training can fit into memory, asked before it starts.

Weights, gradients, averages and moments follow from the number of parameters. What the backward
pass needs of a forward pass is measured: the tensors that autograd keeps of one sample and of two
tell what a batch of any size keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from spelke.errors import Unavailable
from spelke.runtime.device import free_bytes

_BYTES = 4
"""Of a float32; weights, gradients, averages and moments are all kept in it."""
_TRANSIENT = 1.25
"""What is used at the peak of a step, over what autograd keeps: gradients on their way back."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes that a forward pass leaves for the backward pass: `fixed`, and so many a `sample`."""

    fixed: int
    sample: int

    def at_peak(self, batch_size: int) -> int:
        """Bytes of a step with so many samples in one forward pass, gradients of weights apart."""
        return round(_TRANSIENT * (self.fixed + batch_size * self.sample))


def check_memory(objective: nn.Module, device: torch.device) -> None:
    """Refuse a training whose weights and optimiser alone cannot fit; see also `check_step`.

    Raises:
        Unavailable: with what is needed and what is free.
    """
    needed, free = needed_bytes(objective), free_bytes(device)
    if free is not None and needed > free:
        count = sum(parameter.numel() for parameter in objective.parameters())
        raise Unavailable(
            f"training {count / 1e6:.1f} M parameters takes at least {needed / 1e9:.1f} GB for "
            f"weights, gradients, averages and optimiser, and {device} has {free / 1e9:.1f} GB "
            "free; use a smaller recipe, or a machine with more memory"
        )


def needed_bytes(objective: nn.Module) -> int:
    """Memory still to be taken for gradients, averages and the moments of AdamW."""
    every = sum(parameter.numel() for parameter in objective.parameters())
    trained = sum(p.numel() for p in objective.parameters() if p.requires_grad)
    return _BYTES * (every + 3 * trained)


def check_step(module: nn.Module, pair: Any, batch_size: int, device: torch.device) -> None:
    """Refuse a training whose steps cannot fit: gradients, moments and what backward needs.

    Args:
        module: called with a batch it returns (loss, metrics); as trained, its precision included.
        pair: a batch of two samples on `device`, tensors in any nesting of tuples.
        batch_size: samples of one forward pass.
        device: where it is trained.

    Raises:
        Unavailable: with the estimate, what is free, and the batch that would fit.
    """
    free = free_bytes(device)
    if free is None:
        return
    kept = measure_kept(module, pair)
    weights = 3 * _BYTES * sum(p.numel() for p in module.parameters() if p.requires_grad)
    needed = weights + kept.at_peak(batch_size)
    if needed <= free:
        return
    fits = int((free - weights) / _TRANSIENT - kept.fixed) // max(1, kept.sample)
    remedy = (
        f"use --batch-size {fits} or less, with a larger --accumulate for the same step"
        if 1 <= fits < batch_size
        else "use a smaller recipe, or a machine with more memory"
    )
    raise Unavailable(
        f"a step of {batch_size} samples takes an estimated {needed / 1e9:.1f} GB "
        f"({kept.at_peak(batch_size) / 1e9:.1f} GB of activations, {weights / 1e9:.1f} GB of "
        f"gradients and moments), and {device} has {free / 1e9:.1f} GB free; {remedy}"
    )


def measure_kept(module: nn.Module, pair: Any) -> Kept:
    """What forward passes leave for the backward pass; nothing of the module is changed.

    Args:
        module, pair: as of `check_step`.
    """
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    with torch.random.fork_rng():
        one, two = (_kept_bytes(module, _samples(pair, count)) for count in (1, 2))
    with torch.no_grad():
        for buffer, value in buffers:
            buffer.copy_(value)
    sample = max(0, two - one)
    return Kept(max(0, one - sample), sample)


def _samples(batch: Any, count: int) -> Any:
    return tree_map(lambda x: x[:count] if isinstance(x, Tensor) else x, batch)


def _kept_bytes(module: nn.Module, batch: Any) -> int:
    """Bytes that autograd keeps of one forward pass, besides weights."""
    weights = {x.untyped_storage().data_ptr() for x in (*module.parameters(), *module.buffers())}
    kept: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        loss, _ = module(batch)
    del loss  # the graph, which kept the storages apart, ends here
    return sum(kept.values())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the machine, has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error)  # torch has no kind of its own for the CPU
    return isinstance(error, RuntimeError) and "allocate memory" in said
