"""The evaluate command on folders of maps; with a random network."""

import base64
import io
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.browser import browser, view, wait_for  # noqa: F401
from tests.materials.drawn import drawn
from texsynth import evaluate
from texsynth.command import cli
from texsynth.evaluation import stack_files, stack_table, stacks, verdict
from texsynth.materials import finding, normals, reading, writing
from texsynth.metrics.alignment import Alignment, alignment, alignment_kept

# Together: the page and the browser take a while.
pytestmark = [pytest.mark.usefixtures("weights_read_once"), pytest.mark.xdist_group("page")]


def save(stack, folder, convention="gl", prefix="", **text):
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    text = {f"texsynth:{key}": value for key, value in text.items()}
    where = writing.paths(stack, folder, convention, prefix)
    writing.write(stack, where, convention, text=text)


def two(stack):
    """Two of the maps, which are soon measured."""
    return {kind: stack[kind] for kind in ("normal", "height")}


def cut(stack, size, at=(0, 0)):
    """A piece of maps that tile."""
    return {
        kind: np.ascontiguousarray(np.roll(values, at, (0, 1))[:size, :size])
        for kind, values in stack.items()
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to stand in with the maps of a ``wall``, and others that are like them, ``made``."""
    monkeypatch.chdir(tmp_path)
    save(drawn(), "wall")
    save(cut(drawn(seed=1), 40), "made")
    return tmp_path


def report(result, code=0):
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_a_stack_and_each_of_its_maps_are_measured(folder, run):
    found = report(run("wall", "made/", "--json", "-"))
    assert found["source"] == "wall"
    (stack,) = found["stacks"]
    maps = {kind: reading.read(finding.find(finding.listed(kind))) for kind in ("wall", "made")}
    expected = alignment(maps["wall"], maps["made"])
    assert [tuple(each["maps"]) for each in stack["alignment"]] == list(expected)
    for each, pair in zip(stack["alignment"], expected.values(), strict=True):
        assert (each["exemplar"], each["output"]) == pytest.approx(pair)
        assert each["kept"] == pytest.approx(pair.output / pair.exemplar)
    assert stack["alignment_kept"] == pytest.approx(alignment_kept(expected))
    off = stack["normals_off_unit_length"]
    assert 0 < off["output"]["mean"] < off["output"]["largest"] < 3e-5
    kinds = list(drawn())
    assert [each["map"]["kind"] for each in found["outputs"]] == kinds
    assert {each["map"]["stack"] for each in found["outputs"]} == {"made"}
    assert stack["files"]["normal"] == "normal_gl.png"
    assert all(each["size"] == [40, 40] for each in found["outputs"])
    assert all(each["exemplar_size"] == [48, 48] for each in found["outputs"])


def test_a_stack_that_is_the_exemplar_is_without_fault(folder, run):
    save(drawn(), "same")
    found = report(run("wall", "same", "--json", "-"))
    assert found["stacks"][0]["alignment_kept"] == pytest.approx(1)
    for each in found["outputs"]:
        assert max(each["measures"]["gram_errors"].values()) < 1e-5
        assert each["measures"]["copied_share"] == 1


def test_what_was_moved_has_nothing_to_do_with_the_others(folder, run):
    moved = drawn()
    moved["height"] = np.roll(moved["height"], (24, 17), (0, 1))
    save(moved, "moved")
    result = run("wall", "moved", "--json", "x.json")
    pairs = json.loads(Path("x.json").read_text())["stacks"][0]["alignment"]
    kept = {tuple(each["maps"]): each["kept"] for each in pairs}
    assert all((share < 0.5) == ("height" in pair) for pair, share in kept.items())
    # The table says the same, and of the maps by themselves that nothing is wrong.
    assert f"  roughness, height {kept['roughness', 'height']:.2f}" in re.sub(
        r"(height) .* (-?\d\.\d\d)\n", r"\1 \2\n", result.stdout
    )
    head, *_ = result.stdout.splitlines()
    assert head.split() == ["moved", "exemplar", "made", "kept"]
    assert "wall" in result.stdout and "moved roughness" in result.stdout


def test_maps_are_shown_to_the_network_as_when_they_are_made(folder, run, random_weights_file):
    """So that the errors are those that were reported then, of 8 bits."""
    options = ["-n", "1", "--layers", "conv1_1,pool1", "--levels", "1", "--preset", "gatys"]
    options += ["--engine", "plain", "--precision", "fp32", "--weights", str(random_weights_file)]
    options += ["--size", "40", "--flatten", "9"]
    save(two(drawn()) | {"albedo": drawn()["albedo"]}, "three")
    result = CliRunner().invoke(cli.main, ["material", "three", "-o", "new", *options])
    assert result.exit_code == 0, result.output
    found = report(run("three", "new", "--json", "-"))
    with Image.open("new/height.png") as picture:
        reported = json.loads(picture.text["texsynth:errors"])
    for each in found["outputs"]:
        assert each["exemplar_size"] == [40, 40]
        for layer, error in reported[each["map"]["kind"]].items():
            measured = each["measures"]["gram_errors"][layer]
            assert measured == pytest.approx(error, rel=0.02, abs=1e-3), (each["map"], layer)


def test_the_record_of_a_stack_says_which_folders_to_compare(folder, random_weights_file):
    asked = ["material", "wall/height.png", "-o", "new", "--record", "-n", "1", "--levels", "1"]
    more = ["--preset", "gatys", "--layers", "conv1_1", "--weights", str(random_weights_file)]
    result = CliRunner().invoke(cli.main, [*asked, *more])
    assert result.exit_code == 0, result.output
    assert "1 map of 48x48 to 48x48 px: 1 plane, 1 network" in result.stderr
    result = CliRunner().invoke(evaluate.main, ["--record", "new/record.json", "new/height.png"])
    assert result.exit_code == 2
    told = "new/record.json is of a stack of maps; these are compared by their folders, without"
    assert f"{told} --record: {folder}/wall new\n" in result.stderr


def test_maps_that_were_made_beside_the_exemplars_are_left_out(folder, run):
    for name in ("two", "new"):
        save(two(drawn()), name)
    where = writing.paths(two(drawn()), Path("two"), "gl", "stopped_")
    text = {"Software": "texsynth 1", "texsynth:composition": '{"kind": "stack"}'}
    writing.write(two(drawn(seed=2)), where, "gl", text=text)
    result = run("two", "new", "--json", "-")
    assert report(result)["stacks"][0]["alignment_kept"] == pytest.approx(1)
    assert "two: left out: stopped_height.png; texsynth made it" in result.stderr


def test_stacks_that_were_stopped_are_told_apart(folder):
    for prefix in ("", "stopped_", "stopped2_"):
        save(two(drawn()), "all", prefix=prefix)
    assert [each.name for each in stack_files.made(Path("all"), "all")] == [
        *("all", "all stopped 1", "all stopped 2"),
    ]
    for prefix in ("seed10_stopped_", "seed10_", "seed9_"):
        save(two(drawn()), "all", prefix=prefix)
    found = stack_files.made(Path("all"), "all")
    assert [each.name for each in found] == ["all seed 9", "all seed 10", "all seed 10 stopped 1"]
    names = [[taken.path.name for taken in each.found.maps.values()] for each in found]
    assert names[2] == ["seed10_stopped_normal_gl.png", "seed10_stopped_height.png"]


def test_stacks_of_several_seeds_are_told_apart(folder, run):
    save(two(drawn()), "two")
    save(two(drawn(seed=1)), "one")
    for seed in (3, 11):
        save(two(drawn(seed=seed)), "several", prefix=f"seed{seed}_")
    Image.new("RGB", (9, 9)).save("several/wall_seed3_plane.png")
    found = report(run("two", "several", "one", "--json", "-"))
    assert [each["name"] for each in found["stacks"]] == [
        "several seed 3",
        "several seed 11",
        "one",
    ]
    alone = report(run("two", "several/seed11_*", "--json", "-"))
    assert alone["stacks"][0]["name"] == "seed11_* seed 11"
    alignments = [each["stacks"][place]["alignment"] for each, place in ((found, 1), (alone, 0))]
    assert alignments[0] == alignments[1]


def test_what_a_stack_lacks_is_named_and_what_it_has_more_is_left_out(folder, run):
    made = drawn(seed=1)
    del made["roughness"]
    save(made | {"metallic": made["height"]}, "made")
    Path("made/roughness.png").unlink()
    result = run("wall", "made", "--json", "-", "--html", "x.html")
    found = report(result, 1)
    assert found["failed"] == [{"file": "made roughness", "error": "there is no such map"}]
    assert [each["map"]["kind"] for each in found["outputs"]] == [
        "albedo",
        "normal",
        "height",
        "ao",
    ]
    assert "made roughness: there is no such map" in result.stderr
    page = Path("x.html").read_text()
    assert page.count("There is no such map.") == 1 and "metallic" not in page


def test_a_map_of_one_value_is_shown_and_not_measured(folder, run):
    flat = np.full((48, 48, 1), 0.25, np.float32)
    save(two(drawn()) | {"metallic": flat}, "two")
    save(two(drawn(seed=1)) | {"metallic": flat}, "flat")
    found = report(run("two", "flat", "--json", "-", "--html", "x.html"))
    assert "metallic" not in [each["map"]["kind"] for each in found["outputs"]]
    assert "<b>metallic</b>" in Path("x.html").read_text()


def test_a_map_that_has_come_out_flat_is_measured_as_far_as_it_can_be(folder, run):
    save(two(drawn()), "two")
    save(two(drawn()) | {"height": np.full((48, 48, 1), 0.25, np.float32)}, "flat")
    found = report(run("two", "flat", "--json", "-"))
    assert [each["map"]["kind"] for each in found["outputs"]] == ["normal", "height"]
    (pair,) = found["stacks"][0]["alignment"]
    assert pair["kept"] == 0


def test_green_is_as_the_name_of_what_was_made_says(folder, run):
    """Of maps whose own names do not say it: they are taken as they were when it was made."""
    save(two(drawn(seed=1)), "dx", "dx")
    save(two(drawn()), "gl_wall")
    save({"normal": normals.turned(drawn()["normal"]), "height": drawn()["height"]}, "own")
    Path("own/normal_gl.png").rename("own/normal.png")

    def kept(*arguments):
        return report(run(*arguments, "--json", "-"))["stacks"][0]["alignment_kept"]

    expected = kept("gl_wall", "dx")
    assert kept("own", "dx") == pytest.approx(expected, abs=1e-4)
    assert kept("own", "dx", "--normal", "dx") == pytest.approx(expected, abs=1e-4)
    assert kept("own", "dx", "--normal", "gl") < expected - 0.05


def test_seams_are_left_out_where_it_was_not_made_to_tile(folder, run):
    save(two(drawn()), "two")
    save(two(drawn(seed=1)), "tiles", settings=json.dumps({"tile": "x", "size": 0}))
    lines = run("two", "tiles").stdout.splitlines()
    rows = {line.strip()[:9]: line.split()[-2:] for line in lines if "seam in" in line}
    assert rows["seam in y"] == ["-"] * 2 and "-" not in rows["seam in x"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["wall", "stone.png"], 2, "wall is a folder of maps, to be compared with folders; stone"),
        (["stone.png", "made"], 1, "made is a folder"),
        (["stone.png", "stone.png", "--normal", "gl"], 2, "--normal is for folders of maps"),
        (
            ["wall", "made", "--mask", "stone.png"],
            2,
            "--mask is for pictures, and wall is a folder",
        ),
        (["wall", "made", "--input-range", "0,1"], 2, "--input-range is for pictures"),
        (["wall", "made", "--record", "x.json"], 2, "compared without --record: EXEMPLAR's, and"),
        (["wall", "made", "made/"], 2, "made and made are the same folder"),
        (["wall", "made", "--json", "made/ao.png"], 2, "would overwrite made/ao.png, which is an"),
        (["wall", "empty"], 1, "the folder empty has no images"),
        (["empty", "made"], 1, "the folder empty has no images"),
        (["wall", "made/x*"], 1, "made/x* is no folder, and names no images"),
        (["wall", "other"], 1, "other: it has none of the exemplar's maps, albedo, normal"),
        (["wall", "uneven"], 1, "uneven: all maps must have one size: albedo 48x48, height 40x40"),
        (["wall"], 2, "Missing argument 'OUTPUT...'"),
    ],
)
def test_what_cannot_be_is_one_line(folder, run, arguments, code, told):
    Image.new("RGB", (40, 40)).save("stone.png")
    Path("empty").mkdir()
    save({"opacity": drawn()["height"]}, "other")
    save({"albedo": drawn()["albedo"]}, "uneven")
    save({"height": drawn(40)["height"]}, "uneven")
    result = run(*arguments, "--quiet")
    assert result.exit_code == code, result.output
    assert told in result.output and result.stderr.count("\n") == 1
    assert not result.stdout


def test_one_stack_that_cannot_be_measured_does_not_stand_in_the_way(folder, run):
    Path("empty").mkdir()
    found = report(run("wall", "empty", "made", "--json", "-"), 1)
    assert [each["name"] for each in found["stacks"]] == ["made"]
    assert found["failed"] == [{"file": "empty", "error": "the folder empty has no images"}]


def test_maps_that_are_too_small_for_alignment_are_measured_all_the_same(folder, run):
    save(two(drawn()), "two")
    save(cut(two(drawn()), 20), "small")
    found = report(run("two", "small", "--json", "-", "--html", "x.html"))
    assert found["stacks"][0]["alignment"] == [] and len(found["outputs"]) == 2
    assert found["stacks"][0]["alignment_kept"] is None
    told = "Alignment was not measured: to measure alignment, maps need sides above 24 px."
    assert told in Path("x.html").read_text()


@pytest.fixture
def text(folder, run):
    result = run("wall", "made", "--html", "x.html", "-q")
    assert result.exit_code == 0, result.output
    return Path("x.html").read_text()


def pictures(text, kind):
    found = re.findall(rf'<img class="{kind}[^"]*" src="data:image/png;base64,([^"]+)"', text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(each)))) for each in found]


def test_the_page_has_the_maps_as_they_are_and_as_they_are_measured(text):
    """Exemplar's and made; those that are measured on the exemplar's scale."""
    maps = {name: reading.read(finding.find(finding.listed(name))) for name in ("wall", "made")}
    shown = pictures(text, "map-shown")
    expected = [maps[name][kind] for kind in drawn() for name in ("wall", "made")]
    for pixels, values in zip(shown, expected, strict=True):
        np.testing.assert_allclose(pixels, 255 * np.squeeze(values), atol=0.501)
    for name, kind in (("wall", "exemplar"), ("made", "texture")):
        albedo, normal, roughness, *_ = pictures(text, kind)
        np.testing.assert_allclose(albedo, 255 * maps[name]["albedo"], atol=0.501)
        assert (normal[..., 2] == 0).all()
        low, high = np.percentile(maps["wall"]["roughness"], [0.1, 99.9])
        stretched = 255 * (maps[name]["roughness"] - low) / (high - low)
        np.testing.assert_allclose(roughness, stretched.clip(0, 255).repeat(3, 2), atol=0.51)


def test_each_pair_and_the_verdict_are_on_the_page(text):
    section = text[text.index('<section class="stack">') : text.index("<article>")]
    rows = re.findall(r'<tr><th scope="row">(\w+, \w+)</th><td>', section)
    assert len(rows) == len(set(rows)) == 10
    assert text.count('<section class="stack">') == 1 and text.count("<article>") == 5
    assert "<b>made</b>: Its maps lie on one another as the exemplar&#x27;s do: " in text
    assert "roughness.png, stretched to the exemplar's range: so the network sees it." in text


def test_maps_lie_side_by_side_in_the_browser(browser, text, folder):  # noqa: F811
    for width in (1280, 360):
        view(browser, width)
        browser.get((folder / "x.html").as_uri())
        wait_for(browser, "!document.getElementById('game').hidden")
        boxes = browser.execute_script(
            "return [...document.querySelectorAll('.maps img')].map((image) => {"
            " const box = image.getBoundingClientRect();"
            " return [box.left, box.top, box.width, image.naturalWidth]; })"
        )
        exemplars, made = boxes[::2], boxes[1::2]
        assert len({top for _, top, *_ in exemplars}) == len({top for _, top, *_ in made}) == 1
        assert all(a[0] == b[0] and a[1] < b[1] for a, b in zip(exemplars, made, strict=True))
        assert all(b[0] >= a[0] + a[2] for a, b in itertools.pairwise(exemplars))
        assert {shown / own for *_, shown, own in boxes} == {3}  # one scale, by a whole number
        scroll = (
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
        assert browser.execute_script(scroll)
    assert browser.get_log("browser") == []


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (1.02, "Its maps lie on one another as the exemplar's do: 1.02 of the exemplar's"),
        (0.7, "lie on one another for the most part: 0.70"),
        (0.3, "have little to do with one another: 0.30"),
        (-0.01, "have nothing to do with one another: -0.01"),
        (None, "could not be measured: they are too small."),
    ],
)
def test_the_verdict_on_a_stack(kept, told):
    without = "they are too small" if kept is None else None
    stack = stacks.Stack("made", {}, {}, kept=kept, without=without)
    assert told in verdict.of_stack(stack) and "unit length" not in verdict.of_stack(stack)


def test_normals_that_are_not_of_unit_length_are_told():
    lengths = None, normals.OffUnit(0.01, 0.3)
    stack = stacks.Stack("made", {}, {}, kept=1, lengths=lengths)
    assert verdict.of_stack(stack).endswith("; some normals are 30 % from unit length.")
    assert stack_table.sections(stack)[0][1] == [
        ("on the average", ["-", "0.01000", ""]),
        ("at most", ["-", "0.30000", ""]),
    ]


def test_a_stack_without_pairs_has_no_table():
    assert stack_table.as_text(stacks.Stack("made", {}, {}, without="there is one map")) == ""
    pairs = {("normal", "height"): Alignment(0.5, 0.4)}
    lines = stack_table.as_text(stacks.Stack("made", {}, {}, pairs, 0.8)).splitlines()
    assert lines[-2:] == [
        "  normal, height      0.50  0.40  0.80",
        "  all                             0.80",
    ]
