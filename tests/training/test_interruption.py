import logging
import signal
import threading

import pytest

from spelke.training.interruption import Interruption


def test_the_first_is_asked_and_the_second_interrupts(caplog):
    before = signal.getsignal(signal.SIGINT)
    with caplog.at_level(logging.WARNING), Interruption() as interruption:
        assert not interruption.asked
        signal.raise_signal(signal.SIGINT)
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert "again" in caplog.text
    assert signal.getsignal(signal.SIGINT) is before


def test_in_a_thread_it_does_nothing():
    asked = []

    def work():
        with Interruption() as interruption:
            asked.append(interruption.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert asked == [False]
