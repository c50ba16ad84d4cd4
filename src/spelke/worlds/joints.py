"""How one body hangs on another, and how a body is set in motion before it is looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

Vector = tuple[float, float, float]

JOINTS = ("weld", "hinge", "slide", "ball")


@dataclass(frozen=True, slots=True)
class Joint:
    """What joins a body to an earlier one of the same scene.

    Attributes:
        kind: one of `JOINTS`; "weld" lets nothing move.
        back: the other body is this many places before in the list of things.
        axis: of a hinge or slide, in the frame of the body that hangs.
        at: anchor of a hinge or ball, in the same frame, metres.
        limits: (least, most) angle in radians or way in metres, from the starting pose; equal
            limits (0, 0) leave the joint free.
        friction: N or N m that it takes to move the joint at all.
        damping: N s / m or N m s / rad.
    """

    kind: str
    back: int = 1
    axis: Vector = (0.0, 0.0, 1.0)
    at: Vector = (0.0, 0.0, 0.0)
    limits: tuple[float, float] = (0.0, 0.0)
    friction: float = 0.0
    damping: float = 0.0


@dataclass(frozen=True, slots=True)
class Launch:
    """Motion that a free body gets once the rest of the scene has settled.

    Attributes:
        velocity: m/s, world axes. spin: rad/s, the body's axes.
        lift: metres it is raised first.
        back_to_start: whether it is put back to its starting pose first (what stands on a slope
            would long have left it).
    """

    velocity: Vector = (0.0, 0.0, 0.0)
    spin: Vector = (0.0, 0.0, 0.0)
    lift: float = 0.0
    back_to_start: bool = False

    def turned(self, yaw: float) -> Launch:
        """The same launch after the scene was turned about the vertical, radians."""
        x, y, z = self.velocity
        cos, sin = math.cos(yaw), math.sin(yaw)
        return replace(self, velocity=(cos * x - sin * y, sin * x + cos * y, z))
