from __future__ import annotations

from dataclasses import dataclass

import pytest

from spelke.cli.parse import parse


@dataclass(frozen=True)
class Options:
    """Do a thing.

    At length.
    """

    count: int = 3
    """How often."""


def test_values_are_read():
    assert parse(Options, "thing", ["--count", "5"]) == Options(5)


def test_help_has_the_docstrings_and_the_examples(capsys):
    with pytest.raises(SystemExit) as stop:
        parse(Options, "thing", ["--help"], "Examples:\n  spelke thing --count 2")
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: spelke thing")
    for text in ("\nDo a thing.\n", "\nAt length.\n", "How often.", "\n  spelke thing --count 2"):
        assert text in out


def test_a_mistake_is_exit_2(capsys):
    with pytest.raises(SystemExit) as stop:
        parse(Options, "thing", ["--count", "many"])
    assert stop.value.code == 2
    assert "--count" in capsys.readouterr().err
