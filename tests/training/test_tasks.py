import dataclasses
import math

import pytest
import torch
from tests.training.scenes import PREFIX, SAMPLES, GridQuantizer, records, small_rgb_quantizer

from spelke.training.tasks import QuantizerTask, Scenes, WorldTask
from spelke.training.vocabulary import choose_displacements

SCENES = Scenes(records=records(4), held_out=records(4, first=50), samples=SAMPLES, batch_size=4)


@pytest.fixture
def world_task(monkeypatch):
    monkeypatch.setattr(WorldTask, "SEEN_BATCHES", 2)
    return WorldTask(PREFIX, SCENES)


def test_a_fresh_network_knows_what_codes_mean(world_task):
    objective = world_task.objective()
    first = [batch for batch, _ in zip(world_task.batches(0), range(2), strict=False)]
    chosen = choose_displacements(first, PREFIX.num_codes)
    assert torch.equal(objective.network.displacements, chosen)


def test_a_trained_network_keeps_its_vocabulary_unless_it_has_another_size(world_task):
    trained = world_task.objective().network
    trained.displacements += 0.25
    same = WorldTask(PREFIX, SCENES, trained).objective().network
    assert torch.equal(same.displacements, trained.displacements)
    config = dataclasses.replace(PREFIX, num_codes=12)
    smaller = WorldTask(config, SCENES, trained).objective().network
    first = [batch for batch, _ in zip(world_task.batches(0), range(2), strict=False)]
    assert torch.equal(smaller.displacements, choose_displacements(first, 12))
    assert torch.equal(smaller.position, trained.position)


def test_a_network_that_will_be_restored_measures_nothing(world_task, monkeypatch):
    monkeypatch.setattr(world_task, "batches", None)
    assert not world_task.objective(fresh=False).network.displacements.any()


def test_evaluation_repeats_itself(world_task, tmp_path):
    objective = world_task.objective().eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):  # as in a run
        first, second = (world_task.evaluate(objective, step, tmp_path) for step in (1, 2))
    assert first == second
    assert {"held_out/loss", "held_out/follow", "held_out/leak", "held_out/iou"} <= set(first)
    assert all(math.isfinite(value) for value in first.values())
    pictures = sorted((tmp_path / "pictures").iterdir())
    assert [path.name for path in pictures] == ["step-000001.png", "step-000002.png"]
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_a_few_scenes_are_looked_at_a_few_times(world_task, monkeypatch, tmp_path):
    objective, calls = world_task.objective().eval(), []
    monkeypatch.setattr(
        type(objective), "forward", lambda self, batch: (0, calls.append(1) or {"loss": 1.0})
    )
    assert world_task.evaluate(objective, 1, tmp_path) == {"held_out/loss": 1.0}
    assert len(calls) == 4  # 4 scenes, 4 looks at each, 4 to a batch


def test_held_out_scenes_are_other_samples(world_task):
    ours, theirs = world_task.samples[0], world_task.held_out[0]
    assert not torch.equal(ours.image, theirs.image)


def test_without_held_out_scenes_nothing_is_evaluated(tmp_path):
    task = WorldTask(PREFIX, Scenes(records=records(1), samples=SAMPLES, batch_size=1))
    assert task.evaluate(torch.nn.Linear(1, 1), 1, tmp_path) == {}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("make", [GridQuantizer, small_rgb_quantizer], ids=["flow", "rgb"])
def test_quantizers_are_drawn_too(make, tmp_path):
    task = QuantizerTask(make().config, SCENES)
    with torch.no_grad():
        scores = task.evaluate(task.objective().eval(), 3, tmp_path)
    assert scores["held_out/codes_used"] > 1
    assert (tmp_path / "pictures" / "step-000003.png").stat().st_size > 1000
