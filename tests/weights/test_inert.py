from __future__ import annotations

from pickle import UnpicklingError

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spelke.weights.inert import InertArray, InertDType, _scalar
from spelke.weights.pickles import read_pickle

NUMBERS = st.one_of(
    *(kind(endianness=order) for kind in (hnp.floating_dtypes, hnp.integer_dtypes,
      hnp.unsigned_integer_dtypes) for order in "<>")
)  # fmt: skip


@given(hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0)), st.booleans())
def test_arrays_come_back_as_they_were_saved(tmp_path_factory, array, by_columns):
    if by_columns:
        array = np.asfortranarray(array)
    path = tmp_path_factory.mktemp("array") / "a.pt"
    torch.save({"a": array}, path)
    found = read_pickle(path)["a"].to_numpy()
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


@given(hnp.arrays(NUMBERS, ()))
def test_scalars_come_back_as_numbers(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("scalar") / "a.pt"
    torch.save({"a": array[()]}, path)
    np.testing.assert_equal(read_pickle(path)["a"], array.item())


def described(*state):
    array = InertArray()
    array.__setstate__(state)
    return array


def dtype(name, order="<"):
    made = InertDType(name, False, True)
    made.__setstate__((3, order, None, None, None, -1, -1, 0))
    return made


@pytest.mark.parametrize(
    "array",
    [
        InertArray(),
        described(1, (2,)),
        described(1, (2,), dtype("f4"), False, [1, 2]),
        described(1, (2,), "f4", False, b"\0" * 8),
        described(1, (3,), dtype("f4"), False, b"\0" * 8),
        described(1, (-2, -1), dtype("f4"), False, b"\0" * 8),
        described(1, (2.0,), dtype("f4"), False, b"\0" * 8),
        described(1, 2, dtype("f4"), False, b"\0" * 8),
        described(1, (1,), dtype("O8"), False, b"\0" * 8),
        described(1, (1,), dtype("V8"), False, b"\0" * 8),
        described(1, (2,), dtype("f4", "?"), False, b"\0" * 8),
        described(1, (2,), dtype(["f4"]), False, b"\0" * 8),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(array):
    with pytest.raises(ValueError, match="array"):
        array.to_numpy()


def test_an_array_of_objects_is_refused(tmp_path):
    torch.save({"a": np.array([{}, []], object)}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="not numbers"):
        read_pickle(tmp_path / "a.pt")["a"].to_numpy()


@pytest.mark.parametrize("arguments", [(), ("f4", b"\0" * 4), (dtype("f4"), b"\0" * 8)])
def test_what_is_no_number_is_refused(arguments):
    with pytest.raises(UnpicklingError):
        _scalar(*arguments)
