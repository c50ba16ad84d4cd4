"""World scenes on one sheet: what is there, what a poke did, how well the flow explains it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import UInt8

from spelke.flow.colors import flow_to_image
from spelke.flow.warp import warp_backward
from spelke.types import Poke
from spelke.viz.overlay import draw_pokes
from spelke.viz.sheet import Panel, arrange
from spelke.worlds.finger import KINDS
from spelke.worlds.render import SKY
from spelke.worlds.scene import WorldScene

_COLUMNS = 7


def draw_worlds(
    scenes: Sequence[WorldScene],
) -> UInt8[np.ndarray, "page_height page_width 3"]:
    """Draw a row for each scene.

    Its picture with the longest poke, bodies, group, flow, the frame after it, that frame warped
    back, and the difference that remains. Panels of things that a record lacks are empty.
    """
    panels = [panel for scene in scenes for panel in _row(scene)]
    return arrange(panels, columns=_COLUMNS, cell_height=224)


def _row(scene: WorldScene) -> list[Panel]:
    height, width = scene.ids.shape
    blank = np.full((height, width, 3), 240, np.uint8)
    row = [Panel(scene.rgb, f"{scene.family} {scene.seed}"), Panel(_bodies(scene.ids), "bodies")]
    if len(scene.pokes) == 0:
        return row + [Panel(blank, "no poke")] * (_COLUMNS - 2)
    chosen = int(np.argmax(np.linalg.norm(scene.pokes.flow_at_pixel, axis=1)))
    pixel, motion = scene.pokes.pixel[chosen], scene.pokes.flow_at_pixel[chosen]
    poke = Poke((float(pixel[0]), float(pixel[1])), (float(motion[0]), float(motion[1])))
    row[0] = Panel(draw_pokes(scene.rgb, [poke]), f"{scene.family} {scene.seed}")
    row.append(_group(scene, int(scene.pokes.body[chosen]), blank))
    flow = scene.response_flow(chosen)
    kind = KINDS[int(scene.pokes.kind[chosen])]
    row.append(Panel(flow_to_image(flow), f"flow, {kind} {np.hypot(*motion):.0f} px"))
    after = scene.pokes.rgb
    if after is None or scene.pokes.visible is None:
        return row + [Panel(blank, "not rendered")] * (_COLUMNS - 4)
    row.append(Panel(after[chosen], "after"))
    frame = torch.from_numpy(after[chosen].transpose(2, 0, 1).astype(np.float32))
    back = (
        warp_backward(frame, torch.from_numpy(scene.frame_flow(chosen)))
        .frame.numpy()
        .transpose(1, 2, 0)
    )
    seen = scene.pokes.visible[chosen]
    difference = np.abs(back - scene.rgb).mean(-1)
    back = np.where(seen[..., None], back, 240).round().astype(np.uint8)
    row.append(Panel(back, "warped back"))
    error = np.where(seen, np.clip(3 * difference, 0, 255), 0).astype(np.uint8)
    shown = np.repeat(error[..., None], 3, -1)
    row.append(Panel(shown, f"error {difference[seen].mean():.1f} of 255"))
    return row


def _bodies(ids: np.ndarray) -> np.ndarray:
    """A colour for each body; the static world is dark, the sky white."""
    palette = np.random.default_rng(5).integers(70, 256, (256, 3))
    palette[0], palette[SKY] = 40, 255
    return palette[ids].astype(np.uint8)


def _group(scene: WorldScene, body: int, blank: np.ndarray) -> Panel:
    if scene.group_masks is None or scene.ignore_masks is None:
        return Panel(blank, "group not labelled")
    shown = (0.3 * scene.rgb).astype(np.uint8)
    shown[scene.ignore_masks[body]] = (160, 160, 60)
    shown[scene.group_masks[body]] = scene.rgb[scene.group_masks[body]]
    return Panel(shown, f"group of {scene.body_shape[body]}")
