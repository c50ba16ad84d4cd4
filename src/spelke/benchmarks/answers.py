"""What a model answered to one picture. Entry point: `Answer`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The masks given for one picture, or why there are none.

    Attributes:
        key: the picture.
        fingerprint: of the picture and its questions.
        masks: (point, height, width) bool; None if the model failed.
        seconds: wall time of this picture; its share where several were asked together.
        error: what went wrong, or "".
        traceback: where that was, or "".
    """

    key: str
    fingerprint: str
    masks: np.ndarray | None
    seconds: float
    error: str = ""
    traceback: str = ""
