import pytest
import torch

from spelke.errors import InvalidInput
from spelke.models.two_frame import TwoFrameConfig, TwoFramePredictor

CONFIG = TwoFrameConfig(image_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=2)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return TwoFramePredictor(CONFIG).eval().requires_grad_(False)


@pytest.fixture
def frames(generator):
    return torch.rand(2, 3, 32, 32, generator=generator), torch.rand(
        2, 3, 32, 32, generator=generator
    )


def test_what_is_seen_comes_back_and_what_is_not_changes_nothing(network, frames):
    first, second = frames
    visible = torch.zeros(2, 16, dtype=torch.bool)
    visible[:, 6] = True  # second row, third column
    predicted = network(first, second, visible)
    assert torch.equal(predicted[..., 8:16, 16:24], second[..., 8:16, 16:24])
    other = second.clone()
    other[..., 24:, :] = 0
    assert torch.equal(network(first, other, visible), predicted)
    other[..., 8:16, 16:24] = 0
    assert not torch.allclose(network(first, other, visible)[..., :8, :8], predicted[..., :8, :8])


def test_all_seen_is_the_second_frame_itself(network, frames):
    first, second = frames
    assert torch.equal(network(first, second, torch.ones(2, 16, dtype=torch.bool)), second)


def test_patches_know_where_they_are(network, frames):
    first, second = frames
    nothing = torch.zeros(2, 16, dtype=torch.bool)
    turned = network(first.flip(3), second, nothing).flip(3)
    assert not torch.allclose(turned, network(first, second, nothing), atol=1e-4)


def test_it_learns_to_copy_what_stays():
    torch.manual_seed(0)
    network = TwoFramePredictor(CONFIG)
    steps = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        frame = torch.rand(8, 3, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3)
        visible = torch.rand(8, 16) < 0.1
        loss = (network(frame, frame, visible) - frame).square().mean()
        steps.zero_grad()
        loss.backward()
        steps.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize(
    "sizes", [{"patch_size": 5}, {"embed_dim": 10}, {"num_heads": 3}, {"depth": 0}]
)
def test_impossible_shapes_are_refused(sizes):
    with pytest.raises(InvalidInput):
        TwoFrameConfig(**{"image_size": 32, "embed_dim": 16, "num_heads": 2, **sizes})
