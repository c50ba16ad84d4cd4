from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import spelke


def test_importing_is_silent_quick_and_light():
    code = "import sys, spelke; sys.exit(any(m in sys.modules for m in ('torch', 'numpy')))"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_every_public_name_is_there():
    assert set(spelke.__all__) == set(spelke._PLACES) <= set(dir(spelke))
    for name in spelke.__all__:
        assert getattr(spelke, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'segment_everything'"):
        spelke.segment_everything  # noqa: B018


def test_the_version_is_the_installed_one():
    assert spelke.__version__ == version("spelke")
