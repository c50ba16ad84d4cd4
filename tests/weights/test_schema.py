from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import BadCheckpoint
from spelke.models.local_quantizer import LocalQuantizerConfig
from spelke.weights.schema import from_plain, to_plain


@dataclass(frozen=True)
class Inner:
    width: int = 3
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    maybe: float | None = None
    pair: tuple[int, int] = (1, 2)
    many: tuple[float, ...] = ()
    either: int | str = 0
    flag: bool = False


@given(
    st.builds(
        Outer,
        inner=st.builds(Inner, width=st.integers(), kind=st.sampled_from(["a", "b"])),
        maybe=st.none() | st.floats(allow_nan=False),
        pair=st.tuples(st.integers(), st.integers()),
        many=st.lists(st.floats(allow_nan=False)).map(tuple),
        either=st.integers() | st.text(),
        flag=st.booleans(),
    )
)
def test_a_configuration_survives_json(config):
    text = json.dumps(to_plain(config))
    assert from_plain(Outer, json.loads(text), "here") == config


@given(st.integers(1, 20), st.sampled_from([4, 8, 512]), st.floats(0.1, 9))
def test_a_quantizer_configuration_survives_json(num_bits, embed_dim, std):
    config = LocalQuantizerConfig(
        in_channels=2, num_bits=num_bits, embed_dim=embed_dim, mean=(0, 1.5), std=(std,)
    )
    assert from_plain(LocalQuantizerConfig, json.loads(json.dumps(to_plain(config))), "") == config


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"inner": {"width": 1.5}}, r"here\.inner\.width must be int, got float 1\.5"),
        ({"inner": {"kind": "c"}}, r"here\.inner\.kind must be .*Literal"),
        ({"inner": {"widht": 1}}, "did you mean 'width'"),
        ({"pair": [1, 2, 3]}, "pair must be a list of 2 values"),
        ({"pair": 1}, "pair must be a list"),
        ({"many": [1, "x"]}, r"many\[1\] must be float"),
        ({"maybe": "x"}, "maybe must be float"),
        ({"either": []}, "either must be str"),
        ({"flag": 1}, "flag must be bool"),
        (None, "must be an object, got NoneType"),
    ],
)
def test_what_is_not_understood_is_refused(values, says):
    with pytest.raises(BadCheckpoint, match=says):
        from_plain(Outer, values, "here")
