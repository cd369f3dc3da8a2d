import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.materials.stacks import stack
from texsynth import images
from texsynth.command.exports import Exports, export_options
from texsynth.errors import ConfigError
from texsynth.materials.listing import name_of
from texsynth.materials.preview import FORMS, preview


@click.command()
@export_options
@click.option("--out")
def command(out, **options):
    """A command that takes the options."""
    click.echo(sorted(options))
    exports = Exports.asked(**options)
    click.echo([packing.name for packing in exports.packings])


def run(*arguments):
    return CliRunner().invoke(command, arguments)


def test_the_options_come_as_what_is_asked_for():
    result = run("--export", "unity", "--export", "arm=ao,roughness,metallic", "--export", "unity")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "['exports', 'packings_path', 'previews']",
        "['unity', 'arm']",
    ]
    assert run("--preview", "cube").exit_code == 2


def test_the_help_names_every_packing_and_form():
    from texsynth.materials.packings import built_in

    text = "".join(run("--help").output.split())
    for name in (*built_in(), *FORMS):
        assert name in text


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("maps", "maps"),
        ("maps/", "maps"),
        ("maps/../maps", "maps"),
        ("maps/wall_*", "wall"),
        ("maps/wall-[12]*.png", "wall"),
        ("maps/*_albedo.png", "maps"),
        ("none", "none"),
    ],
)
def test_a_material_is_called_as_its_folder_or_its_pattern_begins(
    tmp_path, monkeypatch, where, name
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maps").mkdir()
    assert name_of(where) == name
    monkeypatch.chdir(tmp_path / "maps")
    assert name_of(".") == name_of("*") == "maps"
    assert name_of("/") == "material"


def test_an_export_that_is_none_is_told():
    with pytest.raises(ConfigError, match="must be one of unity"):
        Exports.asked(("maya",), None, ())
    with pytest.raises(ConfigError, match="gloss is none of the maps"):
        Exports.asked(("a=gloss",), None, ())


def test_a_file_of_packings_adds_to_those_there_are_and_goes_before_them(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('[mine.files]\n"{name}_m" = "ao"\n[unity.files]\n"{name}_u" = "ao"\n')
    found = Exports.asked(("mine", "unity", "godot"), path, ())
    assert [len(each.files) for each in found.packings] == [1, 1, 4]


def test_all_that_was_asked_for_is_written_where_it_was_foretold(tmp_path):
    maps = stack(size=(8, 8))
    exports = Exports.asked(("godot", "arm=ao,roughness,metallic"), None, ("plane", "sphere"))
    pictures, documents = exports.files(tmp_path, "stone", maps)
    written = list(exports.write(maps, tmp_path, "stone", {"Software": "test"}))
    assert sorted(written) == sorted([*pictures, *documents])
    assert documents == [tmp_path / "godot/stone.tres"]
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(written)
    assert tmp_path / "godot/stone.tres" in written and tmp_path / "stone_arm.png" in written
    for path, told in pictures.items():
        with Image.open(path) as picture:
            assert picture.text.items() >= {"Software": "test", **told}.items()
    assert len({tuple(told.items()) for told in pictures.values()}) == 4  # as they are packed
    with Image.open(tmp_path / "stone_plane.png") as picture:
        assert (np.asarray(picture) == preview(maps, "plane")).all()
        assert picture.text["Software"] == "test"
    assert images.read_map(tmp_path / "stone_arm.png").shape == (8, 8, 3)


def test_two_files_of_one_name_are_told(tmp_path):
    exports = Exports.asked(("plane=ao",), None, ("plane",))
    with pytest.raises(ConfigError, match=r"would write .*stone_plane.png twice"):
        exports.files(tmp_path, "stone", ["ao"])
