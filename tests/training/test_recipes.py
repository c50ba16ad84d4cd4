import pytest
import torch

from spelke.errors import UnknownName
from spelke.models.local_quantizer import LocalQuantizer, LocalQuantizerConfig
from spelke.models.lras import LRAS
from spelke.models.prefix import PrefixConfig, PrefixWorld
from spelke.models.two_frame import TwoFrameConfig, TwoFramePredictor
from spelke.training.published_samples import PublishedConfig
from spelke.training.recipes import RECIPES, find_recipe

NAMES = list(RECIPES)


def test_the_list():
    assert NAMES == [
        "flow-quantizer",
        "flow-quantizer-published",
        "rgb-quantizer",
        "spelke-tiny",
        "spelke-small",
        "lras-tiny",
        "cwm-tiny",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_called_by_its_name_and_says_what_it_takes(name):
    recipe = find_recipe(name)
    assert recipe.name == name
    text = " ".join(RECIPES[name].__doc__.split())
    assert "CPU" in text or "GPU" in text


@pytest.mark.parametrize("name", NAMES)
def test_pictures_fit_the_network(name):
    recipe = find_recipe(name)
    if not isinstance(recipe.network, LocalQuantizerConfig):
        assert recipe.samples.image_size == recipe.network.image_size
        assert recipe.samples.patch_size == recipe.network.patch_size
        side = recipe.network.image_size // recipe.network.patch_size
        assert recipe.samples.questions.num_pointers <= side**2


def test_quantizers_fit_the_published_layout():
    flow, rgb = find_recipe("flow-quantizer").network, find_recipe("rgb-quantizer").network
    assert (flow.in_channels, rgb.in_channels) == (2, 3)
    published = find_recipe("lras-tiny").network
    assert (published.flow_codes, published.rgb_codes) == (flow.vocab_size, rgb.vocab_size)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("spelke-tiny", 0.4, 0.95),
        ("spelke-small", 3.8, 4.6),
        ("lras-tiny", 3.9, 4.3),
        ("cwm-tiny", 2.6, 2.8),
        ("flow-quantizer-published", 39.6, 39.8),
    ],
)
def test_sizes_are_as_promised(name, low, high):
    """Millions of parameters; two bytes each must keep the tiny checkpoint below 2 MB."""
    config = find_recipe(name).network
    with torch.device("meta"):
        if isinstance(config, PrefixConfig):
            network = PrefixWorld(config)
        elif isinstance(config, TwoFrameConfig):
            network = TwoFramePredictor(config)
        elif isinstance(config, PublishedConfig):
            network = LRAS(config.network())
        else:
            network = LocalQuantizer(config)
    assert low < sum(p.numel() for p in network.parameters()) / 1e6 < high


def test_a_sequence_of_the_published_layout_is_below_a_thousand_tokens():
    recipe = find_recipe("lras-tiny")
    patches = recipe.network.picture_patches + recipe.samples.questions.num_pointers
    assert 5 * patches + 8 == 998


def test_an_unknown_recipe_lists_all():
    with pytest.raises(UnknownName, match="spelke-small"):
        find_recipe("spelke-huge")
