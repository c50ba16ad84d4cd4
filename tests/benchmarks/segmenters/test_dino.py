from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spelke.benchmarks.segmenters.dino import Dino
from spelke.errors import BadCheckpoint, InvalidInput

transformers = pytest.importorskip("transformers", reason="needs spelke[baselines]")
NAMES = ("dino", "dinov2", "dinov2-registers", "dinov3")


@pytest.mark.parametrize("name", NAMES)
def test_each_point_is_most_like_itself_and_in_its_own_answer(folder_of, picture, name):
    image, points = picture
    model = Dino(folder_of(name), "cpu", longer_side=96)
    cosines = model.similarities(image, points)
    assert cosines.shape == (4, 40, 52)
    x, y = points.T
    assert np.allclose(cosines[range(4), y, x], 1, atol=1e-5)
    assert np.abs(cosines).max() <= 1 + 1e-5
    masks = model.segment_points(image, points)
    assert masks[range(4), y, x].all()
    assert np.array_equal(model.run_inference(image, (51, 39)), masks[3])
    assert model.segment_points(image, points[:0]).shape == (0, 40, 52)


@pytest.mark.parametrize("name", NAMES)
def test_features_are_the_last_tokens_without_class_and_registers(folder_of, name):
    """A picture of two halves: the map is of patches, in rows from the top left."""
    model = Dino(folder_of(name), "cpu", longer_side=64)
    patch = model.pretrained.config.patch_size
    image = np.zeros((4 * patch, 4 * patch, 3), np.uint8)
    image[:, 2 * patch :] = (255, 0, 0)
    model.longer_side = 4 * patch
    (given,) = model.similarities(image, np.array([[0, 0]]))
    with torch.no_grad():
        seen = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        seen = (seen - mean.view(3, 1, 1)) / std.view(3, 1, 1)
        told = {"interpolate_pos_encoding": True} if name == "dino" else {}
        tokens = model.pretrained.network(pixel_values=seen, **told).last_hidden_state[0]
    assert len(tokens) == 16 + 1 + (4 if name in ("dinov2-registers", "dinov3") else 0)
    patches = torch.nn.functional.normalize(tokens[-16:], dim=1)
    corner = (patches[0] @ patches[15]).item()
    assert given[-1, -1] == pytest.approx(corner, abs=1e-5)


def test_a_network_that_sees_colour_finds_the_thing_of_that_colour(folder_of):
    """With features that are the mean colour of a patch, the answer is the coloured square."""
    model = Dino(folder_of("dino"), "cpu", longer_side=96)

    class Colours:
        config = model.pretrained.config
        device = torch.device("cpu")

        def __call__(self, pixel_values, interpolate_pos_encoding):
            pooled = torch.nn.functional.avg_pool2d(pixel_values, 8)[0].flatten(1).T
            tokens = torch.cat([torch.ones(1, 3), pooled])
            return SimpleNamespace(last_hidden_state=tokens[None])

    object.__setattr__(model.pretrained, "network", Colours())
    image = np.full((96, 96, 3), (30, 30, 200), np.uint8)
    square = np.zeros((96, 96), bool)
    square[32:64, 16:56] = True
    image[square] = (250, 120, 20)
    image[8:16, 80:88] = (250, 120, 20)  # alike, but elsewhere
    found = model.run_inference(image, (20, 40))
    assert (found & square).sum() / (found | square).sum() > 0.8
    assert not found[8:16, 80:88].any()
    wall = model.run_inference(image, (2, 2))
    assert wall[90, 90]
    assert not (wall & square).sum() > 0.2 * square.sum()


def test_a_threshold_takes_the_place_of_otsu_s(folder_of, picture):
    image, points = picture
    everything = Dino(folder_of("dinov2"), "cpu", threshold=-1.0, longer_side=56)
    assert everything.segment_points(image, points).all()
    nothing = Dino(folder_of("dinov2"), "cpu", threshold=1.5, longer_side=56)
    assert nothing.segment_points(image, points).sum() == 4
    assert nothing.identity != everything.identity


@pytest.mark.parametrize("size", [(40, 52), (300, 200), (5, 700), (64, 64)])
def test_pictures_keep_their_shape_in_whole_patches(folder_of, size):
    model = Dino(folder_of("dinov2"), "cpu", longer_side=70)
    height, width = model.scaled_size(size)
    assert height % 14 == width % 14 == 0
    assert max(height, width) == 70
    assert abs(height / 14 - 5 * size[0] / max(size)) <= 1
    assert abs(width / 14 - 5 * size[1] / max(size)) <= 1


def test_what_a_checkpoint_says_of_its_normalisation_holds(folder_of, tmp_path):
    network = transformers.AutoModel.from_pretrained(folder_of("dinov2"))
    network.save_pretrained(tmp_path / "other")
    said = '{"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 1]}'
    (tmp_path / "other" / "preprocessor_config.json").write_text(said)
    model = Dino(str(tmp_path / "other"), "cpu")
    assert model.pretrained.mean_std((0, 0, 0), (0, 0, 0)) == ([0.1, 0.2, 0.3], [1, 1, 1])


def test_other_networks_and_sizes_are_refused(folder_of):
    with pytest.raises(BadCheckpoint, match="accepted are vit, dinov2"):
        Dino(folder_of("sam"), "cpu")
    with pytest.raises(InvalidInput, match="at least 1 pixel"):
        Dino(folder_of("dino"), "cpu", longer_side=0)
