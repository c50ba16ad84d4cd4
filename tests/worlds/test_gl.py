"""What is said where MuJoCo or its graphics are missing."""

import subprocess
import sys

import pytest

BROKEN = """
import os, sys
{prepare}
from spelke.errors import SpelkeError
from spelke.worlds.gl import gl_context
try:
    gl_context()
except SpelkeError as error:
    print(type(error).__name__, error)
"""


def said(prepare):
    done = subprocess.run(
        [sys.executable, "-c", BROKEN.format(prepare=prepare)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_without_mujoco_the_install_line_is_given():
    words = said("sys.modules['mujoco'] = None")
    assert "MissingExtra" in words
    assert "spelke[worlds]" in words


def test_without_a_graphics_library_the_packages_are_named():
    pytest.importorskip("mujoco")
    words = said("os.environ['MUJOCO_GL'] = 'osmesa'; os.environ['PATH'] = ''")
    if not words:
        pytest.skip("this machine has OSMesa, so nothing is missing")
    assert "Unavailable" in words
    assert "libegl1" in words
