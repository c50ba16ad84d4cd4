import numpy as np
import torch

from spelke.rollout.order import published_orders, random_order


def test_an_order_holds_every_patch_and_repeats_with_its_seed():
    first = random_order(50, torch.Generator().manual_seed(3))
    assert sorted(first.tolist()) == list(range(50))
    assert torch.equal(first, random_order(50, torch.Generator().manual_seed(3)))
    assert not torch.equal(first, random_order(50, torch.Generator().manual_seed(4)))


def test_published_orders_are_two_permutations_of_the_legacy_generator():
    random = np.random.RandomState(1001)
    expected = [random.permutation(1024).tolist() for _ in range(2)]
    assert [order.tolist() for order in published_orders(1001, 1024)] == expected
