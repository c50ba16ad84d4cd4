"""The page: whole, alone, honest about what is published and what went wrong."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from tests.benchmarks.conftest import draw_item

from spelke.benchmarks.case_pictures import SIDE, choose_cases
from spelke.benchmarks.html_report import ReportOptions, write_report
from spelke.benchmarks.predictions import Prediction, write_prediction
from spelke.benchmarks.published_scores import PUBLISHED
from spelke.benchmarks.scoring import score_run
from spelke.errors import InvalidInput

VOID = {"meta", "link", "img", "rect", "line", "path", "br"}


class Page(HTMLParser):
    """Tags, and whether every one that was opened is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, wanted):
        return [attrs for tag, attrs in self.tags if tag == wanted]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def runs(folder):
    """A run that knows all, one that takes the instance, with one failure and a nasty name."""
    items = [draw_item(f"{f}-{i}", f, i) for f in ("singles", "stacks") for i in range(3)]
    for item in items:
        for name, masks in (("knows", item.segments), ("<b>&", item.instances)):
            lost = name != "knows" and item.key == "stacks-2"
            given = None if lost else masks
            why = "ValueError: <script>alert(1)</script>" if lost else ""
            write_prediction(
                folder / name,
                Prediction(
                    item.key, item.family, item.image, item.points, item.segments, given, error=why
                ),
            )
    return [score_run(folder / name) for name in ("knows", "<b>&")]


@pytest.fixture(scope="module")
def page(runs, folder):
    path = write_report(runs, folder / "out", ReportOptions(title="A <title>", num_cases=2))
    return path.read_text(encoding="utf-8")


def test_the_page_asks_nobody_for_anything(page):
    parsed = Page(page)
    assert not parsed.all("script")
    for _, attributes in parsed.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#"))
    assert not re.search(r"url\(|@import|https?:", page)
    assert "default-src 'none'" in page


def test_names_and_errors_of_others_are_text_and_no_markup(page):
    assert "&lt;b&gt;&amp;" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "A &lt;title&gt;" in page
    assert "<script" not in page


def test_it_reads_without_eyes_and_on_a_phone(page):
    parsed = Page(page)
    assert parsed.all("html") == [{"lang": "en"}]
    assert any(meta.get("name") == "viewport" for meta in parsed.all("meta"))
    assert all(image["alt"] and image["width"] for image in parsed.all("img"))
    assert all(head.get("scope") for head in parsed.all("th"))
    names = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    assert len(set(names)) == len(names)
    labels = [attrs["aria-labelledby"] for _, attrs in parsed.tags if "aria-labelledby" in attrs]
    assert set(labels) <= set(names)
    assert "prefers-color-scheme: dark" in page


def test_published_rows_stand_apart_and_are_marked(page, runs, tmp_path):
    measured, published = page.split("not measured here", 1)
    assert "knows" in measured
    for score in PUBLISHED:
        assert f">{score.model} <span" in published
        assert f"{score.average_recall:.4f}" in published
        assert score.model not in measured
    assert published.count('class="tag">published') == len(PUBLISHED)
    without = write_report(runs, tmp_path / "out2", ReportOptions(published=False, num_cases=0))
    assert "SpelkeNet" not in without.read_text(encoding="utf-8")


def test_cases_are_small_pictures_of_truth_and_answer(page):
    sources = [image["src"] for image in Page(page).all("img")]
    assert len(sources) == 2 * 2 * 3 * 2  # runs, cases, bands, truth and answer
    for source in sources:
        data = base64.b64decode(source.removeprefix("data:image/webp;base64,"), validate=True)
        with Image.open(io.BytesIO(data)) as picture:
            assert max(picture.size) == SIDE
        assert len(data) < 30_000


def test_what_failed_is_counted_and_named(page, folder):
    assert "1 without a usable answer" in page
    plain = json.loads((folder / "out" / "report.json").read_text())
    (problem,) = plain["problems"]
    assert (problem["key"], problem["kind"]) == ("stacks-2", "failed")
    assert {row["source"] for row in plain["rows"]} == {"measured", "published"}
    assert (folder / "out" / "report.csv").read_text().startswith("source,run,kind,group,AR,")
    assert "tabular" in (folder / "out" / "report.tex").read_text()


def test_the_same_runs_give_the_same_page(runs, tmp_path, page):
    again = write_report(runs, tmp_path / "again", ReportOptions(title="A <title>", num_cases=2))
    assert again.read_text(encoding="utf-8") == page


def test_the_worst_are_worse_than_the_best_and_of_different_images(runs):
    bands = choose_cases(runs[1], 3)
    assert list(bands) == ["worst", "at random", "best"]
    assert max(case.overlap for case in bands["worst"]) < min(c.overlap for c in bands["best"])
    for cases in bands.values():
        assert len({case.key for case in cases}) == len(cases) == 3 or len(cases) < 3
    assert [case.overlap for case in bands["best"]] == sorted(
        (case.overlap for case in bands["best"]), reverse=True
    )


def test_files_without_a_picture_have_scores_and_no_cases(tmp_path):
    import h5py

    masks = np.zeros((1, 20, 20), bool)
    masks[0, :9] = True
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["segment_gt"] = file["segment_pred"] = masks
    run = score_run(tmp_path)
    assert choose_cases(run, 2) == {}
    path = write_report([run], tmp_path / "out")
    page = path.read_text(encoding="utf-8")
    assert "Cases" not in page
    assert "How sure" not in page


def test_runs_need_names_of_their_own(runs, tmp_path):
    with pytest.raises(InvalidInput, match="different names"):
        write_report([runs[0], runs[0]], tmp_path)
    with pytest.raises(InvalidInput, match="got none"):
        write_report([], tmp_path)


def test_the_page_says_over_how_many_clips_intervals_are(page, runs, folder):
    assert "bootstrap intervals over images, from" in page
    results = [replace(result, clip=result.family) for result in runs[0].results]
    path = write_report([replace(runs[0], results=tuple(results))], folder / "clips")
    text = re.sub(r"\s+", " ", path.read_text(encoding="utf-8"))
    assert "bootstrap intervals over the 2 clips that they are of, from" in text


def test_oracles_have_rows_of_their_own_below_the_models_and_are_marked_everywhere(runs, folder):
    told = replace(runs[0], name="told", is_oracle=True)
    path = write_report([told, runs[1]], folder / "oracle", ReportOptions(num_cases=1))
    page = path.read_text(encoding="utf-8")
    models, rest = page.split("Oracles: told the truth", 1)
    oracles = rest.split("not measured here", 1)[0]
    assert "&lt;b&gt;&amp;</th>" in models
    assert "&lt;b&gt;&amp;</th>" not in oracles
    assert ">told <span" not in models
    assert '>told <span class="tag">oracle' in oracles
    words = re.sub(r"\s+", " ", page)
    assert "&lt;b&gt;&amp;, the model with the highest AR, against" in words
    # Every place that shows its name: scores, curve, sizes in two ways, families, order, cases.
    assert page.count('told <span class="tag">oracle') == 1 + 1 + 3 + 3 + 1
    Page(page)
    rows = json.loads((folder / "oracle" / "report.json").read_text())["rows"]
    assert {row["run"] for row in rows if row.get("oracle")} == {"told"}
