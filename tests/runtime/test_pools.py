"""What all pools have in common; `test_ray_pool` and `test_prediction_run` have their own ways."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import InvalidInput, Unavailable
from spelke.runtime.pools import Here, Lost, Pool, ask_each, in_groups
from spelke.runtime.process_pool import ProcessPool, local_places


class Doubler:
    """Doubles numbers; 7 takes the process down, after 5 it is spent."""

    is_spent = False

    def __call__(self, job):
        if job == 7:
            os._exit(3)
        if job == 8:
            raise InvalidInput("8 is not accepted")
        self.is_spent = job == 5
        return job * 2


def make_doubler():
    return Doubler(), os.getpid()


class Fragile:
    """A pool that loses every group with a number of `deadly` in it."""

    def __init__(self, deadly):
        self.deadly = deadly

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def greeting(self):
        return None

    def map(self, jobs):
        for some in jobs:
            is_lost = self.deadly & set(some)
            yield some, Lost("gone") if is_lost else [-one for one in some]


@given(st.integers(0, 30), st.integers(1, 7), st.sets(st.integers(0, 30)))
def test_what_is_lost_together_is_asked_alone(count, size, deadly):
    found = list(ask_each(Fragile(deadly), in_groups(range(count), size)))
    assert sorted(one for one, _ in found) == list(range(count))
    for one, answer in found:
        assert answer == (Lost("gone") if one in deadly else -one)


@given(st.lists(st.integers()), st.integers(1, 5))
def test_groups_are_the_stream_cut(things, size):
    groups = list(in_groups(iter(things), size))
    assert [one for some in groups for one in some] == things
    assert all(len(some) == size for some in groups[:-1])
    assert all(groups)


def test_this_process_is_a_pool_too():
    with Here(make_doubler) as pool:
        assert isinstance(pool, Pool)
        assert list(pool.map([1, 2])) == [(1, 2), (2, 4)]
        assert pool.greeting() == os.getpid()


@pytest.mark.slow
def test_a_process_that_dies_or_is_spent_is_replaced():
    with ProcessPool(lambda place: make_doubler, local_places(1)) as pool:
        assert pool.greeting() != os.getpid()
        assert dict(pool.map([1, 5, 7, 2])) == {
            1: 2, 5: 10, 7: Lost("the process died (exit code 3)"), 2: 4,
        }  # fmt: skip
        with pytest.raises(InvalidInput, match="8 is not accepted"):
            list(pool.map([8]))
    assert pool.exit_codes["worker 0"][:2] == [0, 3]


@pytest.mark.slow
def test_processes_that_die_again_and_again_end_the_run(monkeypatch):
    monkeypatch.setattr("spelke.runtime.process_pool.MAX_LOST", 2)
    with (
        ProcessPool(lambda place: make_doubler, local_places(1)) as pool,
        pytest.raises(Unavailable, match="2 in a row died"),
    ):
        list(pool.map([1, 7, 7, 7]))
