"""`spelke bench motion`: what a single picture tells of what moves next in a real clip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spelke.cli.bench_parts import ask, find_contestants, progress, say, table_console
from spelke.errors import InvalidInput

if TYPE_CHECKING:
    from spelke.benchmarks.clips import Moment
    from spelke.benchmarks.foretell import Forecast
    from spelke.benchmarks.motion_parts import Parts


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Score affordance, displacement and segments by what moved next in real clips."""

    data: Path
    """Folder with `SOURCE/CLIP/frames` and `SOURCE/CLIP/masks`."""
    models: tuple[str, ...] = ("spelke-small",)
    """Checkpoints, names or folders, to measure; baselines stand beside them."""
    sources: tuple[str, ...] = ("sbi2015", "ucsd_bgsub", "cdnet_highway")
    """Folders of clips under --data."""
    pictures: int = 4
    """Pictures of each clip."""
    json: bool = False
    """Print JSON objects instead of tables: scores, then how far models are ahead."""
    out: Path | None = None
    """Folder for answers; a later run with it asks only what is missing."""
    sheet: bool = False
    """Draw what the first model says of some pictures drawn at random."""
    device: str | None = None
    """cpu, cuda or mps; the best that is here unless given."""

    def run(self) -> int:
        """Choose pictures, ask, print the scores."""
        import numpy as np

        from spelke.benchmarks.clips import MomentSettings, item_of, read_moments
        from spelke.benchmarks.held_out import default_cache
        from spelke.benchmarks.motion_parts import draw_moments, score_parts
        from spelke.benchmarks.quick import BASELINES, write_picture

        if self.pictures < 1:
            raise InvalidInput(f"--pictures must be at least 1, got {self.pictures}")
        named = [name for name in self.models if name in BASELINES]
        if named:
            raise InvalidInput(f"{', '.join(named)} is no world model; baselines are always asked")
        chosen = read_moments(self.data, self.sources, MomentSettings(per_clip=self.pictures))
        for key, reason in chosen.left_out.items():
            say(f"left out {key}: {reason}")
        moments, folder = chosen.found, self.out or default_cache() / "answers" / "motion"
        contestants = find_contestants(self.models, True, False, self.device)
        items = [item_of(moment) for moment in moments]
        outcome = ask(contestants, items, folder)
        forecasts = _forecasts(contestants, moments, folder)
        found = score_parts(moments, outcome.answers, forecasts)
        _report(self, moments, found, list(forecasts))
        if self.sheet:
            first = self.models[0]
            page = draw_moments(
                moments, forecasts[first], outcome.answers[first], np.random.default_rng(0)
            )
            write_picture(folder / f"{first}.png", page)
            say(f"wrote {folder / first}.png")
        say(f"answers are in {folder}")
        return 1 if outcome.num_failed else 0


def _forecasts(
    contestants: Sequence[Any], moments: Sequence[Moment], folder: Path
) -> dict[str, dict[str, Forecast]]:
    """What every world model says of every picture."""
    from spelke.benchmarks.foretell import Forecaster

    forecasts = {}
    for contestant in contestants:
        if contestant.observer is None:
            continue
        caster = Forecaster(contestant.name, contestant.identity, contestant.observer, folder)
        with progress() as track:
            forecasts[contestant.name] = {
                moment.key: caster.forecast(moment)
                for moment in track(moments, f"{contestant.name}: what moves")
            }
    return forecasts


def _report(verb: Motion, moments: Sequence[Moment], found: Parts, models: Sequence[str]) -> None:
    from spelke.benchmarks.motion import draw_leads, draw_parts, leads_of, rows_of_part
    from spelke.benchmarks.motion_parts import without

    rows = [
        row
        for part, methods in found.items()
        for method, values in methods.items()
        for row in rows_of_part(part, method, moments, values)
    ]
    leads = [
        lead
        for part, methods in found.items()
        for lead in leads_of(part, moments, methods, without(methods, models))
    ]
    if verb.json:
        for row in (*rows, *leads):
            print(json.dumps(row.to_json()))
    console = table_console(verb.json)
    console.print(draw_parts(rows))
    console.print(draw_leads(leads))
