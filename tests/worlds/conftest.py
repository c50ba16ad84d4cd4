"""Scenes that several tests look at, made once; skipped where no software OpenGL is."""

import pytest

from spelke.worlds.generate import SceneOptions, make_scene


@pytest.fixture(scope="session")
def scene(graphics):
    """One scene with after-frames and a camera that stays."""
    options = SceneOptions(families=("mixed",), pokes=4, camera_moves=0.0)
    return make_scene(3, options)
