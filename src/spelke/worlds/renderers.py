"""The renderers by name: OpenGL where a machine has it, the ray caster anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

import torch

from spelke.errors import InvalidInput
from spelke.runtime.device import choose_device
from spelke.worlds.raycast import CastRenderer
from spelke.worlds.render import Draws, Renderer

RENDERERS = ("gl", "raycast")
"""gl: MuJoCo's OpenGL, faster. raycast: torch, on machines without OpenGL."""

_cast_device: ContextVar[torch.device | None] = ContextVar("cast_device", default=None)
"""Where ray casters compute. Not in `SceneOptions`: where a scene is drawn is not what it is."""


def cast_device(name: str) -> torch.device:
    """The device of that name, if the ray caster can compute there.

    Raises:
        InvalidInput: torch knows no such device, or the ray caster cannot use its kind.
        Unavailable: it is not here; with the reason.
    """
    if name.partition(":")[0] == "mps":
        raise InvalidInput(
            f'the ray caster needs float64, which device {name!r} lacks; use "cpu" or "cuda"'
        )
    return choose_device(name).device


@contextmanager
def cast_on(name: str) -> Iterator[None]:
    """Within, ray casters that `open_renderer` opens compute on that device; else on the CPU.

    Raises:
        InvalidInput, Unavailable: see `cast_device`.
    """
    token = _cast_device.set(cast_device(name))
    try:
        yield
    finally:
        _cast_device.reset(token)


def open_renderer(name: str, model: Any) -> AbstractContextManager[Draws]:
    """A renderer of a compiled `mujoco.MjModel`, freed at the end of the `with` block.

    The ray caster computes where `cast_on` says.

    Raises:
        InvalidInput: no renderer of that name. Unavailable: no OpenGL on this machine.
    """
    if name not in RENDERERS:
        raise InvalidInput(f"renderer must be one of {', '.join(RENDERERS)}, got {name!r}")
    if name == "gl":
        return Renderer(model)
    return CastRenderer(model, _cast_device.get() or "cpu")
