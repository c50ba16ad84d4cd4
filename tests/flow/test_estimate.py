"""DIS finds a motion that we made, and Middlebury's as well as is known of it."""

import pytest
import torch
from torch.nn import functional

from spelke.data.image import read_image
from spelke.errors import InvalidInput
from spelke.flow.estimate import DisEstimator
from spelke.flow.files import read_flow


@pytest.mark.parametrize("preset", ["ultrafast", "fast", "medium", "fine"])
def test_a_shifted_texture_is_found(generator, preset):
    coarse = torch.rand(1, 3, 20, 26, generator=generator)
    texture = functional.interpolate(coarse, (80, 104), mode="bicubic").clamp(0, 1)[0]
    flow = DisEstimator(preset=preset).estimate(texture, torch.roll(texture, (2, 3), (1, 2)))
    inner = flow[:, 12:-12, 12:-12]
    assert flow.shape == (2, 80, 104)
    assert (inner[0] - 3).abs().mean() < 0.5
    assert (inner[1] - 2).abs().mean() < 0.5


def test_a_still_pair_does_not_move(generator):
    image = torch.rand(3, 40, 40, generator=generator)
    assert DisEstimator().estimate(image, image).abs().max() < 1e-3


@pytest.mark.usefixtures("unchecked_shapes")
def test_pairs_that_cannot_be_compared_are_refused():
    with pytest.raises(InvalidInput, match="one size"):
        DisEstimator().estimate(torch.zeros(3, 40, 40), torch.zeros(3, 40, 41))
    with pytest.raises(InvalidInput, match="at least 16 x 16"):
        DisEstimator().estimate(torch.zeros(3, 15, 40), torch.zeros(3, 15, 40))
    with pytest.raises(InvalidInput, match="ultrafast, fast, medium, fine"):
        DisEstimator(preset="best")


@pytest.mark.parametrize(("preset", "limit"), [("medium", 0.23), ("fine", 0.12)])
def test_the_end_point_error_on_rubber_whale(realdata, preset, limit):
    folder = realdata / "flow_pairs" / "middlebury_RubberWhale"
    first, second = read_image(folder / "frame10.png"), read_image(folder / "frame11.png")
    truth = read_flow(folder / "flow10.flo")
    flow = DisEstimator(preset=preset).estimate(first, second)
    error = torch.linalg.vector_norm(flow - torch.from_numpy(truth.flow), dim=0)
    assert error[torch.from_numpy(truth.valid)].mean() < limit
