"""What is seen is what is touched: closed surfaces, and convex pieces that fill them exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label
from scipy.spatial import Delaunay

from spelke.worlds.gl import load_mujoco
from spelke.worlds.letters import SIGNS, cells_of
from spelke.worlds.parts import posed, random_quat
from spelke.worlds.shapes import FLAT, PRIMITIVES, SOLIDS, draw_parts, draw_primitive
from spelke.worlds.surfaces import convex_surface, part_sharp_edges

KINDS = [
    (split, kind)
    for split in ("train", "test")
    for kind in (*sorted(PRIMITIVES[split]), *sorted(SOLIDS[split]))
]


def winding(vertices, faces, points):
    """How often a surface winds about each point: 1 inside, 0 outside."""
    a, b, c = (vertices[faces[:, i]][None] - points[:, None] for i in range(3))
    la, lb, lc = (np.linalg.norm(x, axis=-1) for x in (a, b, c))
    triple = np.einsum("pfi,pfi->pf", a, np.cross(b, c))
    dots = [np.einsum("pfi,pfi->pf", *pair) for pair in ((a, b), (b, c), (c, a))]
    below = la * lb * lc + dots[0] * lc + dots[1] * la + dots[2] * lb
    return np.arctan2(triple, below).sum(1) / (2 * np.pi)


def within(pieces, points):
    """How many of the convex pieces hold each point."""
    return sum((Delaunay(piece).find_simplex(points) >= 0).astype(int) for piece in pieces)


def meshes(split, kind, seed):
    _, parts = draw_parts(np.random.default_rng(seed), split, 0.07, kind)
    seen = [part for part in parts if part.seen and part.faces is not None]
    pieces = [part.vertices for part in parts if not part.seen]
    return parts, seen, pieces


@pytest.mark.parametrize(("split", "kind"), KINDS)
def test_what_is_seen_is_closed_and_filled_by_its_pieces(split, kind):
    for seed in range(3):
        _, seen, pieces = meshes(split, kind, seed)
        for part in seen:
            assert part.vertices is not None
            low, high = part.vertices.min(0), part.vertices.max(0)
            points = np.random.default_rng(1).uniform(low, high, (400, 3))
            turns = winding(part.vertices, part.faces, points)
            np.testing.assert_allclose(turns, np.round(turns), atol=0.02)
            inside = np.round(turns).astype(int)
            assert set(inside) <= {0, 1}
            held = within([part.vertices] if part.solid else pieces, points)
            assert np.mean(held != inside) < 0.01  # coordinates are rounded to 0.01 mm


@pytest.mark.parametrize(("split", "kind"), KINDS)
def test_a_kind_is_small_enough_thick_enough_and_repeats(split, kind):
    rng = np.random.default_rng(4)
    for scale in (0.02, 0.07, 0.12):
        thing = draw_primitive(rng, split, scale, kind)
        extent = np.ptp(thing.outline(), axis=0)
        assert extent.min() > 0.003
        assert extent.max() < 5 * max(scale, 0.02)
        assert len(thing.parts) < 24
        assert sum(0 if p.vertices is None else len(p.vertices) for p in thing.parts) < 1200
    first, again = (meshes(split, kind, 9)[0] for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.vertices, other.vertices)
        assert (one.kind, one.size, one.pos) == (other.kind, other.size, other.pos)


@pytest.mark.parametrize(("split", "kind"), KINDS)
def test_a_thing_rests_on_what_is_seen(split, kind):
    """The lowest visible point of a settled thing is within a millimetre of the floor."""
    from spelke.worlds.appearance import Look
    from spelke.worlds.model import compile_model, write_mjcf
    from spelke.worlds.physics import settle

    pytest.importorskip("mujoco")
    thing = draw_primitive(np.random.default_rng(3), split, 0.07, kind)
    thing = thing.moved(np.array([0, 0, 0.002 - thing.outline()[:, 2].min()]))
    look = Look(
        assets=['<material name="m"/>'],
        materials={(0, part.slot): "m" for part in thing.parts},
        headlight='ambient=".5 .5 .5"',
        surroundings='<geom type="plane" size="0 0 1"/>',
    )
    model = compile_model(write_mjcf([thing], look, 64), {})
    data = load_mujoco().MjData(model)
    settle(model, data)
    load_mujoco().mj_forward(model, data)
    lowest = np.inf
    for geom in np.flatnonzero((model.geom_bodyid == 1) & (model.geom_group < 3)):
        if model.geom_dataid[geom] >= 0:
            mesh = model.geom_dataid[geom]
            start = model.mesh_vertadr[mesh]
            points = model.mesh_vert[start : start + model.mesh_vertnum[mesh]]
            placed = points @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
            lowest = min(lowest, placed[:, 2].min())
    if np.isfinite(lowest):
        assert abs(lowest) < 0.001


def test_sharp_edges_are_parted_and_smooth_ones_are_not():
    cube = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    surface = convex_surface(cube)
    vertices, faces = part_sharp_edges(surface.vertices, surface.faces)
    assert len(vertices) == 24
    assert len(faces) == 12
    ball = np.random.default_rng(0).standard_normal((400, 3))
    surface = convex_surface(ball / np.linalg.norm(ball, axis=1, keepdims=True))
    assert len(part_sharp_edges(surface.vertices, surface.faces)[0]) == 400


def pieces_of(cells):
    return np.max(np.asarray(label(cells)[0]))  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize("split", ["train", "test"])
def test_signs_hang_together(split):
    for name, sign in SIGNS[split].items():
        cells = np.array([[cell == "#" for cell in row] for row in sign.split()])
        assert pieces_of(cells) == 1, name
    for seed in range(20):
        assert pieces_of(cells_of(np.random.default_rng(seed), split)) == 1


def test_signs_of_the_splits_differ_however_they_are_turned():
    def turned(split):
        grids = []
        for sign in SIGNS[split].values():
            cells = np.array([[cell == "#" for cell in row] for row in sign.split()])
            grids += [np.rot90(flip, k) for flip in (cells, cells[::-1]) for k in range(4)]
        return {(grid.shape, grid.tobytes()) for grid in grids}

    assert not turned("train") & turned("test")


def test_flat_kinds_are_kinds():
    for split, names in FLAT.items():
        assert set(names) <= set(PRIMITIVES[split]) | set(SOLIDS[split])


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_posed_parts_keep_their_distances(seed):
    rng = np.random.default_rng(seed)
    _, parts = draw_parts(rng, "train", 0.07, "book")
    moved = posed(parts, rng.standard_normal(3), random_quat(rng), slot=2)
    before = np.array([part.pos for part in parts])
    after = np.array([part.pos for part in moved])
    np.testing.assert_allclose(
        np.linalg.norm(after - after[0], axis=1), np.linalg.norm(before - before[0], axis=1)
    )
    assert {part.slot for part in moved} == {2}
