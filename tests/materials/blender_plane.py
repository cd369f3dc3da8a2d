"""Renders a material on a plane: blender --background --python THIS -- FILE.mtlx OUT.png SAMPLES.

What of it goes where is read from the document alone. The lamp and the camera are those of
texsynth.materials.preview, and the plane has 2 x 2 tiles.
"""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import bpy
from mathutils import Vector

ENTRIES = {
    "base_color": "Base Color",
    "metalness": "Metallic",
    "specular_roughness": "Roughness",
    "normal": "Normal",
}


def files(document):
    """Returns the image file and its colour space that each input of the surface comes from."""
    root = ET.parse(document).getroot()
    nodes = {each.get("name"): each for each in root.iter() if each.tag != "input"}
    found = {}
    for end in root.find("standard_surface").findall("input"):
        if end.get("output") is None:
            continue
        node = nodes[nodes[end.get("output")].get("nodename")]
        while node.tag != "tiledimage":
            node = nodes[node.find("input").get("nodename")]
        file = node.find("input[@name='file']")
        found[end.get("name")] = (document.parent / file.get("value"), file.get("colorspace"))
    return found


def material(document):
    made = bpy.data.materials.new("made")
    made.use_nodes = True
    nodes, links = made.node_tree.nodes, made.node_tree.links
    surface = nodes["Principled BSDF"]
    scale = nodes.new("ShaderNodeMapping")
    scale.inputs["Scale"].default_value = (2, 2, 1)
    links.new(nodes.new("ShaderNodeTexCoord").outputs["UV"], scale.inputs["Vector"])
    for entry, (path, space) in files(document).items():
        image = nodes.new("ShaderNodeTexImage")
        image.image = bpy.data.images.load(str(path))
        image.image.colorspace_settings.name = "sRGB" if space == "srgb_texture" else "Non-Color"
        links.new(scale.outputs["Vector"], image.inputs["Vector"])
        end = image.outputs["Color"]
        if entry == "normal":
            unfolded = nodes.new("ShaderNodeNormalMap")
            links.new(end, unfolded.inputs["Color"])
            end = unfolded.outputs["Normal"]
        links.new(end, surface.inputs[ENTRIES[entry]])
    return made


def main(document, out, samples):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    bpy.ops.mesh.primitive_plane_add(size=2)
    bpy.context.object.data.materials.append(material(Path(document)))
    camera = bpy.data.objects.new("eye", bpy.data.cameras.new("eye"))
    camera.data.type, camera.data.ortho_scale, camera.location = "ORTHO", 2, (0, 0, 3)
    lamp = bpy.data.objects.new("lamp", bpy.data.lights.new("lamp", "SUN"))
    lamp.data.energy, lamp.data.angle = 2.6, 0
    lamp.rotation_euler = Vector((-0.5, 0.6, 0.8)).to_track_quat("Z", "Y").to_euler()
    scene.collection.objects.link(camera)
    scene.collection.objects.link(lamp)
    scene.camera = camera
    scene.world = bpy.data.worlds.new("sky")
    scene.world.use_nodes = True
    background = scene.world.node_tree.nodes["Background"]
    background.inputs["Color"].default_value = (0.32, 0.32, 0.32, 1)
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = int(samples), False
    scene.cycles.max_bounces = 1
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.resolution_x = scene.render.resolution_y = 512
    scene.view_settings.view_transform = "Standard"
    scene.render.filepath = out
    bpy.ops.render.render(write_still=True)


main(*sys.argv[sys.argv.index("--") + 1 :])
