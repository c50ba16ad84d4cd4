"""What is there already is taken only if it was made just so."""

import tarfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from spelke.data.shard_jobs import ShardJob, check_made_with, tell_other_versions
from spelke.data.worlds import write_shard
from spelke.errors import InvalidInput, Unavailable
from spelke.worlds import renderers
from spelke.worlds.generate import SceneOptions, make_scene

OPTIONS = SceneOptions(families=("sprites",), pokes=1, size=64)
HERE = Path("a.tar")


@pytest.fixture(scope="module")
def scene():
    return make_scene(0, OPTIONS)


def test_a_scene_carries_its_options(scene):
    assert scene.options == OPTIONS.to_plain()
    check_made_with(scene, OPTIONS, HERE)


def test_other_photographs_are_named(scene):
    wallpapers = replace(scene, options={**scene.options, "photos": ["wheels", "wallpapers"]})
    with pytest.raises(InvalidInput, match="photos was wheels wallpapers and is wheels"):
        check_made_with(wallpapers, OPTIONS, HERE)
    other = replace(scene, notes=("photos 3:abcdef01",))
    with pytest.raises(InvalidInput, match="3:abcdef01"):
        check_made_with(other, OPTIONS, HERE)


def test_a_scene_without_options_is_judged_by_what_it_shows(scene):
    older = replace(scene, options={})
    check_made_with(older, replace(OPTIONS, families=("stacks",)), HERE)
    for change in ({"size": 96}, {"pokes": 2}, {"after_frames": False}, {"groups": 4}):
        with pytest.raises(InvalidInput, match=next(iter(change))):
            check_made_with(older, replace(OPTIONS, **change), HERE)


@pytest.fixture
def job(scene, tmp_path):
    """A shard of two scenes, as if it had been made."""
    job = ShardJob(tmp_path / "train-000000000.tar", 0, 2, OPTIONS)
    write_shard(job.path, [(key, scene) for key in job.keys()])  # noqa: SIM118
    return job


def test_a_whole_shard_is_done_without_a_word(job):
    told = []
    assert job.is_done(told.append)
    assert told == []


@pytest.mark.parametrize("how", ["cut", "flipped", "noise"])
def test_a_damaged_shard_is_to_be_made_again_and_is_named(job, how):
    content = job.path.read_bytes()
    at = content.index(b"PK\x03\x04") + 2000  # in the table of the first scene
    spoilt = {
        "cut": content[: 512 * (len(content.rstrip(b"\0")) // 512 + 1)],
        "flipped": content[:at] + bytes(64) + content[at + 64 :],
        "noise": b"no tar at all" * 100,
    }
    job.path.write_bytes(spoilt[how])
    told = []
    assert not job.is_done(told.append)
    (remark,) = told
    assert "train-000000000.tar is damaged and is made again: " in remark


def test_a_whole_tar_of_something_else_is_refused_and_kept(job):
    with tarfile.open(job.path, "w") as tar:
        tar.addfile(tarfile.TarInfo("photo.jpg"))
    before = job.path.read_bytes()
    with pytest.raises(InvalidInput, match=r"is kept: .* lacks .* Name another folder, or remove"):
        job.is_done()
    assert job.path.read_bytes() == before


def test_a_shard_that_is_not_full_is_told(job):
    told = []
    assert not replace(job, count=3).is_done(told.append)
    (remark,) = told
    assert "holds 2 of 3 scenes and is made again" in remark


def test_other_versions_are_told_and_no_reason_to_make_it_again(scene, job):
    older = replace(scene, versions={"mujoco": "3.2.0", "numpy": scene.versions["numpy"]})
    first, second = job.keys()
    write_shard(job.path, [(first, scene), (second, older)])
    told = []
    assert job.is_done(told.append)
    (remark,) = told
    assert f"{job.path.parent} holds scenes made with mujoco 3.2.0; installed is mujoco" in remark
    assert "numpy" not in remark


def test_versions_that_nobody_wrote_down_or_has_are_passed_over():
    told = []
    tell_other_versions([{}, {"no-such-package": "1.0"}], HERE, told.append)
    assert told == []


def test_the_device_is_no_option_and_reaches_the_ray_caster(job, monkeypatch):
    elsewhere = replace(job, device="meta")
    assert elsewhere.is_done()
    asked = []
    monkeypatch.setattr(renderers, "cast_device", asked.append)
    elsewhere.make()
    assert asked == ["meta"]
    assert job.is_done()


def test_ray_casters_compute_where_it_is_said(monkeypatch):
    opened = []

    def fake(model, device):
        opened.append(str(device))
        return nullcontext()

    monkeypatch.setattr(renderers, "CastRenderer", fake)
    monkeypatch.setattr(renderers, "cast_device", lambda name: name)
    renderers.open_renderer("raycast", None)
    with renderers.cast_on("cuda:1"):
        renderers.open_renderer("raycast", None)
    renderers.open_renderer("raycast", None)
    assert opened == ["cpu", "cuda:1", "cpu"]


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("cuda", Unavailable, 'device "cuda" was asked for'),
        ("mps", InvalidInput, "float64"),
        ("moon", InvalidInput, "no device is called"),
    ],
)
def test_a_device_that_cannot_be_used_is_refused_with_the_reason(name, error, words, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(error, match=words), renderers.cast_on(name):
        raise AssertionError("it went on")
