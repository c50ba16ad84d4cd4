"""Small test sets that need no renderer."""

import numpy as np
import pytest

from spelke.benchmarks.test_set import TestItem


def draw_item(key, family, seed, size=96):
    """A wall with two coloured squares, one of which carries a third: the truth of a stack."""
    generator = np.random.default_rng(seed)
    image = np.full((size, size, 3), 130, np.uint8)
    image += generator.integers(0, 8, image.shape, np.uint8)
    boxes = [(10, 50, 24, 24), (58, 40, 20, 20), (58, 20, 20, 20)]
    instances = np.zeros((3, size, size), bool)
    for mask, (left, top, width, height) in zip(instances, boxes, strict=True):
        mask[top : top + height, left : left + width] = True
        image[mask] = generator.integers(0, 256, 3)
    segments = instances.copy()
    segments[1] |= instances[2]
    points = np.array(
        [[left + width // 2, top + height // 2] for left, top, width, height in boxes]
    )
    return TestItem(key, family, image, points, segments, np.zeros_like(segments), instances)


@pytest.fixture
def items():
    """Six pictures of two families."""
    return [draw_item(f"{f}-{i}", f, i) for f in ("singles", "stacks") for i in range(3)]
