"""`spelke bench models`: what can be measured by name."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Models:
    """List the models that `--models` and `bench run` know by name, and what each needs.

    Besides these: a checkpoint's name or folder, and a class of yours as package.module:Class.
    """

    json: bool = False
    """Print one JSON object for each model instead of a table."""

    def run(self) -> int:
        """Print the list."""
        from spelke.benchmarks.segmenters.table import BUILT_IN

        if self.json:
            for name, one in BUILT_IN.items():
                plain = {"what": one.what, "weights": one.weights, "extra": one.extra}
                print(json.dumps({"name": name, **plain, "class": one.place}))
            return 0
        _print_table()
        return 0


def _print_table() -> None:
    from rich.console import Console
    from rich.table import Table

    from spelke.benchmarks.segmenters.table import BUILT_IN

    table = Table(box=None, pad_edge=False)
    for title in ("name", "what it answers", "pip install", "name it with its weights"):
        table.add_column(title)
    for name, one in BUILT_IN.items():
        extra = f"'spelke[{one.extra}]'" if one.extra else ""
        table.add_row(name, one.what, extra, f"{name}={one.weights}" if one.weights else "")
    # A pipe is no reason to cut columns, a terminal is.
    Console(width=None if sys.stdout.isatty() else 200, markup=False).print(table)
