"""MuJoCo and its software OpenGL: imported late, with errors that name the remedy.

One GL context is kept for each process (a new one costs tens of milliseconds). Mesa's llvmpipe is
told
to use one thread: scenes are made by one process per core.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from spelke.errors import MissingExtra, Unavailable

_BUFFER_SIDE = 1024


@functools.cache
def load_mujoco() -> ModuleType:
    """Import MuJoCo with a headless renderer chosen before the import.

    Returns:
        The `mujoco` module.

    Raises:
        MissingExtra: MuJoCo is not installed.
        Unavailable: MuJoCo is there, but its graphics library could not be loaded.
    """
    os.environ.setdefault("MUJOCO_GL", "egl")
    os.environ.setdefault("LP_NUM_THREADS", "1")
    try:
        import mujoco
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "worlds need MuJoCo, which is not installed; run: pip install 'spelke[worlds]'"
        ) from error
    except (ImportError, AttributeError, OSError, RuntimeError) as error:
        raise Unavailable(_no_graphics(error)) from error
    return mujoco


@contextmanager
def without_log() -> Iterator[None]:
    """Keep MuJoCo's warnings off the console and out of a `MUJOCO_LOG.TXT` in the user's folder.

    For code that looks for itself whether a simulation went wrong; afterwards MuJoCo's settings are
    what they were. Also a decorator.
    """
    config = load_mujoco().MjLogConfig.get()
    before = config.logto_console, config.logto_file
    config.logto_console = config.logto_file = False
    config.set()
    try:
        yield
    finally:
        config.logto_console, config.logto_file = before
        config.set()


@functools.cache
def gl_context() -> Any:
    """The process's one off-screen GL context, made current on first use.

    Raises:
        Unavailable: no EGL (or other) context can be made on this machine.
    """
    load_mujoco()
    try:
        # Not `mujoco.GLContext`: somebody may have imported mujoco before MUJOCO_GL was set.
        backend = importlib.import_module(f"mujoco.{os.environ['MUJOCO_GL']}")
        context = backend.GLContext(_BUFFER_SIDE, _BUFFER_SIDE)
        context.make_current()
    except Exception as error:  # PyOpenGL, EGL and ctypes each raise kinds of their own
        raise Unavailable(_no_graphics(error)) from error
    return context


def _no_graphics(error: Exception) -> str:
    backend = os.environ.get("MUJOCO_GL", "egl")
    return (
        f"MuJoCo cannot open an off-screen OpenGL context (MUJOCO_GL={backend}): {error}. "
        "A software EGL is enough; on Debian: apt-get install libegl1 libgl1-mesa-dri"
    )
