"""The renderers by name: OpenGL where a machine has it, the ray caster anywhere."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from spelke.errors import InvalidInput
from spelke.worlds.raycast import CastRenderer
from spelke.worlds.render import Draws, Renderer

RENDERERS = ("gl", "raycast")
"""gl: MuJoCo's OpenGL, faster. raycast: torch, on machines without OpenGL."""


def open_renderer(name: str, model: Any) -> AbstractContextManager[Draws]:
    """A renderer of a compiled `mujoco.MjModel`, freed at the end of the `with` block.

    Raises:
        InvalidInput: no renderer of that name. Unavailable: no OpenGL on this machine.
    """
    if name not in RENDERERS:
        raise InvalidInput(f"renderer must be one of {', '.join(RENDERERS)}, got {name!r}")
    return Renderer(model) if name == "gl" else CastRenderer(model)
