"""The script that tries other settings of discovery, on a model that is right."""

from dataclasses import replace

import pytest
from benchmarks.ideas import IDEAS, half_of, line, measure
from tests.benchmarks.test_settle import item
from tests.discovery.doubles import PerfectWorldModel

from spelke.benchmarks.test_set import TestItem
from spelke.discovery.settings import embedded


@pytest.mark.parametrize("name", IDEAS)
def test_an_idea_changes_the_settings_and_a_right_model_stays_right(name):
    shipped = replace(embedded(), threshold_ratio=0.45)
    settings = IDEAS[name](shipped)
    assert settings != shipped
    assert measure(name, PerfectWorldModel(), settings, [item()]).scores[0, 1] > 0.9


def test_the_halves_are_even_and_odd_scenes():
    base = item()
    parts = (base.image, base.points, base.segments, base.ignore, base.instances)
    items = [TestItem(f"trays-0000{number}", "trays", *parts) for number in range(5)]
    assert half_of(items, "A") == items[0::2]
    assert half_of(items, "B") == items[1::2]


def test_a_line_compares_with_the_base():
    row = measure("as shipped", PerfectWorldModel(), embedded(), [item()] * 6)
    assert "+0.000 (+0.000 to +0.000)" in line(row, row)
