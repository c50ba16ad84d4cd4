import torch

from spelke.models.stem import ConvStem


def test_maps_have_the_resolution_of_patches_and_of_cells():
    patches, cells = ConvStem(12, 8, 6, patch_cells=2)(torch.rand(2, 3, 32, 48))
    assert patches.shape == (2, 12, 4, 6)
    assert cells.shape == (2, 6, 8, 12)
