from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spelke.models.prefix import PrefixConfig, PrefixView
from spelke.rollout.packs import (
    MOST_PICTURES,
    BatchShape,
    batch_of,
    batch_shape,
    bytes_per_question,
    pack_questions,
    room_for,
    view_of,
)

CONFIG = PrefixConfig()


def view(number=0):
    def full(*shape):
        return torch.full(shape, float(number))

    return PrefixView(full(1, 4, 8), [(full(1, 2, 4, 4), full(1, 2, 4, 4))] * 2, full(1, 4, 1, 6))


def test_the_cpu_has_one_shape_whatever_its_memory():
    for free in (None, 10**6, 10**12):
        assert batch_shape(CONFIG, torch.device("cpu"), free) == BatchShape(1, 4)


def test_a_shape_says_what_it_means():
    assert "do not depend on their neighbours" in str(BatchShape(1, 4))
    assert "up to 9 at a time" in str(BatchShape(9, 8))


@given(free=st.integers(0, 10**12))
def test_elsewhere_batches_grow_with_memory(free):
    less, more = (batch_shape(CONFIG, torch.device("cuda"), bytes_) for bytes_ in (free, 2 * free))
    assert 1 <= less.pictures <= more.pictures <= MOST_PICTURES
    if less.pictures > 1:
        assert less.pictures * less.questions * bytes_per_question(CONFIG) < free / 2


def test_a_device_that_does_not_tell_its_memory_gets_a_modest_batch():
    assert 1 < batch_shape(CONFIG, torch.device("mps"), None).pictures <= MOST_PICTURES


@given(
    asked=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), max_size=30),
    pictures=st.integers(1, 4),
    questions=st.integers(1, 9),
)
def test_every_question_is_in_one_pack_with_its_picture_and_room(asked, pictures, questions):
    views = [view(number) for number in range(4)]
    counts = [count for _, count in asked]
    shape = BatchShape(pictures, questions)
    batches = list(pack_questions([views[number] for number, _ in asked], counts, shape))
    seen = []
    for packs in batches:
        assert 1 <= len(packs) <= pictures
        rooms = {room_for(counts[row]) for pack in packs for row in pack.rows}
        assert len(rooms) == 1
        for pack in packs:
            assert len(pack.rows) == questions
            assert all(views[asked[row][0]] is pack.view for row in pack.rows)
            seen += set(pack.rows)
    assert sorted(seen) == list(range(len(asked)))


@given(count=st.integers(0, 100))
def test_room_is_the_next_multiple_of_eight(count):
    assert room_for(count) % 8 == 0
    assert max(count, 1) <= room_for(count) < max(count, 1) + 8


def test_pictures_come_together_and_apart():
    views = [view(number) for number in range(3)]
    batch = batch_of(views)
    assert batch.state.shape == (3, 4, 8)
    for number in range(3):
        one = view_of(batch, number)
        assert one.state.unique().tolist() == [number]
        assert one.detail.unique().tolist() == [number]
        assert [key.unique().tolist() for key, _ in one.keys_values] == [[number]] * 2
    assert batch_of(views[:1]) is views[0]


@pytest.mark.gpu
def test_a_gpu_says_how_much_fits():
    from spelke.runtime.device import free_bytes

    device = torch.device("cuda")
    assert batch_shape(CONFIG, device, free_bytes(device)).pictures > 1
