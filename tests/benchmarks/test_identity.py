import sys

import pytest

from spelke.benchmarks.identity import (
    digest_of,
    digest_of_checkpoint,
    digest_of_code,
    without_words,
)

SOURCE = 'def f(x):\n    """Add one."""\n    return x + 1\n'


@pytest.mark.parametrize(
    "other",
    [
        'def f(x):\n    """Add 1."""\n    return x + 1\n',
        "def f(x):\n    # why\n    return x + 1\n",
        "def f(x): return (x\n + 1)\n",
    ],
)
def test_words_and_layout_do_not_count(other):
    assert without_words(SOURCE) == without_words(other)


@pytest.mark.parametrize(
    "other", ["def f(x):\n    return x + 2\n", "def g(x):\n    return x + 1\n", 'x = "text"\n']
)
def test_what_is_done_counts(other):
    assert without_words(SOURCE) != without_words(other)


def test_code_is_told_apart_by_package_and_content(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "some_package_of_this_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text(SOURCE)
    before = digest_of_code(package.name)
    assert digest_of_code(package.name) == before
    (package / "part.py").write_text(SOURCE.replace("1", "2"))
    assert digest_of_code(package.name) != before
    sys.modules.pop(package.name)


def test_a_checkpoint_is_its_weights_and_configuration_but_not_its_card(tmp_path):
    for name in ("config.json", "model.safetensors", "card.md"):
        (tmp_path / name).write_text("one")
    before = digest_of_checkpoint(tmp_path)
    (tmp_path / "card.md").write_text("two")
    assert digest_of_checkpoint(tmp_path) == before
    (tmp_path / "model.safetensors").write_text("two")
    assert digest_of_checkpoint(tmp_path) != before


def test_values_are_told_apart():
    assert digest_of(1, "a") == digest_of(1, "a") != digest_of(1, "b")
