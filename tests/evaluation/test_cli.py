import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, PngImagePlugin

import texsynth
from tests.conftest import make_texture
from texsynth import command, evaluate, files, images
from texsynth.errors import TexsynthError
from texsynth.evaluation import evaluated as outcome
from texsynth.evaluation import page, table
from texsynth.evaluation.record import Record
from texsynth.metrics import Measures

USAGE, FAILURE = command.EXIT_USAGE, command.EXIT_FAILURE


def save(path, pixels, **text):
    info = PngImagePlugin.PngInfo()
    for key, value in text.items():
        info.add_itxt(f"texsynth:{key}", value)
    Image.fromarray(pixels).save(path, pnginfo=info)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to stand in, with ``stone.png``, 80x60, and two outputs, 40x30 and 40x40."""
    monkeypatch.chdir(tmp_path)
    save("stone.png", make_texture(80, 60))
    settings = {"size": 40, "layers": {"pool1": 1, "pool2": 1}, "pooling": "max"}
    save("a.png", make_texture(40, 30, seed=1), settings=json.dumps(settings))
    save("b.png", make_texture(40, 40, seed=2))
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_table_is_aligned_with_a_column_for_each_output(folder, run):
    result = run("stone.png", "a.png", "b.png")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["stone.png", "a.png", "b.png"]
    ends = [re.search(r"\ba\.png|\bpool1 +\d\.\d+", line) for line in lines[:8]]
    assert len({match.end() for match in ends if match}) == 1
    assert names(folder) == ["a.png", "b.png", "stone.png"]


def test_optimised_layers_and_held_out_ones_are_apart(folder, run):
    lines = run("stone.png", "a.png").stdout.splitlines()
    start = lines.index("relative Gram error, optimised")
    assert [line.split()[0] for line in lines[start + 1 : start + 3]] == ["pool1", "pool2"]
    held_out = lines[lines.index("relative Gram error, held out") + 1 :]
    assert [line.split()[0] for line in held_out[:3]] == ["conv1_1", "pool3", "pool4"]


def test_outputs_that_optimised_other_layers_are_marked(folder, run):
    lines = run("stone.png", "a.png", "b.png").stdout.splitlines()
    rows = {line.split()[0]: line for line in reversed(lines) if line.startswith("  ")}
    assert "relative Gram error, optimised by default" in lines
    assert re.fullmatch(r"  pool3 +\d\.\d{3}\*  +\d\.\d{3}", rows["pool3"])
    assert "*" not in rows["pool1"] and lines[-1] == "* not optimised in this output"


def test_the_network_that_measures_is_vgg16_unless_asked_for(folder, run, random_vgg19_file):
    """Whatever made the output, or outputs of several could not be compared."""
    settings = {"size": 40, "network": "vgg19", "layers": {"pool1": 1, "conv3_4": 1}}
    save("c.png", make_texture(40, 30, seed=3), settings=json.dumps(settings))
    by_default = json.loads(run("stone.png", "c.png", "--json", "-").stdout)
    assert by_default["network"] == "vgg16"
    assert "conv3_4" not in by_default["outputs"][0]["measures"]["gram_errors"]
    options = ["--network", "vgg19", "--weights", random_vgg19_file, "--json", "-"]
    asked = json.loads(run("stone.png", "c.png", *options).stdout)
    assert asked["network"] == "vgg19"
    assert "conv3_4" in asked["outputs"][0]["measures"]["gram_errors"]
    assert asked["outputs"][0]["optimised"] == by_default["outputs"][0]["optimised"]


def test_the_source_is_brought_to_the_size_that_the_output_names(folder, run):
    outputs = json.loads(run("stone.png", "a.png", "b.png", "--json", "-").stdout)["outputs"]
    assert [output["exemplar_size"] for output in outputs] == [[40, 30], [80, 60]]
    assert [output["size"] for output in outputs] == [[40, 30], [40, 40]]
    assert [output["pooling"] for output in outputs] == ["max", "average"]
    assert [output["optimised"] for output in outputs] == [["pool1", "pool2"], None]


def test_drifts_are_taken_out_of_the_source_as_of_the_exemplar(folder, run):
    with Image.open("stone.png") as picture:
        batch = images.to_batch(np.asarray(picture.convert("RGB")))
    save("even.png", images.to_pixels(images.without_drift(batch, 9)))
    told = {"size": 0, "flatten": 9}
    for name, settings in (("with.png", told), ("without.png", told | {"flatten": None})):
        save(name, make_texture(40, 40), settings=json.dumps(settings))
    ways = ("stone.png", "with.png"), ("even.png", "without.png"), ("stone.png", "without.png")
    measures = [
        json.loads(run(*way, "--json", "-").stdout)["outputs"][0]["measures"] for way in ways
    ]
    assert measures[0] == measures[1] != measures[2]


def test_size_and_pooling_overrule_the_output(folder, run):
    result = run("stone.png", "a.png", "b.png", "--size", 64, "--pooling", "average", "--json", "-")
    outputs = json.loads(result.stdout)["outputs"]
    assert [output["exemplar_size"] for output in outputs] == [[64, 48]] * 2
    assert [output["pooling"] for output in outputs] == ["average"] * 2
    kept = json.loads(run("stone.png", "a.png", "--size", 0, "--json", "-").stdout)["outputs"]
    assert kept[0]["exemplar_size"] == [80, 60]


def test_a_size_up_to_twice_that_of_the_pictures_is_believed(folder, run):
    save("large.png", make_texture(40, 40), settings=json.dumps({"size": 160}))
    result = run("stone.png", "large.png", "--json", "-")
    assert json.loads(result.stdout)["outputs"][0]["exemplar_size"] == [160, 120]


def test_a_size_that_needs_all_memory_is_not_believed(folder, run):
    save("huge.png", make_texture(40, 40), settings=json.dumps({"size": 60000}))
    result = run("stone.png", "huge.png", "--json", "-")
    assert json.loads(result.stdout)["outputs"][0]["exemplar_size"] == [80, 60]


def test_further_layers_that_were_optimised_are_measured(folder, run):
    save("deep.png", make_texture(40, 40), settings=json.dumps({"layers": {"conv3_1": 1}}))
    output = json.loads(run("stone.png", "deep.png", "--json", "-").stdout)["outputs"][0]
    assert output["optimised"] == ["conv3_1"]
    for measure in ("gram_errors", "sliced_wasserstein"):
        assert "conv3_1" in output["measures"][measure]


def test_the_network_pools_as_it_is_told(folder, run):
    errors = [
        json.loads(run("stone.png", "b.png", "--pooling", pooling, "--json", "-").stdout)[
            "outputs"
        ][0]["measures"]["gram_errors"]
        for pooling in ("average", "max")
    ]
    assert errors[0]["conv1_1"] == pytest.approx(errors[1]["conv1_1"])
    assert errors[0]["pool1"] != pytest.approx(errors[1]["pool1"], rel=1e-3)


def evaluated(name, **changes):
    """An output of 40x30 with measures that are easily told apart."""
    measures = {
        "gram_errors": {"conv1_1": 0.125, "pool5": 0.25},
        "sliced_wasserstein": {"conv1_1": 0.5},
        "spectrum_distance": 0.0625,
        "portilla_simoncelli": 1.125,
        "colour_distance": 7.5,
        "detail": 0.875,
        "grid": 1.25,
        "tell_apart": 0.625,
        "copied_share": 0.75,
        "repetition_share": 0.125,
        "seam": {"x": 1.5, "y": -2.5},
        "spectra": None,
        "copies": None,
    }
    pictures = (np.zeros((height, width, 3), np.uint8) for height, width in ((30, 40), (60, 80)))
    return outcome.Evaluated(name, *pictures, Record(), "max", Measures(**(measures | changes)))


def test_each_measure_is_in_its_row():
    lacking = evaluated(
        "b.png",
        gram_errors={"conv1_1": 1.0},
        spectrum_distance=0.0,
        portilla_simoncelli=None,
        tell_apart=None,
        copied_share=None,
    )
    assert table.sections(outcome.Report("s.png", [evaluated("a.png"), lacking])) == [
        ("relative Gram error, optimised by default", [("conv1_1", ["0.125", "1.000"], "0")]),
        ("relative Gram error, held out", [("pool5", ["0.250", "-"], "0")]),
        (
            "sliced Wasserstein distance / std, optimised by default",
            [("conv1_1", ["0.500", "0.500"], "0")],
        ),
        (
            "image statistics",
            [
                ("spectrum distance, log10", ["0.062", "0.000"], "0"),
                ("Portilla-Simoncelli, spreads", ["1.125", "-"], "0"),
                ("colour distance, grey levels", ["7.50", "7.50"], "0"),
                ("detail, 1 = as sharp", ["0.88", "0.88"], "1"),
                ("grid, 1 = as the exemplar", ["1.25", "1.25"], "1"),
                ("told apart, 0.5 = by chance", ["0.625", "-"], "0.5"),
                ("copied patches", ["75.0 %", "-"], "≤ next row"),
                ("  exemplar's own repetition", ["12.5 %", "12.5 %"], ""),
                ("seam in x, z-score", ["+1.5", "+1.5"], "±2"),
                ("seam in y, z-score", ["-2.5", "-2.5"], "±2"),
            ],
        ),
        (
            "compared at",
            [
                ("output, pixels", ["40x30", "40x30"], ""),
                ("exemplar, pixels", ["80x60", "80x60"], ""),
                ("network", ["vgg16", "vgg16"], ""),
                ("pooling", ["max", "max"], ""),
            ],
        ),
    ]


def test_no_seam_is_told_of_what_was_not_made_to_tile():
    one = evaluated("a.png")
    outputs = [dataclasses.replace(one, record=Record(tile=t)) for t in (None, "", "x", "xy")]
    found = outcome.Report("s.png", outputs)
    rows = {label: cells for _, rows in table.sections(found) for label, cells, _ in rows}
    assert rows["seam in x, z-score"] == ["+1.5", "-", "+1.5", "+1.5"]
    assert rows["seam in y, z-score"] == ["-2.5", "-", "-", "-2.5"]
    note = "- at a seam: not made to tile along that axis"
    assert table.notes(found)[-1] == note and table.as_text(found).endswith(f"\n\n{note}")
    assert note not in table.notes(outcome.Report("s.png", [outputs[0], outputs[3]]))
    assert found.as_dict()["outputs"][1]["measures"]["seam"] == {"x": 1.5, "y": -2.5}


@pytest.mark.parametrize("bad", ["cut.png", "small.png"])
def test_one_bad_output_does_not_lose_the_others(folder, run, bad):
    make_bad_files(folder)
    result = run("stone.png", "a.png", bad, "b.png", "--html", "p.html", "--json", "m.json")
    assert result.exit_code == FAILURE
    assert result.stdout.splitlines()[0].split() == ["stone.png", "a.png", "b.png"]
    line = result.stderr
    assert line.startswith(f"texsynth.evaluate: error: 1 of 3 outputs failed: {bad}")
    assert line.endswith("; written: m.json, p.html\n") and line.count("\n") == 1
    found = json.loads(Path("m.json").read_text(encoding="utf-8"))
    assert [output["file"] for output in found["outputs"]] == ["a.png", "b.png"]
    assert [each["file"] for each in found["failed"]] == [bad]
    assert f"<b>{bad}</b> could not be measured: {bad}" in Path("p.html").read_text("utf-8")


def test_a_texture_of_two_steps_has_a_page(folder, run):
    save("two.png", make_texture(40, 30), history="[[1.32, 1.09]]")
    assert run("stone.png", "two.png", "--html", "p.html").exit_code == 0
    assert "from 1.32 to 1.09" in Path("p.html").read_text("utf-8")


def test_a_copy_of_the_exemplar_is_told(folder, run):
    save("copy.png", make_texture(80, 60))
    measures = json.loads(run("stone.png", "copy.png", "--json", "-").stdout)["outputs"][0][
        "measures"
    ]
    assert measures["copied_share"] == 1 and measures["spectrum_distance"] < 1e-9
    assert max(measures["gram_errors"].values()) < 1e-6


def test_json_in_a_file_beside_the_table(folder, run):
    result = run("stone.png", "a.png", "--json", "measures.json")
    text = Path("measures.json").read_text(encoding="utf-8")
    assert json.loads(text) == json.loads(run("stone.png", "a.png", "--json", "-").stdout)
    assert text.endswith("}\n") and "relative Gram error" in result.stdout
    assert json.loads(text)["texsynth"] == texsynth.__version__


def test_a_dash_is_standard_output_for_json_alone(folder, run):
    result = run("stone.png", "a.png", "--json", "-", "--html", "-")
    assert json.loads(result.stdout)["source"] == "stone.png"
    assert Path("-").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_quiet_prints_nothing(folder, run):
    result = run("stone.png", "a.png", "-q", "--json", "m.json", "--html", "page.html")
    assert result.exit_code == 0 and result.output == ""
    assert names(folder) == ["a.png", "b.png", "m.json", "page.html", "stone.png"]


def test_outputs_of_the_same_name_are_told_by_their_paths(folder, run):
    (folder / "other").mkdir()
    save("other/a.png", make_texture(40, 40, seed=7))
    head = run("stone.png", "a.png", "other/a.png").stdout.splitlines()[0]
    assert head.split() == ["stone.png", "a.png", "other/a.png"]


def make_bad_files(folder):
    (folder / "text.png").write_text("no image")
    (folder / "cut.png").write_bytes((folder / "stone.png").read_bytes()[:500])
    (folder / "folder").mkdir()
    (folder / "link.png").symlink_to("stone.png")
    save(folder / "small.png", make_texture(40, 15))


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["stone.png"], USAGE, "OUTPUT"),
        (["none.png", "a.png"], FAILURE, "no such file: none.png"),
        (["stone.png", "none.png"], FAILURE, "no such file: none.png"),
        (["stone.png", "text.png"], FAILURE, "text.png is not an image"),
        (["cut.png", "a.png"], FAILURE, "cut.png cannot be read"),
        (["stone.png", "folder"], FAILURE, "folder is a folder"),
        (["stone.png", "stone.png"], USAGE, "are the same file"),
        (["stone.png", "a.png", "a.png"], USAGE, "are the same file"),
        (["stone.png", "link.png"], USAGE, "are the same file"),
        (["stone.png", "small.png"], FAILURE, "small.png: the image is too small"),
        (["small.png", "a.png"], FAILURE, "small.png: the exemplar is too small"),
        (["stone.png", "a.png", "--size", "20"], FAILURE, "stone.png: the exemplar is too small"),
        (["stone.png", "a.png", "--size", "-1"], USAGE, "--size"),
        (["stone.png", "a.png", "--gpu", "-2"], USAGE, "--gpu"),
        (["stone.png", "a.png", "--gpu", "99"], FAILURE, "GPU 99: "),
        (["stone.png", "a.png", "--device", "@cupy:99"], FAILURE, "GPU 99: "),
        (["stone.png", "a.png", "--device", "cuda:0"], USAGE, "ChainerX is not used here"),
        (["stone.png", "a.png", "-g", "1", "-d", "@numpy"], USAGE, "are different devices"),
        (["stone.png", "a.png", "--pooling", "min"], USAGE, "--pooling"),
        (
            ["stone.png", "a.png", "--weights", "none.npz"],
            FAILURE,
            "no such weights file: none.npz",
        ),
        (["stone.png", "a.png", "--html", "folder"], USAGE, "--html: folder is a folder"),
        (["stone.png", "a.png", "--html", "no/p.html"], USAGE, "--html: there is no folder no"),
        (["stone.png", "a.png", "--html", "a.png"], USAGE, "would overwrite a.png"),
        (["stone.png", "a.png", "--weights", "b.png", "--json", "b.png"], USAGE, "overwrite b.png"),
        (["stone.png", "a.png", "--json", "./stone.png"], USAGE, "would overwrite stone.png"),
        (["stone.png", "a.png", "--json", "link.png"], USAGE, "would overwrite stone.png"),
        (
            ["stone.png", "a.png", "--json", "x", "--html", "./x"],
            USAGE,
            "x is also the file for --json",
        ),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(folder, run, arguments, code, told):
    make_bad_files(folder)
    before = names(folder)
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == "" and result.stderr.startswith("texsynth.evaluate: error: ")
    assert len(result.stderr.splitlines()) == 1 and told in result.stderr
    assert "Error: " not in result.stderr  # a defect of ours, told by its type
    assert names(folder) == before


def test_what_was_written_before_a_failure_is_told(folder, run, monkeypatch):
    written = files.write_text

    def refuse_html(path, text):
        if path.suffix == ".html":
            raise TexsynthError(f"cannot write {path}: the disk is full")
        written(path, text)

    monkeypatch.setattr(files, "write_text", refuse_html)
    result = run("stone.png", "a.png", "--json", "m.json", "--html", "p.html")
    assert result.exit_code == FAILURE and "the disk is full; written: m.json" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyboardInterrupt, command.EXIT_INTERRUPTED, "interrupted"),
        (MemoryError, FAILURE, "not enough memory for images of this size"),
    ],
)
def test_an_end_before_its_time_is_one_line(folder, run, monkeypatch, error, code, told):
    def fail(found):
        raise error

    monkeypatch.setattr(page, "render", fail)
    result = run("stone.png", "a.png", "--json", "m.json", "--html", "p.html")
    assert result.exit_code == code and result.stdout == ""
    assert result.stderr == f"texsynth.evaluate: error: {told}; written: m.json\n"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_standard_output_is_told_with_what_was_written(folder, random_weights_file):
    options = ["--weights", str(random_weights_file), "--json", "m.json"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "texsynth.evaluate", "stone.png", "a.png", *options],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == FAILURE
    assert done.stderr.startswith("texsynth.evaluate: error: cannot write to standard output: ")
    assert done.stderr.endswith("; written: m.json\n")


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "page.html"
    files.write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        files.write_text(path, "new \ud800")
    assert path.read_text() == "old" and names(tmp_path) == ["page.html"]
    files.write_text(path, "é")
    assert path.read_bytes() == "é".encode() and names(tmp_path) == ["page.html"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(TexsynthError, match=r"cannot write .*folder"):
        files.write_text(tmp_path / "folder", "text")
    assert names(tmp_path) == ["folder", "page.html"]


def test_control_characters_and_bytes_in_names_are_not_printed(folder, run):
    name = os.fsdecode(b"odd\x1b[31m\nname\xff.png")
    os.rename("a.png", name)  # noqa: PTH104
    result = run("stone.png", Path(name), "--html", "page.html", "--json", "m.json")
    assert result.exit_code == 0, result.output
    assert "odd\ufffd[31m\ufffdname\ufffd.png" in result.stdout and "\x1b" not in result.stdout
    assert json.loads(Path("m.json").read_text())["outputs"][0]["file"].startswith("odd\ufffd")


def test_it_runs_as_a_module(folder, random_weights_file):
    arguments = ["stone.png", "a.png", "--weights", str(random_weights_file)]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "texsynth.evaluate", *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0 and done.stderr == "" and "held out" in done.stdout


def test_every_option_has_a_help_and_defaults_are_said():
    options = [option for option in evaluate.main.params if option.param_type_name == "option"]
    assert len(options) == 23
    assert all(option.help for option in options)
    text = CliRunner().invoke(evaluate.main, ["-h"]).stdout
    assert "the size recorded in OUTPUT, or 0" in " ".join(text.split())


def test_version():
    result = CliRunner().invoke(evaluate.main, ["--version"])
    assert result.stdout == f"texsynth.evaluate {texsynth.__version__}\n"


@pytest.mark.slow
def test_a_sample_is_good(real_weights):
    samples = Path(__file__).parents[2] / "samples"
    arguments = [samples / "pebbles.png", samples / "pebbles_texture.png", "--json", "-"]
    result = CliRunner().invoke(evaluate.main, list(map(str, arguments)))
    measures = json.loads(result.stdout)["outputs"][0]["measures"]
    assert measures["gram_errors"]["pool4"] < 0.2 and measures["sliced_wasserstein"]["pool4"] < 0.2
    assert abs(measures["copied_share"] - measures["repetition_share"]) < 0.1
    assert np.isfinite(list(measures["seam"].values())).all()


def test_a_source_of_numbers_is_read_by_the_range_given_or_recorded(folder, run):
    shares = np.asarray(Image.open("stone.png").convert("L"), np.float32) / 255
    Image.fromarray(shares).save("numbers.tif")
    result = run("numbers.tif", "b.png")
    assert result.exit_code == FAILURE and "say which are black and white" in result.stderr
    given = run("numbers.tif", "b.png", "--input-range", "0,1")
    assert given.exit_code == 0, given.output
    save("c.png", make_texture(40, 40, seed=2), settings=json.dumps({"input_range": [0, 1]}))
    recorded = run("numbers.tif", "c.png")
    assert recorded.stdout.replace("c.png", "b.png") == given.stdout
    save("c.png", make_texture(40, 40, seed=2), settings=json.dumps({"input_range": [1, 0]}))
    assert "ignoring its texsynth:settings: input range must" in run("numbers.tif", "c.png").stderr


def test_an_output_of_another_kind_has_no_record(folder, run):
    """Even of one that only the reader of images can open."""
    pixels = make_texture(40, 40, seed=2)
    imagecodecs.imwrite("b16.tif", pixels.astype(np.uint16) * 257)
    table = run("stone.png", "b16.tif").stdout
    assert table.replace("b16.tif", "  b.png") == run("stone.png", "b.png").stdout
