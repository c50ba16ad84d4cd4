"""Weights that the goldens name by a recipe instead of storing them, and the goldens themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from spelke.models.local_quantizer import (
    LocalQuantizer,
    flow_quantizer_config,
    rgb_quantizer_config,
)
from spelke.models.lras import LRAS, LRASConfig
from spelke.rollout.prompt import PublishedOptions, published_options
from spelke.rollout.published import PublishedWorldModel
from spelke.tokens.flow_table import ZERO_FLOW_CODES, FlowTable
from spelke.tokens.layout import spelkenet_layout

GOLDEN = Path(__file__).parent / "golden" / "spelkenet"
TINY_WIDTH = 32
"""The published quantizers with all widths divided by 16."""


def golden(name: str) -> dict[str, np.ndarray]:
    """All arrays of a golden file."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def stored_weights(arrays: dict[str, np.ndarray], prefix: str = "sd/") -> dict[str, torch.Tensor]:
    """The state dict that a golden file stores."""
    return {
        key.removeprefix(prefix): torch.from_numpy(value)
        for key, value in arrays.items()
        if key.startswith(prefix)
    }


def fill_quantizer(quantizer: LocalQuantizer, seed: int) -> LocalQuantizer:
    """Weights of a quantizer by the recipe of the goldens."""

    def rule(name: str, draw: np.ndarray) -> np.ndarray:
        if name.endswith("ln1.weight"):
            return 1 + 0.1 * draw
        if name.endswith("bias"):
            return 0.05 * draw
        return draw / np.sqrt(np.prod(draw.shape[1:]))

    return _fill(quantizer, seed, rule)


def fill_lras(network: LRAS, seed: int) -> LRAS:
    """Weights of a flow predictor by the recipe of the goldens."""

    def rule(name: str, draw: np.ndarray) -> np.ndarray:
        if "ln_" in name:
            return 1 + 0.1 * draw
        if "embedding" in name:
            return 0.5 * draw
        return draw * (0.3 if name == "lm_head.weight" else 1.5 / np.sqrt(draw.shape[1]))

    return _fill(network, seed, rule)


def _fill(network: nn.Module, seed: int, rule: Callable[[str, np.ndarray], np.ndarray]):
    random = np.random.RandomState(seed)
    state = network.state_dict()
    for name, value in state.items():
        if name != "quantizer.mask":
            draw = random.standard_normal(tuple(value.shape))
            state[name] = torch.from_numpy(rule(name, draw).astype(np.float32))
    network.load_state_dict(state)
    return network.eval()


def tiny_quantizers() -> tuple[LocalQuantizer, LocalQuantizer]:
    """RGB and flow, of the published vocabularies and a sixteenth of the published width."""
    return (
        fill_quantizer(LocalQuantizer(rgb_quantizer_config(TINY_WIDTH)), 11),
        fill_quantizer(LocalQuantizer(flow_quantizer_config(TINY_WIDTH)), 12),
    )


def published_model(
    options: PublishedOptions | None = None, dtype: torch.dtype = torch.float32
) -> PublishedWorldModel:
    """The predictor of the goldens: published vocabulary and positions, two narrow layers.

    Args:
        options: those of the published code by default.
        dtype: precision of the network's weights.
    """
    layout, arrays = spelkenet_layout(), golden("predictor_real_layout_recipe")
    config = LRASConfig(
        vocab_size=layout.vocab_size,
        num_positions=layout.num_positions,
        depth=2,
        num_heads=4,
        embed_dim=64,
    )
    table = FlowTable(
        torch.from_numpy(arrays["token_ids"]).long(),
        torch.from_numpy(arrays["token_flow"]).permute(0, 3, 1, 2).contiguous(),
    )
    return PublishedWorldModel(
        fill_lras(LRAS(config), 1234).requires_grad_(False).to(dtype),
        *tiny_quantizers(),
        layout,
        flow_table=table,
        zero_codes=ZERO_FLOW_CODES,
        options=options or published_options(),
    )
