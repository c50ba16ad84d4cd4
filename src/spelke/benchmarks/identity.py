"""Names for what results depend on: the code that made them and the weights that answered.

A result is taken from a cache only where these agree, so that a change of code or weights under
the same name never passes an old number off as a new one.
"""

from __future__ import annotations

import ast
import hashlib
from functools import lru_cache
from importlib import import_module
from pathlib import Path

DIGITS = 12
_BLOCK = 1 << 24
WORLD_MODEL_CODE = ("spelke.discovery", "spelke.rollout", "spelke.models", "spelke.tokens")
"""Packages that the answers of our world models depend on."""


def digest_of_code(*packages: str) -> str:
    """Return hexadecimal digits of what these packages do, whatever their comments say."""
    digest = hashlib.sha256()
    for package in packages:
        module = import_module(package)
        files = [Path(module.__file__ or "")]
        if files[0].name == "__init__.py":
            files = sorted(files[0].parent.rglob("*.py"))
        for file in files:
            digest.update(file.name.encode())
            digest.update(without_words(file.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:DIGITS]


@lru_cache(maxsize=1024)
def without_words(source: str) -> str:
    """Return Python source as a syntax tree without comments, layout and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def digest_of_checkpoint(folder: Path) -> str:
    """Return hexadecimal digits that change with a checkpoint's weights or configuration."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in (".json", ".safetensors"):
            digest.update(file.name.encode())
            with file.open("rb") as opened:  # weights may be larger than memory
                while block := opened.read(_BLOCK):
                    digest.update(block)
    return digest.hexdigest()[:DIGITS]


def digest_of(*values: object) -> str:
    """Return hexadecimal digits for values that are told apart by their `repr`."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:DIGITS]
