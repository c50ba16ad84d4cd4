"""Versions are those that are installed; what is absent is left out."""

import platform

import numpy as np

from spelke.runtime.versions import versions_of


def test_absent_packages_are_left_out():
    assert versions_of(("numpy", "no-such-package-anywhere")) == {
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
