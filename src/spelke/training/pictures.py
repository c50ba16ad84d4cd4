"""What a model in training answers, to be looked at: sheets for `pictures/` of the run folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from spelke.flow.colors import flow_to_image
from spelke.geometry.grid import PatchGrid
from spelke.rollout.base import Ask, Query, WorldModel
from spelke.runtime.files import atomic_write
from spelke.training.questions import QUESTION_KINDS
from spelke.training.world import WorldBatch
from spelke.types import Poke
from spelke.viz.overlay import draw_pokes
from spelke.viz.sheet import Panel, arrange

Sheet = UInt8[np.ndarray, "page_height page_width 3"]

FOLDER = "pictures"
_CELL = 192
"""Height in pixels of one picture."""


def write_sheet(sheet: Sheet, step: int, folder: Path) -> Path:
    """Write a sheet into the run folder as `pictures/step-XXXXXX.png`."""
    path = folder / FOLDER / f"step-{step:06d}.png"
    with atomic_write(path) as temporary:
        Image.fromarray(sheet).save(temporary)
    return path


def draw_answers(model: WorldModel, batch: WorldBatch, rows: int = 6) -> Sheet | None:
    """Pictures with their poke, the true flow, and the flow that the model expects.

    Args:
        model: answers through the same door as in use.
        batch: where the first question of each picture that is a single poke under a still camera
            is shown.
        rows: how many pictures at most.

    Returns:
        The sheet; None if there is no such question.
    """
    panels: list[Panel] = []
    for picture, question in _poke_questions(batch)[:rows]:
        image = batch.image[picture].float() / 255
        pokes = revealed_pokes(batch, picture, question, model.patch_size)
        (glance,) = model.look(image[None])
        predicted = model.expected_displacement([Ask(glance, Query(pokes))])[0].numpy()
        true = batch.flow[picture, question].float().numpy()
        longest = max(1.0, _longest(true))
        panels += [
            Panel(draw_pokes(image, pokes), "picture and poke"),
            Panel(flow_to_image(true, longest), "true flow", f"up to {longest:.0f} px"),
            Panel(
                flow_to_image(predicted, longest),
                "expected flow",
                f"up to {_longest(predicted):.0f} px",
            ),
        ]
    return arrange(panels, columns=3, cell_height=_CELL) if panels else None


def revealed_pokes(
    batch: WorldBatch, picture: int, question: int, patch_size: int
) -> tuple[Poke, ...]:
    """What a question reveals, as pokes; a patch whose true codes are revealed by its mean flow."""
    flow = batch.flow[picture, question].float()
    grid = PatchGrid((flow.shape[1], flow.shape[2]), patch_size)
    pokes = []
    for place in torch.nonzero(batch.valid[picture, question]).flatten().tolist():
        patch = int(batch.revealed[picture, question, place])
        moved = batch.displacement[picture, question, place]
        if not moved.isfinite().all():
            left, top, _, _ = grid.box_of(patch)
            moved = flow[:, top : top + patch_size, left : left + patch_size].mean((1, 2))
        pokes.append(Poke(grid.centre_of(patch), (float(moved[0]), float(moved[1]))))
    return tuple(pokes)


def draw_decoded_flow(
    true: Float[Tensor, "picture 2 height width"], decoded: Float[Tensor, "picture 2 height width"]
) -> Sheet:
    """Flow fields beside what a quantizer makes of them."""
    panels: list[Panel] = []
    for one, other in zip(true.numpy(), decoded.numpy(), strict=True):
        longest = max(1.0, _longest(one))
        error = float(np.hypot(*(other - one)).mean())
        panels += [
            Panel(flow_to_image(one, longest), "flow", f"up to {longest:.0f} px"),
            Panel(flow_to_image(other, longest), "through the codes", f"off by {error:.2f} px"),
        ]
    return arrange(panels, columns=2, cell_height=_CELL)


def draw_decoded_images(
    true: Float[Tensor, "picture 3 height width"], decoded: Float[Tensor, "picture 3 height width"]
) -> Sheet:
    """Pictures in [0, 1] beside what a quantizer makes of them."""
    panels: list[Panel] = []
    for one, other in zip(true, decoded.clamp(0, 1), strict=True):
        error = 255 * float((other - one).abs().mean())
        panels += [
            Panel(_bytes(one), "picture"),
            Panel(_bytes(other), "through the codes", f"off by {error:.1f} of 255"),
        ]
    return arrange(panels, columns=2, cell_height=_CELL)


def draw_frames(
    first: Float[Tensor, "picture 3 height width"],
    second: Float[Tensor, "picture 3 height width"],
    foretold: Float[Tensor, "picture 3 height width"],
) -> Sheet:
    """Frames in [0, 1] before and after a poke, and what a predictor made of the latter."""
    panels: list[Panel] = []
    for before, after, guess in zip(first, second, foretold.clamp(0, 1), strict=True):
        error = 255 * float((guess - after).abs().mean())
        panels += [
            Panel(_bytes(before), "before"),
            Panel(_bytes(after), "after"),
            Panel(_bytes(guess), "foretold", f"off by {error:.1f} of 255"),
        ]
    return arrange(panels, columns=3, cell_height=_CELL)


def _poke_questions(batch: WorldBatch) -> list[tuple[int, int]]:
    """(picture, question), one for each picture that has a single poke under a still camera."""
    shown = (batch.kind == QUESTION_KINDS.index("poke")) & ~batch.camera.any(2)
    found = [(row, torch.nonzero(has).flatten()) for row, has in enumerate(shown)]
    return [(row, int(questions[0])) for row, questions in found if len(questions)]


def _longest(flow: np.ndarray) -> float:
    return float(np.hypot(flow[0], flow[1]).max())


def _bytes(image: Tensor) -> np.ndarray:
    return (255 * image).round().to(torch.uint8).permute(1, 2, 0).numpy()
