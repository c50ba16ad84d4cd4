"""The numbers of a run: JSON lines, TensorBoard, and whoever listens."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from spelke.errors import MissingExtra
from spelke.runtime.files import write_text

LOG = "log.jsonl"
Line = dict[str, float]


class Means:
    """Running means of metrics since the last line; what is not a number is left out."""

    def __init__(self) -> None:
        self.values: dict[str, list[Tensor | float]] = {}

    def add(self, metrics: dict[str, Any]) -> None:
        """Add the metrics of one forward pass; they stay on their device until they are taken."""
        for name, value in metrics.items():
            self.values.setdefault(name, []).append(value)

    def take(self) -> Line:
        """The means; start again."""
        taken, self.values = self.values, {}
        finite = {
            name: [number for number in map(float, values) if math.isfinite(number)]
            for name, values in taken.items()
        }
        return {name: sum(values) / len(values) for name, values in finite.items() if values}


class Log:
    """Writes each line to `log.jsonl` and TensorBoard, and passes it on.

    Args:
        folder: of the run.
        report: called with every line.
        step: where the run stands; lines of later steps, which are about to be made again, go.

    Raises:
        MissingExtra: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, report: Callable[[Line], None], step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise MissingExtra(
                "training needs TensorBoard, which is not installed; run: "
                "pip install 'spelke[train]'"
            ) from error
        _forget(folder / LOG, step)
        self.file = (folder / LOG).open("a")
        self.board = SummaryWriter(
            str(folder / "tensorboard"), purge_step=step + 1 if step else None
        )
        self.report = report

    def write(self, line: Line) -> None:
        """Write one line; it must hold `step`."""
        short = {k: v if isinstance(v, int) else float(f"{v:.5g}") for k, v in line.items()}
        finite = {name: value for name, value in short.items() if math.isfinite(value)}
        print(json.dumps(finite), file=self.file, flush=True)
        for name, value in finite.items():
            if name != "step":
                self.board.add_scalar(name, value, int(line["step"]))
        self.report(finite)

    def close(self) -> None:
        """Flush and close."""
        self.file.close()
        self.board.close()


def read_log(folder: Path) -> list[Line]:
    """All whole lines of a run's log; none where there is no log."""
    path = folder / LOG
    return [line for line in map(_parse, _lines(path)) if line is not None]


def _forget(path: Path, step: int) -> None:
    """Drop lines after `step`, and one that was cut off."""
    lines = _lines(path)
    kept = [text for text in lines if (line := _parse(text)) is not None and line["step"] <= step]
    if kept != lines:
        write_text(path, "".join(f"{text}\n" for text in kept))


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _parse(text: str) -> Line | None:
    try:
        line = json.loads(text)
    except json.JSONDecodeError:
        return None
    return line if isinstance(line, dict) and "step" in line else None
