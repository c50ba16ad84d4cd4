from spelke.models.cache import Cache
from spelke.rollout.readings import Readings


class Thing:
    pass


def _reader(log, name):
    def read():
        log.append(name)
        return Cache.empty(1, 1)

    return read


def test_what_was_read_last_is_kept():
    readings, log = Readings(2), []
    things = {name: Thing() for name in "abc"}
    for name in "abacab":
        readings.get(things[name], 0, _reader(log, name))
    # b went when c came, for a had been asked for after it; then b came again and c went.
    assert log == ["a", "b", "c", "b"]


def test_variants_are_readings_of_their_own():
    readings, log, thing = Readings(2), [], Thing()
    first = readings.get(thing, 0, _reader(log, 0))
    second = readings.get(thing, 1, _reader(log, 1))
    assert first is not second
    assert readings.get(thing, 0, _reader(log, 0)) is first
    assert log == [0, 1]


def test_the_dead_are_forgotten_first():
    readings, log = Readings(2), []
    lasting, dying = Thing(), Thing()
    readings.get(lasting, 0, _reader(log, "lasting"))
    readings.get(dying, 0, _reader(log, "dying"))
    del dying
    readings.get(Thing(), 0, _reader(log, "new"))
    readings.get(lasting, 0, _reader(log, "lasting"))
    assert log == ["lasting", "dying", "new"]
