from spelke.benchmarks import tuning
from spelke.benchmarks.baselines import METHODS, BaselineSettings


def test_the_best_combination_is_taken_and_all_trials_are_told(items, monkeypatch):
    monkeypatch.setattr(
        tuning,
        "GRID",
        {
            "disc": {"disc_radius": (2.0, 12.0, 60.0)},
            "flood-fill": {"flood_tolerance": (200.0, 8.0)},
        },
    )
    told = []
    settings, trials = tuning.tune(items, told.append)
    assert settings == BaselineSettings(disc_radius=12.0, flood_tolerance=8.0)
    assert told == trials
    assert len(trials) == 5


def test_only_parameters_that_exist_are_tuned():
    names = {name for grid in tuning.GRID.values() for name in grid}
    assert names <= set(BaselineSettings.__dataclass_fields__)
    assert tuning.GRID.keys() == METHODS.keys() - {"whole-image"}
