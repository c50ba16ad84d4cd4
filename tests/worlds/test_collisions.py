"""What hits what, how fast and how hard."""

import numpy as np
import pytest
from tests.worlds.test_physics import STACK, body, build, settled

from spelke.errors import InvalidInput
from spelke.worlds.collisions import collisions, watch_collisions
from spelke.worlds.finger import Push, push_steps
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.physics import roll, save_state


def test_two_balls_meet_once_with_the_impulse_that_changes_their_speeds():
    ball = 'type="sphere" size="0.04"'
    model, data = build(body("a", ball, "0 0 1", mass=1) + body("b", ball, "0.1 0 1", mass=0.3), 0)
    data.qvel[0] = 1.0
    found = watch_collisions(model, data, save_state(model, data), None, 60)
    assert len(found) == 1
    np.testing.assert_array_equal(found.pair, [[1, 2]])
    np.testing.assert_allclose(found.normal, [[1, 0, 0]], atol=1e-9)
    assert found.speed[0] == pytest.approx(1.0, abs=1e-6)
    assert found.time[0] == pytest.approx(0.02, abs=0.005)
    assert found.point[0, 0] == pytest.approx(0.06, abs=0.005)
    assert found.impulse[0] == pytest.approx(0.3 * data.qvel[6], rel=1e-6)


def test_what_rests_or_touches_from_the_start_does_not_collide():
    model, data, state = settled(STACK)
    assert len(watch_collisions(model, data, state, None, 40)) == 0


def test_a_ball_that_falls_and_bounces_hits_the_floor_each_time():
    model, data = build(body("ball", 'type="sphere" size="0.05"', "0 0 0.15", zeta=0.1))
    found = watch_collisions(model, data, save_state(model, data), None, 150)
    assert len(found) >= 2
    assert (np.diff(found.step) > 5).all()
    assert (found.pair == [0, 1]).all()
    assert found.speed[0] == pytest.approx(np.sqrt(2 * 9.81 * 0.1), rel=0.05)
    assert found.speed[1] < found.speed[0]


def test_watching_changes_nothing():
    model, data, state = settled(STACK)
    push = Push("drag", 3, data.xipos[3].copy(), np.array([-0.4, 0, 0]), 0.5)
    steps = push_steps(model, push)
    plain = roll(model, data, state, push, steps)
    seen = []
    assert np.array_equal(roll(model, data, state, push, steps, watch=seen.append), plain)
    assert seen == list(range(steps))
    found = watch_collisions(model, data, state, push, steps)
    assert [1, 3] in found.pair.tolist()  # pulled against the stack


def test_a_recorded_poke_tells_its_collisions(graphics):
    scene = make_scene(0, SceneOptions(families=("bridges",), pokes=3, size=64, after_frames=False))
    for number in range(3):
        found = collisions(scene, number)
        assert (np.diff(found.step) >= 0).all()
        assert (found.pair[:, 0] < found.pair[:, 1]).all()
        assert (found.impulse >= 0).all()
        np.testing.assert_allclose(np.linalg.norm(found.normal, axis=1), 1, atol=1e-9)
    flat = make_scene(0, SceneOptions(families=("sprites",), pokes=1, size=64))
    with pytest.raises(InvalidInput, match="replayed"):
        collisions(flat, 0)
