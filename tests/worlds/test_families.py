"""What the families promise: who hangs on whom, what moves along, what moves by itself."""

import numpy as np
import pytest

from spelke.geometry.camera import rotation_from_vector
from spelke.worlds.appearance import draw_look
from spelke.worlds.articulated import articulated
from spelke.worlds.attached import touching, twin_row, welded
from spelke.worlds.clusters import single
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.gl import load_mujoco
from spelke.worlds.groups import carry_scores
from spelke.worlds.hanging import hanging
from spelke.worlds.layout import FAMILIES, SPRITES, draw_kind, draw_layout
from spelke.worlds.linkage import handle, is_linked, way_of_joint
from spelke.worlds.model import compile_model, write_mjcf
from spelke.worlds.motion import falling, launch_things, ramp
from spelke.worlds.physics import save_state, settle
from spelke.worlds.replay import replay, revive

pytest.importorskip("mujoco")


def build(things):
    look = draw_look(np.random.default_rng(0), things, "train", (1.0, 0.0))
    model = compile_model(write_mjcf(things, look, 64), look.pixels)
    return model, load_mujoco().MjData(model)


def scores(things, directions=4):
    model, data = build(things)
    settle(model, data)
    movable = np.array([False, *(thing.movable for thing in things)])
    return carry_scores(model, data, save_state(model, data), movable, directions), model


def small(family, seed=0, **options):
    values = {"pokes": 3, "size": 96, "after_frames": False, "split": "train", **options}
    return make_scene(seed, SceneOptions(families=(family,), **values))


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != SPRITES])
@pytest.mark.parametrize("split", ["train", "test"])
def test_bodies_are_numbered_as_things_are_listed(family, split):
    things = draw_layout(np.random.default_rng(3), family, split)
    model, _ = build(things)
    parents = [i - t.joint.back + 1 if t.joint else 0 for i, t in enumerate(things)]
    np.testing.assert_array_equal(model.body_parentid[1:], parents)
    for body, thing in enumerate(things, start=1):
        assert (model.body_dofnum[body] == 6) == (thing.movable and thing.joint is None)


def test_bodies_start_where_things_are():
    things = articulated(np.random.default_rng(5), "train")
    model, data = build([thing.moved(np.array([0.1, 0.2, 0]), 0.7) for thing in things])
    load_mujoco().mj_kinematics(model, data)
    expected = [thing.moved(np.array([0.1, 0.2, 0]), 0.7).pos for thing in things]
    np.testing.assert_allclose(data.xpos[1:], expected, atol=1e-6)


def test_what_is_welded_moves_as_one_and_what_touches_does_not():
    one, _ = scores(welded(np.random.default_rng(1), "train"))
    assert (one[1:, 1:] > 0.9).all()
    two, _ = scores(touching(np.random.default_rng(2), "train"))
    assert not (two[1:, 1:] > 0.9).all()


def test_a_row_of_twins_wears_one_look():
    row = twin_row(np.random.default_rng(0), "train")
    assert len({thing.look for thing in row}) == 1
    assert row[0].look


def frame_is_free(seed, split="train"):
    things = articulated(np.random.default_rng(seed), split)
    return things[0].movable


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_free_frame_takes_its_links_along_and_a_bolted_one_has_no_group(split):
    free = next(s for s in range(50) if frame_is_free(s, split))
    carry, _ = scores(articulated(np.random.default_rng(free), split))
    assert (carry[1, 1:] > 0.5).all()
    bolted = next(s for s in range(50) if not frame_is_free(s, split))
    carry, _ = scores(articulated(np.random.default_rng(bolted), split))
    assert not carry[1].any()
    assert carry[2, 2] == 1
    assert carry[2, 1] == 0


def test_the_way_of_a_joint_is_the_way_its_body_goes():
    seed = next(s for s in range(50) if not frame_is_free(s))
    model, data = build(articulated(np.random.default_rng(seed), "train"))
    load_mujoco().mj_forward(model, data)
    assert not is_linked(model, 1)
    assert is_linked(model, 2)
    point = handle(model, data, 2)
    local = data.xmat[2].reshape(3, 3).T @ (point - data.xpos[2])
    along, room = way_of_joint(model, data, 2, point).widest()
    assert room > 0.01
    sign = 1 if along @ way_of_joint(model, data, 2, point).direction > 0 else -1
    data.qpos[0] += 0.001 * sign
    load_mujoco().mj_kinematics(model, data)
    step = data.xmat[2].reshape(3, 3) @ local + data.xpos[2] - point
    np.testing.assert_allclose(step / np.linalg.norm(step), along, atol=0.01)


def test_what_hangs_swings_and_takes_what_hangs_on_it_along():
    seed = next(s for s in range(50) if len(hanging(np.random.default_rng(s), "train")) > 4)
    carry, model = scores(hanging(np.random.default_rng(seed), "train"))
    assert not carry[1].any()
    last = model.nbody - 1
    assert carry[last, last] == 1
    assert carry[last - 1, last] > 0.5


def test_a_launched_thing_flies_and_the_others_stay():
    rng = np.random.default_rng(4)
    still = single(rng, "train")[0].moved(np.array([0.5, 0, 0]))
    flying = falling(rng, "train")[0]
    model, data = build([still, flying])
    settle(model, data)
    before = data.qpos.copy()
    assert launch_things(model, data, [still, flying])
    assert data.qpos[9] > before[9] + 0.5 * flying.launch.lift - 0.05
    np.testing.assert_allclose(data.qpos[:3], before[:3], atol=1e-4)
    assert not launch_things(model, data, [still])


def test_a_launch_turns_with_its_scene():
    thing = ramp(np.random.default_rng(0), "train")[1]
    turned = thing.moved(np.zeros(3), np.pi / 2)
    x, y, z = thing.launch.velocity
    np.testing.assert_allclose(turned.launch.velocity, (-y, x, z), atol=1e-12)


def test_in_a_moving_scene_a_held_thing_goes_where_it_would_have_gone_and_the_push_besides(
    graphics,
):
    found = 0
    for seed in range(6):
        scene = small("moving", seed, pokes=4)
        assert scene.moving
        assert np.abs(scene.pokes.twin_pose[:, :, :3] - scene.body_pos).max() > 0.002
        for poke in np.flatnonzero(scene.pokes.kind == 3):
            body = scene.pokes.body[poke]
            moved = (scene.pokes.end_pose - scene.pokes.twin_pose)[poke, body, :3]
            wanted = scene.pokes.displacement[poke]
            found += np.linalg.norm(moved - wanted) < 0.3 * np.linalg.norm(wanted) + 0.005
    assert found >= 4
    assert replay(scene, 0).tobytes() == scene.pokes.end_pose[0].tobytes()


def test_a_travelling_camera_is_recorded_as_a_motion(graphics):
    scene = small("camera", 1, pokes=6, size=128)
    assert scene.camera_moves
    assert (scene.pokes.kind == 0).any()
    for poke in range(6):
        turn = rotation_from_vector(np.radians(scene.pokes.camera[poke, :3]))
        np.testing.assert_allclose(scene.R @ turn, scene.pokes.R[poke], atol=1e-6)
        place = scene.p + scene.R @ scene.pokes.camera[poke, 3:]
        np.testing.assert_allclose(place, scene.pokes.p[poke], atol=1e-6)
        if scene.pokes.kind[poke] == 0:
            still = scene.response_poses()[0][poke]
            np.testing.assert_array_equal(still, scene.body_pos)


def test_parts_belong_to_the_bodies_that_are_seen(graphics):
    scene = small("compounds")
    sky = scene.parts == 65535
    np.testing.assert_array_equal(sky, scene.ids == 255)
    np.testing.assert_array_equal(scene.part_body[scene.parts[~sky]], scene.ids[~sky])
    assert len(np.unique(scene.parts)) > len(np.unique(scene.ids))


def test_mixed_scenes_are_of_many_kinds():
    rng = np.random.default_rng(0)
    kinds = {draw_kind(rng, "mixed") for _ in range(300)}
    assert {"mixed", "moving", "camera", "decoys", SPRITES} <= kinds <= set(FAMILIES)
    assert draw_kind(rng, "stacks") == "stacks"


def test_decoys_are_no_bodies_and_weigh_nothing(graphics):
    seed = next(s for s in range(20) if small("decoys", s).body_notes.count("print"))
    scene = small("decoys", seed, size=128)
    model, _ = revive(scene)
    assert "prints" in scene.notes
    assert model.nbody == len(scene.body_pos)
    flat = np.flatnonzero(np.isclose(model.geom_size, 0.0005).any(1))
    assert (model.geom_bodyid[flat] == 0).any()
    assert not (model.geom_contype[flat] | model.geom_conaffinity[flat]).any()
    shown = np.isin(scene.parts, flat)
    assert shown.any()
    for body in np.unique(scene.ids[shown]):
        assert body == 0 or "print" in scene.body_notes[body]
    printed = scene.body_notes.index("print")
    bare = [g for g in np.flatnonzero(model.geom_bodyid == printed) if g not in flat]
    volume = 8 * model.geom_size[bare].prod()
    assert 199 < model.body_mass[printed] / volume < 1501


@pytest.mark.parametrize("split", ["train", "test"])
def test_most_stands_are_seen_to_their_top(graphics, split):
    seen = []
    for seed in range(5):
        scene = small("hanging", seed, split=split, pokes=1)
        model, _ = revive(scene)
        bar = int(np.flatnonzero(model.geom_bodyid == 1)[0])  # the first part of the first thing
        seen.append(bool((scene.parts == bar).any()))
    assert sum(seen) >= 4
