"""Letters and signs as filled cells of small grids. Those of the two splits are disjoint."""

from __future__ import annotations

import numpy as np

SIGNS: dict[str, dict[str, str]] = {
    "train": {
        "A": "### #.# ### #.#",
        "C": "### #.. #.. ###",
        "E": "### #.. ### #.. ###",
        "F": "### #.. ### #..",
        "H": "#.# #.# ### #.#",
        "I": "### .#. .#. ###",
        "J": "..# ..# #.# ###",
        "O": "### #.# #.# ###",
        "S": "### #.. ### ..# ###",
        "Y": "#.# #.# ### .#. .#.",
        "plus": ".#. ### .#.",
        "stairs": "#.. ##. ###",
        "comb": "##### #.#.#",
    },
    "test": {
        "B": "### #.# ### #.# ###",
        "G": "#### #... #.## #..# ####",
        "T": "##### ..#.. ..#.. ..#..",
        "U": "#.# #.# #.# ###",
        "P": "### #.# ### #.. #..",
        "frame": "##### #...# #####",
        "hash": ".#.#. ##### .#.#. ##### .#.#.",
        "hook": "###. #... #.## ####",
        "arrow": "..#.. .###. ##### ..#.. ..#..",
    },
}
"""Rows from the top, `#` is filled."""


def cells_of(rng: np.random.Generator, split: str) -> np.ndarray:
    """Filled cells, (rows, columns) bool: a sign of the split; in `train` a third are random."""
    if split == "train" and rng.random() < 0.33:
        return _random_cells(rng)
    names = sorted(SIGNS[split])
    rows = SIGNS[split][names[rng.integers(len(names))]].split()
    return np.array([[cell == "#" for cell in row] for row in rows])


def _random_cells(rng: np.random.Generator) -> np.ndarray:
    """Four to seven cells that hang together by their sides."""
    filled = {(0, 0)}
    while len(filled) < 4 + rng.integers(4):
        row, column = sorted(filled)[rng.integers(len(filled))]
        down, over = ((0, 1), (1, 0), (0, -1), (-1, 0))[rng.integers(4)]
        filled.add((row + down, column + over))
    places = np.array(sorted(filled))
    places -= places.min(0)
    cells = np.zeros(places.max(0) + 1, bool)
    cells[tuple(places.T)] = True
    return cells
