"""What a pickle of weights may name besides tensors, as objects that do nothing.

The restricted unpickler builds only what an allow-list names. Numpy's own array and dtype are not
on ours: their `__setstate__` trusts the file. These stand-ins keep what the file says, and
`InertArray.to_numpy` checks it before it becomes an array. Nothing here can run code, open a file
or reach beyond the bytes that the file itself holds.

| name in the file | why it is there |
|---|---|
| numpy's array, dtype and scalar | the token-to-flow table is a dictionary of arrays |
| `argparse.Namespace` | the arguments of the training run, which are ignored |
| `pathlib.PosixPath` | paths among those arguments, which are ignored |
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np

_NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
"""Kinds of number that an array may hold."""


class Ignored:
    """Takes whatever it is given and keeps none of it."""

    def __new__(cls, *_: Any) -> Ignored:
        """An empty object."""
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


class InertDType:
    """A kind of number: a name such as "f4" and a byte order."""

    def __init__(self, name: object = None, *_: Any) -> None:
        self.name = name
        self.order: object = "<"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]

    def to_numpy(self) -> np.dtype[Any]:
        """The dtype.

        Raises:
            ValueError: it is no plain number.
        """
        if self.name not in _NUMBERS or self.order not in ("<", ">", "=", "|"):
            raise ValueError(f"arrays of {self.name!r} are not numbers")
        return np.dtype(f"{self.order}{self.name}")


class InertArray:
    """An array as the file describes it."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def to_numpy(self) -> np.ndarray:
        """The array, in this machine's byte order.

        Raises:
            ValueError: its parts contradict each other, or it does not hold numbers.
        """
        try:
            _, shape, kind, by_columns, data = self.state
        except (TypeError, ValueError) as error:
            raise ValueError("an array without contents") from error
        if not isinstance(kind, InertDType) or not isinstance(data, bytes):
            raise ValueError("an array whose contents are not numbers")
        dtype = kind.to_numpy()
        sides = isinstance(shape, tuple) and all(type(side) is int and side >= 0 for side in shape)
        if not sides or math.prod(shape) * dtype.itemsize != len(data):
            raise ValueError(f"an array of shape {shape} with {len(data)} bytes")
        flat = np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))
        return flat.reshape(shape, order="F" if by_columns else "C")


def _array(*_: Any) -> InertArray:
    return InertArray()


def _scalar(kind: object = None, data: object = None) -> int | float:
    if not isinstance(kind, InertDType) or not isinstance(data, bytes):
        raise UnpicklingError("a number that is none")
    values = np.frombuffer(data, kind.to_numpy())
    if values.size != 1:
        raise UnpicklingError(f"a number of {len(data)} bytes")
    return values[0].item()


# Objects are built only of classes that stand in the list under their own name or another's.
ALLOWED: list[tuple[Callable[..., Any], str]] = [
    (InertArray, "numpy.ndarray"),
    (InertDType, "numpy.dtype"),
    (_array, "numpy.core.multiarray._reconstruct"),
    (_array, "numpy._core.multiarray._reconstruct"),
    (_scalar, "numpy.core.multiarray.scalar"),
    (_scalar, "numpy._core.multiarray.scalar"),
    (Ignored, "argparse.Namespace"),
    (Ignored, "pathlib.PosixPath"),
]
"""Stand-in, and the name in the file that it stands for; torch adds tensors and their parts."""
