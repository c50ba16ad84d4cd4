"""Arguments to a verb's dataclass, by tyro, the same way for every verb."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TypeVar

import tyro

Options = TypeVar("Options")


def parse(
    options: type[Options],
    verb: str,
    argv: Sequence[str],
    examples: str = "",
    *,
    is_published: bool = False,
) -> Options:
    """Read `argv` into `options`, or print help or the mistake and exit (2 for a mistake).

    Args:
        options: a dataclass; the docstrings of its fields become the help.
        verb: as the user typed it.
        argv: what followed the verb.
        examples: lines for the end of the help.
        is_published: `verb` is a program of its own, whose flags are written with underscores.
    """
    text = inspect.cleandoc(options.__doc__ or "")
    return tyro.cli(
        options,
        prog=verb if is_published else f"spelke {verb}",
        description=f"{text}\n\n{examples}" if examples else text,
        args=list(argv),
        use_underscores=is_published,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff),
    )
