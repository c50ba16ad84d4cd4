"""Draws exported scenes with Blender's Cycles; runs inside Blender or a Python that has `bpy`.

    blender -b -P tools/cycles_render.py -- FOLDER [--samples 24] [--ids]
    PYTHON_WITH_BPY tools/cycles_render.py FOLDER ...

Each folder was written by `spelke bench renderers --cycles`; the picture is saved there as
`cycles.png`, and with `--ids` the number of each pixel's geom plus one as `cycles_ids.png` (red +
256 green). Pictures that are there are kept: delete them to draw them again. Blender is under the
GPL: this script is a program of its own and the library never imports it.
"""

import argparse
import json
import math
import sys
from pathlib import Path

FORMAT = 1
PLANE, SPHERE, CAPSULE, ELLIPSOID, CYLINDER, BOX, MESH = 0, 2, 3, 4, 5, 6, 7
ENDLESS = 60.0
"""Half side of planes without an end, metres."""


def parse(argv):
    """Arguments; those of Blender itself end at `--`."""
    if "--" in argv:
        argv = argv[argv.index("--") + 1 :]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--ids", action="store_true")
    asked = parser.parse_args(argv)
    if asked.samples < 1:
        parser.error("--samples must be at least 1")
    for folder in asked.folders:
        if not (folder / "scene.json").is_file():
            parser.error(
                f"{folder} holds no scene.json; write it with `spelke bench renderers --cycles`"
            )
    return asked


def read(folder):
    """The record of a folder."""
    record = json.loads((folder / "scene.json").read_text())
    if record.get("format") != FORMAT:
        sys.exit(f"{folder} has format {record.get('format')}, this script reads {FORMAT}")
    return record


def geometry(shape, folder):
    """Vertices and faces of a shape in its own frame, metres; and whether to shade it smoothly."""
    kind, (a, b, c) = shape["kind"], shape["size"]
    if kind == MESH:
        mesh = json.loads((folder / f"mesh_{shape['mesh']}.json").read_text())
        return mesh["vertices"], mesh["faces"], False
    if kind == PLANE:
        x, y = a or ENDLESS, b or ENDLESS
        return [(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)], [(0, 1, 2, 3)], False
    if kind == BOX:
        points = [(x, y, z) for x in (-a, a) for y in (-b, b) for z in (-c, c)]
        faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        return points, faces, False
    if kind == CYLINDER:
        rings = [(0.0, -c), (1.0, -c), (1.0, c), (0.0, c)]
        return (*turned([(a * r, b * r, z) for r, z in rings]), False)
    steps = [math.pi * (i / 32 - 0.5) for i in range(33)]
    profile = [(math.cos(t), math.sin(t)) for t in steps]
    if kind == CAPSULE:
        rings = [(a * r, a * r, a * z + math.copysign(c, z)) for r, z in profile]
    else:
        rings = [(a * r, b * r, c * z) for r, z in profile]
    return (*turned(rings), True)


def turned(rings, sides=64):
    """Rings of (radius along x, radius along y, z), joined by quads."""
    turns = [2 * math.pi * i / sides for i in range(sides)]
    points = [(x * math.cos(t), y * math.sin(t), z) for x, y, z in rings for t in turns]
    faces = [
        (r * sides + i, r * sides + j, (r + 1) * sides + j, (r + 1) * sides + i)
        for r in range(len(rings) - 1)
        for i, j in zip(range(sides), [*range(1, sides), 0], strict=True)
    ]
    return points, faces


def build(bpy, record, folder, ids):
    """Fill an empty Blender scene."""
    from mathutils import Matrix

    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    for number, shape in enumerate(record["shapes"]):
        mesh = bpy.data.meshes.new(str(number))
        points, faces, smooth = geometry(shape, folder)
        mesh.from_pydata(points, [], faces)
        mesh.polygons.foreach_set("use_smooth", [smooth] * len(mesh.polygons))
        mesh.materials.append(coded(bpy, shape) if ids else surface(bpy, shape, folder))
        thing = bpy.data.objects.new(str(number), mesh)
        turn = Matrix(shape["R"]).to_4x4()
        thing.matrix_world = Matrix.Translation(shape["p"]) @ turn
        thing.visible_shadow = shape["kind"] != PLANE  # walls have no outside
        scene.collection.objects.link(thing)
    eye = bpy.data.objects.new("eye", bpy.data.cameras.new("eye"))
    eye.data.sensor_fit = "VERTICAL"
    eye.data.angle = math.radians(record["camera"]["fovy"])
    eye.data.clip_start, eye.data.clip_end = 0.02, record["far"]
    turn = Matrix(record["camera"]["R"]).to_4x4()
    eye.matrix_world = Matrix.Translation(record["camera"]["p"]) @ turn
    scene.collection.objects.link(eye)
    scene.camera = eye
    scene.world = bpy.data.worlds.new("sky")
    scene.world.color = (0, 0, 0)
    if not ids:
        light(bpy, scene, record)
    return scene


def coded(bpy, shape):
    """A material that glows in the colour of the geom's number."""
    material = bpy.data.materials.new("id")
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    glow, end = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
    code = shape["geom"] + 1
    glow.inputs["Color"].default_value = (code % 256 / 255, code // 256 / 255, 0, 1)
    links.new(glow.outputs[0], end.inputs["Surface"])
    return material


def surface(bpy, shape, folder):
    """A material with colour, gloss and texture; box projection stands for a cube texture."""
    material = bpy.data.materials.new("surface")
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    principled = nodes["Principled BSDF"]
    colour = [value**2.2 for value in shape["colour"]]
    principled.inputs["Base Color"].default_value = (*colour, 1)
    principled.inputs["Roughness"].default_value = 1 - 0.7 * shape["shininess"]
    principled.inputs["Specular IOR Level"].default_value = 0.5 * shape["specular"]
    if shape["texture"] < 0:
        return material
    image = nodes.new("ShaderNodeTexImage")
    image.image = bpy.data.images.load(str((folder / f"texture_{shape['texture']}.png").resolve()))
    place, move = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeMapping")
    if shape["cube"]:
        image.projection, image.projection_blend = "BOX", 0.1
    scale, offset = laid(shape)
    move.inputs["Scale"].default_value = scale
    move.inputs["Location"].default_value = offset
    links.new(place.outputs["Object"], move.inputs["Vector"])
    links.new(move.outputs[0], image.inputs["Vector"])
    links.new(image.outputs["Color"], principled.inputs["Base Color"])
    return material


def laid(shape):
    """Scale and offset from a shape's own metres to texture coordinates, (x, y, z) each."""
    size = [value or 1.0 for value in shape["size"]]
    if shape["cube"]:
        across = [max(size)] * 3 if shape["uniform"] else size
        return [0.5 / value for value in across], (0.5, 0.5, 0.5)
    unit = [1.0, 1.0] if shape["uniform"] else size[:2]
    scale = [0.5 * r / u for r, u in zip(shape["repeat"], unit, strict=True)]
    offset = (0.5, 0.5, 0.0)
    if shape["kind"] == BOX:  # over each face, from its corner
        x, y = (factor * half for factor, half in zip(scale, size, strict=False))
        offset = (x, 1 - y, 0.0)
    return [*scale, 1.0], offset


def light(bpy, scene, record):
    """Suns and spots of the record; the ambient light and the sky's colour from all around."""
    from mathutils import Vector

    lights = record["lights"]
    for number, direction in enumerate(lights["dir"]):
        kind = "SUN" if lights["directional"][number] else "SPOT"
        lamp = bpy.data.lights.new(str(number), kind)
        lamp.color = [value / max(*lights["diffuse"][number], 1e-6)
                      for value in lights["diffuse"][number]]  # fmt: skip
        strength = max(lights["diffuse"][number])
        if kind == "SUN":
            lamp.energy, lamp.angle = math.pi * strength, 0.02
        else:
            away = Vector(lights["pos"][number]).length
            lamp.energy = 4 * math.pi**2 * away**2 * strength
            lamp.spot_size = 2 * math.radians(lights["cutoff"][number])
        thing = bpy.data.objects.new(str(number), lamp)
        thing.location = lights["pos"][number]
        thing.rotation_euler = Vector(direction).to_track_quat("-Z", "Y").to_euler()
        scene.collection.objects.link(thing)
    scene.world.use_nodes = True
    sky = scene.world.node_tree.nodes["Background"]
    sky.inputs["Color"].default_value = (*(0.5 + 0.5 * value for value in record["sky"]), 1)
    sky.inputs["Strength"].default_value = max(lights["head"][0])


def render(bpy, scene, size, samples, path, ids):
    """Draw into a PNG; ids without filter or colour management."""
    scene.render.engine = "CYCLES"
    scene.cycles.device, scene.cycles.samples, scene.cycles.seed = "CPU", samples, 0
    scene.cycles.use_denoising = not ids
    scene.cycles.use_adaptive_sampling = False
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.view_settings.view_transform = "Raw" if ids else "Standard"
    if ids:
        scene.cycles.samples, scene.cycles.pixel_filter_type = 1, "BOX"
        scene.cycles.filter_width = 0.01
        scene.render.dither_intensity = 0
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(path.resolve())
    bpy.ops.render.render(write_still=True)


def main():
    """Draw every folder."""
    asked = parse(sys.argv[1:])
    records = [read(folder) for folder in asked.folders]
    import bpy

    for folder, record in zip(asked.folders, records, strict=True):
        for ids in (False, True) if asked.ids else (False,):
            path = folder / ("cycles_ids.png" if ids else "cycles.png")
            if not path.is_file():
                scene = build(bpy, record, folder, ids)
                render(bpy, scene, record["size"], asked.samples, path, ids)


if __name__ == "__main__":
    main()
