"""Where options come from: the command line, the environment, a file of settings, defaults."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import make_texture
from texsynth.command import cli, mixing, repair_cli, settings_file, statistics
from texsynth.command.environment import by_environment, key_of, options_of
from texsynth.evaluation import cli as evaluation_cli

pytestmark = pytest.mark.usefixtures("weights_read_once")
FAST = ["--size", "32", "-n", "2", "--layers", "conv1_1,pool1"]
COMMANDS = {
    "": cli.main,
    "mix": mixing.main,
    "repair": repair_cli.main,
    "statistics": statistics.main,
    "evaluate": evaluation_cli.main,
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder to stand in, with ``stone.png``; no variable of ours; a folder of settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TEXSYNTH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(settings_file, "folder", lambda: tmp_path / "presets")
    (tmp_path / "presets").mkdir()
    Image.fromarray(make_texture(40, 30)).save("stone.png")
    return tmp_path


def told(*arguments, **variables):
    return CliRunner().invoke(cli.main, [*map(str, arguments)], env=variables)


def shown(*arguments, **variables):
    """What is shown of the settings, ``{key: (value, whence)}``; not what is a comment."""
    result = told("--show-settings", *arguments, **variables)
    assert result.exit_code == 0, result.output
    values = tomllib.loads(result.output)
    whence = dict(re.findall(r"^([\w-]+) = .*  # (.*)$", result.output, re.M))
    return {key: (value, whence[key]) for key, value in values.items()}


PLACES = {"file": 1, "environment TEXSYNTH_SEED": 2, "command line": 3}


@pytest.mark.parametrize("where", [(), *[(place,) for place in PLACES], tuple(PLACES)])
@pytest.mark.parametrize("without", [None, *PLACES])
def test_the_command_line_goes_before_the_environment_before_the_file(where, without, folder):
    (folder / "my.toml").write_text("seed = 1")
    places = [place for place in where if place != without]
    arguments = ["--settings", "my.toml"] if "file" in places else []
    arguments += ["--seed", "3"] if "command line" in places else []
    variables = {"TEXSYNTH_SEED": "2"} if "environment TEXSYNTH_SEED" in places else {}
    strongest = places[-1] if places else "default"
    whence = strongest + (" my.toml" if strongest == "file" else "")
    assert shown(*arguments, **variables)["seed"] == (PLACES.get(strongest, 0), whence)


def test_settings_are_known_by_name(folder):
    (folder / "presets/wall.toml").write_text("size = 200\ndetail = false\n[mix]\nsteps = 4")
    found = shown("--settings", "wall")
    assert found["size"][0] == 200 and found["detail"][0] is False
    assert found["size"][1] == f"file {folder / 'presets/wall.toml'}"
    assert shown(TEXSYNTH_SETTINGS="wall")["size"][0] == 200


def test_a_path_is_none_of_the_names(folder):
    (folder / "presets/wall.toml").write_text("size = 200")
    (folder / "wall.toml").write_text("size = 100")
    assert shown("--settings", "wall.toml")["size"][0] == 100
    assert shown("--settings", folder / "wall.toml")["size"][0] == 100


def test_tables_are_of_their_words_and_the_rest_of_all(folder):
    text = 'weights = "a.npz"\nseed = 4\nmargin = 8\n[mix]\nweights = "0.7,0.3"\nseed = 5\n'
    (folder / "my.toml").write_text(text + "[repair]\nband = 16\n")
    result = told("mix", "--settings", "my.toml", "--show-settings")
    found = tomllib.loads(result.output)["mix"]
    assert [found[key] for key in ("weights", "network-weights", "seed")] == ["0.7,0.3", "a.npz", 5]
    found = tomllib.loads(told("repair", "--settings", "my.toml", "--show-settings").output)
    assert found["repair"]["band"] == 16 and found["repair"]["seed"] == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sizes = 3", "unknown key sizes; did you mean size?"),
        ("output_size = '3'", "unknown key output_size; did you mean output-size?"),
        ("zzz = 3", "unknown key zzz"),
        ("[mixed]\nsteps = 3", "unknown key mixed"),
        ("[mix]\nstep = 3", None),  # it is of another command
        ("size = '3'", "size: must be a whole number, not '3'"),
        ("size = true", "size: must be a whole number, not True"),
        ("lr = '4'", "lr: must be a number, not '4'"),
        ("lr = 0", "lr: learning rate must be a positive number, not 0.0"),
        ("detail = 1", "detail: must be true or false, not 1"),
        ("output-size = 64", "output-size: must be a text in quotes, not 64"),
        ("output-size = 'a'", "output-size: output size must look like 384x192"),
        ("loss = [1]", 'loss: must be texts in quotes, ["...", "..."], not [1]'),
        ("loss = 'nothing'", "loss: loss must be one of gram, "),
        ("size = [3]", "size: must be a whole number, not [3]"),
        ("tile = 'z'", "tile: 'z' is not one of 'x', 'y', 'xy'."),
        ("seed = -1", "seed: seed must be at least 0, not -1"),
        ("mix = 3", "mix must be a table of options, [mix], not 3"),
        ("settings = 'a'", "settings is of one run, and stands on the command line alone"),
        ("resume = 'a'", "resume is of one run, and stands on the command line alone"),
        ("size = z", "my.toml is not TOML: Invalid value (at line 1, column 8)"),
        (b"a = '\xff'", "my.toml is not TOML: 'utf-8' codec can't decode"),
        ("a = " + "[" * 5000, "my.toml is not TOML: "),
        ("#" * 2**20 + " ", "my.toml is not a file of settings: it is too long"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line(text, message, folder):
    (folder / "my.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    result = told("--settings", "my.toml", "--show-settings")
    if message is None:
        assert result.exit_code == 0
        return
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    named = message if message.startswith("my.toml") else f"my.toml: {message}"
    assert result.output.startswith(f"texsynth: error: {named}")


def test_a_wrong_key_of_a_table_is_named_with_it(folder):
    (folder / "my.toml").write_text("[mix]\nsteps = 'a'")
    result = told("mix", "--settings", "my.toml")
    expected = "my.toml: mix.steps: must be a whole number, not 'a'"
    assert result.output == f"texsynth mix: error: {expected}\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.toml", "no such file of settings: none.toml"),
        ("presets/", "no settings are called 'presets/': no such file: "),
        ("./presets/wall", "no such file of settings: ./presets/wall"),
        ("well", "there are wall"),
    ],
)
def test_settings_that_are_not_there_are_one_line(name, message, folder):
    (folder / "presets/wall.toml").touch()
    result = told("--settings", name, "stone.png")
    assert result.exit_code == 2 and result.output.count("\n") == 1
    assert message in result.output


def variables(command):
    """The variables of a command's options, ``{key: names}``."""
    options = [option for option in options_of(command) if isinstance(option, click.Option)]
    return {key_of(option): option.envvar for option in options}


@pytest.mark.parametrize("word", COMMANDS)
def test_every_option_has_a_variable_of_its_own(word):
    found = variables(COMMANDS[word])
    start = "TEXSYNTH_" + (f"{word.upper()}_" if word else "")
    for key, names in found.items():
        assert names[0] == start + key.upper().replace("-", "_")
    every = [name for names in found.values() for name in names]
    assert len(set(every)) == len(every)
    without = {option.name for option in COMMANDS[word].params} - {
        option.name for option in options_of(COMMANDS[word])
    }
    assert without <= {"version", "image_paths", "photo", "paths", "source", "outputs"}


def test_other_variables_of_ours_are_of_no_option():
    """``TEXSYNTH_OFFLINE`` forbids downloads to the library too."""
    used, root = set(), Path(__file__).parent.parent.parent
    for path in [*root.glob("texsynth/**/*.py"), *root.glob("tests/**/*.py")]:
        if path != Path(__file__):
            used |= set(re.findall(r'"(TEXSYNTH_\w+)"', path.read_text(encoding="utf-8")))
    known = {name for command in COMMANDS.values() for names in variables(command).values()
             for name in names}  # fmt: skip
    assert used & known <= {
        "TEXSYNTH_OFFLINE",
        *("TEXSYNTH_WEIGHTS", "TEXSYNTH_GPU", "TEXSYNTH_DEVICE"),  # where the options are made
    }


@pytest.mark.parametrize(
    ("variables", "key", "value"),
    [
        ({"TEXSYNTH_LOSS": "gram histogram=0.5"}, "loss", ["gram", "histogram=0.5"]),
        ({"TEXSYNTH_DETAIL": "0"}, "detail", False),
        ({"TEXSYNTH_DETAIL": "yes"}, "detail", True),
        ({"TEXSYNTH_OVERWRITE": "1"}, "overwrite", True),
        ({"TEXSYNTH_OFFLINE": "1"}, "offline", True),
        ({"TEXSYNTH_OFFLINE": "no"}, "offline", False),
        ({"TEXSYNTH_LR": "2"}, "lr", 2.0),
        ({"TEXSYNTH_MEMORY": "4GB"}, "memory", "4GB"),
        ({"TEXSYNTH_TILE": "x"}, "tile", "x"),
        ({"TEXSYNTH_SIZE": ""}, "size", 300),  # says nothing
    ],
)
def test_options_are_told_by_the_environment(variables, key, value):
    assert shown(**variables)[key][0] == value


def test_a_word_has_variables_of_its_own_before_those_of_all():
    result = told("mix", "--show-settings", TEXSYNTH_SEED="2", TEXSYNTH_MIX_SIZE="64",
                  TEXSYNTH_SIZE="32", TEXSYNTH_WEIGHTS="a.npz")  # fmt: skip
    found = tomllib.loads(result.output)["mix"]
    assert (found["seed"], found["size"], found["network-weights"]) == (2, 64, "a.npz")
    assert "weights" not in found


def test_a_wrong_variable_is_named():
    result = told("stone.png", TEXSYNTH_SEED="abc")
    assert result.exit_code == 2
    assert result.output.endswith("integer. (environment variable TEXSYNTH_SEED)\n")
    assert "TEXSYNTH" not in told("--seed", "abc", TEXSYNTH_SEED="2").output


@pytest.mark.parametrize(
    ("arguments", "variables", "found"),
    [
        ([], {}, {"gpu": (-1, "default")}),
        ([], {"TEXSYNTH_DEVICE": "2"}, {"device": ("2", "environment TEXSYNTH_DEVICE")}),
        (["--gpu", "1"], {"TEXSYNTH_DEVICE": "2"}, {"gpu": (1, "command line")}),
        (["--device", "2"], {"TEXSYNTH_GPU": "1"}, {"device": ("2", "command line")}),
        (
            [],
            {"TEXSYNTH_GPU": "1", "TEXSYNTH_DEVICE": "1"},
            {"device": ("1", "environment TEXSYNTH_DEVICE")},
        ),
    ],
)
def test_of_two_devices_the_stronger_place_decides(arguments, variables, found):
    seen = shown(*arguments, **variables)
    assert {key: seen[key] for key in ("gpu", "device") if key in seen} == found


def test_two_devices_in_one_place_are_refused():
    result = told("--show-settings", TEXSYNTH_GPU="1", TEXSYNTH_DEVICE="2")
    assert result.exit_code == 2 and "are different devices" in result.output


def test_what_a_preset_decides_is_told_as_a_comment():
    result = told("--show-settings", "--preset", "paper")
    assert "# iterations = 2000  # preset paper\n" in result.output
    assert '# network = "vgg19-normalised"  # preset paper\n' in result.output
    result = told("--show-settings", "stone.png")
    assert "# iterations = 45  # preset natural\n" in result.output
    assert "# margin: none, preset natural wraps\n" in result.output
    result = told("--show-settings", "--preset", "regular")
    assert "# margin = 16  # preset regular\n" in result.output
    result = told("--show-settings", "stone.png", "other.png")
    assert "# iterations: set by the preset, on which the image decides\n" in result.output


def test_showing_makes_nothing(folder):
    before = sorted(folder.rglob("*"))
    result = told("stone.png", "-o", "new/", "--checkpoint", "a.ckpt", "--show-settings")
    assert result.exit_code == 0 and sorted(folder.rglob("*")) == before


def test_settings_out_of_range_are_not_shown():
    result = told("--show-settings", "--seed", "-1")
    assert result.exit_code == 2
    assert result.output == "texsynth: error: seed must be at least 0, not -1\n"


def test_what_cannot_stand_in_toml_is_told():
    result = told("--show-settings", "-o", "a\udcff.png")
    assert result.exit_code == 2 and "--out a\ufffd.png is no UTF-8" in result.output


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\\"\t\x7f'))
ANYTHING = {
    "size": st.integers(0, 4096),
    "seed": st.integers(0, 2**62),
    "iterations": st.integers(1, 5000),
    "levels": st.integers(1, 9),
    "margin": st.integers(0, 100),
    "lr": st.floats(1e-6, 1e6),
    "output-size": st.sampled_from(["64", "64x48"]),
    "loss": st.lists(st.sampled_from(["gram", "histogram=0.25", "autocorrelation=2:pool2"])),
    "layers": st.sampled_from(["conv1_1", "conv1_1,pool1=0.5"]),
    "memory": st.sampled_from(["4GB", "1.5 GB"]),
    "input-range": st.sampled_from(["0,1", "-1,1"]),
    "preset": st.sampled_from(["gatys", "regular", "natural", "paper"]),
    "tile": st.sampled_from(["x", "y", "xy"]),
    "detail": st.booleans(),
    "match-colours": st.booleans(),
    "comparison": st.booleans(),
    "quick": st.booleans(),
    "overwrite": st.just(True),
    "quiet": st.just(True),
    "weights": TEXTS.filter(lambda text: "\0" not in text and text),
    "out": TEXTS.filter(lambda text: "\0" not in text and text),
    "init": TEXTS.filter(lambda text: "\0" not in text and text),
    "gpu": st.integers(-1, 7),
    "device": st.sampled_from(["@numpy", "@cupy:3", "1"]),
}


def as_arguments(chosen):
    """The command line of ``{key: value}``."""
    for key, value in chosen.items():
        if isinstance(value, bool):
            yield f"--{key}" if value else f"--no-{key}"
        else:
            values = value if isinstance(value, list) else [value]
            yield from (f"--{key}={each}" for each in values)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(chosen=st.fixed_dictionaries({}, optional=ANYTHING))
def test_what_is_shown_is_taken_again(chosen, folder):
    """As the command line of any options: the same values come of it, and the same comments."""
    if {"gpu", "device"} <= chosen.keys():
        chosen.pop("device")
    first = told("--show-settings", *as_arguments(chosen))
    assert first.exit_code == 0, first.output
    (folder / "again.toml").write_bytes(first.stdout_bytes)
    again = told("--show-settings", "--settings", "again.toml")
    assert again.exit_code == 0, again.output
    values = [tomllib.loads(each.output) for each in (first, again)]
    assert values[0] == values[1]
    for key, value in chosen.items():
        if key != "device" and value != []:
            assert values[0][key] == value
    comments = [re.findall(r"^# [\w-]+(?: =|:).*", each.output, re.M) for each in (first, again)]
    assert comments[0] == comments[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["mix", "--weights", "0.7,0.3", "--network-weights", "a.npz", "--gradient", "x", "--tile"],
        ["mix", "--steps", "3", "--no-comparison", "--loss", "gram", "--quick", "-o", "row/"],
        ["repair", "--mask", "alpha", "--grow", "left=8,right=8", "--tile", "x", "--band", "16"],
        ["repair", "--from", "other.png", "--device", "1", "--init", "noise", "--record"],
    ],
)
def test_what_is_shown_of_a_word_is_taken_again(arguments, folder):
    word, *options = arguments
    first = told(word, "--show-settings", *options)
    assert first.exit_code == 0, first.output
    (folder / "again.toml").write_bytes(first.stdout_bytes)
    again = told(word, "--show-settings", "--settings", "again.toml")
    values = [tomllib.loads(each.stdout)[word] for each in (first, again)]
    assert values[0] == values[1]
    given = sum(option.startswith("-") for option in options)
    assert first.stdout.count("# command line\n") == given


def test_a_texture_by_settings_is_that_by_options(folder, run):
    assert run("stone.png", "--seed", "3", "-o", "a.png").exit_code == 0
    (folder / "my.toml").write_text('seed = 3\nout = "b.png"')
    assert run("stone.png", "--settings", "my.toml").exit_code == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()


SURROUNDINGS = {
    "TEXSYNTH_SEED": "9",
    "TEXSYNTH_OPTIMIZER": "adam",
    "TEXSYNTH_INIT": "phase",
    "TEXSYNTH_VARIATIONS": "3",
    "TEXSYNTH_TARGET": "no.npz",
    "TEXSYNTH_TARGET_GUIDE": "no.png",
    "TEXSYNTH_REGION": "red=no.png",
    "TEXSYNTH_OVERWRITE": "1",
}


@pytest.mark.parametrize("place", ["environment", "file"])
def test_surroundings_do_not_change_what_goes_on_or_is_made_again(place, folder, run, monkeypatch):
    made = run("stone.png", "--record", "--checkpoint", "a.ckpt", "-o", "a.png")
    assert made.exit_code == 0, made.output
    first = (folder / "a.png").read_bytes()
    if place == "environment":
        for name, value in SURROUNDINGS.items():
            monkeypatch.setenv(name, value)
    else:
        text = 'seed = 9\noptimizer = "adam"\ninit = "phase"\nvariations = 3\noverwrite = true\n'
        (folder / "presets/usual.toml").write_text(text + 'target = "no.npz"\ntarget-guide = "no"')
        monkeypatch.setenv("TEXSYNTH_SETTINGS", "usual")
    again = told("--replay", "a_record.json", "-o", "b.png", TEXSYNTH_CHECKPOINT="c.ckpt")
    assert again.exit_code == 0, again.output
    assert (folder / "b.png").read_bytes()[-200:] == first[-200:]
    assert not (folder / "c.ckpt").exists()
    (folder / "a.png").unlink()
    further = told("--resume", "a.ckpt", TEXSYNTH_OUT="elsewhere/")
    assert further.exit_code == 0, further.output
    assert (folder / "a.png").read_bytes() == first


@pytest.mark.parametrize("option", [["--settings", "my.toml"], ["--show-settings"]])
@pytest.mark.parametrize("what", ["resume", "replay"])
def test_what_was_saved_has_its_settings(option, what, folder):
    (folder / "my.toml").touch()
    result = told(f"--{what}", "a", *option)
    assert result.exit_code == 2 and result.output.count("\n") == 1
    assert f"{option[0]} cannot be combined with --{what}" in result.output


def completed(line, folder):
    """What a shell is told of a line, in a process of its own."""
    words = f"texsynth {line}".split(" ")
    environment = {
        **os.environ,
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_TEXSYNTH_COMPLETE": "bash_complete",
        "XDG_CONFIG_HOME": str(folder),
        "PYTHONPATH": str(Path(__file__).parent.parent.parent),
    }
    code = "from texsynth.command.cli import main; main()"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("--sett", ["plain,--settings"]),
        ("mix --st", ["plain,--steps"]),
        ("repair --gr", ["plain,--grow"]),
        ("mi", ["plain,mix", "file,mi"]),
        ("a.png mi", ["file,mi"]),
        ("--tile ", ["plain,x", "plain,y", "plain,xy"]),
        ("repair --mask pho", ["file,pho"]),
        ("--settings w", ["plain,wall"]),
        ("--settings x", ["file,x"]),
    ],
)
def test_shells_complete_options_words_and_settings(line, found, folder):
    (folder / "texsynth/presets").mkdir(parents=True)
    (folder / "texsynth/presets/wall.toml").touch()
    assert completed(line, folder) == found


def test_the_record_has_the_settings_wherever_they_came_from(folder, run):
    (folder / "my.toml").write_text("record = true\nseed = 5")
    assert run("stone.png", "--settings", "my.toml").exit_code == 0
    record = json.loads((folder / "stone_record.json").read_text())
    assert record["config"]["seed"] == 5


def test_a_quick_texture_is_made_again_and_gone_on_with(folder, run):
    made = run("stone.png", "-n", "8", "--quick", "--record", "--checkpoint", "a.ckpt")
    assert made.exit_code == 0, made.output
    first = (folder / "stone_texture.png").read_bytes()
    record = json.loads((folder / "stone_record.json").read_text())
    assert record["config"]["quick"] is True
    assert [len(losses) for losses in record["history"]] == [2]
    assert told("--replay", "stone_record.json", "--overwrite").exit_code == 0
    assert (folder / "stone_texture.png").read_bytes() == first
    further = told("--resume", "a.ckpt", "--no-quick")
    assert further.exit_code == 0, further.output
    record = json.loads((folder / "stone_record.json").read_text())
    assert record["config"]["quick"] is False
    assert [len(losses) for losses in record["history"]] == [8]
    back = told("--resume", "a.ckpt", "--quick")
    assert back.exit_code == 2 and "iterations were 8 and can only increase" in back.output


def test_an_option_that_has_a_variable_keeps_it_behind_its_own():
    option = click.Option(["--size"], envvar="TEXSYNTH_SIZE")
    by_environment(click.Command("texsynth heal", params=[option]), "heal")
    assert option.envvar == ["TEXSYNTH_HEAL_SIZE", "TEXSYNTH_SIZE"]
