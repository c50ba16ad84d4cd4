import dataclasses

import pytest
import torch
from torch import nn

from spelke.errors import InvalidInput
from spelke.models.lras import LRAS, LRASConfig
from spelke.models.prefix import PrefixConfig, PrefixWorld
from spelke.training.schedule import (
    FitConfig,
    learning_rate_factor,
    make_optimizers,
    warming_average,
)

CONFIG = FitConfig(num_steps=100, warmup_steps=20)


def test_the_learning_rate_warms_up_and_falls_along_a_cosine():
    factors = [learning_rate_factor(step, CONFIG) for step in range(101)]
    assert factors[0] == pytest.approx(1 / 20)
    assert factors[19] == factors[20] == 1.0
    assert factors[60] == pytest.approx(0.01 + 0.99 / 2)
    assert factors[100] == pytest.approx(0.01)
    assert factors[:20] == sorted(factors[:20])
    assert factors[20:] == sorted(factors[20:], reverse=True)
    assert learning_rate_factor(500, CONFIG) == pytest.approx(0.01)


def test_a_run_of_two_cycles_goes_on_where_one_of_the_first_alone_ended():
    one = dataclasses.replace(CONFIG, num_steps=50)
    two = dataclasses.replace(one, num_steps=100, cycles=2)
    first = [learning_rate_factor(step, one) for step in range(50)]
    assert [learning_rate_factor(step, two) for step in range(50)] == first
    assert [learning_rate_factor(step, two) for step in range(50, 100)] == first
    assert learning_rate_factor(100, two) == pytest.approx(0.01)
    uneven = dataclasses.replace(two, num_steps=99)
    assert learning_rate_factor(50, uneven) == first[0]
    assert learning_rate_factor(98, uneven) < 0.05


def test_without_warm_up_it_starts_at_the_peak():
    assert learning_rate_factor(0, dataclasses.replace(CONFIG, warmup_steps=0)) == 1.0


def small_networks():
    prefix = PrefixConfig(
        image_size=16, num_codes=4, embed_dim=8, depth=2, fork_depth=1, num_heads=1,
        stem_dim=8, cell_dim=4,
    )  # fmt: skip
    lras = LRASConfig(vocab_size=16, num_positions=16, depth=1, num_heads=1, embed_dim=8)
    return {"prefix": PrefixWorld(prefix), "lras": LRAS(lras)}


def every_parameter(optimizers):
    return [p for one in optimizers for group in one.param_groups for p in group["params"]]


def test_weight_decay_is_for_matrices():
    network = small_networks()["prefix"]
    (optimizer,) = make_optimizers(network, CONFIG)
    decayed, free = optimizer.param_groups
    assert all(p.ndim >= 2 for p in decayed["params"])
    assert decayed["weight_decay"] == CONFIG.weight_decay
    assert all(p.ndim < 2 for p in free["params"])
    assert free["weight_decay"] == 0
    assert len(every_parameter([optimizer])) == len(list(network.parameters()))


def test_what_is_frozen_is_not_optimised():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False))
    found = every_parameter(make_optimizers(network, CONFIG))
    assert {id(p) for p in found} == {id(p) for p in network[0].parameters()}


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="Muon came with torch 2.9")
@pytest.mark.parametrize("name", ["prefix", "lras"])
def test_muon_takes_the_matrices_of_the_blocks(name):
    network = small_networks()[name]
    adamw, muon = make_optimizers(network, dataclasses.replace(CONFIG, optimizer="muon"))
    of_blocks = every_parameter([muon])
    blocks = network.blocks if name == "prefix" else network.transformer["h"]
    assert len(of_blocks) == 4 * len(blocks)
    every = every_parameter([adamw, muon])
    assert len({id(p) for p in every}) == len(every) == len(list(network.parameters()))


def test_an_older_torch_has_no_muon(monkeypatch):
    monkeypatch.delattr(torch.optim, "Muon", raising=False)
    with pytest.raises(InvalidInput, match=r"torch >= 2\.9.*adamw"):
        make_optimizers(small_networks()["prefix"], dataclasses.replace(CONFIG, optimizer="muon"))


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="Muon came with torch 2.9")
def test_muon_without_blocks_is_refused():
    with pytest.raises(InvalidInput, match="transformer blocks"):
        make_optimizers(nn.Linear(2, 2), dataclasses.replace(CONFIG, optimizer="muon"))


@pytest.mark.parametrize(
    "change",
    [
        {"num_steps": 0},
        {"batch_size": 0},
        {"accumulate": 0},
        {"evaluate_every": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"clip_norm": -1.0},
        {"warmup_steps": -1},
        {"ema_decay": 1.0},
        {"optimizer": "sgd"},
    ],
)
def test_impossible_schedules_are_refused(change):
    with pytest.raises(InvalidInput, match=next(iter(change))):
        dataclasses.replace(CONFIG, **change)


def test_the_average_of_a_short_run_forgets_its_random_start():
    averaged, current = [torch.zeros(1)], [torch.ones(1)]
    update = warming_average(0.999)
    for count in range(1, 200):
        update(averaged, current, torch.tensor(count))
    assert averaged[0].item() > 0.99


def test_the_average_keeps_the_memory_that_was_asked_for_in_the_long_run():
    averaged = [torch.zeros(1)]
    warming_average(0.9)(averaged, [torch.ones(1)], torch.tensor(10_000))
    assert averaged[0].item() == pytest.approx(0.1)
