"""How many pictures stay read and how many questions are drawn side by side, given the memory.

The device is asked once, after the weights are on it. On the CPU the number of lanes is fixed
wherever it fits, and lanes without a question are filled up: products of matrices of one shape
round in one way, so an answer never depends on what else was asked. On other devices as many
questions advance together as memory holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from spelke.errors import Unavailable
from spelke.models.lras import LRASConfig
from spelke.runtime.device import free_bytes
from spelke.tokens.layout import Layout

CPU_LANES = 8
"""One step of so many lanes takes little longer than of one: weights are read once for all."""
MAX_LANES = 256
"""More bring nothing: by then a step is bound by arithmetic."""
MAX_READINGS = 32
SHARE = 0.8
"""Of the free memory; the rest is for what passes through the network."""
_UNKNOWN = 4 * 10**9
"""Bytes taken as free on a device that does not tell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """Memory for what a published world model remembers.

    Attributes:
        bytes_free: for readings and lanes together.
        reading_bytes: one picture with room for all that can follow it.
        lane_token_bytes: one token of one lane.
        fixed_lanes: exactly so many at a time, filled up; None: as many as are asked and fit.
        device: where, for the message.
    """

    bytes_free: int
    reading_bytes: int
    lane_token_bytes: int
    fixed_lanes: int | None
    device: str

    @property
    def readings(self) -> int:
        """How many pictures stay read: half of the memory is theirs, the other half the lanes'."""
        return max(1, min(MAX_READINGS, self.bytes_free // 2 // self.reading_bytes))

    def lanes(self, num_tokens: int) -> int:
        """How many questions are drawn side by side if each takes `num_tokens` of its own.

        Raises:
            Unavailable: not even one fits.
        """
        left = self.bytes_free - self.readings * self.reading_bytes
        fitting = left // max(1, num_tokens * self.lane_token_bytes)
        if fitting < 1:
            raise Unavailable(
                f"drawing {num_tokens} tokens takes {num_tokens * self.lane_token_bytes / 1e9:.1f} "
                f"GB and {self.device} has {left / 1e9:.1f} GB left; draw fewer patches one after "
                "another, or use a machine with more memory"
            )
        return min(fitting, self.fixed_lanes or MAX_LANES)

    def __str__(self) -> str:
        """One sentence for people."""
        lanes = (
            f"{self.fixed_lanes} questions side by side, filled up so that answers do not depend "
            "on their neighbours"
            if self.fixed_lanes
            else "as many questions side by side as the rest holds "
            f"({self.lane_token_bytes / 1e6:.2f} MB for each token of each)"
        )
        return (
            f"{self.bytes_free / 1e9:.1f} GB of {self.device} for pictures and questions: "
            f"up to {self.readings} pictures stay read ({self.reading_bytes / 1e9:.2f} GB each), "
            f"{lanes}"
        )


def plan_budget(
    config: LRASConfig, layout: Layout, dtype: torch.dtype, device: torch.device
) -> Budget:
    """Ask the device and divide what it has.

    Args:
        config: shape of the network, whose weights are on the device already.
        layout: says how long sequences are.
        dtype: of keys and values.
        device: where the network is.

    Raises:
        Unavailable: not even one picture can be read.
    """
    width = config.depth * config.embed_dim
    free = free_bytes(device)
    budget = int(SHARE * (_UNKNOWN if free is None else free))
    # Picture, camera, and five tokens for each patch of the flow.
    tokens = layout.num_patches * layout.frames[0].stride + 8 + 5 * layout.num_patches
    reading = 2 * width * tokens * dtype.itemsize
    if budget < reading:
        raise Unavailable(
            f"reading one picture with this model takes {reading / 1e9:.1f} GB, and of {device} "
            f"{budget / 1e9:.1f} GB may be used; take a smaller model or a machine with more memory"
        )
    return Budget(
        bytes_free=budget,
        reading_bytes=reading,
        # Keys of lanes are float32, values as the network computes them.
        lane_token_bytes=width * (4 + dtype.itemsize),
        fixed_lanes=CPU_LANES if device.type == "cpu" else None,
        device=str(device),
    )
