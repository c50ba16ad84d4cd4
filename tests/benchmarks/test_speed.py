"""The script that times a model, on an untrained one: what it counts must be right."""

import numpy as np
import pytest
import torch
from benchmarks.speed import NaiveModel, measure, metered, report, spread_points

from spelke.benchmarks.cost import prefix_look
from spelke.discovery.observer import Observer
from spelke.models.prefix import PrefixConfig, PrefixWorld
from spelke.rollout.base import Ask, Query
from spelke.rollout.prefix import PrefixWorldModel
from spelke.runtime.device import choose_device
from spelke.types import Poke

# The network's masks are biases, which its blocks do not announce.
pytestmark = pytest.mark.usefixtures("unchecked_shapes")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = PrefixConfig(
        image_size=32, embed_dim=32, depth=3, fork_depth=2, num_heads=2, stem_dim=8, cell_dim=8,
        num_codes=16,
    )  # fmt: skip
    network = PrefixWorld(config)
    network.init_codes(torch.randn(16, 2) * 4)
    return PrefixWorldModel(network, choose_device("cpu"))


def asked(model, name, image, queries):
    (glance,) = model.look(image)
    return getattr(model, name)([Ask(glance, query) for query in queries])


def test_the_naive_path_gives_the_same_answers(model):
    image = torch.rand(1, 3, 32, 32)
    queries = [Query((Poke((8.0 * i, 4.0), (3.0, 1.0)),)) for i in range(3)]
    for name in ("expected_displacement", "motion_affordance", "entropy"):
        fast, slow = (asked(one, name, image, queries) for one in (model, NaiveModel(model)))
        difference = fast - slow
        assert difference.abs().max() < 0.2  # batches of another shape round otherwise in bfloat16


def test_looks_and_questions_are_counted_with_their_cost(model):
    queries = [Query((Poke((8.0, 4.0), (3.0, 1.0)),))] * 3
    image = torch.rand(1, 3, 32, 32)
    with metered(model.network) as meter:
        asked(model, "expected_displacement", image, queries)
    assert (meter.looks, meter.questions) == (1, 4)  # one batch, filled up
    assert meter.cost.tokens == 16 + 4 * (1 + 8 + 16)
    with metered(model.network) as meter:
        asked(NaiveModel(model), "expected_displacement", image, queries)
    assert (meter.looks, meter.questions) == (3, 3)
    assert meter.cost.flops > 3 * prefix_look(model.network.config).flops


def test_the_report_has_times_counts_and_ratios(model):
    photo = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    points = spread_points((40, 60), 3)
    timings = measure(Observer(model), photo, points, repeat=1)
    first, further, naive = timings.values()
    assert further.tokens < first.tokens < naive.tokens
    assert further.looks < first.looks < naive.looks
    text = report(timings, "a title")
    assert "a title" in text
    assert "naive / first point" in text


def test_points_lie_inside_and_apart():
    points = np.array(spread_points((40, 60), 9))
    assert (points > 0).all()
    assert (points < (60, 40)).all()
    assert len(np.unique(points.round(3), axis=0)) == 9
