import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import InvalidInput
from spelke.geometry.camera import Pose, rotation_from_vector
from spelke.manipulation.rigid_fit import fit_rigid

vectors = st.tuples(*[st.floats(-3, 3)] * 3).map(np.array)


@given(vectors, vectors, st.integers(0, 999), st.integers(3, 20))
def test_the_motion_that_was_made_is_found(turn, shift, seed, count):
    motion = Pose(rotation_from_vector(turn), shift)
    before = np.random.default_rng(seed).normal(size=(count, 3))
    fitted = fit_rigid(before, motion.move(before))
    np.testing.assert_allclose(fitted.matrix, motion.matrix, atol=1e-5)


def test_a_mirror_image_is_fitted_without_mirroring(rng):
    before = rng.normal(size=(10, 3))
    fitted = fit_rigid(before, before * np.array([-1, 1, 1]))
    assert np.linalg.det(fitted.rotation) == pytest.approx(1)


def test_noise_is_averaged(rng):
    before = rng.normal(size=(2000, 3))
    fitted = fit_rigid(before, before + 0.1 * rng.normal(size=before.shape))
    np.testing.assert_allclose(fitted.matrix, np.eye(4), atol=0.02)


@pytest.mark.usefixtures("unchecked_shapes")
def test_what_decides_no_turn_is_refused():
    line = np.arange(4.0)[:, None] * np.ones(3)
    for positions in (line, line[:2], np.zeros((5, 3))):
        with pytest.raises(InvalidInput, match="line"):
            fit_rigid(positions, positions)
    with pytest.raises(InvalidInput, match="counterpart"):
        fit_rigid(np.eye(3), np.eye(4)[:, :3])
