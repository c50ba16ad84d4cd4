"""What README and docs show is run, or at least understood by the program."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import spelke
from spelke.cli.main import OK, VERBS, main
from spelke.weights.table import CHECKPOINTS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page, language):
    return [body for kind, body in FENCE.findall(page.read_text()) if kind == language]


def commands():
    """Every `spelke …` line of every page."""
    for page in PAGES:
        for body in blocks(page, "sh"):
            for line in body.splitlines():
                if line.startswith("spelke "):
                    yield shlex.split(line, comments=True)[1:]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder that looks like the root of the repository, to write into."""
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "photos").symlink_to(ROOT / "examples" / "photos")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", list(commands()), ids=shlex.join)
def test_every_command_has_only_options_that_exist(command, capsys):
    verb, *rest = command
    assert verb in VERBS
    under = rest[:1] if verb in ("worlds", "bench", "weights") else []
    under = rest[:2] if under == ["pack"] else under
    assert main([verb, *under, "--help"]) == OK
    known = capsys.readouterr().out
    for argument in rest:
        if argument.startswith("--"):
            assert re.search(rf"(?<![\w-]){argument}(?![\w-])", known), argument


def test_there_are_commands_on_the_pages():
    assert {command[0] for command in commands()} == set(VERBS) - {"affordance"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if blocks(page, "python")],
    ids=lambda page: page.name,
)
def test_python_of_a_page_runs(page, clone, monkeypatch):
    if not (CHECKPOINTS / "spelke-tiny").is_dir():
        pytest.skip("spelke-tiny is not in this source tree")
    load = spelke.load
    # The tiny model answers in the place of the larger one, so that this takes seconds.
    monkeypatch.setitem(spelke.__dict__, "load", lambda name: load("spelke-tiny"))
    scope: dict = {}
    for body in blocks(page, "python"):
        exec(compile(body, page.name, "exec"), scope)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    for target in targets:
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
