import dataclasses
import json

import pytest
import torch
from tests.training.scenes import (
    PREFIX,
    PUBLISHED,
    SAMPLES,
    hand_made_scene,
    small_flow_quantizer,
    small_rgb_quantizer,
)

import spelke
from spelke.data.worlds import write_shard
from spelke.errors import InvalidInput, MissingData, MissingExtra, Unavailable
from spelke.rollout.base import Ask, Query
from spelke.training.recipes import Recipe
from spelke.training.run import train
from spelke.training.run_folder import check_same_samples
from spelke.training.schedule import FitConfig
from spelke.training.shards import digest_of, load_shards
from spelke.training.tasks import WorldTask
from spelke.types import Poke
from spelke.weights.load import load
from spelke.weights.save import save

FIT = FitConfig(
    num_steps=3, batch_size=2, warmup_steps=1, precision="32-true", log_every=1, evaluate_every=2
)
CPU = {"accelerator": "cpu"}


def recipe(network, name="mine", **fit):
    return Recipe(
        name=name,
        network=network,
        samples=SAMPLES,
        fit=dataclasses.replace(FIT, **fit),
        num_workers=0,
    )


@pytest.fixture(scope="module", autouse=True)
def few_seen():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorldTask, "SEEN_BATCHES", 2)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    for name, first in (("train", 0), ("held", 50)):
        scenes = [(f"{n}", hand_made_scene(first + n, n == 3)) for n in range(4)]
        write_shard(folder / name / "train-0.tar", scenes)
    return folder


@pytest.fixture(scope="module")
def codecs(tmp_path_factory):
    """Checkpoints of a flow and of an RGB quantizer."""
    folder = tmp_path_factory.mktemp("codecs")
    networks = {"flow": small_flow_quantizer(), "rgb": small_rgb_quantizer()}
    return {
        name: save(folder / name, "local_quantizer", {"network": network}, card="# codec\n")
        for name, network in networks.items()
    }


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run folder and the checkpoint of a world model."""
    out = tmp_path_factory.mktemp("run") / "world"
    done = train(recipe(PREFIX), data / "train", out, held_out=data / "held", **CPU)
    return out, done


def test_a_world_model_answers_a_poke(trained):
    observer = spelke.load(trained[1], device="cpu")
    scene = observer.look(hand_made_scene(9).rgb)
    flow = scene.displacement(Poke((30.0, 30.0), (5.0, 0.0)))
    assert flow.shape == (2, 64, 64)
    assert flow.any()


def test_what_is_shipped_is_the_average(trained):
    out, folder = trained
    saved = torch.load(out / "checkpoint.pt", weights_only=True)["averaged"]
    for name, value in load(folder).network.state_dict().items():
        assert torch.equal(value, saved[f"module.network.{name}"])


def test_the_run_folder_tells_what_happened(trained):
    out, folder = trained
    assert {path.name for path in out.iterdir()} == {
        "checkpoint.pt", "config.json", "log.jsonl", "mine", "pictures", "tensorboard",
    }  # fmt: skip
    config = json.loads((out / "config.json").read_text())
    assert config["num_scenes"] == config["num_held_out"] == 4
    assert config["skipped_shards"] == []
    pictures = sorted(path.name for path in (out / "pictures").iterdir())
    assert pictures == ["step-000002.png", "step-000003.png"]
    history = load(folder).training
    assert (history["step"], history["num_scenes"]) == (3, 4)
    assert "held_out/loss" in history["scores"]
    assert "## Scores" in (folder / "card.md").read_text()
    assert str(out.parent) not in (folder / "config.json").read_text()


def test_a_run_that_stops_leaves_a_checkpoint_and_goes_on(trained, data, tmp_path):
    arguments = (recipe(PREFIX), data / "train", tmp_path / "run")
    folder = train(*arguments, max_minutes=0, **CPU)
    assert load(folder).training["step"] == 1
    told = []
    folder = train(*arguments, resume=True, report=told.append, **CPU)
    assert [line["step"] for line in told] == [2, 3]
    for name, value in load(folder).network.state_dict().items():
        assert torch.equal(value, load(trained[1]).network.state_dict()[name]), name
    assert len(json.loads((tmp_path / "run" / "config.json").read_text())["earlier"]) == 1


def test_a_trained_model_is_trained_further(trained, data, tmp_path):
    _, first = trained
    slow = recipe(PREFIX, name="further", num_steps=1, learning_rate=1e-9)
    further = train(slow, data / "train", tmp_path / "run", start=first, **CPU)
    before, after = (load(folder) for folder in (first, further))
    for part, network in before.networks.items():
        for key, value in network.state_dict().items():
            same = after.networks[part].state_dict()[key]
            torch.testing.assert_close(same, value, atol=1e-6, rtol=0)
    assert after.training["start"] == str(first)
    assert before.training["start"] is None


def test_only_a_model_of_the_recipe_can_be_trained_further(trained, data, codecs, tmp_path):
    _, first = trained
    wider = recipe(dataclasses.replace(PREFIX, embed_dim=2 * PREFIX.embed_dim))
    with pytest.raises(InvalidInput, match="no world model of the shape that recipe 'mine' trains"):
        train(wider, data / "train", tmp_path / "wider", start=first, **CPU)
    with pytest.raises(InvalidInput, match="no world model of the shape"):
        train(recipe(PREFIX), data / "train", tmp_path / "codec", start=codecs["flow"], **CPU)
    with pytest.raises(InvalidInput, match="only world models of our own layout"):
        train(recipe(PUBLISHED), data / "train", tmp_path / "five", start=first, **CPU)


def test_a_model_is_trained_further_in_another_vocabulary(trained, data, tmp_path):
    fewer = recipe(dataclasses.replace(PREFIX, num_codes=12), name="fewer", num_steps=1)
    further = load(train(fewer, data / "train", tmp_path, start=trained[1], **CPU)).network
    before = load(trained[1]).network
    assert further.displacements.shape == (12, 2)
    assert not further.displacements[0].any()
    torch.testing.assert_close(further.position, before.position, atol=0.01, rtol=0)


def test_the_published_layout_lends_its_quantizers(data, codecs, tmp_path):
    once = recipe(PUBLISHED, num_steps=1)
    named = {"quantizer": codecs["flow"], "rgb_quantizer": codecs["rgb"]}
    first = train(once, data / "train", tmp_path / "first", **named, **CPU)
    lent = dict.fromkeys(named, first)
    second = train(once, data / "train", tmp_path / "second", **lent, **CPU)
    for part in ("flow_quantizer", "rgb_quantizer"):
        ours, theirs = (load(folder).networks[part].state_dict() for folder in (first, second))
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("make", [small_flow_quantizer, small_rgb_quantizer], ids=["flow", "rgb"])
def test_a_quantizer_is_trained(make, data, tmp_path):
    mine = recipe(make().config, num_steps=2)
    folder = train(mine, data / "train", tmp_path, held_out=data / "held", **CPU)
    checkpoint = load(folder)
    assert checkpoint.architecture == "local_quantizer"
    assert checkpoint.config == make().config


def test_the_published_layout_answers_a_poke(data, codecs, tmp_path):
    from spelke.discovery.load import world_model_of
    from spelke.runtime.device import choose_device

    folder = train(
        recipe(PUBLISHED), data / "train", tmp_path, held_out=data / "held",
        quantizer=codecs["flow"], rgb_quantizer=codecs["rgb"], **CPU,
    )  # fmt: skip
    checkpoint = load(folder)
    assert checkpoint.architecture == "lras"
    assert checkpoint.settings["layout"] == PUBLISHED.layout_settings()
    model = world_model_of(checkpoint, choose_device("cpu"))
    assert model.layout == PUBLISHED.layout()
    query = Query((Poke((9.0, 9.0), (5.0, 0.0)),))
    (glance,) = model.look(torch.rand(1, 3, 32, 32))
    flow = model.expected_displacement([Ask(glance, query)])
    assert flow.shape == (1, 2, 32, 32)
    assert spelke.load(folder, device="cpu").settings.final.num_sequential is None


def test_another_network_does_not_resume(trained, data):
    deeper = recipe(dataclasses.replace(PREFIX, depth=3))
    with pytest.raises(InvalidInput, match="depth was 2 and is 3"):
        train(deeper, data / "train", trained[0], resume=True, **CPU)


def test_other_scenes_do_not_resume(trained, data):
    _, folder = trained
    with pytest.raises(InvalidInput, match=r"4 other scenes.*--start .*mine"):
        train(recipe(PREFIX), data / "held", folder.parent, resume=True, **CPU)


def test_steps_of_another_size_do_not_resume(trained, data):
    _, folder = trained
    with pytest.raises(InvalidInput, match=r"learns from 2 samples, and from 3 with"):
        train(recipe(PREFIX, batch_size=3), data / "train", folder.parent, resume=True, **CPU)
    halves = recipe(PREFIX, batch_size=1, accumulate=2)
    check_same_samples(folder.parent, halves, digest_of(load_shards(data / "train").records))


def test_shards_that_do_not_fit_into_memory_are_refused(data, tmp_path, monkeypatch):
    monkeypatch.setattr("spelke.training.shards.free_bytes", lambda device: 1000)
    with pytest.raises(Unavailable, match=r"the 1 shards in .*train take .* 0\.0 GB are free"):
        train(recipe(PREFIX), data / "train", tmp_path / "run", **CPU)
    assert not (tmp_path / "run").exists()


def test_another_quantizer_does_not_resume(codecs, data, tmp_path):
    named = {"quantizer": codecs["flow"], "rgb_quantizer": codecs["rgb"], **CPU}
    train(recipe(PUBLISHED, num_steps=1), data / "train", tmp_path / "run", **named)
    other = small_flow_quantizer()
    other.quantizer.project_in.bias.data += 1
    folder = save(tmp_path / "other", "local_quantizer", {"network": other}, card="# other\n")
    named["quantizer"] = folder
    with pytest.raises(InvalidInput, match="another flow_quantizer than the one given"):
        train(recipe(PUBLISHED), data / "train", tmp_path / "run", resume=True, **named)


def test_a_run_is_not_written_over(trained, data):
    before = (trained[0] / "config.json").read_bytes()
    with pytest.raises(InvalidInput, match="resume that run"):
        train(recipe(PREFIX), data / "train", trained[0], **CPU)
    assert (trained[0] / "config.json").read_bytes() == before


def test_bad_shards_are_counted(tmp_path):
    folder = tmp_path / "shards"
    write_shard(folder / "train-0.tar", [("a", hand_made_scene(0))])
    (folder / "train-1.tar").write_bytes(b"half")
    train(recipe(PREFIX, num_steps=1), folder, tmp_path / "run", skip_bad_shards=True, **CPU)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["num_scenes"], config["skipped_shards"]) == (1, ["train-1.tar"])


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (PREFIX, {"quantizer": "flow"}, "needs no quantizer: leave --quantizer"),
        (PREFIX, {"rgb_quantizer": "rgb"}, "leave --rgb-quantizer"),
        (small_rgb_quantizer().config, {"quantizer": "flow"}, "needs no quantizer"),
        (dataclasses.replace(PREFIX, image_size=64), {}, "32 px"),
        (PUBLISHED, {"rgb_quantizer": "rgb"}, "--quantizer"),
        (PUBLISHED, {"rgb_quantizer": "rgb", "quantizer": "rgb"}, "no flow quantizer"),
        (
            dataclasses.replace(PUBLISHED, flow_codes=8),
            {"rgb_quantizer": "rgb", "quantizer": "flow"},
            "has 16 codes",
        ),
        (PUBLISHED, {"quantizer": "flow"}, "--rgb-quantizer"),
        (PUBLISHED, {"quantizer": "flow", "rgb_quantizer": "flow"}, "no RGB quantizer"),
    ],
)
def test_parts_that_do_not_fit_are_refused(network, options, message, data, codecs, tmp_path):
    options = {name: codecs[value] for name, value in options.items()}
    with pytest.raises(InvalidInput, match=message):
        train(recipe(network), data / "train", tmp_path / "run", **options, **CPU)
    assert not (tmp_path / "run").exists()


def test_too_few_motions_for_the_vocabulary_are_refused(data, tmp_path):
    rich = recipe(dataclasses.replace(PREFIX, num_codes=10**6))
    with pytest.raises(InvalidInput, match="too few to choose 1000000 codes"):
        train(rich, data / "train", tmp_path / "run", **CPU)


def test_no_shards_are_missing_data(tmp_path):
    with pytest.raises(MissingData, match="spelke worlds make"):
        train(recipe(small_flow_quantizer().config), tmp_path, tmp_path / "run", **CPU)


@pytest.mark.slow
def test_real_scenes_become_a_model(tmp_path):
    from spelke.worlds.generate import SceneOptions, make_scene
    from spelke.worlds.gl import gl_context

    try:
        gl_context()
    except (MissingExtra, Unavailable) as error:
        pytest.skip(f"worlds cannot be rendered here: {error}")
    options = SceneOptions(size=96, pokes=3, after_frames=False)
    scenes = [(f"{seed}", make_scene(seed, options)) for seed in range(6)]
    write_shard(tmp_path / "shards" / "train-0.tar", scenes)
    folder = train(
        recipe(PREFIX), tmp_path / "shards", tmp_path / "run", held_out=tmp_path / "shards", **CPU
    )
    scene = spelke.load(folder, device="cpu").look(scenes[0][1].rgb)
    assert scene.displacement(Poke((40.0, 50.0), (4.0, 2.0))).shape == (2, 96, 96)


@pytest.mark.gpu
@pytest.mark.parametrize("network", [PREFIX, PUBLISHED], ids=["prefix", "published"])
def test_a_run_on_a_gpu_stops_and_goes_on(network, data, codecs, tmp_path):
    arguments = (recipe(network, precision="bf16-mixed"), data / "train", tmp_path)
    options = {
        "held_out": data / "held", "quantizer": codecs["flow"],
        "rgb_quantizer": codecs["rgb"], "accelerator": "cuda",
    }  # fmt: skip
    train(*arguments, max_minutes=0, **options)
    folder = train(*arguments, resume=True, **options)
    assert load(folder).training["step"] == 3
    assert list((tmp_path / "pictures").iterdir())
    scene = spelke.load(folder, device="cuda").look(hand_made_scene(9).rgb)
    assert scene.displacement(Poke((30.0, 30.0), (5.0, 0.0))).shape == (2, 64, 64)
