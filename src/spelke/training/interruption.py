"""Ctrl-C that waits for the end of a step, so that what is saved is whole."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType, TracebackType

_LOG = logging.getLogger(__name__)


class Interruption:
    """Inside this context the first Ctrl-C only sets `asked`; the second interrupts at once.

    In threads other than the main one, where signals never arrive, it does nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before = None

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        _LOG.warning("Stopping after this step; Ctrl-C again stops at once, without saving.")
