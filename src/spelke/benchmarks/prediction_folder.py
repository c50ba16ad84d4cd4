"""A folder of predictions of one model, filled by any number of processes and interruptions.

A file counts as done only if it can be read whole, is of this picture, these points and this model.
`manifest.json` says who answered. Entry points: `PredictionFolder`, `Manifest`, `pictures_of`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from spelke.benchmarks.answers import Answer
from spelke.benchmarks.predictions import (
    Prediction,
    file_name,
    read_prediction,
    safe_name,
    write_prediction,
)
from spelke.data.spelkebench import SpelkeBenchFile
from spelke.data.test_item import TestItem
from spelke.errors import BadFile, InvalidInput, MissingData
from spelke.runtime.files import write_json, write_text

SCHEMA = "spelke-run-1"
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Who answered, about what, and with what.

    Attributes:
        model: as the user named it.
        name: as the model calls itself in reports.
        identity: of its code, options, weights and the seed; another one, other answers.
        weights: checksum of its weights, or "".
        options: given to it.
        dataset: name of the file.
        num_images: in that file.
        seed: of the run.
        is_oracle: the model was told the truth.
        versions: of Python and the packages.
        pictures: the SpelkeBench file with the pictures that were last asked about, as a path from
            the folder, where the predictions are without them; else "".
    """

    model: str
    name: str
    identity: str
    weights: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    dataset: str = ""
    num_images: int = 0
    seed: int = 0
    is_oracle: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    pictures: str = ""


class PredictionFolder:
    """Predictions of one model.

    Args:
        path: the folder; it need not exist.
        pictures: see `Manifest`; "" keeps each picture beside its answer, as published.
    """

    def __init__(self, path: str | os.PathLike[str], pictures: str = ""):
        self.path = Path(path)
        self.pictures = pictures

    def check_writable(self) -> None:
        """Make the folder and try to write to it.

        Raises:
            InvalidInput: there is a file of that name. Unavailable: it may not be written.
        """
        if self.path.is_file():
            raise InvalidInput(f"{self.path} is a file; name a folder for the predictions")
        probe = self.path / ".writable"
        write_text(probe, "")
        probe.unlink(missing_ok=True)

    def begin(self, manifest: Manifest) -> str:
        """Take the folder for a run.

        Returns:
            "", or what a user should know: that the model or the data set is another.

        Raises:
            InvalidInput: it holds answers of another model, or of another program.
        """
        before = self.manifest()
        if before is None and self.keys():
            raise InvalidInput(
                f"{self.path} holds predictions of another program, which cannot be verified; "
                "choose another folder"
            )
        # package.module:Class and package.module.Class are one model.
        if before is not None and _dotted(before.model) != _dotted(manifest.model):
            raise InvalidInput(
                f"{self.path} holds predictions of {before.model}, not of {manifest.model}; "
                "choose another folder"
            )
        # What was kept without its picture still needs the file that has it.
        manifest = replace(manifest, pictures=self.pictures or (before.pictures if before else ""))
        if before != manifest:
            plain = {"schema": SCHEMA, **asdict(manifest)}
            write_json(self.path / MANIFEST, plain)
        if before is not None and before.identity != manifest.identity:
            return (
                f"{manifest.model} has other code, options, weights or another seed than what "
                f"{self.path} holds: all is asked again"
            )
        if before is not None and before.dataset != manifest.dataset:
            return f"{self.path} also holds what was answered about {before.dataset}"
        return ""

    def manifest(self) -> Manifest | None:
        """What the folder says of its run; None if it says nothing.

        Raises:
            BadFile: the manifest cannot be read.
        """
        path = self.path / MANIFEST
        if not path.is_file():
            return None
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            if plain.pop("schema") != SCHEMA:
                raise ValueError("another schema")
            return Manifest(**plain)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadFile(
                f"{path} is no manifest of a run ({error!r}): delete it and the folder's "
                "predictions, or choose another folder"
            ) from error

    def sweep(self, keys: Sequence[str]) -> None:
        """Remove what a killed process left half-written of these pictures."""
        stems = {safe_name(key) for key in keys}
        for folder in (self.path, self.path / "failed"):
            for path in folder.glob(".*.part.*"):
                left = re.fullmatch(r"\.(.+)\.[0-9a-f]{8}\.part\.(h5|txt)", path.name)
                if left and left[1] in stems:
                    path.unlink(missing_ok=True)

    def holds(self, item: TestItem, identity: str) -> bool:
        """Whether there is a whole answer of that model to exactly this picture and points."""
        found = _read(self.path / file_name(item.key), item, identity)
        return found is not None and found.masks is not None

    def answers_to(self, items: Iterable[TestItem], identity: str) -> dict[str, Answer]:
        """Return what that model answered to exactly these pictures and points, by key.

        Failures are among them; what was not asked is absent.
        """
        found = {}
        for item in items:
            name = file_name(item.key)
            one = _read(self.path / name, item, identity)
            one = one or _read(self.path / "failed" / name, item, identity)
            if one is not None:
                found[item.key] = Answer(
                    one.key, one.fingerprint, one.masks, one.seconds, one.error, one.traceback
                )
        return found

    def add(self, item: TestItem, answer: Answer, identity: str) -> None:
        """Keep one answer, good or failed.

        Raises:
            Unavailable: the disk is full or the folder may not be written.
        """
        write_prediction(
            self.path,
            Prediction(
                key=item.key,
                family=item.family,
                image=None if self.pictures else item.image,
                points=item.points,
                truths=item.segments,
                masks=answer.masks,
                ignore=item.ignore,
                seconds=answer.seconds,
                error=answer.error,
                traceback=answer.traceback,
                fingerprint=item.fingerprint,
                identity=identity,
                clip=item.clip,
            ),
        )

    def keys(self) -> list[str]:
        """Names of the files with answers, sorted; keys as they are in almost all files."""
        return sorted(path.stem for path in _files(self.path))

    def predictions(self, with_image: bool = True) -> Iterator[Prediction]:
        """Read all, the failed ones too, sorted by file; see `read_prediction`.

        Raises:
            MissingData: there are none. BadFile: one cannot be read.
        """
        for path in self.files():
            yield read_prediction(path, with_image)

    def files(self) -> list[Path]:
        """All files, of failed ones only where there is no answer.

        Raises:
            MissingData: there are none.
        """
        good = {path.name: path for path in _files(self.path)}
        bad = {path.name: path for path in _files(self.path / "failed")}
        found = {**bad, **good}
        if not found:
            raise MissingData(f"there are no predictions (.h5) in {self.path}; run a model first")
        return [found[name] for name in sorted(found)]


def _dotted(model: str) -> str:
    return model.replace(":", ".")


def pictures_of(folder: Path, manifest: Manifest) -> SpelkeBenchFile:
    """Open the file with the pictures of a folder whose predictions are without them.

    Raises:
        MissingData: it is not where the manifest says.
    """
    path = (folder / manifest.pictures).resolve()
    if not path.is_file():
        raise MissingData(
            f"the pictures of {folder} should be in {path}, which is not there: name their file "
            "with --dataset"
        )
    return SpelkeBenchFile(path)


def _read(path: Path, item: TestItem, identity: str) -> Prediction | None:
    """A prediction of that model to exactly this picture and points, or None."""
    if not path.is_file():
        return None
    try:
        found = read_prediction(path, with_image=False)
    except BadFile:  # cut short or damaged: it is asked again
        return None
    of_this = (found.fingerprint, found.identity) == (item.fingerprint, identity)
    return found if of_this else None


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.h5") if not path.name.startswith(".")]
