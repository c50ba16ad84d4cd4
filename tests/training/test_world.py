import math

import numpy as np
import pytest
import torch
from tests.training.scenes import (
    PREFIX,
    SAMPLES,
    grid_displacements,
    hand_made_scene,
    moving_squares,
)

from spelke.models.prefix import PrefixWorld
from spelke.training.samples import make_sample
from spelke.training.world import WorldBatch, WorldObjective, poke_metrics


def make_objective():
    torch.manual_seed(0)
    network = PrefixWorld(PREFIX)
    network.init_codes(grid_displacements(), torch.Generator().manual_seed(0))
    return WorldObjective(network)


def test_a_small_network_learns_to_follow_a_poke():
    objective = make_objective()
    optimizer = torch.optim.AdamW(objective.network.parameters(), lr=2e-3)
    first = objective(moving_squares(64, -1))[1]
    assert abs(first["follow"]) < 0.5
    for step in range(250):
        loss, _ = objective(moving_squares(16, step))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    last = objective(moving_squares(64, -1))[1]
    assert last["loss"] < 0.1 * first["loss"]
    assert last["follow"] > 0.8
    assert last["leak"] < 0.1
    assert last["iou"] > 0.7


def test_cells_are_those_of_the_patches():
    flow = torch.zeros(1, 1, 2, 32, 32)
    flow[0, 0, 0, 20:24, 8:12] = 6.0  # row 5, column 2 of the cells: patch 9, slot 2
    moved = make_objective()._cells(flow)
    assert moved.shape == (1, 1, 16, 4, 2)
    assert moved.nonzero().tolist() == [[0, 0, 9, 2, 0]]
    assert moved[0, 0, 9, 2].tolist() == [6, 0]


def test_a_virtual_poke_reveals_uniform_motion_and_an_exact_one_the_truth():
    objective = make_objective()
    batch = moving_squares(1, 0)
    moved = objective._cells(batch.flow)
    moved[0, 0, int(batch.revealed[0, 0, 0]), 3] = 6  # the truth is not uniform
    virtual = objective._conditions(batch, moved).codes[0, 0, 0]
    assert virtual.unique().numel() == 1
    assert virtual[0] == objective.network.codes_of(batch.displacement[0, 0, 0])
    exact = batch._replace(displacement=torch.full_like(batch.displacement, math.nan))
    shown = objective._conditions(exact, moved).codes[0, 0, 0]
    assert torch.equal(shown, objective.network.codes_of(moved[0, 0, int(batch.revealed[0, 0, 0])]))
    assert shown.unique().numel() == 2


def test_the_loss_is_cross_entropy_over_all_cells_asked_about(monkeypatch):
    objective = make_objective()
    batch = WorldBatch(
        *(part[None] for part in make_sample(hand_made_scene(), SAMPLES, np.random.default_rng(3)))
    )
    logits = torch.randn(1, 2, 12, 4, 16, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(objective.network, "ask", lambda view, conditions, asked: logits)
    codes = objective.network.codes_of(objective._cells(batch.flow))
    expected = [
        -logits[0, question, place, slot].log_softmax(0)[codes[0, question, patch, slot]]
        for question in range(2)
        for place, patch in enumerate(batch.asked[0, question])
        for slot in range(4)
    ]
    torch.testing.assert_close(objective(batch)[0], torch.stack(expected).mean())


def truth():
    true = torch.zeros(1, 6, 2)
    true[0, :3] = torch.tensor([4.0, 0.0])
    return true


def test_a_perfect_prediction_follows_and_does_not_leak():
    found = poke_metrics(truth(), truth())
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {"follow": 1.0, "leak": 0.0, "iou": 1.0}
    )


def test_a_poke_that_is_ignored_is_not_followed():
    found = poke_metrics(torch.zeros(1, 6, 2), truth())
    assert found["follow"] == found["iou"] == 0


def test_motion_everywhere_leaks():
    everywhere = torch.tensor([4.0, 0.0]).expand(1, 6, 2)
    found = poke_metrics(everywhere, truth())
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {"follow": 1.0, "leak": 1.0, "iou": 0.5}
    )


def test_the_wrong_direction_is_not_followed():
    found = poke_metrics(-truth(), truth())
    assert found["follow"] == pytest.approx(-1)


def test_what_nothing_speaks_of_is_left_out():
    assert "follow" not in poke_metrics(truth(), torch.zeros(1, 6, 2))
    assert "leak" not in poke_metrics(truth()[:, :3], truth()[:, :3])


def test_without_a_poke_there_is_only_the_loss():
    batch = moving_squares(2, 0)
    metrics = make_objective()(batch._replace(kind=torch.zeros_like(batch.kind)))[1]
    assert set(metrics) == {"loss"}
