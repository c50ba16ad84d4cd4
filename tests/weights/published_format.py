"""Files as the publisher of SpelkeNet writes them, of any size."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.recipes import fill_lras, fill_quantizer

from spelke.models.local_quantizer import (
    LocalQuantizer,
    flow_quantizer_config,
    rgb_quantizer_config,
)
from spelke.models.lras import LRAS, LRASConfig
from spelke.tokens.layout import flow_layout
from spelke.weights.published_files import PublishedFiles

TINY_LAYOUT = flow_layout(4, 4, rgb_codes=16, flow_codes=16)
TINY = LRASConfig(
    vocab_size=TINY_LAYOUT.vocab_size,
    num_positions=TINY_LAYOUT.num_positions,
    depth=2,
    num_heads=2,
    embed_dim=8,
)
CLASS = "ccwm.ccwm.config.CCWM1B_Campose_FlowQuantized_Patch8_RGBConfig"


def as_compiled(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict as a compiled network saves it: prefixes in front and inside of keys."""
    return {
        "_orig_mod." + key.replace(".attn.", "._orig_module.attn."): value
        for key, value in state.items()
    }


def described(config: LRASConfig) -> dict[str, Any]:
    """The configuration that a published predictor carries."""
    return {
        "config_class": CLASS,
        "model_class": "ccwm.ccwm.model.CCWM",
        "n_layer": config.depth,
        "n_head": config.num_heads,
        "n_embd": config.embed_dim,
        "vocab_size": config.vocab_size,
        "block_size": config.num_positions,
        "betas": (0.9, 0.95),
        "blocks": [(0, 5120), (5120, 10240)],
    }


@dataclass
class Published:
    """Networks and a table, and what a test changes about their files."""

    predictor: LRAS
    rgb: LocalQuantizer
    flow: LocalQuantizer
    table: dict[int, Any]
    cfg: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> PublishedFiles:
        """The four files, with what training also keeps."""
        folder.mkdir(parents=True, exist_ok=True)
        files = PublishedFiles(
            predictor=folder / "SpelkeNet1B.pt",
            rgb_quantizer=folder / "rgb_quantizer.pt",
            flow_quantizer=folder / "flow_quantizer.pt",
            flow_table=folder / "flow_token_to_flow_vector_mapping.pt",
        )
        more = {
            "optimizer": {
                "state": {0: {"step": torch.tensor(3.0)}},
                "param_groups": [{"lr": 1e-3}],
            },
            "args": argparse.Namespace(out=Path("/data/run"), scale=np.float64(2)),
        }
        state = as_compiled(self.predictor.state_dict())
        torch.save({"model": state, "cfg": self.cfg, **more}, files.predictor)
        for quantizer, path in ((self.rgb, files.rgb_quantizer), (self.flow, files.flow_quantizer)):
            cfg = {"config_class": "ccwm.local_patch_quantizer.config.LPQConfig"}
            torch.save({"weights": as_compiled(quantizer.state_dict()), "cfg": cfg}, path)
        torch.save(self.table, files.flow_table)
        return files


def tiny_published() -> Published:
    """A predictor of 4x4 patches and 16 codes, quantizers to match, a table of twelve codes."""
    rng = np.random.default_rng(0)
    return Published(
        fill_lras(LRAS(TINY), 1),
        fill_quantizer(LocalQuantizer(rgb_quantizer_config(8, 4)), 2),
        fill_quantizer(LocalQuantizer(flow_quantizer_config(8, 4)), 3),
        {code: rng.normal(size=(4, 4, 2)).astype(np.float32) for code in range(15, 3, -1)},
        described(TINY),
    )
