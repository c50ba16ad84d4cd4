import copy

import pytest
import torch
from lightning.fabric import Fabric
from tests.training.scenes import hand_made_scene
from tests.training.toy import ToyObjective, ToyTask
from torch import nn

from spelke.data.world_records import encode
from spelke.errors import Unavailable
from spelke.training import memory
from spelke.training.memory import (
    check_memory,
    check_step,
    is_out_of_memory,
    measure_kept,
    needed_bytes,
)
from spelke.training.recipes import find_recipe
from spelke.training.tasks import QuantizerTask, Scenes, WorldTask

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


class Squares(nn.Module):
    """Keeps its input (4 bytes a number) and its doubled input; counts how often it is called."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, batch):
        self.calls += 1
        return (2 * batch[0] * self.weight).square().sum(), {}


def test_what_is_kept_grows_with_the_batch_and_measuring_leaves_no_trace():
    module, pair = Squares(), (torch.ones(2, 1000),)
    before = torch.get_rng_state()
    kept = measure_kept(module, pair)
    assert kept.sample == 2 * 4000
    assert kept.fixed < 100
    assert kept.at_peak(10) >= 10 * kept.sample
    assert module.calls == 0
    assert torch.equal(torch.get_rng_state(), before)
    noisy = ToyObjective(dropout=0.5)
    weights = copy.deepcopy(noisy.state_dict())
    measure_kept(noisy, ToyTask().few(2))
    assert all(torch.equal(value, weights[name]) for name, value in noisy.state_dict().items())
    assert all(parameter.grad is None for parameter in noisy.parameters())


def test_a_step_that_cannot_fit_is_refused_with_the_batch_that_would(monkeypatch):
    module, pair = Squares(), (torch.ones(2, 1000),)
    monkeypatch.setattr(memory, "free_bytes", lambda device: 95_000)
    check_step(module, pair, 9, CPU)
    with pytest.raises(Unavailable, match="--batch-size 9 or less, with a larger --accumulate"):
        check_step(module, pair, 16, CPU)
    monkeypatch.setattr(memory, "free_bytes", lambda device: 5_000)
    with pytest.raises(Unavailable, match="smaller recipe"):
        check_step(module, pair, 16, CPU)


def peak_of_a_step(module, batch, fabric):
    """Bytes at the highest point of a forward and backward pass, over those before."""
    kinds = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=kinds, profile_memory=True) as profile:
        fabric.backward(module(batch)[0])
    events = profile.profiler.kineto_results.events()
    memory_events = [event for event in events if event.name() == "[memory]"]
    now = highest = 0
    for event in sorted(memory_events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        highest = max(highest, now)
    return highest


@pytest.mark.parametrize(
    ("name", "batch_size"),
    [
        ("flow-quantizer", 2),  # larger batches keep no more: its windows are limited
        pytest.param("spelke-tiny", 4, marks=pytest.mark.slow),
        pytest.param("spelke-small", 3, marks=pytest.mark.slow),
    ],
)
def test_the_estimate_is_near_what_a_step_of_a_recipe_takes(name, batch_size):
    recipe = find_recipe(name)
    records = [encode(hand_made_scene(number), str(number)) for number in range(2)]
    scenes = Scenes(records=records, samples=recipe.samples, batch_size=batch_size)
    if name == "flow-quantizer":
        task = QuantizerTask(recipe.network, scenes)
    else:
        task = WorldTask(recipe.network, scenes)
    fabric = Fabric(accelerator="cpu", devices=1, precision=recipe.fit.precision)
    objective = task.objective(fresh=False)
    trained = [p for p in objective.parameters() if p.requires_grad]
    module, _ = fabric.setup(objective, torch.optim.SGD(trained, 1e-3))
    gradients = 4 * sum(parameter.numel() for parameter in trained)
    estimate = measure_kept(module, task.few(2)).at_peak(batch_size)
    found = peak_of_a_step(module, next(task.batches(0)), fabric) - gradients
    assert 1 / 1.5 < estimate / found < 1.5, (estimate, found)


def test_a_lack_of_memory_is_known_by_its_kinds():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(ValueError("cannot allocate memory"))
