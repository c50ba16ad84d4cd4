import cv2
import numpy as np
import pytest
import torch

from spelke.benchmarks.load_segmenter import load_segmenter
from spelke.benchmarks.segmenters.cwm import Cwm, CwmSettings
from spelke.errors import BadCheckpoint, InvalidInput
from spelke.models.two_frame import TwoFrameConfig, TwoFramePredictor
from spelke.weights.save import save

CONFIG = TwoFrameConfig(image_size=96, patch_size=8, embed_dim=16, depth=1, num_heads=2)
FEW = CwmSettings(directions=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    made = tmp_path_factory.mktemp("cwm") / "tiny-cwm"
    save(made, "two_frame", {"network": TwoFramePredictor(CONFIG)}, card="For tests.")
    return str(made)


class Physicist:
    """Knows that a textured square is one thing: it goes where its moved patch is."""

    config = CONFIG

    def __init__(self, frame, square):
        self.frame, self.square, self.asked = frame, square, []

    def __call__(self, first, second, visible):
        predicted = first.clone()
        for row in range(len(first)):
            moved = (second[row] != first[row]).any(0)
            assert moved.any()
            shown = visible[row].reshape(12, 12).repeat_interleave(8, 0).repeat_interleave(8, 1)
            assert not (moved & ~shown).any()
            dx, dy = self._displacement(second[row], moved)
            self.asked.append((dx, dy))
            mask = torch.roll(self.square, (dy, dx), (0, 1))
            thing = torch.roll(first[row], (dy, dx), (1, 2))
            predicted[row] = torch.where(self.square, torch.full_like(thing, 0.45), first[row])
            predicted[row] = torch.where(mask, thing, predicted[row])
        return predicted

    def _displacement(self, second, moved):
        rows, columns = (m.nonzero().flatten() for m in (moved.any(1), moved.any(0)))
        box = np.s_[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return min(
            ((dx, dy) for dx in (-16, 0, 16) for dy in (-16, 0, 16)),
            key=lambda d: (torch.roll(self.frame, d[::-1], (1, 2))[box] - second[box]).abs().sum(),
        )


@pytest.fixture
def scene(rng):
    """A textured square on a textured wall, as soft as photographs are."""
    square = np.zeros((96, 96), bool)
    square[32:64, 28:68] = True
    noise = cv2.GaussianBlur(rng.normal(size=(96, 96, 3)), (0, 0), 1.5) * 4
    image = np.where(square[..., None], 170 + 60 * noise, 80 + 15 * noise)
    return image.clip(0, 255).astype(np.uint8), square


def test_what_comes_along_is_the_thing_at_the_point(folder, scene):
    image, square = scene
    model = Cwm(folder, "cpu", FEW)
    frame = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)
    model.network = Physicist(frame, torch.from_numpy(square))
    found = model.run_inference(image, (46, 46))
    assert (found & square).sum() / (found | square).sum() > 0.6
    assert sorted(model.network.asked) == [(-16, 0), (0, -16), (0, 16), (16, 0)]


def test_an_untrained_network_answers_every_point_the_same_each_time(folder, scene):
    image, _ = scene
    model = load_segmenter(f"cwm={folder}", "cpu", settings=FEW)
    assert model.name == "tiny-cwm"
    points = np.array([[0, 0], [95, 0], [0, 95], [95, 95], [40, 40]])
    masks = model.segment_points(image, points)
    assert masks.shape == (5, 96, 96)
    assert masks[range(5), points[:, 1], points[:, 0]].all()
    assert np.array_equal(model.segment_points(image, points[3:]), masks[3:])
    assert model.segment_points(image, points[:0]).shape == (0, 96, 96)


def test_the_batch_changes_nothing(folder, scene):
    image, _ = scene
    frame = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)
    alone = Cwm(folder, "cpu", CwmSettings(directions=4, at_once=1)).motion(frame, (40, 50))
    assert np.allclose(Cwm(folder, "cpu", FEW).motion(frame, (40, 50)), alone, atol=1e-3)


def test_pictures_of_any_size_are_answered_at_theirs(folder, scene):
    image = scene[0][:40].repeat(2, 1)
    assert Cwm(folder, "cpu", FEW).run_inference(image, (191, 39)).shape == (40, 192)


def test_still_patches_are_far_from_the_point_or_in_a_corner(folder, rng):
    model = Cwm(folder, "cpu")
    still = model._still((48, 48), rng).reshape(12, 12)
    assert still.sum() == 20 or still.sum() >= 16
    assert still[[0, 0, -1, -1], [0, -1, 0, -1]].all()
    assert not still[4:8, 4:8].any()


def test_other_checkpoints_and_settings_are_refused():
    with pytest.raises(BadCheckpoint, match="needs a predictor of the next frame"):
        Cwm("spelke-tiny", "cpu")
    with pytest.raises(InvalidInput, match="directions must be at least 1"):
        CwmSettings(directions=0)
    with pytest.raises(InvalidInput, match="still_reach"):
        CwmSettings(still_reach=1.5)


def test_it_is_no_world_model_that_can_be_poked(folder):
    import spelke

    with pytest.raises(BadCheckpoint, match="'two_frame', which is no world model"):
        spelke.load(folder)
