"""Names for what results depend on: the code that made them and the weights that answered.

A result is taken from a cache only where these agree, so that a change of code or weights under
the same name never passes an old number off as a new one.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path

DIGITS = 12


def digest_of_code(*packages: str) -> str:
    """Return hexadecimal digits that change with any line of Python in these packages."""
    digest = hashlib.sha256()
    for package in packages:
        module = import_module(package)
        files = [Path(module.__file__ or "")]
        if files[0].name == "__init__.py":
            files = sorted(files[0].parent.rglob("*.py"))
        for file in files:
            digest.update(file.name.encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:DIGITS]


def digest_of_checkpoint(folder: Path) -> str:
    """Return hexadecimal digits that change with a checkpoint's weights or configuration."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in (".json", ".safetensors"):
            digest.update(file.name.encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:DIGITS]


def digest_of(*values: object) -> str:
    """Return hexadecimal digits for values that are told apart by their `repr`."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:DIGITS]
