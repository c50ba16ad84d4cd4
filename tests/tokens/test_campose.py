import numpy as np
import pytest
from tests.recipes import golden

from spelke.errors import InvalidInput
from spelke.tokens.campose import IDENTITY_CODES, describe_pose, encode_pose, pose_matrix


@pytest.fixture(scope="module")
def arrays():
    return golden("campose")


def test_matrices_numbers_and_codes_are_the_published_ones(arrays):
    for pose, matrix, numbers, codes in zip(
        *(arrays[name] for name in ("poses", "matrices", "six", "codes")), strict=True
    ):
        ours = pose_matrix(tuple(pose[:3].tolist()), tuple(pose[3:].tolist()))
        np.testing.assert_allclose(ours, matrix, atol=1e-6)
        np.testing.assert_allclose(describe_pose(ours), numbers, atol=2e-3)
        np.testing.assert_array_equal(encode_pose(ours, 40_000), codes)


def test_the_published_variant_of_six_numbers_is_the_same_turn_and_the_translation_itself(arrays):
    """No published network reads it, and we do not offer it."""
    for matrix, numbers, codes in zip(
        *(arrays[name] for name in ("matrices", "six_noscale", "quant_noscale")), strict=True
    ):
        ours = np.concatenate([describe_pose(matrix.astype(float))[:3], matrix[:3, 3]])
        np.testing.assert_allclose(ours, numbers, atol=2e-3)
        steps, offsets = np.repeat([0.1, 0.001], 3), np.repeat([1801, 1001], 3)
        np.testing.assert_array_equal(np.round(numbers / steps) + offsets, codes)


def test_a_camera_at_rest():
    assert tuple(encode_pose(np.eye(4))) == IDENTITY_CODES


def test_a_camera_that_goes_too_far_is_refused():
    with pytest.raises(InvalidInput, match=r"travels 12\.00 units .* ends at 10\.00"):
        encode_pose(pose_matrix((0.0, 0.0, 0.0), (12.0, 0.0, 0.0)))
