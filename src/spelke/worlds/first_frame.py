"""The first frame of a scene: where the camera stands, and which pictures are refused."""

from __future__ import annotations

import numpy as np

from spelke.worlds.camera import View, frame
from spelke.worlds.gl import load_mujoco
from spelke.worlds.physics import poses, restore_state, support
from spelke.worlds.poking import Rejected, Stage, no_pokes
from spelke.worlds.render import SKY, Camera, body_ids
from spelke.worlds.scene import WorldScene
from spelke.worlds.shapes import Thing

_WHOLE_STANDS = 0.8
"""Share of scenes with a stand that show all of it."""
_MIDDLE = 0.015
"""Share of the view without its rim that things must cover."""


def aim(stage: Stage, rng: np.random.Generator, view: View) -> Camera:
    """Point the camera at the things on the table."""
    restore_state(stage.model, stage.data, stage.state0)
    positions = stage.data.xipos
    on_table = [
        body
        for body in stage.movable
        if positions[body, 2] > -0.05 and np.linalg.norm(positions[body]) < 1.5
    ]
    if len(on_table) < max(1, 0.6 * len(stage.movable)):
        raise Rejected("most things fell off the table")
    # Links of a rope are many and thin: what hangs on them is what the camera is for.
    on_table = [b for b in on_table if stage.things[b - 1].label != "link"] or on_table
    radius = [
        float(np.ptp(stage.things[body - 1].outline(), axis=0).max()) / 2 for body in on_table
    ]
    stands = _stands(stage)
    whole = stands[0].outline() if stands and rng.random() < _WHOLE_STANDS else None
    return frame(rng, stage.renderer, stage.data, view, np.array(on_table), np.array(radius), whole)


def _stands(stage: Stage) -> list[Thing]:
    """What things hang from."""
    return [thing for thing in stage.things if "stand" in thing.notes]


def take_picture(stage: Stage, camera: Camera, split: str) -> WorldScene:
    """Render the first frame and refuse it if there is little to see.

    Returns:
        The scene without its pokes, family and seed.

    Raises:
        Rejected: too little or too much of the things is in view, or it is badly exposed.
    """
    size = stage.size
    restore_state(stage.model, stage.data, stage.state0)
    parts, depth = stage.renderer.parts_and_depth(stage.data, camera, size)
    model = stage.model
    ids = body_ids(parts, model.geom_bodyid)
    counts = np.bincount(ids.ravel(), minlength=SKY + 1)
    enough = counts[stage.movable] >= 0.0037 * size * size
    # Of what hangs, one is enough: what else there is stands far from it.
    if enough.sum() < min(1 if _stands(stage) else 2, len(stage.movable)):
        raise Rejected("too few things in view")
    rim = size // 5
    if np.isin(ids[rim:-rim, rim:-rim], stage.movable).mean() < _MIDDLE:
        raise Rejected("nothing about the middle of the view")
    if counts[stage.movable].max() > 0.55 * size * size:
        raise Rejected("one thing fills the view")
    rgb = stage.renderer.colour(stage.data, camera, size)
    luminance = rgb.mean() / 255
    if not 0.15 <= luminance <= 0.85 or np.mean(rgb.max(-1) >= 254) > 0.4:
        raise Rejected(f"badly exposed (mean {luminance:.2f})")
    first = poses(stage.data)
    names = ["world", *(thing.label for thing in stage.things)]
    return WorldScene(
        rgb=rgb,
        ids=ids,
        parts=parts,
        part_body=model.geom_bodyid.astype(np.int16),
        part_look=model.geom_matid.astype(np.int16),
        depth=depth,
        K=camera.intrinsics(size, size),
        R=camera.R,
        p=camera.p,
        body_pos=first[:, :3],
        body_quat=first[:, 3:],
        body_mass=stage.model.body_mass.copy(),
        body_movable=np.array([False, *(thing.movable for thing in stage.things)]),
        body_parent=model.body_parentid.astype(np.int16),
        body_joint=("fixed", *map(_joint_name, stage.things)),
        body_shape=tuple(names),
        body_family=("world", *(thing.family for thing in stage.things)),
        body_notes=("", *(",".join(thing.notes) for thing in stage.things)),
        support=support(stage.model, stage.data),
        pokes=no_pokes(len(names)),
        family="",
        split=split,
        seed=0,
        attempt=0,
        camera_moves=False,
        versions={"mujoco": load_mujoco().__version__, "numpy": np.__version__},
        state0=stage.state0,
    )


def _joint_name(thing: Thing) -> str:
    if thing.joint:
        return thing.joint.kind
    return "free" if thing.movable else "fixed"
