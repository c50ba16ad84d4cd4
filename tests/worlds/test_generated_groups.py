"""Who carries whom in scenes that our makers made, counted over many pairs, in both splits.

The rates in the comments were measured on seeds 0 to 5 of each family and split (60 scenes, four
drag directions, MuJoCo 4.0.0); the bounds below them leave room for other versions.
"""

from collections import Counter
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from spelke.worlds import groups
from spelke.worlds.generate import SPLITS, SceneOptions, make_scene
from spelke.worlds.groups import JOINED, carry_scores, group_masks
from spelke.worlds.replay import revive

pytest.importorskip("mujoco")

FAMILIES = ("stacks", "trays", "cups", "bridges", "immovable")
VESSELS = ("tray", "bowl", "cup", "pot")
DIRECTIONS = 4


def generated(seeds):
    made = {}
    for family, split, seed in product(FAMILIES, SPLITS, seeds):
        options = SceneOptions(
            families=(family,), split=split, size=64, pokes=1, after_frames=False, groups=DIRECTIONS
        )
        made[family, split, seed] = make_scene(seed, options)
    return made


@pytest.fixture(scope="module")
def scenes(graphics):
    return generated(seeds=(0, 1))


@pytest.fixture(scope="module")
def many(graphics):
    return generated(seeds=range(6))


def movable_pairs(scene):
    """Pairs (i, j) of movable bodies of which both were measured."""
    measured = scene.body_movable & np.isfinite(scene.carry).all(1)
    bodies = np.flatnonzero(measured)
    return [(int(i), int(j)) for i, j in product(bodies, bodies) if i != j]


def rests(scene, i, j):
    return scene.support[i, j] and not scene.support[j, i]


def on_two(scene, j):
    """Whether a plank rests on two equal pillars."""
    below = [scene.body_shape[i] for i in np.flatnonzero(scene.support[:, j]) if i]
    return scene.body_shape[j] == "plank" and len(below) == 2 and len(set(below)) == 1


def stacked(scene, i, j):
    """Whether j rests on i and on nothing else."""
    alone = scene.support[:, j].sum() == 1
    return rests(scene, i, j) and alone and scene.body_shape[i] not in VESSELS


def above(scene, i, j):
    """Whether j rests on what rests on ... i."""
    reach = scene.support.copy()
    for _ in range(4):
        reach |= (reach.astype(int) @ reach.astype(int)) > 0
    return reach[i, j] and not reach[j, i]


def held(scene, i, j):
    return rests(scene, i, j) and scene.body_shape[i] in VESSELS


def bridged(scene, i, j):
    return rests(scene, i, j) and on_two(scene, j)


def apart(scene, i, j):
    """Whether neither stands on the other, nor both on a third thing but the world."""
    movable = scene.body_movable
    linked = (scene.support | scene.support.T) & movable & movable[:, None]
    for _ in range(4):
        linked |= (linked.astype(int) @ linked.astype(int)) > 0
    return not linked[i, j]


def found(scenes, relation, families=FAMILIES, splits=SPLITS):
    """Carry scores (there, back) of the pairs in a relation, (n, 2): i's of j, and j's of i."""
    scores = [
        (scene.carry[i, j], scene.carry[j, i])
        for (family, split, _), scene in scenes.items()
        if family in families and split in splits
        for i, j in movable_pairs(scene)
        if relation(scene, i, j)
    ]
    return np.array(scores, float).reshape(-1, 2)


def shares(scenes, relation, **where):
    """Share of the pairs that are grouped there, the share grouped back, and how many pairs."""
    scores = found(scenes, relation, **where)
    return *(scores >= JOINED).mean(0), len(scores)


def check_stacks(scenes, least, clear):
    # What is directly below: 36 of 40 (25 of 27 in train, 11 of 13 in test), never the other way
    # round. All that is below: 63 of 68, 0 of 68. The misses are tops that slid or tipped over.
    there, back, count = shares(scenes, stacked, families=("stacks",))
    assert count >= least
    assert there > clear
    assert back < 0.05
    there, back, count = shares(scenes, above, families=("stacks",))
    assert count > least
    assert there > clear
    assert back < 0.05


def check_vessels(scenes, least):
    # The vessel its content: 52 of 52. The content its vessel: 5 of 52 (large, heavy contents).
    for family in ("trays", "cups"):
        there, back, count = shares(scenes, held, families=(family,))
        assert count >= least
        assert there > 0.85
        assert back < 0.3
    scores = found(scenes, held)
    assert (scores[:, 0] > scores[:, 1]).mean() > 0.9


def check_planks(scenes, least):
    # One pillar the plank: 0 of 20, with scores of 0.30 to 0.4998, so that all are ambiguous and
    # lie in the ignore mask. The plank a pillar: 0 of 20, all scores below 0.01.
    scores = found(scenes, bridged, families=("bridges",))
    assert len(scores) >= least
    assert (scores[:, 0] >= JOINED).mean() < 0.2
    assert 0.25 < scores[:, 0].mean() < JOINED
    assert scores[:, 1].max() < 0.2


def check_apart(scenes, least):
    # 5 of 950: four contents that touch the sloping wall of their cup only, and a leaning plank.
    there, _, count = shares(scenes, apart)
    assert count > least
    assert there < 0.03


def test_pushing_what_is_below_takes_what_is_above_along_and_not_the_other_way_round(scenes):
    check_stacks(scenes, least=15, clear=0.7)
    for split in SPLITS:
        there, back, count = shares(scenes, stacked, families=("stacks", "bridges"), splits=[split])
        assert count >= 4
        assert there > 0.5
        assert back < 0.1


def test_a_vessel_takes_its_content_along_and_the_content_does_not_take_the_vessel(scenes):
    check_vessels(scenes, least=5)
    for split in SPLITS:
        there, back, count = shares(scenes, held, splits=[split])
        assert count >= 5
        assert there > 0.85
        assert back < 0.3


def test_a_plank_on_two_pillars_is_not_carried_by_one_of_them(scenes):
    check_planks(scenes, least=8)
    for (family, _, _), scene in scenes.items():
        for i, j in movable_pairs(scene):
            if family == "bridges" and bridged(scene, i, j) and 0.2 < scene.carry[i, j] < 0.8:
                assert scene.ignore_masks[i][scene.ids == j].all()


def test_what_stands_apart_is_not_carried(scenes):
    check_apart(scenes, least=150)


@pytest.mark.slow
def test_the_same_holds_over_more_seeds(many):
    check_stacks(many, least=40, clear=0.8)
    check_vessels(many, least=20)
    check_planks(many, least=20)
    check_apart(many, least=700)


def transposed(scenes):
    """The scenes with who carries whom turned round, as plain records."""
    names = ("support", "body_movable", "body_shape")
    turned = {}
    for key, scene in scenes.items():
        values = {name: getattr(scene, name) for name in names}
        turned[key] = SimpleNamespace(carry=scene.carry.T, **values)
    return turned


@pytest.mark.parametrize(
    ("check", "least"),
    [(check_stacks, {"least": 15, "clear": 0.7}), (check_vessels, {"least": 5}),
     (check_planks, {"least": 8})],
)  # fmt: skip
def test_these_checks_notice_a_matrix_that_is_turned_round(scenes, check, least):
    with pytest.raises(AssertionError):
        check(transposed(scenes), **least)


def test_what_is_fixed_has_an_empty_group_and_is_in_none(scenes):
    kinds = Counter()
    for (family, _, _), scene in scenes.items():
        fixed = np.flatnonzero(~scene.body_movable)
        assert fixed[0] == 0
        assert not scene.carry[fixed].any()
        measured = np.isfinite(scene.carry).all(1)
        assert not scene.carry[np.ix_(measured, fixed)].any()
        assert not scene.group_masks[fixed].any()
        assert not scene.ignore_masks[fixed].any()
        assert not scene.group_masks[:, np.isin(scene.ids, fixed)].any()
        for body in fixed[1:]:
            assert scene.body_joint[body] == "fixed"
            assert "immovable" in scene.body_notes[body]
            kinds[family, scene.body_notes[body].split(",")[1]] += 1
    assert kinds["immovable", "bolted"] >= 4
    assert kinds["immovable", "furniture"] >= 4


def test_what_stands_on_a_shelf_moves_without_it(scenes):
    count = 0
    for scene in scenes.values():
        for i, j in np.argwhere(scene.support & ~scene.body_movable[:, None]):
            if scene.body_shape[i] == "shelf":
                assert scene.carry[i, j] == 0
                assert scene.carry[j, j] == 1
                assert scene.group_masks[j][scene.ids == j].all()
                count += 1
    assert count >= 2


def test_nearly_all_that_is_movable_moves_and_is_of_its_own_group(scenes):
    # 284 of 286; the two others were not measured (NaN).
    moved = []
    for scene in scenes.values():
        own = scene.carry.diagonal()[scene.body_movable]
        assert np.isin(own[np.isfinite(own)], (0, 1)).all()
        moved += (own == 1).tolist()
    assert len(moved) > 80
    assert np.mean(moved) > 0.95


def test_scores_are_shares_and_a_row_is_measured_whole_or_not_at_all(scenes):
    for scene in scenes.values():
        missing = np.isnan(scene.carry)
        np.testing.assert_array_equal(missing.any(1), missing.all(1))
        assert not missing[~scene.body_movable].any()
        assert scene.carry[~missing].min() >= 0
        assert scene.carry[~missing].max() <= 1
        lost = missing.all(1)
        assert not scene.group_masks[lost].any()
        assert scene.ignore_masks[lost].all()


def test_the_labels_of_a_record_can_be_measured_again_to_the_bit(scenes):
    scene = scenes["trays", "train", 0]
    again = carry_scores(*revive(scene), scene.state0, scene.body_movable, DIRECTIONS)
    assert again.tobytes() == scene.carry.tobytes()


def test_a_body_with_one_unstable_drag_is_not_measured_and_the_others_are(scenes, monkeypatch):
    scene = scenes["trays", "train", 0]
    lost = int(np.flatnonzero(scene.body_movable)[1])
    spoiled = []

    def roll(model, data, state, push, steps, **others):
        ends = real(model, data, state, push, steps, **others)
        if push is not None and push.body == lost and not spoiled:
            spoiled.append(push)
            return np.full_like(ends, np.nan)
        return ends

    real = groups.roll
    monkeypatch.setattr(groups, "roll", roll)
    carry = carry_scores(*revive(scene), scene.state0, scene.body_movable, DIRECTIONS)
    assert len(spoiled) == 1
    assert np.isnan(carry[lost]).all()
    others = np.arange(len(carry)) != lost
    np.testing.assert_array_equal(carry[others], scene.carry[others])
    masks, unsure = group_masks(scene.ids, carry)
    assert not masks[lost].any()  # not known, so that it is neither a group nor none ...
    assert unsure[lost].all()
    np.testing.assert_array_equal(masks[others], scene.group_masks[others])
    # ... nor does it keep the body out of the groups of others.
    carrier = int(np.flatnonzero(scene.support[:, lost])[0])
    assert masks[carrier][scene.ids == lost].all()
