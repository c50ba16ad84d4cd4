"""Small networks and a saved checkpoint of them."""

from __future__ import annotations

import pytest
import torch

from spelke.models.local_quantizer import (
    LocalQuantizer,
    flow_quantizer_config,
    rgb_quantizer_config,
)
from spelke.models.lras import LRAS, LRASConfig
from spelke.weights import save

SMALL = LRASConfig(vocab_size=20, num_positions=12, depth=2, num_heads=2, embed_dim=8)


@pytest.fixture
def networks():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {
            "network": LRAS(SMALL),
            "flow_quantizer": LocalQuantizer(flow_quantizer_config(embed_dim=8, num_bits=4)),
            "rgb_quantizer": LocalQuantizer(rgb_quantizer_config(embed_dim=8, num_bits=4)),
        }


@pytest.fixture
def folder(networks, tmp_path):
    return save(
        tmp_path / "mine",
        "lras",
        networks,
        card="# mine",
        settings={"image_size": 32},
        training={"steps": 3},
    )
