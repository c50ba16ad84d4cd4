from __future__ import annotations

import pytest
from tests.discovery.doubles import PerfectWorldModel, paint

from spelke.data.image import read_image
from spelke.discovery.memory import GLANCES_KEPT, Memory, Sight, glances_at
from spelke.discovery.view import CropView, Look


@pytest.fixture
def whole(table):
    return CropView.whole(read_image(paint(table)), 128)


def looks_at(whole, count):
    return [
        Look(CropView(whole.photo, whole.crop.around((10 + n, 9, 40, 40), (240, 320), 128)))
        for n in range(count)
    ]


def test_what_is_new_is_encoded_in_one_call_and_what_is_known_not_at_all(whole):
    model, memory = PerfectWorldModel(), Memory(Look(whole).key)
    first, second, third = (Sight(memory, look) for look in looks_at(whole, 3))
    one, same, other = glances_at(model, [first, first, second])
    assert one is same
    assert one is not other
    assert model.counts.looks == [2]
    again, new = glances_at(model, [second, third])
    assert again is other
    assert model.counts.looks == [2, 1]
    assert glances_at(model, [third]) == [new]
    assert model.counts.looks == [2, 1]


def test_the_same_crop_of_two_photos_is_two_pictures(whole):
    model = PerfectWorldModel()
    look = Look(whole)
    one, other = glances_at(model, [Sight(Memory(look.key), look), Sight(Memory(look.key), look)])
    assert one is not other
    assert model.counts.looks == [2]


def test_the_oldest_is_forgotten_and_the_whole_photo_never(whole):
    memory = Memory(Look(whole).key)
    memory.keep(Look(whole).key, "whole")
    for number in range(GLANCES_KEPT + 3):
        memory.keep(number, str(number))
        assert memory.find(0) == ("0" if number < GLANCES_KEPT + 3 else None)
    assert len(memory) == GLANCES_KEPT
    assert memory.find(Look(whole).key) == "whole"
    assert memory.find(1) is None


def test_more_looks_than_are_kept_are_all_answered(whole):
    model, memory = PerfectWorldModel(), Memory(Look(whole).key)
    looks = looks_at(whole, GLANCES_KEPT + 5)
    glances = glances_at(model, [Sight(memory, look) for look in looks])
    assert len({id(glance) for glance in glances}) == len(looks)
    assert model.counts.looks == [len(looks)]
    assert len(memory) == GLANCES_KEPT
