from hypothesis import given
from hypothesis import strategies as st

from spelke.rollout.lanes import into_lanes

QUESTIONS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(4, 6)), max_size=40)


@given(QUESTIONS, st.integers(1, 9), st.booleans())
def test_every_question_has_one_lane_beside_others_of_its_length(questions, width, exactly):
    readings = [reading for reading, _ in questions]
    lengths = [length for _, length in questions]
    seen = []
    for lanes in into_lanes(readings, lengths, width, exactly=exactly):
        side_by_side = lanes.questions
        assert len({lengths[question] for question in side_by_side}) == 1
        assert len(side_by_side) == width if exactly else len(side_by_side) <= width
        assert len({len(share) for share in lanes.shares}) == 1
        assert len(lanes.shares) == 1 or not exactly
        for share in lanes.shares:
            assert len({readings[question] for question in share}) == 1
        seen += [side_by_side[lane] for lane in lanes.wanted]
    assert sorted(seen) == list(range(len(questions)))


def test_several_pictures_share_a_batch_where_lanes_are_not_filled_up():
    (lanes,) = into_lanes("aabbb", [5] * 5, 8, exactly=False)
    assert lanes.shares == ((0, 1, 1), (2, 3, 4))
    assert lanes.used == (2, 3)
    assert lanes.wanted == [0, 1, 3, 4, 5]


def test_fillings_repeat_the_last_question():
    first, second = into_lanes("ab", [5, 5], 3, exactly=True)
    assert (first.shares, first.wanted) == (((0, 0, 0),), [0])
    assert (second.shares, second.wanted) == (((1, 1, 1),), [0])
