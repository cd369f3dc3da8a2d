"""Documents that name the maps, as other programs read them."""

import re
import xml.etree.ElementTree as ET
from itertools import combinations

import pytest

from tests.materials.stacks import stack
from texsynth.materials import godot, materialx
from texsynth.materials.kinds import KINDS
from texsynth.materials.packing import PackedFile, Packing, pack, parse_channels, place
from texsynth.materials.packings import built_in

SETS = [
    ("albedo",),
    ("albedo", "normal"),
    ("albedo", "opacity", "roughness"),
    ("metallic", "height"),
    tuple(KINDS),
]
TIGHT = Packing(
    "tight",
    (
        PackedFile("{name}_a", parse_channels("height,normal")),
        PackedFile("{name}_b", parse_channels("albedo,roughness")),
        PackedFile("{name}_c", parse_channels("opacity,metallic")),
    ),
)


def files_of(kinds, packing):
    return pack(stack(*kinds), packing, "my stone")


def tres(kinds=tuple(KINDS), relief=0.05, name="my stone"):
    return godot.document(name, files_of(kinds, built_in()["godot"]), ".png", relief)


def test_a_godot_material_has_each_map_in_its_channel():
    lines = tres().splitlines()
    resource = re.compile(r'\[ext_resource type="Texture2D" path="(.*)" id="(\d+)"\]')
    found = [resource.fullmatch(line) for line in lines if line.startswith("[ext")]
    paths = {each[2]: each[1] for each in found}
    assert f"load_steps={len(paths) + 1} " in lines[0]
    values = dict(line.split(" = ") for line in lines[lines.index("[resource]") + 1 :] if line)
    for kind, file in (("albedo", "albedo"), ("normal", "normal"), ("heightmap", "height")):
        number = re.fullmatch(r'ExtResource\("(\d+)"\)', values[f"{kind}_texture"])[1]
        assert paths[number] == f"my stone_{file}.png"
    for channel, kind in enumerate(("ao", "roughness", "metallic")):
        number = re.fullmatch(r'ExtResource\("(\d+)"\)', values[f"{kind}_texture"])[1]
        assert paths[number] == "my stone_orm.png"
        assert values[f"{kind}_texture_channel"] == str(channel)
    assert values["metallic"] == "1.0" and values["transparency"] == "1"
    assert values["heightmap_scale"] == "5"  # hundredths of the tile's width


def test_a_godot_material_has_nothing_of_what_is_not_there():
    text = tres(["albedo", "roughness"])
    assert "albedo_texture" in text and "roughness_texture" in text
    assert not re.search("metallic|ao_|normal|height|transparency", text)
    assert "height" not in tres(relief=None).replace("my stone_height", "")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the parser's own
@pytest.mark.parametrize("kinds", SETS)
def test_godot_parser_reads_a_material(tmp_path, kinds):
    parser = pytest.importorskip("godot_parser")
    path = tmp_path / "material.tres"
    path.write_text(tres(kinds, name='a "name"'), encoding="utf-8")
    file = parser.load(str(path))
    (resource,) = file.find_all("resource")
    assert resource["resource_name"] == 'a "name"'
    textures = [each for each in resource.properties.values() if hasattr(each, "id")]
    named = {each.id: each.path for each in file.get_ext_resources()}
    assert {each.id for each in textures} == named.keys()
    there = {f"{each.name}.png" for each in files_of(kinds, built_in()["godot"])}
    assert set(named.values()) <= there


def nodes(text):
    root = ET.fromstring(text)
    return root, {each.get("name"): each for each in root.iter() if each.tag != "input"}


def value(node, name):
    (found,) = (each for each in node.findall("input") if each.get("name") == name)
    return found


@pytest.mark.parametrize("packing", [built_in()["blender"], built_in()["godot"], TIGHT])
def test_a_materialx_document_leads_from_each_input_to_file_and_channel(packing):
    files = files_of(KINDS, packing)
    _, named = nodes(materialx.document("my stone", files, ".png", 0.05))
    surface, moved = named["SR_my_stone"], named["DR_my_stone"]
    assert float(value(moved, "scale").get("value")) == 0.05
    ends = {
        "albedo": value(surface, "base_color"),
        "metallic": value(surface, "metalness"),
        "roughness": value(surface, "specular_roughness"),
        "opacity": value(surface, "opacity"),
        "normal": value(surface, "normal"),
        "height": value(moved, "displacement"),
    }
    for kind, end in ends.items():
        found, indices, image = place(files, kind), [], None
        todo = [named[end.get("output")].get("nodename")]
        while todo:
            node = named[todo.pop(0)]
            if node.tag == "tiledimage":
                image = value(node, "file")
            if node.tag == "extract":
                indices.append(int(value(node, "index").get("value")))
            todo += [each.get("nodename") for each in node.findall("input") if each.get("nodename")]
        assert image.get("value") == f"{found.name}.png"
        assert image.get("colorspace") == ("srgb_texture" if kind == "albedo" else None)
        wanted = range(found.channel, found.channel + KINDS[kind].channels)
        assert indices == ([] if found.is_whole else list(wanted))


@pytest.mark.parametrize(
    ("packing", "kinds"),
    [
        *((built_in()[name], kinds) for name in ("blender", "godot") for kinds in SETS),
        (TIGHT, tuple(KINDS)),
    ],
)
def test_materialx_finds_documents_valid_and_makes_shaders_of_them(kinds, packing):
    mx = pytest.importorskip("MaterialX")
    gen = pytest.importorskip("MaterialX.PyMaterialXGenGlsl")
    shaders = pytest.importorskip("MaterialX.PyMaterialXGenShader")
    text = materialx.document("my stone", files_of(kinds, packing), ".png", 0.05)
    library, document = mx.createDocument(), mx.createDocument()
    mx.loadLibraries(mx.getDefaultDataLibraryFolders(), mx.getDefaultDataSearchPath(), library)
    mx.readFromXmlString(document, text)
    document.setDataLibrary(library)
    assert document.validate() == (True, "")
    generator = gen.GlslShaderGenerator.create()
    context = shaders.GenContext(generator)
    context.registerSourceCodeSearchPath(mx.getDefaultDataSearchPath())
    colours = shaders.DefaultColorManagementSystem.create(generator.getTarget())
    colours.loadLibrary(library)
    generator.setColorManagementSystem(colours)
    (material,) = document.getMaterialNodes()
    shader = generator.generate("stone", material, context)
    source = shader.getSourceCode("pixel")
    for kind in {"albedo", "metallic", "roughness", "opacity", "normal"} & set(kinds):
        assert f"{kind}_image_file" in source


def test_names_of_materialx_are_its_own():
    files = files_of(["albedo"], built_in()["blender"])
    root, named = nodes(materialx.document("1 é/x", files, ".png", None))
    assert "M_1___x" in named and root.find("displacement") is None
    everything = [each.get("name") for each in root.iter() if each.tag != "input"]
    assert all(a != b for a, b in combinations([each for each in everything if each], 2))
