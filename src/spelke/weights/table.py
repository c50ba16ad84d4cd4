"""The models that have a name: what ships, and what others have published.

Data only; converted models lie where `home.py` says. Scores, steps and limits of the shipped models
stand in their `card.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spelke.errors import Unavailable, UnknownName
from spelke.weights.home import model_folder
from spelke.weights.nearest import did_you_mean

CHECKPOINTS = Path(__file__).parent / "checkpoints"
"""Where the shipped checkpoints are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRecord:
    """What is known of a model before its weights are read."""

    name: str
    summary: str
    """One sentence."""
    architecture: str
    status: Literal["shipped", "published"]
    """`shipped` is in the package; `published` is public, in a format that has to be converted."""
    where: str
    """Folder inside the package, or public address."""
    files: tuple[str, ...]
    sha256: tuple[str, ...] = ()
    """Of each of `files`, "" where it is not known; a checkpoint carries its own."""
    licence: str
    num_parameters: int | None = None
    """Of the world model without its quantizers, where it is not read from the checkpoint."""
    size_mb: float | None = None
    """Of all files together, in 10**6 bytes, where it is not read from the disk."""
    paper: str
    image_size: int | None = None
    """Side of the square picture that it takes, in pixels, where `config.json` does not say it."""

    @property
    def folder(self) -> Path:
        """Where its checkpoint is; for a published model, where its converted form belongs."""
        return CHECKPOINTS / self.where if self.status == "shipped" else model_folder(self.name)


_PAPER = "Venkatesh et al. 2025, Discovering and using Spelke segments, arXiv 2507.16038"
_BUCKET = "https://storage.googleapis.com/stanford_neuroai_models/SpelkeNet/models/"
_SHARED = ("rgb_quantizer.pt", "flow_quantizer.pt", "flow_token_to_flow_vector_mapping.pt")
_FILES = ("config.json", "model.safetensors", "card.md")

MODELS: dict[str, ModelRecord] = {
    record.name: record
    for record in (
        ModelRecord(
            name="spelke-tiny",
            summary="For tests and examples: it runs everywhere in no time and knows little.",
            architecture="prefix",
            status="shipped",
            where="spelke-tiny",
            files=_FILES,
            licence="MIT",
            paper=_PAPER,
        ),
        ModelRecord(
            name="spelke-small",
            summary="The default: trained by this project's own recipe on simulated table tops.",
            architecture="prefix",
            status="shipped",
            where="spelke-small",
            files=_FILES,
            licence="MIT",
            paper=_PAPER,
        ),
        ModelRecord(
            name="spelkenet-1b",
            summary="The published model with 1 billion parameters, trained on internet video.",
            architecture="lras",
            status="published",
            where=_BUCKET,
            files=("SpelkeNet1B.pt", *_SHARED),
            licence="MIT (as the repository that publishes it)",
            num_parameters=1_022_500_000,
            size_mb=4408,
            paper=_PAPER,
            image_size=256,
        ),
        ModelRecord(
            name="spelkenet-7b",
            summary="The published model with 7 billion parameters, trained on internet video.",
            architecture="lras",
            status="published",
            where=_BUCKET,
            files=("SpelkeNet7B.pt", *_SHARED),
            licence="MIT (as the repository that publishes it)",
            num_parameters=7_449_400_000,
            size_mb=30_116,
            paper=_PAPER,
            image_size=256,
        ),
    )
}
"""Every name, in the order in which `spelke weights list` shows them."""

DEFAULT_MODEL = "spelke-small"


def find_model(name: str) -> ModelRecord:
    """The record of exactly this name.

    Raises:
        UnknownName: no model has this name; the message offers the nearest.
    """
    if name in MODELS:
        return MODELS[name]
    raise UnknownName(
        f"no model is called {name!r}; {did_you_mean(name, MODELS)}`spelke weights list` shows all "
        "names, and a folder that holds a checkpoint may be given in the place of a name"
    )


def named_folder(name: str) -> Path:
    """The folder of a model that is ready for use.

    Raises:
        UnknownName: no model has this name.
        Unavailable: it is missing from this installation, or was not converted here yet.
    """
    record = find_model(name)
    if record.folder.is_dir():
        return record.folder
    if record.status == "shipped":
        raise Unavailable(
            f"{name} should be in {record.folder} but is not there; install Spelke again"
        )
    raise Unavailable(
        f"{name} is published ({record.size_mb or 0:,.0f} MB) and must be fetched and converted "
        f"once: `spelke weights fetch {name}`. Or download {', '.join(record.files)} from "
        f"{record.where} into a folder DIR and run `spelke weights convert DIR`. "
        f"{' and '.join(shipped_names())} are ready now"
    )


def shipped_names() -> list[str]:
    """Names of the models in the package."""
    return [name for name, record in MODELS.items() if record.status == "shipped"]
