"""The configurations that the published code stores beside weights, from its recorded runs."""

import json

import pytest
import torch
from tests.recipes import TINY_WIDTH, golden, stored_weights

from spelke.models.local_quantizer import flow_quantizer_config, rgb_quantizer_config
from spelke.models.lras import LRASConfig
from spelke.weights.published import read_predictor, read_quantizer


def _saved(name, path):
    """A `.pt` file as the published code writes it."""
    arrays = golden(name)
    described = json.loads(str(arrays["config_json"]))
    torch.save({"model": stored_weights(arrays), "cfg": described}, path)
    return path, described


def test_a_recorded_predictor_is_read_as_what_it_is(tmp_path):
    path, described = _saved("lras_small", tmp_path / "lras.pt")
    found = read_predictor(path)
    assert found.config == LRASConfig(
        vocab_size=160, num_positions=96, depth=3, num_heads=4, embed_dim=64
    )
    assert found.config.num_heads == described["n_head"]
    assert described["config_class"].endswith(found.class_name)
    for name, value in stored_weights(golden("lras_small")).items():
        assert torch.equal(found.state[name], value)


@pytest.mark.parametrize(
    ("medium", "make"), [("rgb", rgb_quantizer_config), ("flow", flow_quantizer_config)]
)
def test_a_recorded_quantizer_is_read_as_what_it_is(tmp_path, medium, make):
    path, described = _saved(f"lpq_tiny_{medium}", tmp_path / "lpq.pt")
    found = read_quantizer(path, medium)
    assert found.config == make(TINY_WIDTH)
    assert described["vocab_size"] == found.config.vocab_size
    released = json.loads(str(golden(f"lpq_full_{medium}_recipe")["config_json"]))
    assert released["vocab_size"] == make().vocab_size
    assert released["num_in_channels"] == make().in_channels
