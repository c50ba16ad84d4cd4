"""The name that was probably meant, for error messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A sentence that offers up to three nearest names, or an empty string where none is near."""
    near = get_close_matches(given, list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(map(repr, near))}? " if near else ""
