import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.command.conftest import names
from tests.materials.drawn import drawn
from texsynth import images
from texsynth.command import cli
from texsynth.command.material import main
from texsynth.materials import normals, writing

pytestmark = pytest.mark.usefixtures("weights_read_once")
FAST = ["-n", "1", "--layers", "conv1_1,pool1", "--levels", "1", "--preset", "natural"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to stand in, with the maps of a wall in ``maps``, and a note."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maps").mkdir()
    for name, values in drawn().items():
        images.write_map(f"maps/wall_{name}.png", values, "8", linear=name != "albedo")
    (tmp_path / "maps" / "wall.png").write_bytes((tmp_path / "maps/wall_ao.png").read_bytes())
    return tmp_path


@pytest.fixture
def material(random_weights_file):
    def material(*arguments):
        options = [*FAST, "--weights", str(random_weights_file)]
        return CliRunner().invoke(cli.main, ["material", *options, *map(str, arguments)])

    return material


_MADE = ["albedo.png", "ao.png", "height.png", "normal_gl.png", "roughness.png"]


def test_it_writes_all_maps(folder, material):
    result = material("maps", "-o", "new/", "--tile")
    assert result.exit_code == 0, result.output
    assert names(folder / "new") == _MADE
    for line in ("height: wall_height.png", "left out: wall.png; its name says no kind of map"):
        assert line in result.output
    assert "5 maps of 48x48 to 48x48 px: 8 planes, 5 networks" in result.output
    assert "alignment of the maps, of the exemplar's own: " in result.output
    modes = []
    for name in _MADE:
        with Image.open(f"new/{name}") as picture:
            modes.append(picture.mode)
    assert modes == ["RGB", "I;16", "I;16", "RGB", "I;16"]
    lengths = np.linalg.norm(2 * images.read_map("new/normal_gl.png") - 1, axis=2)
    np.testing.assert_allclose(lengths, 1, atol=1e-3)
    with Image.open("new/albedo.png") as picture:
        settings = json.loads(picture.text["texsynth:settings"])
    assert settings["tile"] == "xy" and settings["seed"] == 0


def test_exports_and_previews_are_of_the_maps_that_are_made(folder, material):
    asked = ["--export", "unreal", "--export", "arm=ao,1-roughness,0", "--preview", "sphere"]
    result = material("maps", "-o", "new", *asked)
    assert result.exit_code == 0, result.output
    own = ["maps_arm.png", "maps_sphere.png", "unreal"]
    assert names(folder / "new") == sorted(_MADE + own)
    arm, ao, roughness = (
        images.read_map(f"new/{name}.png") for name in ("maps_arm", "ao", "roughness")
    )
    assert np.abs(arm[..., :1] - ao).max() <= 0.51 / 255
    assert np.abs(arm[..., 1:2] - (1 - roughness)).max() <= 0.51 / 255
    normal = images.read_map("new/unreal/T_maps_N.png")
    wanted = normals.turned(images.read_map("new/normal_gl.png"))
    assert np.abs(normal - wanted).max() <= 0.51 / 255
    listed = result.stdout.splitlines()
    assert "new/unreal/T_maps_ORM.png" in listed and listed[-1] == "new/maps_sphere.png"
    again = material("maps", "-o", "new", "--seed", 1, "--export", "unreal")
    assert again.exit_code == 2 and "already exists" in again.output
    made = material("maps", "-o", "two", "--variations", 2, "--export", "a=ao")
    assert made.exit_code == 0, made.output
    assert {"maps_seed0_a.png", "maps_seed1_a.png"} < set(names(folder / "two"))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--export", "maya"], "--export must be one of unity, "),
        (["--export", "a=metallic"], "needs a map metallic, which the material lacks"),
        (["--export", "a=gloss"], "gloss is none of the maps"),
        (["--packings", "none.toml"], "cannot read none.toml"),
        (["--preview", "cube"], "'cube' is not one of 'plane', 'sphere'"),
    ],
)
def test_an_export_that_cannot_be_is_told_before_anything_is_made(folder, material, asked, told):
    result = material("maps", "-o", "new", *asked)
    assert result.exit_code == 2 and told in result.output
    assert names(folder) == ["maps"]


def test_drifts_are_taken_out_of_all_maps(folder, material):
    assert material("maps", "-o", "plain").exit_code == 0
    result = material("maps", "-o", "even", "--flatten", 8)
    assert result.exit_code == 0, result.output
    plain, even = (images.read_map(f"{name}/height.png") for name in ("plain", "even"))
    assert (plain != even).any()
    with Image.open("even/albedo.png") as picture:
        assert json.loads(picture.text["texsynth:settings"])["flatten"] == 8


def test_new_maps_in_the_folder_of_the_given_ones_are_not_taken_for_given(folder, material):
    asked = "maps", "-o", "maps", "--export", "arm=ao,roughness,metallic|0", "--preview", "plane"
    assert material(*asked).exit_code == 0
    before = {path: path.read_bytes() for path in (folder / "maps").iterdir()}
    result = material(*asked)
    assert result.exit_code == 0, result.output
    assert "left out: albedo.png; texsynth made it" in result.output
    assert {path: path.read_bytes() for path in (folder / "maps").iterdir()} == before


def test_maps_that_are_there_are_kept(folder, material):
    assert material("maps", "-o", "new").exit_code == 0
    before = (folder / "new/ao.png").read_bytes()
    result = material("maps", "-o", "new", "--seed", 1)
    assert result.exit_code == 2
    assert "new/albedo.png already exists and is not the same stack; -o" in result.output
    assert (folder / "new/ao.png").read_bytes() == before
    assert material("maps", "-o", "new", "--seed", 1, "--overwrite").exit_code == 0
    assert (folder / "new/ao.png").read_bytes() != before


def test_inputs_are_never_written_over(folder, material):
    maps = {name: drawn()[name] for name in ("albedo", "ao")}
    (folder / "own").mkdir()
    writing.write(maps, writing.paths(maps, folder / "own", "gl"), "gl")
    result = material("own", "-o", "own", "--overwrite")
    assert result.exit_code == 2 and "would overwrite own/albedo.png, which" in result.output


def test_normals_of_either_convention(folder, material):
    """Of the same normals, as DirectX has them, the same come, as DirectX has them."""
    assert material("maps", "-o", "gl", "--depth", 16).exit_code == 0
    path = folder / "maps/wall_normal.png"
    turned = normals.turned(images.read_map(path))
    path.unlink()
    images.write_map("maps/wall_NormalDX.png", turned, "8", linear=True)
    assert material("maps", "-o", "dx", "--normal", "dx", "--depth", 16).exit_code == 0
    assert "normal_dx.png" in names(folder / "dx")
    first, other = (images.read_map(f"{c}/normal_{c}.png") for c in ("gl", "dx"))
    np.testing.assert_allclose(normals.turned(other), first, atol=2e-2)


def test_several_seeds(folder, material):
    result = material("maps/wall_a*", "-o", "new", "--variations", 2, "--seed", 3)
    assert result.exit_code == 0, result.output
    assert names(folder / "new") == [
        f"seed{seed}_{name}.png" for seed in (3, 4) for name in ("albedo", "ao")
    ]


def test_it_goes_on_from_a_checkpoint(folder, material):
    maps = "maps/wall_a*"
    assert material(maps, "-o", "new", "--checkpoint", "state.npz").exit_code == 0
    result = material(maps, "-o", "more", "--resume", "state.npz", "-n", 2)
    assert result.exit_code == 0, result.output
    again = material(maps, "-o", "again", "--resume", "state.npz", "--tile", "x")
    assert again.exit_code == 2 and "belongs to a different job" in again.output


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nothing", "-o", "new"], 1, "nothing is no folder, and names no images"),
        (["maps/wall.png", "-o", "new"], 1, "no file's name says what map it is"),
        (["maps"], 2, "Missing option '-o'"),
        (["maps", "-o", "maps/wall_ao.png"], 2, "is to be a folder, but there is a file"),
        (["maps", "-o", "new", "--every", "3"], 2, "--every needs --checkpoint or --resume"),
        (["maps", "-o", "n", "--variations", "2", "--checkpoint", "c"], 2, "is for one stack"),
        (["maps", "-o", "new", "--init", "noise"], 2, "No such option"),
        (["maps", "-o", "new", "--distributed"], 2, "No such option"),
        (["-o", "new"], 2, "Missing argument 'FOLDER|PATTERN...'"),
    ],
)
def test_errors_are_one_line(folder, material, arguments, code, told):
    result = material(*arguments)
    assert result.exit_code == code
    error = [line for line in result.output.splitlines() if "error" in line]
    assert len(error) == 1 and told in error[0]
    assert not (folder / "new").exists() or names(folder / "new") == []


def test_doubles_and_sizes(folder, material):
    images.write_map("maps/b_disp.png", drawn()["height"], "8")
    result = material("maps", "-o", "new")
    assert result.exit_code == 1
    assert "more than one height map: b_disp.png and wall_height.png" in result.output
    (folder / "maps/b_disp.png").unlink()
    images.write_map("maps/wall_ao.png", drawn(32)["ao"], "8")
    result = material("maps", "-o", "new")
    assert result.exit_code == 1 and "all maps must have one size: albedo 48x48" in result.output


def test_a_map_that_is_none(folder, material):
    images.write_map("maps/wall_ao.png", drawn()["albedo"][..., ::2].repeat(2, 2)[..., :3], "8")
    result = material("maps", "-o", "new")
    assert result.exit_code == 1 and "wall_ao.png is to be a map of ao, which is" in result.output


def test_packed_maps_and_transparency(folder, material):
    stack = drawn()
    packed = np.concatenate([stack["ao"], stack["roughness"], stack["height"]], axis=2)
    images.write_map("maps/wall_arm.png", packed, "8", linear=True)
    (folder / "maps/wall_ao.png").unlink()
    (folder / "maps/wall_albedo.png").unlink()
    clear = np.full((48, 48, 1), 0.5, np.float32)
    images.write_map("maps/wall_diff.png", np.concatenate([stack["albedo"], clear], axis=2), "8")
    result = material("maps", "-o", "new")
    assert result.exit_code == 0, result.output
    assert "ao: wall_arm.png, red" in result.output and "metallic: wall_arm.png, blue" in (
        result.output
    )
    assert "wall_diff.png: its transparency is left out" in result.output


def test_help():
    result = CliRunner().invoke(cli.main, ["material", "--help"])
    assert result.exit_code == 0 and "--normal" in result.output
    options = [each for each in main.params if each.param_type_name == "option"]
    assert all(each.help for each in options)
