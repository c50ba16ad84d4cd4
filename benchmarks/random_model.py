"""A published world model of any size with random weights: the engine's speed needs no training.

Weights are drawn so that logits are as decided as those of the recorded numbers (standard deviation
2.4 over the vocabulary) and each layer matters: a path that reads something wrong answers
otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from spelke.models.local_quantizer import (
    LocalQuantizer,
    flow_quantizer_config,
    rgb_quantizer_config,
)
from spelke.models.lras import LRAS, LRASConfig, spelkenet_1b_config, spelkenet_7b_config
from spelke.rollout.published import PublishedWorldModel
from spelke.tokens.flow_table import FlowTable
from spelke.tokens.layout import CODE_SIZE, Layout, flow_layout, spelkenet_layout

GRID, GRID_BITS = 4, (6, 5)
"""Patches on each side of the grid of size `grid`, and bits of its RGB and flow codes."""
LOGIT_SPREAD = 2.4
FLOW_SPREAD = 5.0
"""Standard deviation of the flow table, pixels."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Which model, where."""

    size: str
    """One of `SIZES`."""
    device: str = "cpu"
    dtype: str = "float32"
    """Of weights and products: float32 or bfloat16."""
    threads: int = 1
    quantizer_width: int = 32
    """512 as published; by default a sixteenth, so that the predictor is what is measured."""
    table: int | None = None
    """Entries of the token-to-flow table; None: every flow code has one."""
    seed: int = 0


def _narrow(depth: int, num_heads: int, embed_dim: int, layout: Layout) -> LRASConfig:
    return LRASConfig(
        vocab_size=layout.vocab_size,
        num_positions=layout.num_positions,
        depth=depth,
        num_heads=num_heads,
        embed_dim=embed_dim,
    )


def layout_of(size: str) -> Layout:
    """The published layout, or a small grid of the same kind."""
    if size != "grid":
        return spelkenet_layout()
    rgb_bits, flow_bits = GRID_BITS
    return flow_layout(
        GRID, GRID, rgb_codes=2**rgb_bits, flow_codes=2**flow_bits, camera_values=2000
    )


SIZES: dict[str, LRASConfig] = {
    "grid": _narrow(2, 2, 32, layout_of("grid")),
    "tiny": _narrow(2, 4, 64, spelkenet_layout()),
    "wide": _narrow(6, 8, 512, spelkenet_layout()),
    "1b": spelkenet_1b_config(),
    "7b": spelkenet_7b_config(),
}
"""`grid` is a toy of 4 x 4 patches; the others have the published vocabulary and grid."""


def num_parameters(config: LRASConfig) -> int:
    """Numbers in the network."""
    blocks = config.depth * (12 * config.embed_dim**2 + 2 * config.embed_dim)
    return blocks + config.embed_dim * (2 * config.vocab_size + config.num_positions + 1)


def build(setup: Setup) -> PublishedWorldModel:
    """Draw the weights where they are used; nothing exists twice."""
    torch.set_num_threads(setup.threads)
    # Ceilings and answers of float32 are those of float32.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device, dtype = torch.device(setup.device), getattr(torch, setup.dtype)
    config, layout = SIZES[setup.size], layout_of(setup.size)
    with torch.device("meta"):
        network = LRAS(config)
    network = network.to(dtype).to_empty(device=device).requires_grad_(False)
    generator = torch.Generator(device).manual_seed(setup.seed)
    for name, weight in network.named_parameters():
        _draw(weight, _spread(name, weight, config), generator, mean=float(weight.ndim == 1))
    width, (rgb_bits, flow_bits) = setup.quantizer_width, (16, 15)
    if setup.size == "grid":
        rgb_bits, flow_bits = GRID_BITS
    quantizers = [
        LocalQuantizer(rgb_quantizer_config(width, num_bits=rgb_bits)),
        LocalQuantizer(flow_quantizer_config(width, num_bits=flow_bits)),
    ]
    for quantizer in quantizers:
        quantizer.to(device).requires_grad_(False)
        _draw_quantizer(quantizer, generator)
    return PublishedWorldModel(
        network, *quantizers, layout, flow_table=_table(setup, layout, generator)
    )


def _spread(name: str, weight: torch.Tensor, config: LRASConfig) -> float:
    if weight.ndim == 1:
        return 0.1
    if "embedding" in name:
        return 0.5
    if "lm_head" in name:
        return LOGIT_SPREAD / math.sqrt(config.embed_dim)
    depth = math.sqrt(config.depth / 2) if "c_proj" in name else 1.0
    return 1.5 / math.sqrt(weight.shape[1]) / depth


def _draw(
    weight: torch.Tensor, spread: float, generator: torch.Generator, mean: float = 0.0
) -> None:
    weight.normal_(mean, spread, generator=generator)


def _draw_quantizer(quantizer: nn.Module, generator: torch.Generator) -> None:
    for name, weight in quantizer.named_parameters():
        if name.endswith("bias"):
            _draw(weight, 0.05, generator)
        elif name.endswith("ln1.weight"):
            _draw(weight, 0.1, generator, mean=1.0)
        else:
            _draw(weight, 1 / math.sqrt(weight[0].numel()), generator)


def _table(setup: Setup, layout: Layout, generator: torch.Generator) -> FlowTable:
    num_codes = len(layout.flow.codes)
    count = num_codes if setup.table is None else setup.table
    codes = torch.randperm(num_codes, generator=generator, device=generator.device)[:count]
    shape = (count, 2, CODE_SIZE, CODE_SIZE)
    flow = FLOW_SPREAD * torch.randn(shape, generator=generator, device=generator.device)
    return FlowTable(codes.sort().values, flow)
