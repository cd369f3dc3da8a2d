"""Textures of all depths in files of all formats: by the command, whole, and again."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from tests.conftest import make_texture
from texsynth import images
from texsynth.command import cli, repair_cli
from texsynth.evaluation import cli as evaluation
from texsynth.images import srgb

FAST = ["--size", "0", "-n", "2", "--layers", "conv1_1,pool1", "--preset", "gatys"]
USAGE = 2
FORMATS = [
    ("a.png", "8"), ("a.png", "16"), ("a.tif", "8"), ("a.tiff", "16"), ("a.tif", "float"),
    ("a.webp", "8"), ("a.jpg", "8"), ("a.exr", "16"), ("a.exr", "float"),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to stand in, with an exemplar of each depth."""
    monkeypatch.chdir(tmp_path)
    pixels = make_texture(32, 24)
    Image.fromarray(pixels).save("stone.png")
    deep = np.clip(pixels + np.random.default_rng(0).uniform(-0.5, 0.5, pixels.shape), 0, 255)
    images.save("deep.png", deep, depth="16")
    images.save("deep.tif", deep, depth="16")
    images.save("deep.exr", deep, depth="16")
    images.save("float.exr", deep, depth="float")
    numbers = np.random.default_rng(1).random(pixels.shape).astype(np.float32)
    tifffile.imwrite("float.tif", numbers, photometric="rgb", iccprofile=srgb.profile())
    return tmp_path


def replayed(*arguments):
    """Without the options of the others, for the settings are told."""
    return CliRunner().invoke(cli.main, ["--replay", *map(str, arguments)])


def ended_well(result):
    assert result.exit_code == 0, result.output
    return result.stdout.split()


def ended_in_one_line(result, code=USAGE):
    assert result.exit_code == code and result.stderr.count("\n") == 1, result.output
    return result.stderr


@pytest.mark.parametrize(("name", "depth"), FORMATS)
def test_a_texture_of_each_format_is_made_kept_and_made_again(run, folder, name, depth):
    written = ended_well(run("stone.png", "-o", name, "--depth", depth, "--record"))
    assert written == [name, "a_comparison.png", "a_record.json"]
    text = images.text_of(folder / name, is_whole=True)
    assert json.loads(text["texsynth:settings"])["image"] == "stone.png"
    assert text.get("texsynth:depth", "8") == depth
    is_jpeg = name.endswith("jpg")
    plain, made = images.read("a_comparison.png")[:24, :32], images.read(folder / name)
    assert np.abs(plain.astype(int) - made).max() <= (60 if is_jpeg else 1)
    ended_well(run("stone.png", "-o", name, "--depth", depth, "--record"))  # it is the same texture
    before = (folder / name).read_bytes()
    again = replayed(name, "-o", "again.png")
    assert ended_well(again) == ["again.png", "again_comparison.png"]
    ended_well(replayed("a_record.json", "-o", f"b{Path(name).suffix}", "--depth", depth))
    assert (folder / name).read_bytes() == before


@pytest.mark.parametrize(
    ("given", "out", "depth"),
    [
        ("deep.png", "o.png", "16"),
        ("deep.png", "o.tif", None),
        ("deep.tif", "o.tif", None),
        ("deep.tif", "o.png", None),
        ("deep.exr", "o.exr", None),
        ("deep.exr", "o.exr", "float"),
        ("float.exr", "o.exr", "float"),
        ("float.tif", "o.tif", "float"),
        ("stone.png", "o.png", None),
        ("stone.png", "o.webp", None),
    ],
)
def test_what_no_step_changes_is_handed_on_to_the_bit(run, folder, given, out, depth):
    asked = [] if depth is None else ["--depth", depth]
    ended_well(run(given, "--init", given, "-n", "0", "-o", out, "--no-comparison", *asked))
    np.testing.assert_array_equal(images.read_map(out), images.read_map(given))


def test_a_file_is_as_deep_as_its_exemplar_unless_something_else_is_asked_for(run, folder):
    for given, depth, bits in (
        ("stone.png", None, 8), ("deep.png", None, 16), ("deep.png", "8", 8),
        ("stone.png", "16", 16),
        ("float.tif", None, 16),
    ):  # fmt: skip
        asked = [] if depth is None else ["--depth", depth]
        ended_well(run(given, "-o", "o.png", "--overwrite", "--no-comparison", *asked))
        assert (folder / "o.png").read_bytes()[24] == bits


def test_a_deep_exemplar_is_used_at_full_depth(run, folder):
    images.save("flat.png", images.read("deep.png"))
    for name in ("deep", "flat"):
        ended_well(run(f"{name}.png", "-o", f"{name}_o.tif", "--depth", "float"))
    deep, flat = (images.read_map(f"{name}_o.tif") for name in ("deep", "flat"))
    assert 0 < np.abs(deep - flat).max() < 0.1


def test_a_batch_makes_what_is_not_there_at_that_depth(run, folder):
    def made(*asked):
        result = run("stone.png", "deep.png", "-o", "out/", "--no-comparison", *asked)
        ended_well(result)
        return {
            path.name: path.read_bytes()[24] for path in (folder / "out").iterdir()
        }, result.stderr

    bits, _ = made()
    assert bits == {"stone_texture.png": 8, "deep_texture.png": 16}
    assert made()[1].count("already exists") == 2
    bits, told = made("--depth", "16")
    assert bits == {"stone_texture.png": 16, "deep_texture.png": 16}
    assert told.count("already exists") == 1
    bits, told = made("--depth", "8")
    assert bits == {"stone_texture.png": 8, "deep_texture.png": 8}


def test_a_folder_has_images_of_all_formats_but_not_those_made_here(run, folder):
    ended_well(run("stone.png", "-o", "x.exr", "--no-comparison"))
    ended_well(run("stone.png", "-o", "y.jpg", "--no-comparison"))
    Path("in").mkdir()
    for name in ("stone.png", "float.exr", "x.exr", "y.jpg"):
        Path(name).rename(Path("in") / name)
    ended_well(run("in", "-o", "out/", "--no-comparison", "-n", "0"))
    assert {path.name for path in Path("out").iterdir()} == {
        "stone_texture.png",
        "float_texture.png",
    }


def test_snapshots_comparison_and_tiling_stay_png_of_8_bits(run, folder):
    ended_well(run("deep.png", "-o", "o.tif", "--snapshots", "1", "--tile"))
    for path in folder.glob("o_*.png"):
        assert path.read_bytes()[24] == 8
    assert {"o_tiled.png", "o_comparison.png"} <= {path.name for path in folder.iterdir()}


def test_quality(run, folder):
    for quality in ("20", "95"):
        ended_well(run("stone.png", "-o", f"{quality}.jpg", "--quality", quality))
    assert Path("20.jpg").stat().st_size < Path("95.jpg").stat().st_size
    ended_well(replayed("20.jpg", "-o", "again.jpg", "--quality", "20"))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("-o a.bmp", "--out must be a file ending in .png .tif .tiff .webp .jpg .jpeg .exr, or a"),
        ("-o a.jpg --depth 16", "JPEG has no depth 16, only 8; .png, .tif, .tiff, .exr have it"),
        ("-o a.png --depth float", "PNG has no depth float, only 8 or 16"),
        ("-o a.exr --depth 8", "OpenEXR has no depth 8, only 16 or float"),
        ("-o a.png --quality 50", "--quality is that of a JPEG, and a.png is none"),
        ("deep.png -o out/ --depth float", "PNG has no depth float"),
        ("deep.png -o a.tif", "--out must be a folder for several textures, not a.tif"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_work(run, folder, asked, message):
    assert message in ended_in_one_line(run("stone.png", *asked.split()))
    assert not Path("a.tif").exists() and not Path("out").exists()


def test_without_openexr_how_to_get_it_is_told_before_the_work(run, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    told = ended_in_one_line(run("stone.png", "-o", "a.exr"), 1)
    assert "pip install 'texsynth[exr]'" in told
    assert "pip install 'texsynth[exr]'" in ended_in_one_line(run("deep.exr"), 1)


def test_other_files_are_kept(run, folder):
    for name in ("a.tif", "a.webp", "a.jpg", "a.exr"):
        Path(name).write_bytes(b"mine")
        assert "already exists and is not the same texture" in ended_in_one_line(
            run("stone.png", "-o", name)
        )
        assert Path(name).read_bytes() == b"mine"


def test_evaluate_reads_all_formats(run, folder, random_weights_file):
    names = ["o.tif", "o.exr", "o.jpg", "p.png"]
    for name in names:
        ended_well(run("deep.png", "-o", name, "--overwrite"))
    result = CliRunner().invoke(
        evaluation.main,
        ["deep.png", *names, "--weights", str(random_weights_file), "--json", "r.json"],
    )
    assert result.exit_code == 0, result.output
    told = json.loads(Path("r.json").read_text())["outputs"]
    assert len(told) == len(names)


def test_a_repair_keeps_16_bits(folder, random_weights_file):
    mask = np.zeros((24, 32), np.uint8)
    mask[8:14, 10:20] = 255
    Image.fromarray(mask).save("hole.png")
    result = CliRunner().invoke(
        repair_cli.main,
        [
            "deep.png",
            "--mask",
            "hole.png",
            "-o",
            "o.png",
            "-n",
            "2",
            "--weights",
            str(random_weights_file),
        ],
    )
    assert result.exit_code == 0, result.output
    before, after = images.read_map("deep.png"), images.read_map("o.png")
    np.testing.assert_array_equal(after[mask == 0], before[mask == 0])
    assert not np.array_equal(after[mask > 0], before[mask > 0])
    told = replayed("o.png", "-o", "again.png")
    assert "only a record (--record) says" in ended_in_one_line(told, 1)


REPLAYS = {
    "gone": (lambda: Path("stone.png").unlink(), 1, "which is neither beside it nor in"),
    "other": (
        lambda: Image.fromarray(make_texture(32, 24, seed=5)).save("stone.png"),
        1,
        "stone.png is not the image that",
    ),
}


@pytest.mark.parametrize(("change", "code", "message"), REPLAYS.values(), ids=REPLAYS)
def test_a_picture_whose_exemplar_is_not_there(run, folder, change, code, message):
    ended_well(run("stone.png", "-o", "a.tif"))
    change()
    assert message in ended_in_one_line(replayed("a.tif", "-o", "b.tif"), code)
    assert not Path("b.tif").exists()


def test_a_picture_that_was_changed_is_told(run, folder):
    ended_well(run("stone.png", "-o", "a.tif"))
    text, pixels = images.text_of("a.tif"), images.read("a.tif")
    pixels[3, 4] ^= 1
    images.save("a.tif", pixels, {**text, "texsynth:engine": "other"})
    result = replayed("a.tif", "-o", "b.tif")
    assert result.exit_code == 1
    assert "the texture differs from a.tif (engine was other, not " in result.stderr


def test_a_picture_is_not_replaced_by_what_is_made_from_it(run, folder):
    ended_well(run("stone.png", "-o", "stone_texture.png"))
    assert "is an input" in ended_in_one_line(replayed("stone_texture.png"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({}, "is not a record, and no picture with texts of texsynth"),
        ({"Software": "texsynth 9"}, "was not finished"),
        ({"Software": "texsynth 9", "texsynth:reason": "done"}, "cannot be made again"),
        (
            {"Software": "texsynth 9", "texsynth:reason": "done", "texsynth:settings": "[" * 9999},
            "cannot be made again",
        ),
        (
            {
                "Software": "texsynth 9",
                "texsynth:reason": "done",
                "texsynth:settings": '{"image": "/etc/passwd"}',
            },
            "is not of one image",
        ),
        (
            {
                "Software": "texsynth 9",
                "texsynth:reason": "done",
                "texsynth:settings": '{"image": "stone.png", "odd": 1}',
            },
            "unknown settings: odd",
        ),
    ],
)
@pytest.mark.parametrize("ending", [".png", ".tif", ".jpg"])
def test_pictures_that_say_too_little(run, folder, text, message, ending):
    images.save(f"a{ending}", make_texture(32, 24), text)
    assert message in ended_in_one_line(replayed(f"a{ending}", "-o", "b.png"), 1)
