from __future__ import annotations

import resource
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from types import ModuleType

import pytest

from spelke.cli.main import BAD_INPUT, INTERRUPTED, OK, SOME_FAILED, VERBS, main
from spelke.errors import InvalidInput


@pytest.fixture
def verb(monkeypatch):
    """Make `spelke segment` do what is given."""

    def replace(action):
        module = ModuleType("spelke.cli.segment")
        module.main = action
        monkeypatch.setitem(sys.modules, "spelke.cli.segment", module)

    return replace


def raising(error):
    def action(argv):
        raise error

    return action


def test_help_names_every_verb(capsys):
    assert main(["--help"]) == OK
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in VERBS)


def test_no_arguments_show_help_and_are_a_mistake(capsys):
    assert main([]) == BAD_INPUT
    assert "usage: spelke VERB" in capsys.readouterr().out


def test_the_version_is_the_package_version(capsys):
    assert main(["--version"]) == OK
    assert capsys.readouterr().out == f"spelke {version('spelke')}\n"


def test_an_unknown_verb_gets_the_nearest(capsys):
    assert main(["segmnet", "x.jpg"]) == BAD_INPUT
    captured = capsys.readouterr()
    assert "did you mean `spelke segment`?" in captured.err
    assert captured.out == ""


def test_a_far_verb_gets_the_list(capsys):
    assert main(["--frobnicate"]) == BAD_INPUT
    err = capsys.readouterr().err
    assert "unknown option '--frobnicate'" in err
    assert "did you mean" not in err
    assert "doctor" in err


@pytest.mark.parametrize("name", [name for name in VERBS if name not in ("train",)])
def test_every_verb_explains_itself(name, capsys):
    assert main([name, "--help"]) == OK
    assert f"spelke {name}" in capsys.readouterr().out


def test_arguments_reach_the_verb_without_debug(verb):
    seen = []
    verb(lambda argv: seen.append(argv) or 0)
    assert main(["segment", "a.jpg", "--debug", "--point", "1", "2"]) == OK
    assert seen == [["a.jpg", "--point", "1", "2"]]


def test_our_errors_are_one_paragraph(verb, capsys):
    verb(raising(InvalidInput("a point\noutside; give one inside")))
    assert main(["segment"]) == BAD_INPUT
    captured = capsys.readouterr()
    assert captured.err == "spelke: a point outside; give one inside\n"
    assert captured.out == ""


def test_debug_shows_where_an_error_came_from(verb):
    verb(raising(InvalidInput("no")))
    with pytest.raises(InvalidInput):
        main(["segment", "--debug"])
    verb(raising(ZeroDivisionError("0")))
    with pytest.raises(ZeroDivisionError):
        main(["--debug", "segment"])


def test_a_fault_of_ours_is_called_one(verb, capsys):
    verb(raising(ZeroDivisionError("0")))
    assert main(["segment"]) == SOME_FAILED
    assert "unexpected ZeroDivisionError: 0" in capsys.readouterr().err


def test_ctrl_c_is_130(verb, capsys):
    verb(raising(KeyboardInterrupt()))
    assert main(["segment"]) == INTERRUPTED
    assert "finished is kept" in capsys.readouterr().err


def test_mistyped_flags_are_bad_input(capsys):
    assert main(["doctor", "--jsn"]) == BAD_INPUT
    assert "--json" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_drama():
    ended = subprocess.run(
        f"{sys.executable} -m spelke weights list --json | true",
        shell=True, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ended.stderr == ""


def test_help_comes_at_once(spelke_command):
    """In processor time: what a user waits for on a machine that is not busy otherwise."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert spelke_command("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


@pytest.mark.parametrize(
    "name", ["segment", "affordance", "displace", "weights", "doctor", "train"]
)
def test_parsing_imports_no_torch(name):
    module = import_module(VERBS[name][0]).__name__
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_every_verb_has_few_options(capsys):
    for name in ("segment", "affordance", "displace", "train", "doctor"):
        main([name, "--help"])
        assert capsys.readouterr().out.count("│ --") <= 14, name
