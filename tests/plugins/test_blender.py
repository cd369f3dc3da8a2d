"""The add-on in the real Blender, with the real command; skipped where there is no Blender."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ONE_THREAD, make_texture
from texsynth import images

ROOT = Path(__file__).resolve().parents[2]
ADD_ON = ROOT / "plugins/blender/texsynth_blender.py"
PATIENCE = 200  # seconds
pytestmark = pytest.mark.slow  # Blender starts in a second or two, and then the command does
FAST = ["--levels", "1", "--layers", "conv1_1", "--precision", "fp32"]

PRELUDE = """
import json, os, sys, bpy

def tell(**values):
    print("TOLD " + json.dumps(values), flush=True)

bpy.ops.preferences.addon_install(filepath=sys.argv[sys.argv.index("--") + 1])
bpy.ops.preferences.addon_enable(module="texsynth_blender")
preferences = bpy.context.preferences.addons["texsynth_blender"].preferences

def refused(**options):
    before = len(bpy.data.images)
    try:
        bpy.ops.image.texsynth(**options)
    except RuntimeError as error:
        tell(error=str(error).strip(), more=len(bpy.data.images) - before)
"""


@functools.cache
def reason_to_skip(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    return missing and f"needs {', '.join(missing)} (apt install blender xvfb xauth)"


@pytest.fixture
def texture(tmp_path):
    """The path of a PNG, 40 x 32."""
    path = tmp_path / "stone.png"
    images.save_png(path, make_texture(40, 32))
    return path


@pytest.fixture
def command(tmp_path, random_weights_file):
    """The path of a command: the real one with few steps and random weights.

    It first keeps the exemplars that it is given, as ``given0.png`` and so on.
    """
    words = [sys.executable, "-m", "texsynth", *FAST, "--weights", random_weights_file]
    line = " ".join(f"'{word}'" for word in words)
    number = f"$(ls '{tmp_path}' | grep -c ^given)"
    path = tmp_path / "its command"
    path.write_text(
        f"""#!/bin/sh
        for last; do :; done
        cp "$last" "{tmp_path}/given{number}.png"
        exec {line} -n ${{STEPS:-2}} "$@"
        """.replace("        ", "")
    )
    path.chmod(0o755)
    return path


@pytest.fixture
def surroundings(tmp_path):
    """Variables for a Blender of its own, whose temporary folder is looked at afterwards."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    variables = {name: value for name, value in os.environ.items() if name != "TEXSYNTH_COMMAND"}
    variables |= ONE_THREAD | {
        "BLENDER_USER_SCRIPTS": str(tmp_path / "scripts"),
        "BLENDER_USER_CONFIG": str(tmp_path / "settings"),
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(temporary),
        "LIBGL_ALWAYS_SOFTWARE": "1",
    }
    yield variables
    assert [path.name for path in temporary.iterdir() if path.name.startswith("texsynth")] == []


def run_blender(words, program, variables, tmp_path):
    """Runs a program in Blender; returns all that it told, as dictionaries."""
    script = tmp_path / "program.py"
    script.write_text(PRELUDE + textwrap.dedent(program))
    options = ["--factory-startup", "--python-exit-code", "7", "--python", script, "--", ADD_ON]
    words = [*words, *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        words, env=variables, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        try:
            out, error = process.communicate(timeout=PATIENCE)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, out + error
    lines = out.splitlines()
    return [json.loads(line[5:]) for line in lines if line.startswith("TOLD ")]


@pytest.fixture
def blender(surroundings, tmp_path):
    """``blender(program, **variables)``: Blender without its windows."""
    if reason := reason_to_skip("blender"):
        pytest.skip(reason)

    def run(program, **variables):
        words = ["blender", "--background"]
        return run_blender(words, program, surroundings | variables, tmp_path)

    return run


def alone(command, folder, exemplar, options):
    """The path of what the command makes of an image without Blender."""
    folder.mkdir()
    shutil.copy(exemplar, folder / "exemplar.png")
    words = [command, *options.split(), "--no-comparison", "--out", "texture.png", "exemplar.png"]
    variables = os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT)}
    subprocess.run(words, cwd=folder, check=True, env=variables)
    return folder / "texture.png"


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_the_texture_is_the_commands_own(blender, texture, command, tmp_path):
    program = """
    image = bpy.data.images.load(os.environ["EXEMPLAR"])
    known = set(bpy.data.images)
    options = {"size": 32, "output_size": (24, 40), "seed": 3, "tile": "xy", "preset": "natural"}
    assert bpy.ops.image.texsynth(image=image.name, **options) == {"FINISHED"}
    (made,) = set(bpy.data.images) - known
    open(os.environ["MADE"], "wb").write(made.packed_file.data)
    tell(
        names=[made.name, made.filepath],
        kind=[made.source, made.colorspace_settings.name],
        size=made.size[:],
        lowest=made.pixels[:4],
        dirty=[image.is_dirty, made.is_dirty],
    )
    """
    made = tmp_path / "made.png"
    (told,) = blender(program, EXEMPLAR=str(texture), MADE=str(made), TEXSYNTH_COMMAND=str(command))
    options = "--size 32 --output-size 24x40 --seed 3 --tile xy --preset natural"
    of_given = alone(command, tmp_path / "given", tmp_path / "given0.png", options)
    assert made.read_bytes() == of_given.read_bytes()
    of_file = alone(command, tmp_path / "file", texture, options)
    np.testing.assert_array_equal(pixels(made), pixels(of_file))
    lowest = pixels(made)[-1, 0] / 255
    np.testing.assert_allclose(told.pop("lowest"), [*lowest, 1], atol=1e-6)
    assert told == {
        "names": ["stone_texture", "//stone_texture.png"],
        "kind": ["FILE", "sRGB"],
        "size": [24, 40],
        "dirty": [False, False],
    }


def test_what_was_painted_is_taken_and_stays_unsaved(blender, texture, command, tmp_path):
    program = """
    image = bpy.data.images.load(os.environ["EXEMPLAR"])
    image.colorspace_settings.name = "Non-Color"
    image.pixels[0:8] = [0.2, 0.4, 0.6, 1, 1, 0, 0, 0.5]  # from the bottom up
    bpy.ops.image.texsynth(image=image.name)
    made = bpy.data.images["stone_texture"]
    tell(dirty=image.is_dirty, path=image.filepath, made=made.colorspace_settings.name)
    plain = bpy.data.images.new("plain", 32, 32, float_buffer=True)
    plain.generated_color = (0.5, 0.25, 1, 1)
    bpy.ops.image.texsynth(image="plain")
    tell(source=plain.source, path=plain.filepath)
    """
    first, second = blender(program, EXEMPLAR=str(texture), TEXSYNTH_COMMAND=str(command))
    assert first == {"dirty": True, "path": str(texture), "made": "Non-Color"}
    assert second == {"source": "GENERATED", "path": ""}
    expected = np.dstack([pixels(texture), np.full((32, 40), 255, np.uint8)])
    expected[-1, :2] = [[51, 102, 153, 255], [255, 0, 0, 128]]
    with Image.open(tmp_path / "given0.png") as given:
        np.testing.assert_array_equal(given, expected)
    generated = pixels(tmp_path / "given1.png")  # of floats that are linear light
    np.testing.assert_allclose(generated, np.broadcast_to([127.5, 63.75, 255], (32, 32, 3)), atol=1)


@pytest.mark.parametrize("mode", ["STRAIGHT", "NONE", "CHANNEL_PACKED"])
def test_alpha_is_taken_where_it_says_what_is_transparent(blender, tmp_path, mode):
    pixels = np.dstack([make_texture(40, 32), np.full((32, 40), 100, np.uint8)])
    Image.fromarray(pixels).save(tmp_path / "glass.png")
    program = f"""
    image = bpy.data.images.load(os.environ["EXEMPLAR"])
    image.alpha_mode = "{mode}"
    sys.modules["texsynth_blender"].export(image, os.environ["EXPORTED"])
    """
    exported = tmp_path / "exported.png"
    blender(program, EXEMPLAR=str(tmp_path / "glass.png"), EXPORTED=str(exported))
    if mode != "STRAIGHT":
        pixels[..., 3] = 255
    with Image.open(exported) as given:
        np.testing.assert_array_equal(given, pixels)


def test_errors_of_the_command_are_shown_as_they_are(blender, texture, command):
    program = """
    image = bpy.data.images.load(os.environ["EXEMPLAR"])
    refused(image=image.name, size=5)
    """
    (told,) = blender(program, EXEMPLAR=str(texture), TEXSYNTH_COMMAND=str(command))
    line = "exemplar of 5x4 px is too small: the deepest layer needs sides of at least 8 px"
    assert told == {"error": f"Error: texsynth: error: {line}", "more": 0}


def test_what_cannot_be_done_is_told_in_a_line(blender, texture, tmp_path):
    broken = tmp_path / "broken"
    broken.write_bytes(b"#!/nowhere/python\n")
    broken.chmod(0o755)
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexit 3\n")
    silent.chmod(0o755)
    program = f"""
    image = bpy.data.images.load(os.environ["EXEMPLAR"])
    refused(image=image.name)
    preferences.command = "/nowhere/texsynth"
    refused(image=image.name)
    preferences.command = {str(broken)!r}
    refused(image=image.name)
    preferences.command = {str(silent)!r}
    refused(image=image.name)
    refused(image="none")
    refused()
    movie = bpy.data.images.new("movie", 8, 8)
    movie.source = "MOVIE"
    refused(image="movie")
    gone = bpy.data.images.new("gone", 8, 8)
    gone.source = "FILE"
    gone.filepath = "/nowhere/gone.png"
    refused(image="gone")
    """
    path = os.pathsep.join(["/usr/bin", "/bin"])
    told = blender(program, EXEMPLAR=str(texture), PATH=path)
    assert all(each["more"] == 0 for each in told)
    missing, wrong, cannot, silent_, no, nothing, no_picture, no_pixels = (
        each["error"].removeprefix("Error: ") for each in told
    )
    assert missing.startswith("the command texsynth was not found: install it, or put its path")
    assert wrong == "/nowhere/texsynth is no command that can be run"
    assert cannot == f"cannot run {broken}: No such file or directory"
    assert silent_ == "texsynth ended with exit code 3, and did not say why"
    assert no == "there is no image none"
    assert nothing.startswith("open an image in the Image Editor")
    assert no_picture.startswith("movie is no single picture (movie)")
    assert no_pixels == "gone has no pixels: is its file there?"


def test_the_image_of_the_active_node_is_at_hand(blender, texture, command):
    program = """
    material = bpy.context.object.active_material
    material.use_nodes = True
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = bpy.data.images.load(os.environ["EXEMPLAR"])
    material.node_tree.nodes.active = node
    bpy.ops.image.texsynth()
    options = bpy.ops.image.texsynth.get_rna_type().properties
    forgotten = [option.identifier for option in options if option.is_skip_save]
    bpy.ops.preferences.addon_disable(module="texsynth_blender")
    is_there = hasattr(bpy.types, "IMAGE_OT_texsynth")
    tell(made="stone_texture" in bpy.data.images, there=is_there, forgotten=forgotten)
    """
    (told,) = blender(program, EXEMPLAR=str(texture), TEXSYNTH_COMMAND=str(command))
    assert told == {"made": True, "there": False, "forgotten": ["image"]}


WATCH = """
image = bpy.data.images.load(os.environ["EXEMPLAR"])
window = bpy.context.window_manager.windows[0]
area = max(window.screen.areas, key=lambda area: area.width)
area.type = "IMAGE_EDITOR"
area.spaces.active.image = image
place = {"window": window, "area": area, "region": area.regions[-1]}
looks, escapes = 0, int(os.environ["ESCAPES"])
dialogs = int(os.environ["DIALOGS"])
texsynth_blender = sys.modules["texsynth_blender"]
at_work = lambda: texsynth_blender.SynthesiseTexture.at_work

def start():
    with bpy.context.temp_override(**place):
        ended = bpy.ops.image.texsynth("EXEC_DEFAULT")
        tell(ended=list(ended))
        refused()
    bpy.app.timers.register(look)

def escape():
    for value in ("PRESS", "RELEASE"):
        window.event_simulate(type="ESC", value=value, x=area.x + 50, y=area.y + 50)

def look():
    try:
        return look_once()
    except Exception as error:  # Blender would go on without a word
        tell(failed=repr(error))
        bpy.ops.wm.quit_blender()

def look_once():
    global looks, escapes, dialogs
    looks += 1
    run = at_work()
    if run is not None:
        if dialogs:
            dialogs -= 1
            with bpy.context.temp_override(**place):
                tell(dialog=list(bpy.ops.image.texsynth("INVOKE_DEFAULT")))
            escape()
        elif escapes and "step" in run.line:
            escapes -= 1
            escape()
        return 0.2
    shown = area.spaces.active.image
    made = bpy.data.images.get("stone_texture")
    if made:
        open(os.environ["MADE"], "wb").write(made.packed_file.data)
    area.type = "INFO"
    with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
        bpy.ops.info.select_all(action="SELECT")
        bpy.ops.info.report_copy()
    reports = bpy.context.window_manager.clipboard.splitlines()
    tell(shown=shown.name, made=bool(made), looks=looks, reports=reports)
    bpy.ops.wm.quit_blender()

bpy.app.timers.register(start, first_interval=0.5)
"""


@pytest.fixture
def windows(surroundings, tmp_path):
    """The same with its windows, on a screen that nobody sees."""
    if reason := reason_to_skip("blender", "xvfb-run", "xauth"):
        pytest.skip(reason)

    def run(program, **variables):
        words = ["xvfb-run", "--auto-servernum", "blender", "--enable-event-simulate"]
        return run_blender(words, program, surroundings | variables, tmp_path)

    return run


@pytest.fixture
def watched(windows, texture, command, tmp_path):
    """``watched(escapes, dialogs)``: what a Blender told in which that happened so many times."""

    def run(escapes=0, dialogs=0, steps=2):
        variables = {"EXEMPLAR": texture, "TEXSYNTH_COMMAND": command, "STEPS": steps}
        variables |= {"MADE": tmp_path / "made.png", "ESCAPES": escapes, "DIALOGS": dialogs}
        return windows(WATCH, **{name: str(value) for name, value in variables.items()})

    return run


def test_blender_goes_on_meanwhile(watched, command, tmp_path):
    """A dialog is opened, and left by Esc, which is not meant for the texture under way."""
    started, again, dialog, ended = watched(dialogs=1)
    assert dialog == {"dialog": ["RUNNING_MODAL"]}
    assert started == {"ended": ["RUNNING_MODAL"]}
    assert again["error"] == "Error: texsynth is already at work: wait, or stop it by Esc"
    assert ended["looks"] > 3 and ended["shown"] == "stone_texture"
    of_given = alone(command, tmp_path / "given", tmp_path / "given0.png", "")
    assert (tmp_path / "made.png").read_bytes() == of_given.read_bytes()
    assert any(line.endswith("made stone_texture") for line in ended["reports"])


def test_esc_stops_and_keeps(watched, tmp_path):
    _, _, ended = watched(escapes=1, steps=100_000)
    assert ended["made"] and ended["shown"] == "stone_texture"
    assert any("texsynth was stopped; this is the image so far" in it for it in ended["reports"])
    with Image.open(tmp_path / "made.png") as made:
        assert made.text["texsynth:reason"] == "interrupted" and made.size == (300, 240)


def test_a_second_esc_ends_it_at_once(watched, command):
    command.write_text("#!/bin/sh\ntrap '' TERM\necho 'step 1/2' >&2\nexec sleep 100\n")
    _, _, ended = watched(escapes=2)
    assert not ended["made"] and ended["shown"] == "stone.png" and ended["looks"] < 100
    assert any("texsynth was stopped; nothing was made" in line for line in ended["reports"])


@pytest.mark.parametrize("ending", ["wm.quit_blender()", "wm.read_homefile(app_template='')"])
def test_closing_blender_or_the_file_ends_it_and_leaves_nothing(
    windows, texture, command, tmp_path, ending
):
    command.write_text("#!/bin/sh\ntrap '' TERM\nexec sleep 100\n")
    program = f"""
    image = bpy.data.images.load(os.environ["EXEMPLAR"])

    def start():
        window = bpy.context.window_manager.windows[0]
        with bpy.context.temp_override(window=window, area=window.screen.areas[0]):
            bpy.ops.image.texsynth("EXEC_DEFAULT", image=image.name)
        work = sys.modules["texsynth_blender"].SynthesiseTexture.at_work
        tell(process=work._process.pid)
        bpy.app.timers.register(end, first_interval=0.5, persistent=True)

    def end():
        with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
            bpy.ops.{ending}
        bpy.app.timers.register(leave, first_interval=0.5, persistent=True)

    def leave():
        bpy.ops.wm.quit_blender()

    bpy.app.timers.register(start, first_interval=0.5)
    """
    (told,) = windows(program, EXEMPLAR=str(texture), TEXSYNTH_COMMAND=str(command))
    with pytest.raises(ProcessLookupError):
        os.kill(told["process"], 0)
