"""What tests of files share."""

import pytest


@pytest.fixture
def upright():
    """Turn an array of (height, width, …) upright by its EXIF orientation, 1 to 8."""
    return _turn


def _turn(array, orientation):
    """Which side of the scene rows and columns begin at."""
    turned = array if orientation < 5 else array.transpose(1, 0, 2)
    down = orientation in (3, 4, 7, 8)
    right = orientation in (2, 3, 6, 7)
    return turned[:: -1 if down else 1, :: -1 if right else 1]
