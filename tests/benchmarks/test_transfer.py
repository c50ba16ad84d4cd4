"""The script that writes measured tables into the documentation."""

import io

import pytest
from benchmarks.transfer import PAGE, PARTS, markdown, replaced
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table


def printed():
    """A table as the command line prints it, with a sentence behind it."""
    table = Table("model", "AR", title="Two models", box=MARKDOWN)
    table.add_row("one", "0.5")
    table.add_row("another", "0.25")
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(table)
    console.print("one is ahead")
    return console.export_text()


def test_what_is_printed_becomes_markdown():
    assert markdown(printed()) == (
        "Two models\n\n| model | AR |\n| --- | --- |\n| one | 0.5 |\n| another | 0.25 |\n\n"
        "one is ahead"
    )


def test_only_the_text_between_the_marks_changes():
    page = "a\n<!-- motion -->\nold\n<!-- end -->\nb\n<!-- textures -->\nkept\n<!-- end -->\n"
    once = replaced(page, "motion", r"new \1")
    assert once.startswith("a\n<!-- motion -->\n\nnew \\1\n\n<!-- end -->\nb\n")
    assert once.endswith("<!-- textures -->\nkept\n<!-- end -->\n")
    assert replaced(once, "motion", r"new \1") == once
    with pytest.raises(SystemExit, match="no marks for renderers"):
        replaced(page, "renderers", "")


def test_the_page_has_a_place_for_every_table():
    text = PAGE.read_text(encoding="utf-8")
    for part in PARTS[:-1]:
        assert replaced(text, part, "x") != text
