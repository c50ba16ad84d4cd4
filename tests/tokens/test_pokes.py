import numpy as np
import pytest
import torch
from tests.recipes import golden

from spelke.errors import InvalidInput
from spelke.tokens.layout import flow_layout, spelkenet_layout
from spelke.tokens.pokes import corner_pokes, flow_of_pokes, poke_patches
from spelke.types import Poke

LAYOUT = spelkenet_layout()


def _pokes(rows):
    return [Poke((x, y), (to_x - x, to_y - y)) for x, y, to_x, to_y in rows.tolist()]


@pytest.mark.parametrize("case", [0, 1])
def test_flow_and_patches_are_the_published_ones(case):
    arrays = golden("poke_to_flow")
    pokes = _pokes(arrays[f"cond{case}"])
    assert poke_patches(pokes, LAYOUT) == arrays[f"unmask{case}"].tolist()
    ours = flow_of_pokes(pokes, LAYOUT)[None] / 20
    np.testing.assert_allclose(ours.numpy(), arrays[f"flow_norm{case}"], atol=1e-6)


def test_corners_are_the_published_ones_in_order():
    assert poke_patches(corner_pokes(LAYOUT), LAYOUT) == [31, 0, 992, 1023]
    assert [poke.point for poke in corner_pokes(LAYOUT)] == [
        (248.0, 0.0),
        (0.0, 0.0),
        (0.0, 248.0),
        (248.0, 248.0),
    ]


def test_a_given_flow_is_kept_and_not_changed():
    layout = flow_layout(2, 3)
    before = torch.ones(2, 16, 24)
    flow = flow_of_pokes([Poke((9.0, 3.0), (4.0, -5.0))], layout, before)
    assert (before == 1).all()
    assert flow[0, :8, 8:16].unique().item() == 4
    assert flow[1, :8, 8:16].unique().item() == -5
    assert (flow != 1).sum() == 2 * 64


def test_a_poke_outside_the_picture_is_refused():
    with pytest.raises(InvalidInput):
        poke_patches([Poke((256.0, 3.0), (1.0, 0.0))], LAYOUT)
