import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.discovery.doubles import PerfectWorldModel, paint

from spelke.discovery.affordance import choose_patch, firm_affordance, motion_affordances

maps = arrays(np.float32, (6, 5), elements=st.floats(0, 1, width=32))


@given(affordance=maps)
def test_firm_affordance_takes_away_only(affordance):
    assert (firm_affordance(affordance) <= affordance).all()


@given(weights=maps, uniform=st.floats(0, 1, exclude_max=True))
def test_only_patches_with_weight_are_chosen(weights, uniform):
    if weights.sum() > 1e-3:
        assert weights[choose_patch(weights, uniform)] > 0


def test_patches_are_chosen_in_proportion():
    weights = np.array([[1.0, 3.0]], np.float32)
    chosen = [choose_patch(weights, uniform)[1] for uniform in np.linspace(0, 0.999, 1000)]
    assert 0.74 < np.mean(chosen) < 0.76


def test_the_affordance_is_asked_with_a_still_camera(square_table):
    asked = []

    class Asked(PerfectWorldModel):
        def motion_affordance(self, asks):
            asked.extend(asks)
            return super().motion_affordance(asks)

    model = Asked()
    from spelke.data.image import read_image
    from spelke.discovery.view import CropView

    picture = CropView.whole(read_image(paint(square_table)), 128).picture()
    affordances = motion_affordances(model, model.look(torch.stack([picture, picture])))
    assert affordances.shape == (2, 16, 16)
    for _, query in asked:
        assert [poke.length for poke in query.pokes] == [0, 0, 0, 0]
