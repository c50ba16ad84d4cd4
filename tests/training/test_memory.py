import pytest
import torch
from torch import nn

from spelke.errors import Unavailable
from spelke.training.memory import check_memory, needed_bytes

CPU = torch.device("cpu")


def test_gradients_moments_and_averages_are_counted():
    network = nn.Sequential(nn.Linear(10, 10, bias=False), nn.Linear(10, 1, bias=False))
    assert needed_bytes(network) == 4 * (110 + 3 * 110)
    network[1].requires_grad_(False)
    assert needed_bytes(network) == 4 * (110 + 3 * 100)


def test_what_cannot_fit_is_refused():
    with torch.device("meta"):
        network = nn.Linear(10**7, 10**6, bias=False)
    with pytest.raises(Unavailable, match=r"10000000\.0 M parameters.*GB free"):
        check_memory(network, CPU)
    check_memory(nn.Linear(2, 2), CPU)
