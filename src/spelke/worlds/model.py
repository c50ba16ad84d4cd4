"""Things and their look become one compiled MuJoCo model for each scene.

Contacts use the direct form of `solref`, `(-w^2, -2 zeta w)`: the usual positive form can create
energy. `w dt <= 0.4` is required for restitution to follow the formula `e = exp(-pi zeta / sqrt(1 -
zeta^2))`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spelke.worlds.appearance import Look
from spelke.worlds.gl import load_mujoco
from spelke.worlds.joints import Joint
from spelke.worlds.shapes import ROUND, Part, Thing, quat_multiply, rotate

TIMESTEP = 0.004
CONTACT_FREQUENCY = 100.0
"""w of the contacts, rad/s; `CONTACT_FREQUENCY * TIMESTEP` = 0.4."""
STATIC_ZETA = 0.02
"""Damping ratio of static surfaces. Of two direct contacts the more damped counts: the body's."""

_UNTOUCHED = 'mass="0" contype="0" conaffinity="0"'


def direct_solref(zeta: float, frequency: float = CONTACT_FREQUENCY) -> tuple[float, float]:
    """Contact parameters for a damping ratio: `(-w^2, -2 zeta w)`."""
    return (-(frequency**2), -2 * zeta * frequency)


def write_mjcf(things: list[Thing], look: Look, size: int, samples: int = 4) -> str:
    """The whole scene as MJCF; textures are flat placeholders (see `compile_model`).

    Args:
        things: bodies 1, 2, ... in this order; body 0 is the static world. What hangs on a thing
            directly follows it.
        look: materials, lights and surroundings.
        size: side of the largest rendered image, pixels.
        samples: multisampling of the colour pass.
    """
    meshes, geoms = [], []
    for index, thing in enumerate(things):
        own = []
        for number, part in enumerate(thing.parts):
            name = f"mesh{index}_{number}"
            if part.vertices is not None:
                meshes.append(_mesh(name, part.vertices, part.faces))
            own.append(_geom(thing, part, name, look.materials[index, part.slot]))
        geoms.append("".join(own))
    bodies = [_body(things, geoms, i) for i, thing in enumerate(things) if thing.joint is None]
    stiffness, damping = direct_solref(STATIC_ZETA)
    # A narrow shadow map is sharp; what lies outside, wherever pokes take it, casts no shadow.
    reach = max(float(np.linalg.norm(thing.outline(), axis=1).max()) for thing in things)
    shadows = 1.2 * reach + 0.1
    return f"""<mujoco model="spelke">
<option timestep="{TIMESTEP}" cone="elliptic" iterations="30" ls_iterations="12">
<flag multiccd="enable"/></option>
<size memory="4M"/>
<statistic extent="1" center="0 0 0.1"/>
<visual><global offwidth="{size}" offheight="{size}"/>
<quality shadowsize="1024" offsamples="{samples}"/>
<map znear="0.02" zfar="30" shadowclip="{shadows:.3g}" shadowscale="0.6"/>
<headlight {look.headlight}/></visual>
<default><geom solref="{stiffness:.6g} {damping:.6g}" solimp="0.95 0.99 0.001 0.5 2"
 condim="4" friction="0.7 0.005 0.0005"/></default>
<asset>
{chr(10).join(look.assets + meshes)}
</asset>
<worldbody><camera name="eye" pos="0 0 1"/>
{look.lights}
{look.surroundings}
{chr(10).join(bodies)}
</worldbody>
{_apart(things)}
</mujoco>"""


def _numbers(values) -> str:
    return " ".join(f"{value:.7g}" for value in values)


def _body(things: list[Thing], geoms: list[str], index: int) -> str:
    """A body with everything that hangs on it; bodies are numbered in the order of the text."""
    thing = things[index]
    hanging = [i for i, t in enumerate(things) if t.joint and i - t.joint.back == index]
    pos, quat = np.array(thing.pos), np.array(thing.quat)
    if thing.joint:
        parent = things[index - thing.joint.back]
        back = np.array(parent.quat) * (1, -1, -1, -1)
        pos, quat = rotate(back, pos - np.array(parent.pos)), quat_multiply(back, quat)
        joint = _joint(thing.joint)
    else:
        joint = "<freejoint/>" if thing.movable else ""
    inside = "".join(_body(things, geoms, i) for i in hanging)
    return (
        f'<body name="{index + 1}" pos="{_numbers(pos)}" quat="{_numbers(quat)}">'
        f"{joint}{geoms[index]}{inside}</body>\n"
    )


def _joint(joint: Joint) -> str:
    if joint.kind == "weld":
        return ""
    limits = np.array(joint.limits)
    if joint.kind != "slide":
        limits = np.rad2deg(limits)
    limited = f'limited="true" range="{_numbers(limits)}"' if limits.any() else 'limited="false"'
    return (
        f'<joint type="{joint.kind}" axis="{_numbers(joint.axis)}" pos="{_numbers(joint.at)}" '
        f'{limited} frictionloss="{joint.friction:.5g}" damping="{joint.damping:.5g}" '
        f'armature="1e-5"/>'
    )


def _apart(things: list[Thing]) -> str:
    """Bodies that are joined do not collide with each other; their joints have limits."""
    pairs = [(i - t.joint.back + 1, i + 1) for i, t in enumerate(things) if t.joint]
    lines = [f'<exclude body1="{first}" body2="{second}"/>' for first, second in pairs]
    return f"<contact>{''.join(lines)}</contact>" if lines else ""


def _mesh(name: str, vertices: np.ndarray, faces: np.ndarray | None) -> str:
    points = " ".join(f"{value:.5g}" for value in vertices.ravel())
    corners = "" if faces is None else f' face="{" ".join(map(str, faces.ravel()))}"'
    return f'<mesh name="{name}" vertex="{points}"{corners}/>'


def _geom(thing: Thing, part: Part, mesh: str, material: str) -> str:
    rolls = part.kind in ROUND or part.rolls
    shape = f'mesh="{mesh}"' if part.vertices is not None else f'size="{_numbers(part.size)}"'
    # Round things would roll for ever: they get rolling friction.
    contact = (
        f'condim="6" friction="{thing.friction:.4g} 0.005 0.002"'
        if rolls
        else f'friction="{thing.friction:.4g} 0.005 0.0005"'
    )
    stiffness, damping = direct_solref(thing.zeta if thing.movable else STATIC_ZETA)
    # Geoms of group 3 are not rendered. What is only seen weighs and touches nothing.
    part_of = "" if part.seen else 'group="3" '
    weight = f'density="{thing.density:.5g}"' if part.solid else _UNTOUCHED
    return (
        f'<geom type="{part.kind}" {shape} pos="{_numbers(part.pos)}" quat="{_numbers(part.quat)}" '
        f'{weight} {part_of}material="{material}" {contact} '
        f'solref="{stiffness:.6g} {damping:.6g}"/>'
    )


def compile_model(mjcf: str, pixels: dict[str, np.ndarray]) -> Any:
    """Compile and write the textures' pixels into the model.

    Returns:
        `mujoco.MjModel`. Six-faced textures (cube, sky) wear one picture on every face
        unless six are given, one below the other.
    """
    model = load_mujoco().MjModel.from_xml_string(mjcf)
    for name, picture in pixels.items():
        number = model.texture(name).id
        start = model.tex_adr[number]
        height = int(model.tex_height[number])
        faces = np.concatenate([picture] * (height // len(picture)))
        model.tex_data[start : start + faces.size] = faces.ravel()
    return model
