import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import InvalidInput
from spelke.training.questions import QUESTION_KINDS, QuestionConfig, draw_question

SIDE, PATCH = 64, 8
COLUMNS = SIDE // PATCH
CORNERS = {0, 7, 56, 63}
CONFIG = QuestionConfig(num_pointers=24, max_conditions=8)
seeds = st.integers(0, 10_000)


def only(kind, **changes):
    mixture = tuple(float(name == kind) for name in QUESTION_KINDS)
    return dataclasses.replace(CONFIG, mixture=mixture, **changes)


def carried_load():
    """A base that was pushed, with a load that it carries along."""
    flow = np.zeros((2, SIDE, SIDE), np.float32)
    flow[:, 16:48, 16:56] = np.array([5.0, -3.0])[:, None, None]
    base = np.zeros((SIDE, SIDE), bool)
    base[32:48, 16:56] = True
    return flow, base


def patches_of(mask):
    rows, columns = np.nonzero(mask)
    return set((columns // PATCH + COLUMNS * (rows // PATCH)).tolist())


def ask(config, seed, field=None):
    flow, poked = field or carried_load()
    return draw_question(flow, poked, PATCH, config, np.random.default_rng(seed))


def revealed(question):
    return [int(patch) for patch in question.revealed[question.valid]]


@given(seeds)
def test_a_poke_lies_on_the_body_that_was_pushed(seed):
    question = ask(only("poke"), seed)
    pokes = [patch for patch in revealed(question) if patch not in CORNERS]
    assert QUESTION_KINDS[question.kind] == "poke"
    assert len(pokes) == 1
    assert set(pokes) <= patches_of(carried_load()[1])
    moved = question.displacement[revealed(question).index(pokes[0])]
    assert np.isnan(moved).all() or moved.tolist() == [5.0, -3.0]


def test_both_kinds_of_pokes_occur():
    moved = [ask(only("poke", still_corners=0.0), seed).displacement[0] for seed in range(20)]
    virtual = [bool(np.isfinite(one).all()) for one in moved]
    assert 4 < sum(virtual) < 16


@given(seeds, st.sampled_from(QUESTION_KINDS))
def test_lists_are_well_formed(seed, kind):
    question = ask(only(kind), seed)
    patches = revealed(question)
    assert len(set(patches)) == len(patches) <= CONFIG.max_conditions
    assert question.valid.tolist() == sorted(question.valid.tolist(), reverse=True)
    assert np.isnan(question.displacement[~question.valid]).all()
    asked = question.asked.tolist()
    assert len(set(asked)) == len(asked) == CONFIG.num_pointers
    assert set(asked) <= set(range(COLUMNS**2))


@given(seeds)
def test_corners_are_revealed_as_still_only_where_they_are(seed):
    flow, poked = carried_load()
    flow[:, :4, :4] = 0.6  # the top left corner moves a little
    question = ask(only("unpoked", still_corners=1.0), seed, (flow, poked))
    assert set(revealed(question)) == CORNERS - {0}
    assert not question.displacement[question.valid].any()
    assert not ask(only("unpoked", still_corners=0.0), seed, (flow, poked)).valid.any()


@given(seeds)
def test_up_to_half_of_what_is_asked_moves_after_a_poke(seed):
    moving = patches_of(np.hypot(*carried_load()[0]) >= 1)
    asked = ask(only("poke"), seed).asked
    assert sum(int(patch) in moving for patch in asked) >= CONFIG.num_pointers // 2


@given(seeds)
def test_without_a_poke_the_sample_is_even(seed):
    """What is asked does not depend on what moves, so that the affordance is calibrated."""
    still = (np.zeros((2, SIDE, SIDE), np.float32), carried_load()[1])
    config = only("unpoked", still_corners=0.0)
    assert np.array_equal(ask(config, seed).asked, ask(config, seed, still).asked)


@given(seeds, st.sampled_from(["poke", "pokes"]))
def test_what_is_out_of_sight_is_not_poked(seed, kind):
    flow, _ = carried_load()
    question = ask(only(kind), seed, (flow, np.zeros((SIDE, SIDE), bool)))
    assert QUESTION_KINDS[question.kind] == "unpoked"
    assert set(revealed(question)) <= CORNERS


@given(seeds)
def test_several_pokes_begin_on_the_pushed_body(seed):
    question = ask(only("pokes", still_corners=0.0), seed)
    assert 1 <= len(revealed(question)) <= 4
    assert revealed(question)[0] in patches_of(carried_load()[1])


@given(seeds)
def test_revealed_patches_show_their_true_codes(seed):
    question = ask(only("revealed", still_corners=0.0), seed)
    assert question.valid.any()
    assert np.isnan(question.displacement).all()


def test_all_kinds_occur_as_often_as_asked_for():
    kinds = [ask(CONFIG, seed).kind for seed in range(400)]
    shares = np.bincount(kinds, minlength=4) / len(kinds)
    np.testing.assert_allclose(shares, CONFIG.mixture, atol=0.08)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mixture": (0.5, 0.6, 0.0, 0.0)}, "sum to 1"),
        ({"mixture": (-0.5, 1.5, 0.0, 0.0)}, "probabilities"),
        ({"still_corners": 1.5}, "still_corners"),
        ({"max_conditions": 7}, "max_conditions"),
        ({"num_questions": 0}, "num_questions"),
        ({"num_pointers": 0}, "num_pointers"),
    ],
)
def test_impossible_mixtures_are_refused(change, message):
    with pytest.raises(InvalidInput, match=message):
        QuestionConfig(**change)
