"""The evaluate command on what was painted by a map, and on repairs; with a random network."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import texsynth
from tests.conftest import make_texture
from texsynth.command import cli
from texsynth.evaluation import page, verdict
from texsynth.evaluation.record import read
from texsynth.evaluation.repairs import Repair

pytestmark = pytest.mark.usefixtures("weights_read_once")
FAST = ["-n", "1", "--layers", "conv1_1,pool1", "--preset", "gatys", "--no-comparison"]
FAST += ["--precision", "fp32", "--engine", "plain"]
RED, BLUE = (200, 0, 0), (0, 0, 200)
REGIONS = ["--target-guide", "wanted.png", "--region", "#c80000=stone.png"]
REGIONS = [*REGIONS, "--region", "#0000c8=sand.png"]
GUIDED = ["--target-guide", "wanted.png", "--guide", "guide.png"]


def halves(first, second, size, share=0.5):
    pixels = np.empty((size[1], size[0], 3), np.uint8)
    edge = int(size[0] * share)
    pixels[:, :edge], pixels[:, edge:] = first, second
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """``stone.png`` with maps, ``sand.png``, and ``hole.png`` of it."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(make_texture(64, 48)).save("stone.png")
    Image.fromarray(make_texture(64, 48, seed=1)).save("sand.png")
    halves(RED, BLUE, (64, 48)).save("guide.png")
    halves(BLUE, RED, (64, 48), 0.4).save("wanted.png")
    mask = np.zeros((48, 64), np.uint8)
    mask[12:28, 20:36] = 255
    Image.fromarray(mask).save("hole.png")
    return tmp_path


@pytest.fixture
def make(folder, random_weights_file):
    """Makes a texture or a repair."""

    def make(*arguments):
        word = arguments[: arguments[0] == "repair"]
        rest = arguments[len(word) :]
        options = [*word, *FAST, "--weights", str(random_weights_file), "--overwrite", *rest]
        result = CliRunner().invoke(cli.main, options)
        assert result.exit_code == 0, result.output

    return make


def outputs(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["outputs"]


def test_each_region_is_measured_against_its_exemplar(make, run):
    make(*REGIONS, "--size", "0")
    found = outputs(run("wanted_texture.png", *REGIONS, "--json", "-"))
    assert [each["region"]["colour"] for each in found] == ["#c80000", "#0000c8"]
    assert [each["region"]["exemplar"] for each in found] == ["stone.png", "sand.png"]
    assert [each["region"]["share"] for each in found] == pytest.approx([39 / 64, 25 / 64])
    assert [each["region"]["rectangle"] for each in found] == [[25, 0, 39, 48], [0, 0, 25, 48]]
    assert [each["size"] for each in found] == [[39, 48], [25, 48]]
    assert all(each["exemplar_size"] == [64, 48] for each in found)


@pytest.mark.parametrize("asked", [REGIONS, [*GUIDED, "stone.png"]])
def test_the_errors_are_those_that_were_reported_when_it_was_made(make, run, asked):
    """Of which the file has the mean over the regions."""
    make(*asked, "--size", "0", "-o", "made.png")
    reported = json.loads(Image.open("made.png").text["texsynth:errors"])
    found = outputs(run(*asked, "made.png", "--json", "-"))
    for name, expected in reported.items():
        mean = sum(
            each["region"]["share"] * each["measures"]["gram_errors"][name] for each in found
        )
        assert mean == pytest.approx(expected, rel=1e-3), name


def test_what_is_right_in_one_region_is_wrong_in_the_other(folder, run):
    """The exemplars themselves, laid out by the map, and the other way round."""
    stone, sand = make_texture(64, 48), make_texture(64, 48, seed=1) // 2
    Image.fromarray(sand).save("sand.png")
    is_blue = np.arange(64) < 25
    Image.fromarray(np.where(is_blue[:, None], sand, stone)).save("right.png")
    Image.fromarray(np.where(is_blue[:, None], stone, sand)).save("wrong.png")
    found = outputs(run(*REGIONS, "right.png", "wrong.png", "--json", "-"))
    errors = [each["measures"]["gram_errors"]["conv1_1"] for each in found]
    distances = [each["measures"]["colour_distance"] for each in found]
    assert max(errors[:2]) < 0.25 < min(errors[2:])
    assert max(distances[:2]) < 10 < min(distances[2:])


def test_a_record_says_what_was_painted(make, run):
    make(*REGIONS, "--record")
    by_options = outputs(run(*REGIONS, "wanted_texture.png", "--json", "-"))
    record = ["--record", "wanted_record.json"]
    assert outputs(run(*record, "wanted_texture.png", "--json", "-")) == by_options
    # The record beside it does, if an exemplar is named as for any other texture.
    assert outputs(run("stone.png", "wanted_texture.png", "--json", "-")) == by_options
    Path("wanted_record.json").rename("other.json")
    result = run("stone.png", "wanted_texture.png")
    assert result.exit_code == 0
    assert "for statistics of its parts it needs --record, or --target-guide" in result.stderr


def test_page_and_table_have_a_column_for_each_region(make, run):
    make(*REGIONS)
    result = run(*REGIONS, "wanted_texture.png", "--html", "x.html")
    head = result.stdout.splitlines()[0]
    assert "wanted.png" in head and "wanted_texture.png #c80000 (61 %)" in head
    text = Path("x.html").read_text()
    assert "largest rectangles within the region #c80000" in text
    assert "exemplar, <b>stone.png or sand.png</b>, the other" in text


def test_a_region_that_is_too_small_is_named(make, run):
    halves(BLUE, RED, (64, 48), 0.2).save("wanted.png")
    make(*REGIONS)
    result = run(*REGIONS, "wanted_texture.png", "--json", "-")
    assert result.exit_code == 1
    (failed,) = json.loads(result.stdout)["failed"]
    assert failed["file"] == "wanted_texture.png #0000c8 (19 %)"
    assert failed["error"].startswith("the largest rectangle within it has 12x48 px in the output")


def test_a_repair_is_measured(make, run):
    make("repair", "stone.png", "--mask", "hole.png")
    (found,) = outputs(run("stone.png", "stone_repaired.png", "--mask", "hole.png", "--json", "-"))
    assert found["repair"]["kept_pixels"] == 64 * 48 - 16 * 16
    assert found["repair"]["changed_pixels"] == 0
    mask = texsynth.read_image("hole.png")[..., 0]
    expected = texsynth.metrics.edge_score(texsynth.read_image("stone_repaired.png"), mask)
    assert found["repair"]["edge"] == pytest.approx(expected)
    assert {"conv1_1", "pool1"} <= found["repair"]["gram_errors"].keys()
    result = run("stone.png", "stone_repaired.png", "--mask", "hole.png", "--html", "x.html")
    assert "kept pixels that changed" in result.stdout
    assert "A repair: what was kept has its bytes" in Path("x.html").read_text()


def test_what_was_to_stay_and_did_not_is_counted(folder, run):
    pixels = make_texture(64, 48)
    pixels[0, :3] += 1
    pixels[20, 25] += 1  # within the hole
    Image.fromarray(pixels).save("other.png")
    (found,) = outputs(run("stone.png", "other.png", "--mask", "hole.png", "--json", "-"))
    assert found["repair"]["changed_pixels"] == 3


def test_a_file_says_how_it_was_repaired(make, run):
    """All but where the mask is, which a record says."""
    stone = texsynth.read_image("stone.png")
    alpha = 255 - texsynth.read_image("hole.png")[..., :1]
    Image.fromarray(np.dstack([stone, alpha])).save("clear.png")
    wanted = {
        "stone.png --tile x --band 8": 8 * 48,
        "stone.png --grow left=8": 8 * 48,
        "clear.png --mask alpha": 16 * 16,
        "stone.png --mask hole.png --record": 16 * 16,
    }
    for told, made in wanted.items():
        words = told.split()
        make("repair", *words, "-o", "made.png")
        (found,) = outputs(run(words[0], "made.png", "--json", "-"))
        height, width = texsynth.read_image("made.png").shape[:2]
        assert found["repair"]["kept_pixels"] == width * height - made, told
        assert found["repair"]["changed_pixels"] == 0, told
    by_record = run("--record", "made_record.json", "made.png", "--json", "-")
    assert outputs(by_record)[0]["repair"] == found["repair"]
    Path("made_record.json").unlink()
    result = run("stone.png", "made.png", "--json", "-")
    assert "for what is said of repairs it needs --record, or --mask" in result.stderr
    assert "repair" not in json.loads(result.stdout)["outputs"][0]
    Image.fromarray(255 - texsynth.read_image("hole.png")).save("hole.png")
    result = run("stone.png", "made.png", "--mask", "hole.png")
    assert "hole.png is not the mask that made.png says it was made with" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "Missing argument 'EXEMPLAR'"),
        (["stone.png"], 2, "Missing argument 'OUTPUT...'"),
        (["--record", "none.json", "sand.png"], 1, "no such record: none.json"),
        (["--record", "none.json"], 2, "Missing argument 'EXEMPLAR'"),
        (["sand.png", "--target-guide", "wanted.png"], 2, "--target-guide needs --region, or"),
        (["stone.png", *GUIDED], 2, "Missing argument 'OUTPUT...'"),
        (["stone.png", "sand.png", "--guide", "guide.png"], 2, "need --target-guide"),
        (["sand.png", *REGIONS, "--mask", "hole.png"], 2, "or repaired; not both"),
        (["stone.png", "sand.png", "--band", "8"], 2, "a repair has --mask, --tile or --grow"),
        (["stone.png", "sand.png", "--mask", "small.png"], 2, "mask must have the photograph's"),
        (["stone.png", "small.png", "--mask", "hole.png"], 1, "it has 32x24 px; repaired so,"),
        (["square.png", *REGIONS], 1, "it is 40x40, and wanted.png 64x48: another shape"),
        (["sand.png", *REGIONS[:4]], 2, "wanted.png asks for #0000c8, but --region has only"),
    ],
)
def test_what_cannot_be_is_one_line(folder, run, arguments, code, told):
    Image.fromarray(make_texture(32, 24)).save("small.png")
    Image.fromarray(make_texture(40, 40)).save("square.png")
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert told in result.output and result.stderr.count("\n") == 1
    assert not result.stdout


@pytest.mark.parametrize(
    "text",
    [
        {"repair": "[]"},
        {"repair": '{"band": "8"}'},
        {"repair": '{"grow": {"up": 3}}'},
        {"repair": '{"alpha": 3}'},
        {"composition": "3"},
        {"composition": '{"kind": 3}'},
    ],
    ids=str,
)
def test_odd_texts_are_left_out(folder, caplog, text):
    from tests.evaluation.test_cli import save

    save("odd.png", make_texture(40, 30), **text)
    found = read(Path("odd.png"))
    assert found.repair is None and found.composition is None
    assert "ignoring its texsynth:" in caplog.text


@pytest.mark.parametrize(
    ("repair", "told"),
    [
        (Repair(0.5, 9, 0, {}), "what was kept has its bytes; the step across the edge of what was"
         " made anew is an ordinary one (+0.5"),
        (Repair(-2.5, 9, 2, {}), "of which 2 pixels changed that were to be kept; the step across"
         " the edge of what was made anew stands out (-2.5"),
        (Repair(None, 9, 0, {}), "no step across the edge of what was made anew could be compared"),
    ],
)  # fmt: skip
def test_the_verdict_on_a_repair(repair, told):
    assert told in verdict.of_repair(repair)


def test_the_page_needs_no_repair(report):
    assert page._where(report.outputs[0]) == ""
