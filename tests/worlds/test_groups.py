"""Groups on scenes whose answer is plain."""

import numpy as np
import pytest

from spelke.errors import InvalidInput
from spelke.worlds.generate import SceneOptions, make_scene
from spelke.worlds.gl import load_mujoco
from spelke.worlds.groups import carry_scores, group_masks
from spelke.worlds.physics import save_state, settle

pytest.importorskip("mujoco")

TRAY = """<body pos="0.6 0 0.006"><freejoint/>
<geom type="box" size="0.1 0.1 0.005" mass="0.1"/>
<geom type="box" size="0.005 0.1 0.03" pos="0.1 0 0.03" mass="0.05"/>
<geom type="box" size="0.005 0.1 0.03" pos="-0.1 0 0.03" mass="0.05"/>
<geom type="box" size="0.1 0.005 0.03" pos="0 0.1 0.03" mass="0.05"/>
<geom type="box" size="0.1 0.005 0.03" pos="0 -0.1 0.03" mass="0.05"/></body>
<body pos="0.6 0.02 0.042"><freejoint/><geom type="box" size="0.03 0.03 0.03" mass="0.3"/></body>"""
STACK = """<body pos="0 0 0.031"><freejoint/>
<geom type="box" size="0.06 0.06 0.03" mass="0.4"/></body>
<body pos="0 0 0.092"><freejoint/>
<geom type="box" size="0.04 0.04 0.03" mass="0.4"/></body>"""
BOULDER = '<body pos="0 0.6 0.1"><geom type="box" size="0.1 0.1 0.1"/></body>'


@pytest.fixture(scope="module")
def carry():
    """Bodies: 1 base, 2 top, 3 tray, 4 content, 5 a boulder that cannot move."""
    text = f"""<mujoco><option timestep="0.004" cone="elliptic"/><default>
    <geom solref="-10000 -100" solimp="0.95 0.99 0.001 0.5 2" friction="0.7 0.005 0.0005"/>
    </default>
    <worldbody><geom type="plane" size="0 0 1"/>{STACK}{TRAY}{BOULDER}</worldbody></mujoco>"""
    model = load_mujoco().MjModel.from_xml_string(text)
    data = load_mujoco().MjData(model)
    settle(model, data)
    movable = np.array([False, True, True, True, True, False])
    return carry_scores(model, data, save_state(model, data), movable, directions=4)


def test_the_base_carries_the_top_and_not_the_other_way_round(carry):
    assert carry[1, 2] > 0.8
    assert carry[2, 1] < 0.2


def test_the_tray_carries_its_content_and_not_the_other_way_round(carry):
    assert carry[3, 4] > 0.5
    assert carry[4, 3] < carry[3, 4]


def test_what_is_apart_is_apart_and_what_cannot_move_has_no_group(carry):
    assert carry[1, 3] == carry[3, 1] == 0
    np.testing.assert_array_equal(np.diag(carry), [0, 1, 1, 1, 1, 0])
    assert not carry[5].any()
    assert not carry[:, 5].any()


def test_masks_are_the_visible_pixels_of_the_group():
    ids = np.array([[0, 1, 2], [255, 1, 3]], np.uint8)
    carry = np.zeros((4, 4), np.float32)
    carry[1] = [0, 1, 0.9, 0.4]
    masks, unsure = group_masks(ids, carry)
    np.testing.assert_array_equal(masks[1], [[False, True, True], [False, True, False]])
    np.testing.assert_array_equal(unsure[1], [[False, False, False], [False, False, True]])
    assert not masks[0].any()
    assert not masks[2].any()


def test_no_direction_is_refused(scene):
    from spelke.worlds.replay import revive

    with pytest.raises(InvalidInput, match="directions"):
        carry_scores(*revive(scene), scene.state0, scene.body_movable, directions=0)


def test_a_scene_can_carry_its_labels(graphics):
    options = SceneOptions(families=("stacks",), pokes=1, size=128, after_frames=False, groups=2)
    scene = make_scene(0, options)
    assert scene.group_masks.shape == scene.ignore_masks.shape == (len(scene.body_pos), 128, 128)
    assert not scene.group_masks[0].any()
    for body in np.flatnonzero(scene.carry.diagonal() == 1):
        assert scene.group_masks[body][scene.ids == body].all()
