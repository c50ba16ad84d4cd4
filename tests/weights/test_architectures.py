from __future__ import annotations

import dataclasses

import pytest
from torch import nn

from spelke.weights.architectures import ARCHITECTURES


@pytest.mark.parametrize(
    "part", [part for parts in ARCHITECTURES.values() for part in parts], ids=lambda p: p.network
)
def test_every_part_names_a_configuration_and_its_network(part):
    assert dataclasses.is_dataclass(part.config_class())
    assert issubclass(part.network_class(), nn.Module)


def test_every_architecture_has_one_main_network():
    for parts in ARCHITECTURES.values():
        assert parts[0].name == "network"
        assert parts[0].required
        assert len({part.name for part in parts}) == len(parts)
