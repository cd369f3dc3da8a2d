"""A MaterialX document, a standard surface, that names the files of the maps."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Collection
from functools import partial

from texsynth.materials.kinds import KINDS
from texsynth.materials.packing import Packed, Place, place

_INPUTS = (
    ("base_color", "albedo", "color3"),
    ("metalness", "metallic", "float"),
    ("specular_roughness", "roughness", "float"),
    ("opacity", "opacity", "color3"),
    ("normal", "normal", "vector3"),
)
"""Inputs of a standard surface: which map they take, and their type. It has none for occlusion."""

_TYPES = {1: "float", 2: "vector2", 3: "color3", 4: "color4"}


def document(name: str, packed: Collection[Packed], ending: str, relief: float | None) -> str:
    """Returns the text of a ``.mtlx`` file.

    Args:
        name: The material's.
        packed: The files, which lie in the same folder.
        ending: What their names end in, ``.png``.
        relief: How high the height map is, in widths of the tile; ``None`` uses no height map.
    """
    called = re.sub(r"\W", "_", name, flags=re.ASCII)
    root = ET.Element("materialx", version="1.38", colorspace="lin_rec709")
    graph = ET.SubElement(root, "nodegraph", name=f"NG_{called}")
    widths = {file.name: len(file.channels) for file in packed}
    find = partial(place, packed)
    surface = ET.Element("standard_surface", name=f"SR_{called}", type="surfaceshader")
    _input(surface, "base", "float", value="1")
    for entry, kind, type_ in _INPUTS:
        if (found := find(kind)) is not None:
            output = _map(graph, kind, type_, found, widths[found.name], ending)
            _input(surface, entry, type_, nodegraph=f"NG_{called}", output=output)
    root.append(surface)
    material = ET.Element("surfacematerial", name=f"M_{called}", type="material")
    _input(material, "surfaceshader", "surfaceshader", nodename=f"SR_{called}")
    if (found := find("height")) is not None and relief is not None:
        output = _map(graph, "height", "float", found, widths[found.name], ending)
        moved = ET.SubElement(root, "displacement", name=f"DR_{called}", type="displacementshader")
        _input(moved, "displacement", "float", nodegraph=f"NG_{called}", output=output)
        _input(moved, "scale", "float", value=f"{relief:.6g}")
        _input(material, "displacementshader", "displacementshader", nodename=f"DR_{called}")
    root.append(material)
    ET.indent(root)
    return f'<?xml version="1.0"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _map(graph: ET.Element, kind: str, type_: str, found: Place, width: int, ending: str) -> str:
    """Adds the nodes that read a map to a graph; returns the name of its output there."""
    own = "vector3" if KINDS[kind].is_vector else _TYPES[KINDS[kind].channels]
    read = own if found.is_whole else _TYPES[width]
    node, last = (
        ET.SubElement(graph, "tiledimage", name=f"{kind}_image", type=read),
        f"{kind}_image",
    )
    space = {"colorspace": "srgb_texture"} if KINDS[kind].is_colour else {}
    _input(node, "file", "filename", value=found.name + ending, **space)
    if not found.is_whole:
        last = _taken_out(graph, kind, read, own, found.channel)
    if KINDS[kind].is_vector:
        node = ET.SubElement(graph, "normalmap", name="normal_map", type="vector3")
        _input(node, "in", "vector3", nodename=last)
        last = "normal_map"
    elif type_ != own:
        node = ET.SubElement(graph, "convert", name=f"{kind}_{type_}", type=type_)
        _input(node, "in", own, nodename=last)
        last = f"{kind}_{type_}"
    ET.SubElement(graph, "output", name=f"{kind}_out", type=type_, nodename=last)
    return f"{kind}_out"


def _taken_out(graph: ET.Element, kind: str, read: str, own: str, first: int) -> str:
    """Adds nodes that take a map out of the channels of its file; returns the last one's name."""
    names = []
    for part in range(KINDS[kind].channels):
        names.append(f"{kind}_channel_{part}" if own != "float" else f"{kind}_channel")
        node = ET.SubElement(graph, "extract", name=names[-1], type="float")
        _input(node, "in", read, nodename=f"{kind}_image")
        _input(node, "index", "integer", value=str(first + part))
    if own == "float":
        return names[0]
    node = ET.SubElement(graph, "combine3", name=f"{kind}_channels", type=own)
    for number, name in enumerate(names, 1):
        _input(node, f"in{number}", "float", nodename=name)
    return f"{kind}_channels"


def _input(parent: ET.Element, name: str, type_: str, **attributes: str) -> None:
    ET.SubElement(parent, "input", {"name": name, "type": type_, **attributes})
