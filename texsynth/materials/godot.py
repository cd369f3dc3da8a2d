"""A Godot 4 material, StandardMaterial3D as a text resource, that names the files of the maps."""

from collections.abc import Collection
from functools import partial

from texsynth.materials.packing import Packed, place

_PARALLAX = 100  # Godot shifts texture coordinates by a hundredth of its scale


def document(name: str, packed: Collection[Packed], ending: str, relief: float | None) -> str:
    """Returns the text of a ``.tres`` file.

    Args:
        name: The material's.
        packed: The files, which lie in the same folder.
        ending: What their names end in, ``.png``.
        relief: How high the height map is, in widths of the tile; ``None`` uses no height map.
    """
    find = partial(place, packed)
    files: dict[str, str] = {}

    def texture(file: str) -> str:
        number = files.setdefault(file, str(len(files) + 1))
        return f'ExtResource("{number}")'

    lines = [f"resource_name = {_quoted(name)}"]
    if (found := find("albedo")) is not None:
        lines.append(f"albedo_texture = {texture(found.name)}")
    if find("opacity") is not None:
        lines.append("transparency = 1")
    for kind, others in (
        ("metallic", ["metallic = 1.0"]),
        ("roughness", ["roughness = 1.0"]),
        ("ao", ["ao_enabled = true"]),
    ):
        if (found := find(kind)) is not None:
            lines += [*others, f"{kind}_texture = {texture(found.name)}"]
            # of a grey file all three are alike
            lines.append(f"{kind}_texture_channel = {found.channel}")
    if (found := find("normal")) is not None:
        lines += ["normal_enabled = true", f"normal_texture = {texture(found.name)}"]
    if (found := find("height")) is not None and relief is not None:
        lines += ["heightmap_enabled = true", f"heightmap_scale = {_PARALLAX * relief:.6g}"]
        lines.append(f"heightmap_texture = {texture(found.name)}")
    head = f'[gd_resource type="StandardMaterial3D" load_steps={len(files) + 1} format=3]'
    named = [
        f'[ext_resource type="Texture2D" path={_quoted(file + ending)} id="{number}"]'
        for file, number in files.items()
    ]
    return "\n".join([head, "", *named, "", "[resource]", *lines, ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
