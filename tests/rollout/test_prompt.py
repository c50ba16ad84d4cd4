from dataclasses import asdict

import pytest

from spelke.errors import InvalidInput
from spelke.rollout.base import Query
from spelke.rollout.prompt import (
    PublishedOptions,
    published_options,
    put_question,
    with_still_corners,
)
from spelke.tokens.layout import flow_layout
from spelke.types import Poke

LAYOUT = flow_layout(4, 4, rgb_codes=8, flow_codes=16)
POKE = Poke((17.0, 9.0), (3.0, -1.0))


def _encode(flow):
    """A code is the rounded motion to the right."""
    return flow[:, 0, ::4, ::4].round().long()


def _put(*pokes, seed=0, **options):
    return put_question(Query(pokes, seed), LAYOUT, PublishedOptions(**options), _encode)


def test_a_poked_patch_is_given_with_the_codes_of_its_motion():
    question = _put(POKE)
    given = dict(zip(question.given[0].tolist(), question.given_codes[0].tolist(), strict=True))
    assert given == {3: [0] * 4, 0: [0] * 4, 12: [0] * 4, 15: [0] * 4, 6: [3] * 4}
    assert sorted([*given, *question.order[0].tolist()]) == list(range(16))


def test_a_poke_in_a_corner_wins_over_the_still_corner():
    corner = Poke((1.0, 2.0), (5.0, 0.0))
    question = _put(corner)
    assert question.given.shape == (1, 4)
    at = question.given[0].tolist().index(0)
    assert question.given_codes[0, at].tolist() == [5] * 4
    assert with_still_corners([corner], LAYOUT)[-1] is corner


def test_two_pokes_in_a_patch_count_once_unless_as_published():
    pokes = (POKE, Poke((18.0, 10.0), (2.0, 0.0)))
    once = _put(*pokes)
    assert once.given.shape[1] == 5
    at = once.given[0].tolist().index(6)
    assert once.given_codes[0, at].tolist() == [2] * 4
    twice = _put(*pokes, counts_every_poke=True)
    assert twice.given.shape[1] == 6
    assert twice.given[0, :5].tolist() == once.given[0].tolist()
    assert twice.given_codes[0, 5].tolist() == [0] * 4


def test_nothing_given():
    question = _put(has_still_corners=False)
    assert question.given.shape == (1, 0)
    assert question.given_codes.shape == (1, 0, 4)
    assert question.order.shape == (1, 16)


def test_every_switch_of_the_published_behaviour_is_off_by_default():
    ours, theirs = asdict(PublishedOptions()), asdict(published_options())
    switched = {name for name in ours if ours[name] != theirs[name]}
    assert switched == set(ours) - {"frame0_seed", "has_camera", "has_still_corners"}
    assert not published_options().is_pinned


@pytest.mark.usefixtures("unchecked_shapes")
def test_an_unknown_order_is_refused():
    with pytest.raises(InvalidInput, match="'pinned' or 'per-seed', got 'both'"):
        PublishedOptions(frame0_order="both")
