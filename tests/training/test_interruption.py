import logging
import signal
import threading

import pytest

from spelke.training.interruption import SIGNALS, Interruption


@pytest.mark.parametrize("kind", SIGNALS)
def test_the_first_is_asked_and_the_second_interrupts(kind, caplog):
    before = signal.getsignal(kind)
    with caplog.at_level(logging.WARNING), Interruption() as interruption:
        assert not interruption.asked
        signal.raise_signal(kind)
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(kind)
    assert "again" in caplog.text
    assert signal.getsignal(kind) is before


def test_in_a_thread_it_does_nothing():
    asked = []

    def work():
        with Interruption() as interruption:
            asked.append(interruption.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert asked == [False]
