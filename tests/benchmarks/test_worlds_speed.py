"""The script that times the making of worlds: what it divides by what, and that it runs."""

import pytest
from benchmarks.worlds import Cost, main, scaling, shares

from benchmarks import worlds
from spelke.errors import MissingExtra, Unavailable
from spelke.worlds.gl import gl_context


def test_one_and_two_processes_make_the_same_scenes():
    (alone,), both = shares(7, 1), shares(7, 2)
    assert sorted(seed for share in both for seed in share) == list(alone)
    assert [len(share) for share in both] == [4, 3]
    assert 0 not in alone  # which warms up


def test_two_processes_on_one_core_are_no_faster_than_one():
    alone = Cost(pairs=8, process=10.0, wall=10.0)
    one_core = [Cost(pairs=4, process=5.0, wall=10.0), Cost(pairs=4, process=5.0, wall=9.8)]
    two_cores = [Cost(pairs=4, process=5.0, wall=5.0), Cost(pairs=4, process=5.0, wall=4.0)]
    assert scaling(alone, one_core) == 1.0
    assert scaling(alone, two_cores) == 2.0


def test_other_scenes_are_not_compared():
    with pytest.raises(AssertionError):
        scaling(Cost(pairs=8, wall=2.0), [Cost(pairs=8, wall=1.0), Cost(pairs=8, wall=1.0)])


def test_one_scene_cannot_be_shared(capsys):
    with pytest.raises(SystemExit):
        main(["--scenes", "1"])
    assert "at least 2" in capsys.readouterr().err


TINY = ["--scenes", "2", "--size", "64", "--pokes", "1", "--families", "primitives"]


@pytest.fixture
def graphics():
    try:
        gl_context()
    except (MissingExtra, Unavailable) as error:
        pytest.skip(f"worlds cannot be rendered here: {error}")


def check(told):
    assert "2 scenes of 64 pixels" in told
    for column in ("pairs / core-hour", "two, wall", "roll-outs", "ours / study"):
        assert column in told


@pytest.mark.usefixtures("graphics")
def test_two_tiny_scenes_make_the_tables(capsys, monkeypatch):
    """In this process, one share after the other, without the clocks that would stay in it."""
    monkeypatch.setattr(worlds, "watch", lambda stages: None)
    monkeypatch.setattr("torch.set_num_threads", lambda count: None)
    monkeypatch.setattr(
        worlds, "measure", lambda n, *rest: [worlds.make(s, rest[1]) for s in shares(rest[0], n)]
    )
    main([*TINY, "--renderers", "gl"])
    check(capsys.readouterr().out)


@pytest.mark.slow
@pytest.mark.usefixtures("graphics")
def test_fresh_processes_make_the_tables(capsys):
    main([*TINY, "--renderers", "gl"])
    check(capsys.readouterr().out)
