"""A picture with a segment to draw."""

import numpy as np
import pytest

from spelke.types import Poke, Segment


@pytest.fixture
def photo(rng):
    """Grey noise of 60 x 80 pixels (height x width)."""
    grey = rng.integers(90, 130, (60, 80, 1), dtype=np.uint8)
    return grey.repeat(3, 2)


@pytest.fixture
def segment():
    """A rectangle of the photo with one push to the right and one still point."""
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:60] = True
    pokes = (Poke((45.0, 30.0), (12.0, 0.0)), Poke.still((5.0, 5.0)))
    return Segment(mask, (45.0, 30.0), 0.8, pokes)
