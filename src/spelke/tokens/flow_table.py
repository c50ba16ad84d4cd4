"""What a flow code means: the 4x4 pixels of flow that it decodes to.

The published table averages decoded flow over data; without it we decode constant code maps, which
differs only in what the neighbours of a code would add.
Source: Venkatesh et al. 2025, section 3.2 (flow token epigraphy).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from spelke.tokens.layout import CODE_SIZE

ZERO_FLOW_CODES = (11_582, 11_646)
"""The two codes of the published flow quantizer that mean "nothing moves here"."""

_MAP_SIDE = 5
"""Codes on each side of a constant map; the middle one is read, away from the zero padding."""


@dataclass(frozen=True, slots=True, eq=False)
class FlowTable:
    """Flow codes and the motion that each stands for.

    Attributes:
        codes: which codes, counted from 0; a table need not hold all.
        flow: pixels, channel 0 = dx, 1 = dy.
    """

    codes: Int[Tensor, " entry"]
    flow: Float[Tensor, "entry 2 4 4"]

    def still_codes(self, count: int = 2) -> Int[Tensor, " count"]:
        """The `count` codes of least motion, slowest first."""
        speed = self.flow.norm(dim=1).mean((1, 2))
        return self.codes[speed.argsort(stable=True)[:count]]

    def to(self, device: torch.device | str) -> FlowTable:
        """The same table on a device."""
        return FlowTable(self.codes.to(device), self.flow.to(device))


@torch.no_grad()
def build_flow_table(
    decode: Callable[[Tensor], Tensor],
    num_codes: int,
    chunk: int = 256,
    device: torch.device | str = "cpu",
) -> FlowTable:
    """The flow of every code of a flow quantizer.

    Args:
        decode: codes (batch, rows, columns) to flow in pixels (batch, 2, 4 rows, 4 columns).
        num_codes: size of the quantizer's vocabulary.
        chunk: codes decoded at once; bounds memory, does not change the result.
        device: where `decode` works.
    """
    middle = slice(_MAP_SIDE // 2 * CODE_SIZE, (_MAP_SIDE // 2 + 1) * CODE_SIZE)
    codes = torch.arange(num_codes, device=device)
    pieces = []
    for part in codes.split(chunk):
        maps = part[:, None, None].expand(-1, _MAP_SIDE, _MAP_SIDE)
        pieces.append(decode(maps)[:, :, middle, middle])
    return FlowTable(codes, torch.cat(pieces))
