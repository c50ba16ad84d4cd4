"""What a machine can do at best, and what a piece of work takes of it.

Ceilings are measured in the same run as what they are compared with: products at the network's own
shapes, attention over thousands of tokens, and a copy too large for any cache. With one thread of
a CPU the clock is that of the process, which runs only while it works, so that others on the
machine disturb little; otherwise it is the wall's.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.nn.functional import scaled_dot_product_attention

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
PATIENCE = 20.0
"""Seconds after which a first run counts as the measurement: warming up is lost in it."""
HEAD_ROWS, HEAD_COLUMNS = 256, 32_768
"""Places whose logits are computed at once, over the published flow codes."""


@dataclass(frozen=True)
class Ceiling:
    """The most that this device did in a plain loop.

    Attributes:
        products: FLOP/s of matrix products at the network's width.
        head: the same of a narrow stack of rows with as many columns as there are flow codes.
        attention: FLOP/s of causal attention over a whole sequence.
        bandwidth: bytes/s, read and written, of a large copy.
    """

    products: float
    head: float
    attention: float
    bandwidth: float


class Timing(NamedTuple):
    """How long work took.

    Attributes:
        seconds: median over the runs.
        runs: how many there were, without the one that warmed up.
        result: what the last run returned.
    """

    seconds: float
    runs: int
    result: Any


def timed(work: Callable[[], Any], device: torch.device, repeat: int) -> Timing:
    """Run work `repeat` times, and once before to warm up (see `PATIENCE`)."""
    seconds, result = [], None
    for run in range(repeat + 1):
        result = None  # one result at a time is part of what is measured
        start = _now(device)
        result = work()
        seconds.append(_now(device) - start)
        if run == 0 and seconds[0] > PATIENCE:
            break
    counted = seconds[1:] or seconds
    return Timing(statistics.median(counted), len(counted), result)


class MemoryGauge:
    """Memory from now on: on CUDA what torch allocated, on a CPU what the process has resident.

    Attributes:
        before: bytes in use now; None where they cannot be read (a CPU without Linux).
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        gc.collect()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        elif _CLEAR.exists():
            _CLEAR.write_text("5")  # proc(5): forgets the largest resident size so far
        self.before = self._read("VmRSS", torch.cuda.memory_allocated)

    def peak(self) -> int | None:
        """Most bytes in use since."""
        return self._read("VmHWM", torch.cuda.max_memory_allocated)

    def _read(self, field: str, allocated: Callable[[torch.device], int]) -> int | None:
        if self.device.type == "cuda":
            return allocated(self.device)
        if not _CLEAR.exists():
            return None
        lines = _STATUS.read_text().splitlines()
        line = next(line for line in lines if line.startswith(field + ":"))
        return int(line.split()[1]) * 1024


def measure_ceiling(
    device: torch.device, dtype: torch.dtype, embed_dim: int, num_heads: int
) -> Ceiling:
    """Measure the device at the shapes of a network of this width."""
    on_gpu = device.type == "cuda"
    rows, length = (8192, 8192) if on_gpu else (2048, 2048)

    def best(work: Callable[[], Any]) -> float:
        work()
        times = []
        for _ in range(10 if on_gpu else 5):
            start = _now(device)
            work()
            times.append(_now(device) - start)
        return min(times)

    x = torch.randn(rows, embed_dim, device=device, dtype=dtype)
    weight = torch.randn(4 * embed_dim, embed_dim, device=device, dtype=dtype)
    products = 2 * rows * weight.numel() / best(lambda: x @ weight.T)
    codes = torch.randn(HEAD_COLUMNS, embed_dim, device=device, dtype=dtype)
    head = 2 * HEAD_ROWS * codes.numel() / best(lambda: x[:HEAD_ROWS] @ codes.T)
    heads = torch.randn(1, num_heads, length, embed_dim // num_heads, device=device, dtype=dtype)
    pairs = length * (length + 1) // 2
    attention = (
        4
        * embed_dim
        * pairs
        / best(lambda: scaled_dot_product_attention(heads, heads, heads, is_causal=True))
    )
    source = torch.ones(2**31 if on_gpu else 2**28, device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    bandwidth = 2 * source.numel() / best(lambda: target.copy_(source))
    return Ceiling(products, head, attention, bandwidth)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    if device.type == "cpu" and torch.get_num_threads() == 1:
        return time.process_time()
    return time.perf_counter()
