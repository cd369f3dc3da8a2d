"""Several textures in one process, by the command."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, PngImagePlugin

from tests.conftest import ONE_THREAD, make_texture
from texsynth import command, images, weights
from texsynth.command import batch, cli, provenance
from texsynth.errors import DivergenceError, EngineError
from texsynth.network import engine
from texsynth.synthesis import loop, objectives, workshop

pytestmark = pytest.mark.usefixtures("weights_read_once")
FAST = ["--size", "24", "-n", "2", "--layers", "conv1_1,pool1"]
USAGE, FAILURE = command.EXIT_USAGE, command.EXIT_FAILURE


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to stand in, with ``a.png``, ``b.png``, ``c.png`` and the empty folder ``out``."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate("abc"):
        save(name, seed)
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.fixture
def count(monkeypatch):
    """``count(module, name)``: a list that grows with each call of a function."""

    def count(module, name):
        calls, function = [], getattr(module, name)

        def counted(*arguments, **options):
            calls.append(arguments)
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, counted)
        return calls

    return count


@pytest.fixture(scope="module")
def outputs_of_a_and_b(random_weights_file, tmp_path_factory):
    """A folder with what the command makes of ``a.png`` and ``b.png``."""
    path = tmp_path_factory.mktemp("made")
    with contextlib.chdir(path):
        for seed, name in enumerate("ab"):
            save(name, seed)
        Path("out").mkdir()
        options = [*FAST, "--weights", str(random_weights_file), "-o", "out"]
        result = CliRunner().invoke(cli.main, ["a.png", "b.png", *options])
    assert result.exit_code == 0, result.stderr
    return path / "out"


@pytest.fixture
def made(folder, outputs_of_a_and_b):
    """The folder after ``a.png`` and ``b.png`` were made into ``out``."""
    shutil.copytree(outputs_of_a_and_b, folder / "out", dirs_exist_ok=True)
    return folder


def save(name, seed, size=(30, 24)):
    Image.fromarray(make_texture(*size, seed)).save(f"{name}.png")


def names(path):
    return sorted(each.name for each in path.iterdir())


def outputs(*stems, kinds=("comparison", "texture")):
    return sorted(f"{stem}_{kind}.png" for stem in stems for kind in kinds)


def contents(path):
    return {each.name: each.read_bytes() for each in path.iterdir()}


def text_of(path):
    with Image.open(path) as picture:
        return dict(picture.text)


def rewritten(path, changes):
    """Saves a PNG anew, with changes to its text."""
    with Image.open(path) as picture:
        text, pixels = dict(picture.text), np.asarray(picture)
    images.save_png(path, pixels, {**text, **changes})


def test_each_image_gives_what_it_gives_alone(folder, run):
    (folder / "alone").mkdir()
    for name in "abc":
        assert run(f"{name}.png", "-o", "alone").exit_code == 0
    result = run("a.png", "b.png", "c.png", "-o", "out")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == [
        f"out/{name}_{kind}.png" for name in "abc" for kind in ("texture", "comparison")
    ]
    assert contents(folder / "out") == contents(folder / "alone")
    assert "texsynth: image 2 of 3: b.png\n" in result.stderr
    assert "error" not in result.stderr.replace("Gram errors", "")


def test_without_out_they_come_where_one_stands(folder, run):
    assert run("a.png", "out/../b.png").exit_code == 0
    assert set(names(folder)) >= set(outputs("a", "b"))


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--engine", "plain"), ("--preset", "regular")])
def test_variations_differ_and_each_is_what_its_seed_gives_alone(folder, run, options):
    options = (*options, "--levels", "2")
    result = run("a.png", "b.png", "--variations", "3", "--seed", "5", "-o", "out", *options)
    assert result.exit_code == 0, result.stderr
    assert names(folder / "out") == outputs(*(f"{n}_seed{s}" for n in "ab" for s in (5, 6, 7)))
    assert "texsynth: image 5 of 6: b.png (seed 6)\n" in result.stderr
    textures = [(folder / f"out/a_seed{seed}_texture.png").read_bytes() for seed in (5, 6, 7)]
    assert len(set(textures)) == 3
    for seed, expected in ((5, textures[0]), (7, textures[2])):
        assert run("a.png", "--seed", seed, "-o", f"alone{seed}.png", *options).exit_code == 0
        assert (folder / f"alone{seed}.png").read_bytes() == expected


def test_one_variation_has_its_seed_in_its_name(folder, run):
    assert run("a.png", "--variations", "1", "--tile", "-o", "out").exit_code == 0
    assert names(folder / "out") == outputs("a_seed0", kinds=("comparison", "texture", "tiled"))


@pytest.mark.slow
def test_network_and_targets_are_made_once(folder, run, count):
    loads = count(weights, "load")
    networks = count(engine, "make_features")
    made_objectives = count(objectives, "Objective")
    options = ("--variations", "3", "--levels", "2", "--preset", "regular", "-o", "out")
    assert run("a.png", "b.png", "c.png", *options).exit_code == 0
    # Each result is measured with a network of its own.
    own = networks[0][2]
    assert (len(loads), [made[2] for made in networks].count(own)) == (1, 1)
    # Of each exemplar at each level, of its even contrast, and of all its pixels.
    assert len(made_objectives) == 3 * (2 + 1 + 1)
    assert len(names(folder / "out")) == 3 * 3 * 2


@pytest.fixture
def dozen(folder):
    """Names of twelve images, two of them broken."""
    for seed in range(7):
        save(f"good{seed}", 10 + seed)
    (folder / "cut.png").write_bytes((folder / "a.png").read_bytes()[:400])
    (folder / "text.png").write_text("no image")
    stems = ["a", "cut", *(f"good{seed}" for seed in range(7)), "text", "b", "c"]
    assert len(stems) == 12
    return stems


@pytest.mark.slow
def test_bad_files_are_told_and_passed_over_and_a_second_run_retries_only_them(folder, run, dozen):
    images = [f"{stem}.png" for stem in dozen]
    good = [stem for stem in dozen if stem not in ("cut", "text")]
    result = run(*images, "-o", "out")
    assert result.exit_code == FAILURE
    assert names(folder / "out") == outputs(*good)
    errors = [line for line in result.stderr.splitlines() if "error: " in line]
    assert len(errors) == 3
    assert errors[0].startswith("texsynth: error: cut.png cannot be read: ")
    assert errors[1] == "texsynth: error: text.png is not an image that Pillow can read"
    assert errors[2] == "texsynth: error: 2 of 12 failed: cut.png, text.png"
    assert errors[2] == result.stderr.splitlines()[-1]

    before = {path.name: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
    save("cut", 30)
    again = run(*images, "-o", "out")
    assert again.exit_code == FAILURE
    assert again.stderr.count(" already exists\n") == 10
    assert "texsynth: out/good3_texture.png already exists\n" in again.stderr
    assert again.stdout.split() == ["out/cut_texture.png", "out/cut_comparison.png"]
    assert again.stderr.endswith("texsynth: error: 1 of 12 failed: text.png\n")
    after = {path.name: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
    assert {name: after[name] for name in before} == before


def made_again(result):
    return sorted({line[4] for line in result.stdout.split()})


def test_what_is_there_is_left_without_a_network(folder, run, monkeypatch):
    assert run("a.png", "b.png", "-o", "out").exit_code == 0
    monkeypatch.setattr(workshop, "Workshop", lambda config: pytest.fail("it was set up"))
    result = run("a.png", "b.png", "-o", "out")
    assert (result.exit_code, result.stdout) == (0, "")


def test_what_is_there_is_left_whatever_it_is_called(folder, run):
    """A name may be no text; what a PNG tells is."""
    Path("a.png").rename(os.fsdecode(b"\xff.png"))
    asked = [os.fsdecode(b"\xff.png"), "b.png", "-o", "out"]
    result = run(*asked)
    assert result.exit_code == 0, result.stderr
    assert b"out/\xff_texture.png\n" in result.stdout_bytes  # as others can open it
    again = run(*asked)
    assert (again.exit_code, again.stdout) == (0, "")
    assert again.stderr.count(" already exists\n") == 2


@pytest.mark.parametrize(
    "changed",
    [("-n", "3"), ("--seed", "1"), ("--layers", "pool1"), ("--tile",), ("--init", "c.png")],
    ids=str,
)
def test_with_a_changed_setting_what_is_there_is_kept_unless_it_is_to_be_overwritten(
    made, run, changed
):
    before = contents(made / "out")
    asked = ["a.png", "b.png", "-o", "out", *changed]
    result = run(*asked)
    assert result.exit_code == FAILURE and result.stdout == ""
    assert result.stderr == "".join(
        f"texsynth: error: {name}.png: out/{name}_texture.png already exists and is not the same"
        " texture; -o writes elsewhere, --overwrite replaces it\n"
        for name in "ab"
    ) + ("texsynth: error: 2 of 2 failed: a.png, b.png\n")
    assert contents(made / "out") == before
    assert made_again(run(*asked, "--overwrite")) == ["a", "b"]
    assert made_again(run(*asked)) == []


def spoil_nothing(path):
    pass


def spoil_exemplar(path):
    save("a", 77)


def spoil_by_another_version(path):
    rewritten(path, {"Software": "texsynth 0.0.1"})


def spoil_by_interruption(path):
    rewritten(path, {"texsynth:reason": "interrupted"})


def spoil_by_a_snapshot(path):
    options = [*FAST, "--weights", json.loads(text_of(path)["texsynth:settings"])["weights"]]
    CliRunner().invoke(cli.main, ["a.png", *options, "--snapshots", "1"])
    Path("a_texture_level1_step00001.png").replace(path)


def spoil_comparison(path):
    path.with_name("a_comparison.png").unlink()


def spoil_end(path):
    path.write_bytes(path.read_bytes()[:-40])


def spoil_pixels(path):
    data = bytearray(path.read_bytes())
    data[data.rindex(b"IDAT") + 30] ^= 255
    path.write_bytes(data)


def spoil_checksum(path):
    """Pillow minds the checksum of the pixels only when it is asked to."""
    data = bytearray(path.read_bytes())
    data[data.rindex(b"IEND") - 5] ^= 1
    path.write_bytes(data)


def spoil_all(path):
    path.write_bytes(b"no picture")


def spoil_by_a_foreign_one(path):
    Image.new("RGB", (9, 9)).save(path)


def spoil_by_another_format(path):
    Image.new("RGB", (9, 9)).save(path, format="JPEG")


def spoil_by_a_bomb(path):
    Image.new("1", (20000, 20000)).save(path)


def spoil_by_emptying(path):
    path.write_bytes(b"")


SPOILT = [value for name, value in list(globals().items()) if name.startswith("spoil_")]
OTHERS = (
    spoil_exemplar, spoil_by_another_version, spoil_all, spoil_by_a_foreign_one,
    spoil_by_another_format, spoil_by_a_bomb,
)  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_what_is_damaged_or_not_finished_is_made_again_and_what_is_another_kept(made, run, spoil):
    whole = contents(made / "out")
    spoil(made / "out/a_texture.png")
    spoilt = contents(made / "out")
    result = run("a.png", "b.png", "-o", "out")
    if spoil in OTHERS:
        assert result.exit_code == FAILURE and "--overwrite replaces it" in result.stderr
        assert contents(made / "out") == spoilt
        result = run("a.png", "b.png", "-o", "out", "--overwrite")
    assert result.exit_code == 0, result.stderr
    assert made_again(result) == ([] if spoil is spoil_nothing else ["a"])
    if spoil is not spoil_exemplar:
        assert contents(made / "out") == whole


def test_a_texture_of_many_pixels_is_there_too(made, monkeypatch):
    """As many as Pillow warns of, half of what it refuses."""
    large = text_of("out/a_texture.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 19 - 1)
    assert provenance.is_finished(made / "out/a_texture.png", large)


def test_another_start_of_the_same_name_is_another_texture(folder, run):
    options = ("a.png", "b.png", "-o", "out", "--init", "c.png")
    assert run(*options).exit_code == 0
    assert made_again(run(*options)) == []
    save("c", 99)
    assert made_again(run(*options)) == []
    assert made_again(run(*options, "--overwrite")) == ["a", "b"]


BAD_USAGE = [
    ("a.png b.png -o x.png", "--out must be a folder for several textures, not x.png"),
    ("a.png --variations 2 -o c.png", "--out must be a folder for several textures, not c.png"),
    ("a.png b.png -o c.png/", "--out: c.png is to be a folder, but there is a file"),
    ("a.png b.png -o c.png/d", "--out: c.png/d is to be a folder, but there is a file"),
    ("a.png b.png --tile z", "'z' is not one of 'x', 'y', 'xy', and there is no image of that"),
    ("--tile z a.png", "'z' is not one of 'x', 'y', 'xy', and there is no image of that name"),
    ("a.png a.png", "a.png and a.png would both write a_texture.png"),
    ("a.png twin/a.jpg -o out", "a.png and twin/a.jpg would both write out/a_texture.png"),
    ("a.png a_texture.png", "a_texture.png would overwrite a_texture.png, which is an input"),
    ("a.png b.png --init b_comparison.png", "b_comparison.png would overwrite b_comparison.png"),
    ("a.png --variations 2 --tile linked.png", "a_seed1_tiled.png would overwrite linked.png"),
    ("a.png --variations 0", "Invalid value for '--variations': 0 is not in the range"),
    (
        "a.png --variations 2 --init b.png",
        "--variations: all textures would start from b.png and be the same",
    ),
    ("a.png --variations 2 --seed 18446744073709551615", "seed must be at most"),
    ("a.png b.png -n -1", "iterations must be at least 0, not -1"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_USAGE, ids=lambda value: str(value)[:40])
def test_bad_usage_is_told_before_anything_is_done(folder, run, arguments, message):
    (folder / "twin").mkdir()
    Image.fromarray(make_texture(30, 24)).save("twin/a.jpg")
    for name in ("a_texture", "b_comparison", "a_seed1_tiled"):
        save(name, 50)
    os.link("a_seed1_tiled.png", "linked.png")
    before = contents_of_files(folder)
    result = run(*arguments.split())
    assert result.exit_code == USAGE, result.output
    assert message in result.stderr and result.stderr.count("\n") == 1
    assert contents_of_files(folder) == before and names(folder / "out") == []


def contents_of_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_small_images_and_long_names_are_passed_over(folder, run):
    save("tiny", 1, (9, 1))
    long = f"{'n' * 245}.png"
    Image.fromarray(make_texture(30, 24)).save(long)
    (folder / "out/b_comparison.png").mkdir()
    Path("text.png").write_text("no image")
    images = ("tiny.png", long, "b.png", "text.png", "a.png")
    result = run(*images, "-o", "out", "--size", "0", "-q")
    assert result.exit_code == FAILURE and result.stdout == ""
    expected = (
        "tiny.png: exemplar of 9x1 px is too small",
        f"{long}: cannot write out/{'n' * 245}_texture.png: File name too long",
        "b.png: cannot write out/b_comparison.png: it is a folder",
        "text.png is not an image that Pillow can read",
        f"4 of 5 failed: tiny.png, {long}, b.png, text.png",
    )
    lines = result.stderr.splitlines()
    assert len(lines) == len(expected)
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(f"texsynth: error: {start}")
    assert names(folder / "out") == [*outputs("a"), "b_comparison.png"]


def fail_for_seed(monkeypatch, seed, error):
    make_variation = loop.make_variation

    def make(study, own_seed, **options):
        if own_seed == seed:
            raise error
        return make_variation(study, own_seed, **options)

    monkeypatch.setattr(loop, "make_variation", make)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DivergenceError("the loss is not finite"), "the loss is not finite"),
        (MemoryError(), batch.NO_MEMORY),
        (RuntimeError("two\nlines"), "RuntimeError: two lines"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_failing_variation_is_passed_over(folder, run, monkeypatch, error, told):
    fail_for_seed(monkeypatch, 1, error)
    result = run("a.png", "--variations", "3", "-o", "out", "-q")
    assert result.exit_code == FAILURE
    assert names(folder / "out") == outputs("a_seed0", "a_seed2")
    assert result.stderr == (
        f"texsynth: error: a.png (seed 1): {told}\ntexsynth: error: 1 of 3 failed: a.png (seed 1)\n"
    )


def test_an_unreadable_image_is_told_once_for_all_its_variations(folder, run):
    Path("text.png").write_text("no image")
    result = run("text.png", "a.png", "--variations", "2", "-o", "out", "-q")
    assert result.stderr == (
        "texsynth: error: text.png is not an image that Pillow can read\n"
        "texsynth: error: 2 of 4 failed: text.png\n"
    )
    assert len(names(folder / "out")) == 4


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--weights", "nowhere.npz", "no such weights file: nowhere.npz; not made: a.png, b.png"),
        ("--gpu", "99", "GPU 99: "),
        ("--init", "nowhere.png", "no such file: nowhere.png; not made: a.png, b.png"),
    ],
)
def test_what_would_fail_for_all_ends_all(folder, run, option, value, message):
    result = run("a.png", "b.png", "-q", "-o", "out", option, value)
    assert result.exit_code == FAILURE
    assert result.stderr.count("\n") == 1 and message in result.stderr
    assert names(folder / "out") == []


def test_an_engine_that_does_not_work_ends_all(folder, run, monkeypatch):
    def refuse(*arguments, **options):
        raise EngineError("engine winograd cannot be used: no reason")

    monkeypatch.setattr(engine, "make_features", refuse)
    result = run("a.png", "b.png", "-q", "-o", "out")
    assert result.exit_code == FAILURE
    assert result.stderr == (
        "texsynth: error: engine winograd cannot be used: no reason; not made: a.png, b.png\n"
    )


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
def test_a_folder_that_takes_no_files_is_found_before_the_work(folder, run):
    result = run("a.png", "b.png", "-o", "/proc")
    assert result.exit_code == FAILURE
    assert result.stderr == "texsynth: error: cannot write to /proc: No such file or directory\n"


@pytest.mark.parametrize(("rank", "made"), [(0, "ac"), (1, "b")])
def test_of_two_processes_each_makes_its_share(folder, run, monkeypatch, rank, made):
    team = SimpleNamespace(rank=rank, size=2, place=rank)
    monkeypatch.setattr("texsynth.objective.team.assemble", lambda: team)
    assert run("--distributed", "a.png", "b.png", "c.png", "-o", "out").exit_code == 0
    assert names(folder / "out") == outputs(*made)


def test_a_full_disk_ends_all(folder, run, monkeypatch):
    save_picture = Image.Image.save

    def full(picture, file, **options):
        if len(names(folder / "out")) > 2:
            raise OSError(28, "No space left on device")
        save_picture(picture, file, **options)

    monkeypatch.setattr(Image.Image, "save", full)
    result = run("a.png", "b.png", "c.png", "-o", "out", "-q")
    assert result.exit_code == FAILURE
    assert result.stderr == (
        "texsynth: error: cannot write out/b_texture.png: [Errno 28] No space left on device; "
        "not made: b.png, c.png\n"
    )
    assert names(folder / "out") == outputs("a")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_standard_output_ends_all_and_the_picture_is_there(folder, random_weights_file):
    command = [sys.executable, "-m", "texsynth", *FAST, "--weights", random_weights_file]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [*command, "a.png", "b.png", "-o", "out"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == FAILURE
    assert "cannot write to standard output" in result.stderr
    assert result.stderr.endswith("; not made: b.png\n")
    assert names(folder / "out") == outputs("a")


def test_each_has_its_record_and_can_be_made_again(folder, run):
    asked = ["a.png", "--variations", "2", "-o", "out", "--record"]
    result = run(*asked)
    assert result.exit_code == 0, result.stderr
    kinds = ["comparison.png", "record.json", "texture.png"]
    made = [f"a_seed{seed}_{kind}" for seed in (0, 1) for kind in kinds]
    assert names(folder / "out") == made
    assert sorted(result.stdout.split()) == [f"out/{name}" for name in made]
    again = CliRunner().invoke(cli.main, ["--replay", "out/a_seed1_record.json", "-o", "d.png"])
    assert again.exit_code == 0, again.stderr
    with Image.open("d.png") as one, Image.open("out/a_seed1_texture.png") as other:
        assert one.tobytes() == other.tobytes()


def test_a_texture_without_its_record_is_made_again(folder, run):
    asked = ["a.png", "b.png", "c.png", "-o", "out", "--record"]
    assert run(*asked).exit_code == 0
    before = contents(folder / "out")
    (folder / "out" / "a_record.json").unlink()
    shutil.copy("out/c_record.json", "out/b_record.json")
    result = run(*asked)
    assert result.exit_code == FAILURE
    assert "out/b_record.json already exists and is not the same texture's; " in result.stderr
    assert "out/c_texture.png already exists" in result.stderr
    (folder / "out" / "a_record.json").unlink()
    result = run(*asked, "--overwrite")
    assert result.exit_code == 0
    assert "out/a_texture.png already exists" not in result.stderr
    assert "out/b_texture.png already exists" not in result.stderr
    assert "out/c_texture.png already exists" in result.stderr
    now = contents(folder / "out")
    assert now.keys() == before.keys()
    for name in (f"{stem}_record.json" for stem in "abc"):
        assert json.loads(now[name])["sha256"] == json.loads(before[name])["sha256"]
    # Without --record nobody asks for it.
    (folder / "out" / "a_record.json").unlink()
    assert "out/a_texture.png already exists" in run(*asked[:-1]).stderr


def test_quiet_says_nothing_and_snapshots_and_tilings_are_written(folder, run):
    result = run("a.png", "b.png", "-o", "out", "-q", "--snapshots", "2", "--tile", "x")
    assert (result.exit_code, result.output) == (0, "")
    kinds = ("comparison", "texture", "texture_level1_step00002", "tiled")
    assert names(folder / "out") == outputs("a", "b", kinds=kinds)


def test_a_snapshot_does_not_overwrite_another_image(folder, run):
    name = "a_texture_level1_step00002"
    save(name, 3)
    before = (folder / f"{name}.png").read_bytes()
    result = run("a.png", f"{name}.png", "--snapshots", "2")
    assert result.exit_code == 0
    assert f"the snapshot {name}.png would overwrite an input" in result.stderr
    assert (folder / f"{name}.png").read_bytes() == before


def test_a_snapshot_does_not_overwrite_the_start(folder, run):
    name = "a_texture_level1_step00002.png"
    save("a_texture_level1_step00002", 3)
    before = (folder / name).read_bytes()
    result = run("a.png", "b.png", "--init", name, "--snapshots", "2")
    assert result.exit_code == 0
    assert f"the snapshot {name} would overwrite an input" in result.stderr
    assert (folder / name).read_bytes() == before


def interrupt_at(monkeypatch, which, times, number=signal.SIGTERM):
    """Raises signals at the first step of the image that comes at a place, from 1."""
    begun = []

    class Display:
        def show(self, progress):
            begun.extend([progress] if progress.step == 1 else [])
            for _ in range(times if progress.step == 1 and len(begun) == which else 0):
                signal.raise_signal(number)

        def close(self):
            pass

    monkeypatch.setattr("texsynth.command.progress.make", lambda quiet: Display())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_image_and_ends_the_batch(folder, run, monkeypatch, number):
    with monkeypatch.context() as patch:
        interrupt_at(patch, 2, 1, number)
        Path("text.png").write_text("no image")
        result = run("text.png", "a.png", "b.png", "c.png", "-o", "out")
    assert result.exit_code == 128 + number
    assert result.stderr.splitlines()[-1] == (
        "texsynth: error: interrupted; out/b_texture.png is unfinished; "
        "1 of 4 failed: text.png; not made: c.png"
    )
    assert names(folder / "out") == outputs("a", "b")
    assert text_of("out/b_texture.png")["texsynth:reason"] == "interrupted"
    assert made_again(run("a.png", "b.png", "c.png", "-o", "out")) == ["b", "c"]
    assert "interrupted" not in json.dumps(text_of("out/b_texture.png"))


def test_a_signal_ends_the_variations_of_an_image_too(folder, run, monkeypatch):
    interrupt_at(monkeypatch, 2, 1)
    result = run("a.png", "--variations", "3", "-o", "out")
    assert result.exit_code == 128 + signal.SIGTERM
    assert result.stderr.splitlines()[-1] == (
        "texsynth: error: interrupted; out/a_seed1_texture.png is unfinished; "
        "not made: a.png (seed 2)"
    )
    assert names(folder / "out") == outputs("a_seed0", "a_seed1")


def test_a_second_signal_stops_at_once(folder, run, monkeypatch):
    interrupt_at(monkeypatch, 2, 2)
    result = run("a.png", "b.png", "c.png", "-o", "out")
    assert result.exit_code == 128 + signal.SIGTERM
    assert result.stderr.endswith("error: interrupted; not made: b.png, c.png\n")
    assert names(folder / "out") == outputs("a")


def test_a_signal_between_images_ends_at_once(folder, run, monkeypatch):
    read = images.read_deep

    def interrupted(path, input_range):
        if path.name == "b.png":
            signal.raise_signal(signal.SIGINT)
        return read(path, input_range)

    monkeypatch.setattr(images, "read_deep", interrupted)
    result = run("a.png", "b.png", "-o", "out")
    assert result.exit_code == command.EXIT_INTERRUPTED
    assert result.stderr.endswith("error: interrupted; not made: b.png\n")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def start(weights_file, *arguments):
    fast = ["--size", "0", "-n", "60", "--levels", "1", "--layers", "conv1_1,pool1"]
    return subprocess.Popen(
        [sys.executable, "-m", "texsynth", *fast, "--weights", str(weights_file), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **ONE_THREAD},
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
def test_signals_in_the_middle_of_a_batch(folder, random_weights_file, number, times):
    save("large", 4, (400, 300))
    process = start(
        random_weights_file, "a.png", "large.png", "c.png", "--snapshots", "1", "-o", "out"
    )
    deadline = time.monotonic() + 120
    while not list((folder / "out").glob("large*step00002.png")) and time.monotonic() < deadline:
        time.sleep(0.02)
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.1)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert "Traceback" not in errors
    made = [name for name in names(folder / "out") if "step" not in name]
    if times == 1:
        assert errors.endswith("large_texture.png is unfinished; not made: c.png\n")
        assert made == outputs("a", "large")
    else:
        assert errors.endswith("error: interrupted; not made: large.png, c.png\n")
        assert made == outputs("a")
    assert output.split() == [f"out/{name}" for name in sorted(made, key=order)]


def order(name):
    return name.split("_")[0], "comparison" in name


def test_the_text_of_a_png_is_read_with_care(folder):
    """A text that Pillow finds too large is no reason to fail."""
    info = PngImagePlugin.PngInfo()
    info.add_text("texsynth:settings", "x" * (PngImagePlugin.MAX_TEXT_CHUNK + 1), zip=True)
    Image.new("RGB", (4, 4)).save("big.png", pnginfo=info)
    assert not provenance.is_finished(folder / "big.png", {})
