"""Contacts that obey their formula, roll-outs that repeat, fingers that do what they say."""

import numpy as np
import pytest

from spelke.worlds.finger import Push, push_steps
from spelke.worlds.gl import load_mujoco
from spelke.worlds.model import CONTACT_FREQUENCY, STATIC_ZETA, TIMESTEP, direct_solref
from spelke.worlds.physics import (
    carried_mass,
    restore_state,
    roll,
    save_state,
    settle,
    support,
    went_wrong,
)

pytest.importorskip("mujoco")


def build(bodies, gravity=9.81):
    stiffness, damping = direct_solref(STATIC_ZETA)
    text = f"""<mujoco><option timestep="{TIMESTEP}" cone="elliptic" gravity="0 0 {-gravity}"/>
    <default><geom solref="{stiffness} {damping}" solimp="0.95 0.99 0.001 0.5 2" condim="4"
      friction="0.7 0.005 0.0005"/></default>
    <worldbody><geom type="plane" size="0 0 1"/>{bodies}</worldbody></mujoco>"""
    model = load_mujoco().MjModel.from_xml_string(text)
    return model, load_mujoco().MjData(model)


def body(name, geom, pos, mass=0.5, zeta=0.5):
    stiffness, damping = direct_solref(zeta)
    return (
        f'<body name="{name}" pos="{pos}"><freejoint/><geom {geom} mass="{mass}" '
        f'solref="{stiffness} {damping}"/></body>'
    )


def energy(model, data):
    mujoco = load_mujoco()
    mujoco.mj_energyPos(model, data)
    mujoco.mj_energyVel(model, data)
    return float(data.energy.sum())


# With strong damping the step is coarse for the contact: things bounce more than in theory.
@pytest.mark.parametrize(("zeta", "slack"), [(0.05, 0.08), (0.1, 0.08), (0.2, 0.1), (0.4, 0.2)])
def test_restitution_follows_the_damping_ratio(zeta, slack):
    model, data = build(body("ball", 'type="sphere" size="0.05"', "0 0 0.0501", zeta=zeta), 0.0)
    data.qvel[2] = -1.0
    for _ in range(200):
        load_mujoco().mj_step(model, data)
    expected = np.exp(-np.pi * zeta / np.sqrt(1 - zeta**2))
    assert data.qvel[2] == pytest.approx(expected, abs=slack)
    assert data.qvel[2] < 1.0


def bounce(zeta, frequency, timestep):
    """Speed of a ball after it met the floor at 1 m/s."""
    model, data = build(body("ball", 'type="sphere" size="0.05"', "0 0 0.0501"), 0.0)
    model.opt.timestep = timestep
    model.geom_solref[:] = direct_solref(zeta, frequency)
    data.qvel[2] = -1.0
    load_mujoco().mj_step(model, data, nstep=round(0.6 / timestep))
    return data.qvel[2]


@pytest.mark.parametrize(
    ("zeta", "measured"), [(0.02, 0.94), (0.05, 0.86), (0.1, 0.74), (0.2, 0.56), (0.4, 0.35)]
)
def test_bounces_are_those_of_the_study(zeta, measured):
    """Its table of restitution, of steps much shorter than the contact; ours is not that short."""
    assert bounce(zeta, 100.0, 0.0005) == pytest.approx(measured, abs=0.02)
    assert measured - 0.01 < bounce(zeta, CONTACT_FREQUENCY, TIMESTEP) < measured + 0.07


def test_a_contact_too_fast_for_the_step_makes_energy():
    assert bounce(0.1, 400.0, 0.004) > 1.5


def test_the_contact_is_slow_enough_for_the_step():
    assert CONTACT_FREQUENCY * TIMESTEP <= 0.4


@pytest.mark.parametrize("zeta", [0.05, 0.2, 0.7])
def test_collisions_and_falls_make_no_energy(zeta):
    balls = "".join(
        body(f"b{i}", 'type="sphere" size="0.04"', f"{0.02 * i} 0 {0.1 + 0.12 * i}", zeta=zeta)
        for i in range(3)
    )
    model, data = build(balls)
    load_mujoco().mj_forward(model, data)
    start = most = energy(model, data)
    for _ in range(300):
        load_mujoco().mj_step(model, data)
        most = max(most, energy(model, data))
    assert most <= start * 1.02


def test_two_balls_keep_their_momentum():
    balls = body("a", 'type="sphere" size="0.04"', "0 0 1", mass=1) + body(
        "b", 'type="sphere" size="0.04"', "0.1 0.01 1", mass=0.3
    )
    model, data = build(balls, gravity=0.0)
    data.qvel[0] = 1.0
    for _ in range(100):
        load_mujoco().mj_step(model, data)
    momentum = data.qvel[0:3] + 0.3 * data.qvel[6:9]
    np.testing.assert_allclose(momentum, [1, 0, 0], atol=1e-9)
    spin = sum(0.5 * model.body_inertia[b] @ data.qvel[6 * b - 3 : 6 * b] ** 2 for b in (1, 2))
    kinetic = 0.5 * (data.qvel[0:3] @ data.qvel[0:3] + 0.3 * data.qvel[6:9] @ data.qvel[6:9])
    assert kinetic + spin <= 0.5 + 1e-9
    assert data.qvel[6] > 0.5


STACK = (
    body("base", 'type="box" size="0.06 0.06 0.03"', "0 0 0.031", mass=0.4)
    + body("top", 'type="box" size="0.04 0.04 0.03"', "0 0 0.092", mass=1.2)
    + body("far", 'type="box" size="0.04 0.04 0.04"', "0.5 0 0.041")
)


def settled(bodies):
    model, data = build(bodies)
    assert settle(model, data) < 0.01
    state = save_state(model, data)
    load_mujoco().mj_forward(model, data)
    return model, data, state


def test_support_and_carried_mass_follow_the_contacts():
    model, data, _ = settled(STACK)
    rests = support(model, data)
    assert rests[1, 2]
    assert not rests[2, 1]
    assert rests[0, 1]
    assert rests[0, 3]
    np.testing.assert_allclose(carried_mass(model, data)[1:], [1.6, 1.2, 0.5])


def test_a_roll_repeats_bit_for_bit_whatever_was_done_between():
    model, data, state = settled(STACK)
    point = data.xpos[1] + (0.06, 0, 0)
    push = Push("drag", 1, point, np.array([0.05, 0.02, 0]), 0.4)
    first = roll(model, data, state, push, 100)
    roll(model, data, state, Push("flick", 3, data.xpos[3].copy(), np.array([0, 0.1, 0]), 0.3), 50)
    assert roll(model, data, state, push, 100).tobytes() == first.tobytes()


@pytest.mark.parametrize("kind", ["held", "drag"])
def test_the_finger_takes_the_body_to_its_target(kind):
    model, data, state = settled(STACK)
    wanted = np.array([0.06, 0.03, 0.0])
    push = Push(kind, 3, data.xipos[3].copy(), wanted, 0.5)
    end = roll(model, data, state, push, push_steps(model, push))[0]
    twin = roll(model, data, state, None, push_steps(model, push))[0]
    np.testing.assert_allclose((end - twin)[3, :2], wanted[:2], atol=0.006)
    np.testing.assert_allclose(end[1:3], twin[1:3], atol=1e-9)


def test_a_held_body_keeps_its_orientation_and_can_be_lifted():
    model, data, state = settled(STACK)
    push = Push("held", 1, data.xpos[1] + (0.06, 0.06, 0.03), np.array([0.03, 0, 0.05]), 0.6)
    end = roll(model, data, state, push, push_steps(model, push))[0]
    twin = roll(model, data, state, None, push_steps(model, push))[0]
    moved = (end - twin)[1:3, :3]
    np.testing.assert_allclose(moved[0], [0.03, 0, 0.05], atol=0.01)
    np.testing.assert_allclose(moved[1], moved[0], atol=0.01)  # the load comes along
    assert abs(end[1, 3:] @ twin[1, 3:]) > 0.999


def test_a_light_base_under_a_heavy_load_stays_stable():
    heavy = body("base", 'type="box" size="0.06 0.06 0.01"', "0 0 0.011", mass=0.01) + body(
        "top", 'type="box" size="0.05 0.05 0.05"', "0 0 0.072", mass=3
    )
    model, data, state = settled(heavy)
    for kind in ("held", "drag"):
        push = Push(kind, 1, data.xpos[1] + (0.06, 0.05, 0), np.array([0.05, 0.05, 0]), 0.5)
        end = roll(model, data, state, push, push_steps(model, push))[0]
        assert np.isfinite(end).all()
        assert np.abs(end[:, :3]).max() < 0.5


def test_what_becomes_unstable_is_told_every_time_and_leaves_no_log(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    model, data, state = settled(STACK)
    data.qvel[:] = 1e30
    wild = save_state(model, data)
    for _ in range(2):  # MuJoCo counts to one each time
        assert np.isnan(roll(model, data, wild, None, 10)).all()
    assert np.isfinite(roll(model, data, state, None, 10)).all()
    restore_state(model, data, wild)
    assert settle(model, data) == np.inf
    restore_state(model, data, state)
    assert not went_wrong(data)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_mujocos_own_log_is_as_it_was():
    config = load_mujoco().MjLogConfig
    before = config.get().logto_console, config.get().logto_file
    settled(STACK)
    assert (config.get().logto_console, config.get().logto_file) == before


def test_a_flick_slides_about_as_far_as_asked():
    model, data, state = settled(STACK)
    push = Push("flick", 3, data.xipos[3].copy(), np.array([0, 0.05, 0]), 0.5)
    end = roll(model, data, state, push, push_steps(model, push))[0]
    assert 0.02 < end[3, 1] < 0.09
