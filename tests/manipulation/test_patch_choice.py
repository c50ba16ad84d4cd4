import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from spelke.manipulation.patch_choice import (
    NOVEL_VIEW_FLOW,
    OBJECT_FLOW_OLD,
    FlowChoice,
    choose_flow_patches,
    patches_outside,
    published_edit_orders,
)
from spelke.manipulation.regions import touched_patches, whole_patches


@given(st.integers(0, 999), st.floats(0, 1), st.integers(0, 50), st.integers(0, 50), st.booleans())
def test_chosen_patches_are_of_their_kind_and_as_many_as_there_are(
    seed, share, moving, still, all_
):
    rng = np.random.default_rng(seed)
    cells = rng.random((12, 16)) < share
    choice = FlowChoice(moving=moving, still=still, whole=all_)
    chosen = choose_flow_patches(cells, 6, 8, rng, choice)
    assert len(set(chosen.tolist())) == len(chosen)
    touched = touched_patches(cells, 6, 8)
    of_object = whole_patches(cells, 6, 8) if all_ else touched
    expected = min(moving, of_object.sum())
    assert of_object.ravel()[chosen[:expected]].all()
    assert not touched.ravel()[chosen[expected:]].any()
    assert len(chosen) == expected + min(still, (~touched).sum())


def test_a_picture_that_moves_as_a_whole_gives_moving_patches_only(rng):
    cells = np.ones((64, 64), bool)
    assert len(choose_flow_patches(cells, 32, 32, rng, NOVEL_VIEW_FLOW)) == 200
    assert len(choose_flow_patches(cells, 32, 32, rng, OBJECT_FLOW_OLD)) == 80


@given(st.integers(0, 999))
def test_what_is_revealed_shows_none_of_the_object(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((12, 16)) < 0.2
    outside = patches_outside(mask, 6, 8, rng)
    assert not touched_patches(mask, 6, 8).ravel()[outside].any()
    assert set(outside) <= set(patches_outside(mask, 6, 8, rng, partly=True))


def test_orders_are_permutations_that_follow_the_seed():
    orders = published_edit_orders(4, 50)
    for order in orders:
        assert sorted(order.tolist()) == list(range(50))
    assert all(map(torch.equal, orders, published_edit_orders(4, 50)))
    assert not torch.equal(orders.first, published_edit_orders(5, 50).first)
