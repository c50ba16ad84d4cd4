import torch
from tests.training.scenes import (
    PUBLISHED,
    SAMPLES,
    GridQuantizer,
    records,
    small_rgb_quantizer,
)

from spelke.models.lras import LRAS
from spelke.tokens.sequence import unpack_patches
from spelke.training.published import PublishedObjective, PublishedTask
from spelke.training.tasks import Scenes


def make_objective():
    torch.manual_seed(0)
    network = LRAS(PUBLISHED.network())
    return PublishedObjective(network, small_rgb_quantizer(), GridQuantizer(), PUBLISHED)


def make_task(held_out=()):
    scenes = Scenes(records=records(4), held_out=held_out, samples=SAMPLES, batch_size=4)
    return PublishedTask(PUBLISHED, small_rgb_quantizer(), GridQuantizer(), scenes)


def packed(objective):
    batch = next(make_task().batches(0))
    codes = objective._flow_codes(batch)
    return batch, codes, *objective.pack(batch, codes)


def test_a_sequence_is_picture_camera_and_flow():
    objective = make_objective()
    batch, codes, sequence, _ = packed(objective)
    layout = PUBLISHED.layout()
    assert sequence.tokens.shape == sequence.positions.shape == (8, 6 * 5 + 8 + 12 * 5 - 1)
    pictures, rgb = unpack_patches(sequence.cut(0, 30), layout.frames[0])
    assert torch.equal(pictures, batch.picture.flatten(0, 1))
    image = batch.world.image.float() / 255
    grid = objective.rgb_quantizer.encode(objective.rgb_quantizer.normalise(image))
    row, place = 3, 2
    patch = int(pictures[row, place])
    y, x = 2 * (patch // 4), 2 * (patch % 4)
    assert torch.equal(rgb[row, place], grid[row // 2, y : y + 2, x : x + 2].flatten())
    assert torch.equal(sequence.tokens[:, 30:38], batch.camera.flatten(0, 1))
    flows, found = unpack_patches(sequence.cut(38, 38 + 55), layout.flow)
    assert torch.equal(flows, batch.flow.flatten(0, 1)[:, :11])
    assert torch.equal(found[row, 4], codes[row, int(flows[row, 4])])


def test_only_codes_that_are_asked_for_are_targets():
    objective = make_objective()
    batch, codes, sequence, targets = packed(objective)
    layout = PUBLISHED.layout()
    assert bool((targets[:, :37] == -1).all())
    for row, count in enumerate(batch.num_revealed.flatten().tolist()):
        wanted = targets[row] >= 0
        assert int(wanted.sum()) == 4 * (12 - count)
        assert set(targets[row][wanted].tolist()) <= set(layout.flow.codes)
        # Shifted by one: what follows is what is to be named.
        assert torch.equal(targets[row, :-1][wanted[:-1]], sequence.tokens[row, 1:][wanted[:-1]])
        patch = int(batch.flow.flatten(0, 1)[row, count])
        first = targets[row][wanted][:4] - layout.flow.codes.start
        assert torch.equal(first, codes[row, patch])


def test_the_loss_is_that_of_the_network():
    objective = make_objective()
    batch, _, sequence, targets = packed(objective)
    expected = objective.network.loss(sequence.tokens, sequence.positions, targets)
    torch.testing.assert_close(objective(batch)[0], expected)


def test_a_virtual_poke_is_uniform_and_everything_else_is_true():
    objective = make_objective()
    batch = next(make_task().batches(0))
    codes = objective._flow_codes(batch)
    world = batch.world
    true = objective._flow_codes(
        batch._replace(world=world._replace(displacement=world.displacement * float("nan")))
    )
    virtual = world.displacement.isfinite().all(3) & world.valid
    assert virtual.any()
    touched = torch.zeros(codes.shape[:2], dtype=torch.bool)
    for picture, question, place in virtual.nonzero().tolist():
        row, patch = 2 * picture + question, int(world.revealed[picture, question, place])
        touched[row, patch] = True
        moved = world.displacement[picture, question, place].view(1, 2, 1, 1).expand(-1, -1, 4, 4)
        assert codes[row, patch].unique().tolist() == [int(objective.flow_quantizer.encode(moved))]
    assert torch.equal(codes[~touched], true[~touched])


def test_it_learns_in_a_few_steps():
    objective = make_objective()
    batch = next(make_task().batches(0))
    optimizer = torch.optim.AdamW(objective.network.parameters(), lr=4e-3)
    losses = []
    for _ in range(70):
        loss, metrics = objective(batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.25 * losses[0], losses
    assert set(metrics) == {"loss", "accuracy"}
    assert metrics["accuracy"] > 0.7


def test_pokes_are_measured_out_of_training():
    objective = make_objective().eval()
    batch = next(make_task().batches(0))
    world = batch.world._replace(kind=torch.ones_like(batch.world.kind))
    with torch.no_grad():
        metrics = objective(batch._replace(world=world))[1]
    assert {"loss", "accuracy", "iou"} <= set(metrics)
    assert all(value.isfinite() for value in metrics.values())


def test_a_measured_poke_sees_no_other_answer():
    """The true codes of patches asked about are not in the sequence that is measured."""
    objective = make_objective().eval()
    batch = next(make_task().batches(0))
    batch = batch._replace(world=batch.world._replace(kind=torch.ones_like(batch.world.kind)))
    seen = []
    original = objective.network.features

    def spy(tokens, positions):
        seen.append(tokens)
        return original(tokens, positions)

    objective.network.features = spy
    with torch.no_grad():
        objective(batch)
    counts = batch.num_revealed.flatten()
    flow_codes = torch.tensor(list(PUBLISHED.layout().flow.codes))
    for tokens, count in zip(seen[1:], counts.unique().tolist(), strict=True):
        assert torch.isin(tokens[:, 38:], flow_codes).sum(1).tolist() == [4 * count] * len(tokens)
        assert tokens.shape[1] == 38 + 5 * count + (12 - count)


def test_quantizers_are_never_trained():
    objective = make_objective().train()
    assert objective.network.training
    assert not objective.rgb_quantizer.training
    assert not objective.flow_quantizer.training
    trained = {name for name, p in objective.named_parameters() if p.requires_grad}
    assert all(name.startswith("network.") for name in trained)


def test_evaluation_writes_numbers_and_a_picture(tmp_path):
    task = make_task(held_out=records(4, first=50))
    with torch.no_grad():
        scores = task.evaluate(task.objective().eval(), 7, tmp_path)
    assert {"held_out/loss", "held_out/iou"} <= set(scores)
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["step-000007.png"]
