from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spelke.discovery.load import discovery_settings, load
from spelke.discovery.settings import embedded, notebook, published_1b
from spelke.errors import BadCheckpoint, InvalidInput, UnknownName
from spelke.models.local_quantizer import (
    LocalQuantizer,
    flow_quantizer_config,
    rgb_quantizer_config,
)
from spelke.models.lras import LRAS, LRASConfig
from spelke.rollout.prompt import PublishedOptions, published_options
from spelke.runtime.device import DeviceChoice
from spelke.tokens.layout import flow_layout
from spelke.weights import save
from spelke.weights.table import CHECKPOINTS

GRID = {"rows": 8, "columns": 8, "rgb_codes": 16, "flow_codes": 16}


@pytest.fixture
def networks():
    layout = flow_layout(**GRID)
    config = LRASConfig(
        vocab_size=layout.vocab_size,
        num_positions=layout.num_positions,
        depth=1,
        num_heads=2,
        embed_dim=8,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {
            "network": LRAS(config),
            "flow_quantizer": LocalQuantizer(flow_quantizer_config(embed_dim=8, num_bits=4)),
            "rgb_quantizer": LocalQuantizer(rgb_quantizer_config(embed_dim=8, num_bits=4)),
        }


def saved(folder, networks, **settings):
    return save(folder, "lras", networks, card="# mine", settings=settings)


def test_a_folder_becomes_an_observer(tmp_path, networks):
    tuned = {"preset": "notebook", "final": {"num_directions": 3}}
    folder = saved(tmp_path / "mine", networks, layout=GRID, discovery=tuned)
    observer = load(folder, "cpu")
    assert observer.settings.final.num_directions == 3
    photo = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)
    segment = observer.look(photo).segment((30.0, 20.0))
    assert segment.mask.shape == (50, 70)


def test_settings_that_are_given_win(tmp_path, networks):
    folder = saved(tmp_path / "mine", networks, layout=GRID, discovery={"preset": "notebook"})
    assert load(folder, "cpu", embedded()).settings == embedded()


def test_the_reference_sets_every_switch_as_published(tmp_path, networks):
    folder = saved(tmp_path / "mine", networks, layout=GRID, discovery={"preset": "embedded"})
    observer = load(folder, "cpu", parity="reference")
    assert observer.settings == published_1b()
    assert observer.world_model.options == published_options()
    assert observer.world_model.network.lm_head.weight.dtype == torch.float32
    assert load(folder, "cpu").world_model.options == PublishedOptions()
    tuned = load(folder, "cpu", notebook(), parity="reference")
    assert tuned.settings == notebook()


def test_there_is_no_reference_for_a_network_of_our_own_kind():
    if not (CHECKPOINTS / "spelke-tiny").is_dir():
        pytest.skip("spelke-tiny is not in this source tree")
    with pytest.raises(InvalidInput, match=r"'prefix', which the published code .* leave parity"):
        load("spelke-tiny", "cpu", parity="reference")


@pytest.mark.usefixtures("unchecked_shapes")
def test_another_parity_is_refused():
    with pytest.raises(InvalidInput, match="'fast', 'reference'; got 'exact'"):
        load("spelke-tiny", "cpu", parity="exact")


def test_a_layout_that_does_not_fit_is_named(tmp_path, networks):
    with pytest.raises(InvalidInput, match="vocab_size"):
        load(saved(tmp_path / "mine", networks), "cpu")


def test_a_quantizer_alone_is_no_world_model(tmp_path, networks):
    network = {"network": networks["flow_quantizer"]}
    folder = save(tmp_path / "mine", "local_quantizer", network, card="# mine")
    with pytest.raises(BadCheckpoint, match="no world model"):
        load(folder, "cpu")


def test_a_name_that_no_model_has():
    with pytest.raises(UnknownName, match="spelke-small"):
        load("spelke-smal", "cpu")


@pytest.mark.usefixtures("unchecked_shapes")
def test_each_architecture_has_its_preset():
    for architecture, expected in (("prefix", embedded()), ("lras", published_1b())):
        checkpoint = SimpleNamespace(architecture=architecture, settings={})
        assert discovery_settings(checkpoint) == expected


def test_a_large_network_is_kept_as_the_device_multiplies_it(tmp_path, networks, monkeypatch):
    folder = saved(tmp_path / "mine", networks, layout=GRID)
    for dtype in (torch.float32, torch.bfloat16):
        choice = DeviceChoice(torch.device("cpu"), dtype, "for the test")
        monkeypatch.setattr("spelke.discovery.load.choose_device", lambda name, c=choice: c)
        model = load(folder).world_model
        assert model.network.lm_head.weight.dtype == dtype
        assert model.rgb_quantizer.encoder[0].weight.dtype == torch.float32
