import pytest
import torch
from torch import nn

from spelke.errors import Unavailable
from spelke.training.memory import _available, check_memory, free_bytes, needed_bytes

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


def test_free_memory_of_the_cpu(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   2048 kB\n")
    assert _available(tmp_path / "meminfo") == 2048 * 1024
    assert _available(tmp_path / "absent") is None
    assert free_bytes(torch.device("meta")) is None
