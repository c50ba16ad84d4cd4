from dataclasses import replace

import pytest

from spelke.discovery.settings import (
    PRESETS,
    DiscoverySettings,
    Refine,
    Stage,
    embedded,
    published_1b,
    published_fast,
    settings_of,
)
from spelke.errors import InvalidInput, UnknownName


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"zoom_steps": 1, "zoom": None}, "needs a zoom stage"),
        ({"evidence": "dot"}, "no fixed threshold"),
        ({"evidence": "colour"}, "'gain'"),
        ({"threshold": "mean"}, "'otsu'"),
        ({"threshold_ratio": 0.6, "refine": Refine()}, "no pixel sure"),
        ({"corner_pokes": "some"}, "'free'"),
        ({"num_looks": 9}, "1..8"),
        ({"num_looks": 2, "chain_crops": True}, "chain_crops=False"),
        ({"threshold_ratio": 1.0}, r"\(0, 1\)"),
        ({"zoom_padding": 0.5}, "zoom_padding"),
        ({"max_magnification": 0.0}, "max_magnification"),
        ({"affordance_sure": 0.0}, "affordance_sure"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message):
    with pytest.raises(InvalidInput, match=message):
        replace(embedded(), **change)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_directions": 0}, "at least one direction"),
        ({"min_length": 0.2, "max_length": 0.1}, "min_length <= max_length"),
        ({"num_sequential": -1}, "num_sequential"),
        ({"companion": "both"}, "'together'"),
    ],
)
def test_a_stage_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(InvalidInput, match=message):
        Stage(**change)


def test_the_published_presets_cost_what_the_released_code_costs():
    for settings, expected in ((published_1b(), 39), (published_fast(), 6)):
        assert settings.zoom is not None
        zoom = settings.zoom.num_directions * (settings.zoom_steps + 1)
        assert zoom + settings.final.num_seeds * settings.final.num_directions == expected


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_by_its_name(name):
    assert settings_of({"preset": name}) == PRESETS[name]()


def test_a_record_changes_what_it_names():
    settings = settings_of(
        {"num_looks": 2, "final": {"num_directions": 16, "sampling": {"top_k": 5}}}
    )
    assert settings == replace(embedded(), num_looks=2, final=settings.final)
    assert settings.final.num_directions == 16
    assert settings.final.sampling.top_k == 5
    assert settings.final.max_length == embedded().final.max_length


def test_unknown_names_in_a_record_are_refused():
    with pytest.raises(UnknownName, match="published_1b"):
        settings_of({"preset": "publish"})
    with pytest.raises(InvalidInput, match="no field zooom_steps"):
        settings_of({"zooom_steps": 1})
    with pytest.raises(InvalidInput, match="final have no field directions"):
        settings_of({"final": {"directions": 1}})


def test_settings_without_anything_are_one_plain_round():
    assert DiscoverySettings().zoom_steps == 0
