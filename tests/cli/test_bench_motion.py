"""`spelke bench motion` on made-up clips, with a model that answers at once."""

import json
from types import SimpleNamespace

import pytest

from spelke.benchmarks import load_segmenter
from spelke.benchmarks.segmenters.checkpoint import ObserverSegmenter
from spelke.cli.main import main

FIRST = {"affordance": "AP", "displacement": "IoU", "segments": "AR"}


@pytest.fixture(autouse=True)
def quick_model(observer, monkeypatch):
    """A checkpoint without weights; the others are as they are."""
    really = load_segmenter.load_segmenter

    def load(name, device):
        is_ours = name == "spelke-small"
        return ObserverSegmenter(Looking(observer), name, "1") if is_ours else really(name, device)

    monkeypatch.setattr(load_segmenter, "load_segmenter", load)


class Looking(SimpleNamespace):
    """The quick observer, which also takes arrays for pictures."""

    def __init__(self, observer):
        super().__init__(look=observer.look)

    def segments(self, images, points):
        return [self.look(image).segments(some) for image, some in zip(images, points, strict=True)]


def run(folder, tmp_path, *arguments):
    common = ("--data", folder, "--sources", "street", "boat", "--out", tmp_path / "out")
    return main(["bench", "motion", *map(str, (*common, *arguments))])


def test_scores_come_by_part_method_and_source(clips_folder, tmp_path, capsys):
    assert run(clips_folder, tmp_path, "--json", "--sheet") == 0
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    rows = [line for line in lines if "source" in line]
    leads = [line for line in lines if "best_baseline" in line]
    assert {row["source"] for row in rows} == {"street", "boat", "all"}
    for part, number in FIRST.items():
        own = [row for row in rows if row["part"] == part and row["source"] == "all"]
        assert len(own) >= 5
        assert all({number, f"{number}_low", f"{number}_high", "n"} <= row.keys() for row in own)
    assert {lead["part"] for lead in leads} == set(FIRST)
    assert {lead["model"] for lead in leads} == {"spelke-small", "spelke-small: segment moved"}
    assert "left out street|wait|" in captured.err
    assert (tmp_path / "out" / "spelke-small.png").is_file()


def test_people_get_tables(clips_folder, tmp_path, capsys):
    assert run(clips_folder, tmp_path, "--pictures", 1) == 0
    text = capsys.readouterr().out
    for name in ("border-contrast", "nothing moves", "spelke-small: segment moved", "ahead by"):
        assert name in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pictures", 0), "at least 1"),
        (("--models", "grabcut"), "is no world model"),
        (("--sources", "attic"), "no clips of attic"),
    ],
)
def test_what_cannot_be_asked_is_refused(clips_folder, tmp_path, capsys, arguments, message):
    assert run(clips_folder, tmp_path, *arguments) != 0
    assert message in capsys.readouterr().err
