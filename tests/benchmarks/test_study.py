"""The runner of the training study, on trainings of a few steps."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from benchmarks.study import Study, main, run_rows
from benchmarks.study_codes import chosen_numbers
from benchmarks.study_report import gain_in_overlap, tables, write_into, write_thin_logs
from benchmarks.study_rows import ROWS, Row, choose, recipe_of
from benchmarks.study_score import Examined, step_flops
from benchmarks.study_shards import shards_of
from tests.benchmarks.conftest import draw_item
from tests.training.scenes import hand_made_scene, moving_squares, records

from benchmarks import study_score
from spelke.benchmarks.cost import prefix_ask, prefix_look
from spelke.data.world_records import decode
from spelke.data.worlds import read_shards, write_shard
from spelke.errors import InvalidInput, MissingData, UnknownName
from spelke.models.prefix import PrefixConfig, PrefixWorld
from spelke.training.recipes import find_recipe
from spelke.training.tasks import WorldTask
from spelke.weights.load import load
from spelke.weights.save import save

# The network's masks are biases, which its blocks do not announce.
pytestmark = pytest.mark.usefixtures("unchecked_shapes")

FIT = {"batch_size": 2, "precision": "32-true", "log_every": 1}
SHAPE = {
    "image_size": 32, "num_codes": 16, "embed_dim": 32, "depth": 2, "fork_depth": 1,
    "num_heads": 2, "stem_dim": 8, "cell_dim": 8,
}  # fmt: skip
SAMPLES = {"image_size": 32}
QUESTIONS = {"num_questions": 2, "num_pointers": 6, "max_conditions": 8}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(WorldTask, "SEEN_BATCHES", 4)
    monkeypatch.setattr(study_score, "CODEC_BATCHES", 1)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Scenes of two families."""
    folder = tmp_path_factory.mktemp("shards")
    scenes = [hand_made_scene(n) for n in range(4)]
    named = [replace(scene, family=f) for scene, f in zip(scenes, "abab", strict=True)]
    write_shard(folder / "train-0.tar", [(f"{n}", scene) for n, scene in enumerate(named)])
    return folder


@pytest.fixture(scope="module")
def rows():
    """A world model of some scenes, and quantizers."""
    small = {"network": {"num_bits": 4, "embed_dim": 8}, "samples": SAMPLES, "fit": FIT}
    return (
        Row(
            name="base", part="scaling", words="plain", steps=3, network=SHAPE, samples=SAMPLES,
            questions=QUESTIONS, fit=FIT, families=("a",),
        ),
        Row(
            name="codec", part="quantizers", words="16 codes", recipe="flow-quantizer", steps=2,
            **small,
        ),
        Row(
            name="colours", part="quantizers", words="16 codes", recipe="rgb-quantizer", steps=2,
            **small,
        ),
    )  # fmt: skip


def saved(config, folder):
    parts = {"network": PrefixWorld(config)}
    return load(save(folder / "model", "prefix", parts, card="# untrained\n"))


def study_of(shards, rows, out):
    return Study(shards, records(2), [draw_item("a-00000", "a", 0)], out, rows)


@pytest.mark.slow
def test_rows_are_trained_scored_and_not_repeated(shards, rows, tmp_path, monkeypatch):
    study = study_of(shards, rows, tmp_path)
    assert run_rows(study, rows)
    base, codec, colours = (json.loads((tmp_path / f"{r.name}.json").read_text()) for r in rows)
    assert set(base["held_out"]) == {"loss", "follow", "leak", "iou"}
    assert base["flops"] > 0
    assert base["processor_seconds"] > 0
    assert list(base["recall"]["pictures"]) == ["a-00000"]
    assert codec["codec"]["decoder_epe_moving"] > codec["codec"]["decoder_epe"] > 0
    assert 0 < colours["codec"]["psnr"] < 40
    text = tables({r["row"]["name"]: r for r in (base, codec, colours)})
    assert "| `base` | plain | 3 |" in text
    assert "| `codec` | 16 codes | 2 |" in text

    def refuse(*arguments):
        raise AssertionError("trained again")

    monkeypatch.setattr(Study, "_train", refuse)
    assert run_rows(study, rows)
    with pytest.raises(InvalidInput, match="is of another row 'base'"):
        study.run(replace(rows[0], steps=4))


@pytest.mark.slow
def test_a_row_that_was_stopped_goes_on_and_its_cost_adds_up(shards, rows, tmp_path):
    study = study_of(shards, rows, tmp_path)
    assert not run_rows(study, rows[:1], max_minutes=1e-9)
    assert not (tmp_path / "rows").exists()
    spent = tmp_path / "rows" / "base" / "spent.json"
    costs = []
    for _ in range(2):  # each call makes a step and sees that time is up
        assert not study.run(rows[0], deadline=0)
        costs.append(json.loads(spent.read_text())["processor_seconds"])
        assert not (tmp_path / "base.json").exists()
    assert study.run(rows[0])
    assert json.loads((tmp_path / "base.json").read_text())["processor_seconds"] > costs[1]
    assert costs[1] > costs[0] > 0
    (log,) = write_thin_logs(tmp_path / "rows", tmp_path / "logs")
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [2, 3]


def test_a_row_trains_on_its_families_only(shards, tmp_path):
    folder = shards_of(shards, ("b",), tmp_path)
    assert shards_of(shards, ("b",), tmp_path) == folder
    kept = list(read_shards(sorted(folder.glob("*.tar"))))
    assert [decode(record).family for record in kept] == ["b", "b"]
    whole = {record["__key__"]: record for record in read_shards(sorted(shards.glob("*.tar")))}
    assert all(record == whole[record["__key__"]] for record in kept)
    with pytest.raises(MissingData, match="no scene of the families c"):
        shards_of(shards, ("c",), tmp_path)


def test_flops_of_a_step_are_those_of_the_formula(rows, tmp_path):
    """Three times forth, as usual: twice as much goes back."""
    config = PrefixConfig(
        image_size=64, num_codes=16, embed_dim=64, depth=4, fork_depth=2, num_heads=2,
        stem_dim=8, cell_dim=16,
    )  # fmt: skip
    torch.manual_seed(0)
    checkpoint = saved(config, tmp_path)
    shape = {name: getattr(config, name) for name in PrefixConfig.__dataclass_fields__}
    row = replace(
        rows[0], network=shape, samples={"image_size": 64},
        questions={"num_questions": 3, "num_pointers": 40, "max_conditions": 8},
    )  # fmt: skip
    recipe = recipe_of(row)
    counted = step_flops(recipe, checkpoint, records(2))
    asked = prefix_ask(config, conditions=8, pointers=40, questions=3)
    formula = 3 * recipe.fit.batch_size * (prefix_look(config) + asked).flops
    assert 0.9 < counted / formula < 1.1
    doubled = replace(recipe, fit=replace(recipe.fit, batch_size=4))
    # Metrics multiply, too, for the questions that happen to have one poke.
    assert step_flops(doubled, checkpoint, records(2)) == pytest.approx(2 * counted, rel=1e-3)


def test_every_row_is_asked_the_same_number_of_questions(rows, tmp_path):
    checkpoint = saved(PrefixConfig(**SHAPE), tmp_path)
    examined = Examined.of(recipe_of(rows[0]), checkpoint, records(2))
    assert examined.task.scenes.samples.questions.num_pointers == 6
    assert examined.task.scenes.samples.questions.num_questions == 4


def test_recipes_of_the_rows_fit_together():
    for row in ROWS:
        recipe = recipe_of(row)
        assert recipe.fit.num_steps == row.steps
        assert recipe.num_workers == 0
        if not recipe.name.endswith("-quantizer"):
            shown = recipe.samples.image_size, recipe.samples.patch_size
            assert shown == (recipe.network.image_size, recipe.network.patch_size)
    shipped = recipe_of(next(row for row in ROWS if row.name == "shipped-tiny"))
    whole = find_recipe("spelke-tiny")
    fit = replace(whole.fit, warmup_steps=whole.fit.num_steps // 6)
    assert shipped == replace(whole, fit=fit, num_workers=0)
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_a_row_comes_after_the_quantizers_that_it_needs():
    assert [row.name for row in choose(["published", "base"], ROWS)] == [
        "flow-256", "rgb-4096", "published", "base",
    ]  # fmt: skip
    assert choose([], ROWS) == list(ROWS)
    with pytest.raises(UnknownName, match="no row is called 'bsae'; there are shipped-tiny, base"):
        choose(["bsae"], ROWS)


def test_differences_are_paired_by_picture():
    def result(values):
        return {"recall": {"pictures": {str(n): [0.0, v] for n, v in enumerate(values)}}}

    base = np.linspace(0, 0.8, 30)
    other = base + np.where(np.arange(30) % 2, 0.05, 0.15)
    mean, low, high = gain_in_overlap(result(other), result(base))
    assert mean == pytest.approx(0.1)
    assert 0.05 < low < mean < high < 0.15


def test_codes_lose_nothing_where_there_are_enough_of_them():
    squares = [moving_squares(20, 0)]
    enough = chosen_numbers(5, squares, squares)
    assert enough["code_epe_moving"] < 1e-5
    assert (enough["codes_used"], enough["motion_px"]) == (5, pytest.approx(6))
    assert chosen_numbers(4, squares, squares)["code_epe_moving"] > 0.3


def test_tables_take_their_place_in_a_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- tables -->\nold\n<!-- tables -->\nafter\n")
    for text in ("first\n", "second\n"):
        write_into(page, text)
        found = page.read_text()
        assert found == f"before\n<!-- tables -->\n\n{text}\n<!-- tables -->\nafter\n"
    page.write_text("no marks")
    with pytest.raises(InvalidInput, match="twice, it has 0"):
        write_into(page, "x")


def test_the_command_line_lists_rows_and_names_what_is_missing(tmp_path, capsys):
    main(["list"])
    listed = capsys.readouterr().out
    assert all(row.name in listed for row in ROWS)
    with pytest.raises(InvalidInput, match="holds no results"):
        main(["tables", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--help"])
    assert "--max-minutes" in capsys.readouterr().out
