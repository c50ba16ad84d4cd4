import torch

from spelke.models.waves import fourier_features, sinusoids


def test_every_patch_has_its_own_position():
    table = sinusoids(8, 32)
    assert table.shape == (64, 32)
    distance = torch.cdist(table, table) + 9 * torch.eye(64)
    assert distance.min() > 0.05


def test_the_first_half_tells_the_column_and_the_second_the_row():
    table = sinusoids(4, 16).view(4, 4, 16)
    assert torch.equal(table[0, :, :8], table[3, :, :8])
    assert torch.equal(table[:, 0, 8:], table[:, 3, 8:])


def test_similar_displacements_have_similar_features(generator):
    flow = torch.tensor([[0.0, 0.0], [1.0, 0.0], [40.0, 0.0]])
    features = fourier_features(flow, 64, generator)
    near, far = (features[0] - features[1]).norm(), (features[0] - features[2]).norm()
    assert near < 0.5 * far
    again = fourier_features(flow, 64, torch.Generator().manual_seed(0))
    assert torch.equal(features, again)
