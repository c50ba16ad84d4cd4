import dataclasses

import numpy as np
import pytest
import torch
from tests.training.scenes import SAMPLES, hand_made_scene

from spelke.data.world_records import encode
from spelke.data.worlds import write_shard
from spelke.errors import InvalidInput
from spelke.models.two_frame import TwoFrameConfig, TwoFramePredictor
from spelke.training.frames import FrameBatch, FrameObjective, FrameSamples, FrameTask
from spelke.training.recipes import Recipe
from spelke.training.run import train
from spelke.training.samples import SceneSamples
from spelke.training.schedule import FitConfig
from spelke.training.tasks import Scenes, sample_batches
from spelke.weights.load import load

CONFIG = TwoFrameConfig(image_size=32, embed_dim=64, depth=2, num_heads=2)


def scene_with_frames(seed):
    """Each poke moves the whole picture by three pixels."""
    scene = hand_made_scene(seed)
    count = len(scene.pokes.body)

    def after(values):
        return np.repeat(np.roll(values, 3, 1)[None], count, 0)

    frames = {
        "rgb": after(scene.rgb), "ids": after(scene.ids), "depth": after(scene.depth),
        "visible": np.ones((count, *scene.ids.shape), bool),
    }  # fmt: skip
    return dataclasses.replace(scene, pokes=dataclasses.replace(scene.pokes, **frames))


@pytest.fixture(scope="module")
def samples():
    records = [encode(scene_with_frames(seed), str(seed)) for seed in range(3)]
    return FrameSamples(SceneSamples(records, SAMPLES, 0))


def test_a_sample_is_two_frames_and_few_patches(samples):
    batch = next(sample_batches(samples, 16))
    assert batch.first.shape == batch.second.shape == (16, 3, 32, 32)
    assert batch.first.dtype == torch.uint8
    assert batch.visible.shape == (16, 16)
    assert 0 < batch.visible.sum(1).float().mean() < 3
    assert (batch.first != batch.second).flatten(1).any(1).all()


def test_a_sample_is_a_function_of_its_number(samples):
    for first, second in zip(samples[5], samples[5], strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(samples[5].first, samples[6].first)


def test_scenes_without_frames_are_refused():
    samples = FrameSamples(SceneSamples([encode(hand_made_scene(), "0")], SAMPLES, 0))
    with pytest.raises(InvalidInput, match="make them without --no-after-frames"):
        samples[0]


def moved_squares(count, seed):
    """A bright patch that jumps to its right neighbour; the new place of half of it is shown."""
    draw = torch.Generator().manual_seed(seed)
    first = torch.zeros(count, 3, 32, 32, dtype=torch.uint8)
    second, visible = first.clone(), torch.zeros(count, 16, dtype=torch.bool)
    for row in range(count):
        y, x = torch.randint(3, (2,), generator=draw).tolist()
        first[row, :, 8 * y : 8 * y + 16, 8 * x : 8 * x + 8] = 250
        second[row, :, 8 * y : 8 * y + 16, 8 * x + 8 : 8 * x + 16] = 250
        visible[row, 4 * y + x + 1] = True
    return FrameBatch(first, second, visible)


def test_the_loss_is_the_error_of_what_is_hidden(monkeypatch):
    objective = FrameObjective(TwoFramePredictor(CONFIG))
    batch = moved_squares(4, 0)
    repeated = batch.first.float() / 255
    monkeypatch.setattr(objective.network, "forward", lambda first, second, visible: first)
    loss, metrics = objective(batch)
    squared = (repeated - batch.second.float() / 255).square().mean(1)
    patches = squared.unfold(1, 8, 8).unfold(2, 8, 8).mean((3, 4)).flatten(1)
    torch.testing.assert_close(loss, patches[~batch.visible].mean())
    assert metrics["over_copy"] == pytest.approx(1.0)


def test_a_small_predictor_learns_what_comes_along():
    torch.manual_seed(0)
    objective = FrameObjective(TwoFramePredictor(CONFIG))
    optimizer = torch.optim.AdamW(objective.parameters(), lr=2e-3)
    for step in range(200):
        loss, _ = objective(moved_squares(16, step))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert objective(moved_squares(64, -1))[1]["over_copy"] < 0.2


def test_a_predictor_is_trained_and_measured(tmp_path):
    scenes = [(str(seed), scene_with_frames(seed)) for seed in range(3)]
    write_shard(tmp_path / "shards" / "train-0.tar", scenes)
    fit = FitConfig(
        num_steps=2, batch_size=2, warmup_steps=1, precision="32-true", log_every=1,
        evaluate_every=2,
    )  # fmt: skip
    recipe = Recipe(name="mine", network=CONFIG, samples=SAMPLES, fit=fit, num_workers=0)
    folder = train(
        recipe, tmp_path / "shards", tmp_path / "run", held_out=tmp_path / "shards",
        accelerator="cpu",
    )  # fmt: skip
    checkpoint = load(folder)
    assert (checkpoint.architecture, checkpoint.config) == ("two_frame", CONFIG)
    assert {"held_out/loss", "held_out/psnr"} <= set(checkpoint.training["scores"])
    assert (tmp_path / "run" / "pictures" / "step-000002.png").stat().st_size > 1000


def test_evaluation_draws_what_was_foretold(tmp_path):
    records = [encode(scene_with_frames(seed), str(seed)) for seed in range(2)]
    scenes = Scenes(records=records, held_out=records, samples=SAMPLES, batch_size=2)
    task = FrameTask(CONFIG, scenes)
    with torch.no_grad():
        first, second = (task.evaluate(task.objective().eval(), n, tmp_path) for n in (1, 1))
    assert set(first) == set(second) >= {"held_out/loss"}
