"""A Blender add-on: a new image with the texture of the one at hand, by the command texsynth.

The command runs as a process beside Blender, which stays as it is meanwhile; docs/plugins.md has
the rest. It is one file, for Blender's preferences install it as it stands.
"""

import array
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import bpy
from bpy.props import EnumProperty, IntProperty, IntVectorProperty, StringProperty

bl_info = {
    "name": "texsynth",
    "author": "The texsynth developers",
    "version": (1, 0, 0),
    "blender": (3, 4, 0),
    "location": "Image Editor > Image, Shader Editor > Node",
    "description": "A new image with the texture of another one, seamless if you like",
    "category": "Paint",
}

ENVIRONMENT = "TEXSYNTH_COMMAND"
"""The variable with the command's path, for who has no preferences."""

_SECONDS_BETWEEN_LOOKS = 0.25
_SECONDS_TO_END = 5.0
_NOT_FOUND = (
    "the command texsynth was not found: install it, or put its path into this add-on's"
    f" preferences or into the environment variable {ENVIRONMENT}"
)


class RefusedError(Exception):
    """What was asked for cannot be done; the message is one line for the user."""


def find_command(preferred):
    """Returns the path of the command.

    Args:
        preferred (str): What the preferences say; empty if they say nothing.

    Raises:
        RefusedError: It is not there.
    """
    told = preferred or os.environ.get(ENVIRONMENT, "")
    found = shutil.which(bpy.path.abspath(told) if told else "texsynth")
    if found is None:
        raise RefusedError(f"{told} is no command that can be run" if told else _NOT_FOUND)
    return found


def export(image, path):
    """Writes the pixels that an image has now to a PNG; neither the image nor its file changes.

    Args:
        image (bpy.types.Image): The image, which may be painted on and not saved.
        path (pathlib.Path): The file.

    Raises:
        RefusedError: It has no pixels of its own.
    """
    if image.type not in {"IMAGE", "UV_TEST"} or image.source not in {"FILE", "GENERATED"}:
        kind = image.source if image.type == "IMAGE" else image.type
        raise RefusedError(
            f"{image.name} is no single picture ({kind.lower().replace('_', ' ')}): save it as an"
            " image, and open that"
        )
    values = array.array("f", bytes(4 * len(image.pixels)))
    if not values:
        raise RefusedError(f"{image.name} has no pixels: is its file there?")
    # Image.save would make a file of an image that is none, and call one saved that is not.
    image.pixels.foreach_get(values)
    if image.alpha_mode not in {"STRAIGHT", "PREMUL"}:  # alpha says something else, or nothing
        values[3::4] = array.array("f", [1.0]) * (len(values) // 4)
    copy = bpy.data.images.new("texsynth", *image.size, alpha=True, float_buffer=image.is_float)
    try:
        copy.colorspace_settings.name = image.colorspace_settings.name
        copy.pixels.foreach_set(values)
        copy.file_format = "PNG"
        copy.filepath_raw = str(path)
        copy.save()
    finally:
        bpy.data.images.remove(copy)


class Run:
    """The command at work, in a temporary folder that goes with it.

    Args:
        command (str): Its path.

    Attributes:
        exemplar (pathlib.Path): Where it finds the image.
        texture (pathlib.Path): Where it puts what it made, whole or not at all.
        line (str): The last line that it wrote on standard error.
    """

    def __init__(self, command):
        self._command = command
        self._folder = tempfile.TemporaryDirectory(prefix="texsynth-")
        self.exemplar = Path(self._folder.name, "exemplar.png")
        self.texture = Path(self._folder.name, "texture.png")
        self.line = ""
        self._process = None
        self._is_stopped = False

    def start(self, options):
        """Starts it.

        Args:
            options (list): Its options, as texts.

        Raises:
            RefusedError: The file cannot be run.
        """
        words = [self._command, *options, "--no-comparison", "--out", self.texture, self.exemplar]
        try:
            self._process = subprocess.Popen(
                words,
                cwd=self._folder.name,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise RefusedError(f"cannot run {self._command}: {error.strerror}") from error
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with self._process.stderr as lines:
            for line in lines:
                self.line = line.strip() or self.line

    def is_over(self):
        """Returns whether it came to its end."""
        return self._process.poll() is not None

    def wait(self):
        """Waits for the end."""
        self._process.wait()

    def stop(self):
        """Ends it with the image so far, as Ctrl-C does; the second time at once, with none."""
        if self._is_stopped:
            self._process.kill()
        else:
            self._process.terminate()
        self._is_stopped = True

    def outcome(self):
        """Returns ``(is_there, line)`` of what came of it: the texture, and what is to be told."""
        self._reader.join(_SECONDS_TO_END)
        code = self._process.returncode
        stopped = {128 + signal.SIGINT, 128 + signal.SIGTERM}
        if code == 0:
            return True, ""
        if code in stopped and self.texture.exists():
            return True, "texsynth was stopped; this is the image so far"
        if code < 0 and self._is_stopped:
            return False, "texsynth was stopped; nothing was made"
        return False, self.line or f"texsynth ended with exit code {code}, and did not say why"

    def close(self):
        """Ends it if it is not over, and removes the folder with all that is in it."""
        if self._process is not None:
            if not self.is_over():
                self._process.kill()
                self._process.wait()
            self._reader.join(_SECONDS_TO_END)
        self._folder.cleanup()


def load(path, name, colour_space):
    """Returns a new image that has the file's bytes in it, and needs no file.

    Args:
        path (pathlib.Path): The PNG.
        name (str): What to call it; Blender adds a number if another is called that.
        colour_space (str): That of the image whose texture it has.
    """
    image = bpy.data.images.load(str(path))
    image.pack()
    image.name = name
    image.filepath_raw = f"//{image.name}.png"  # where it goes when it is unpacked
    image.colorspace_settings.name = colour_space
    return image


class SynthesiseTexture(bpy.types.Operator):
    """Makes a new image with the texture of the one at hand."""

    bl_idname = "image.texsynth"
    bl_label = "Synthesise Texture"
    bl_description = "Make a new image with the texture of this one"
    bl_options = {"UNDO"}  # noqa: RUF012 (Blender's way)

    image: StringProperty(
        name="Image",
        description="Name of the image; empty is the one at hand",
        options={"SKIP_SAVE"},  # or the next dialog would have this one, whatever is at hand
    )
    size: IntProperty(
        name="Exemplar Size",
        description="Longer side that the image is resized to first; 0 keeps its size",
        default=300,
        min=0,
        soft_max=2048,
    )
    output_size: IntVectorProperty(
        name="Output Size",
        description="Width and height of the texture; 0 is the size of the exemplar",
        size=2,
        min=0,
        soft_max=4096,
    )
    preset: EnumProperty(
        name="Preset",
        items=[
            ("auto", "Automatic", "Look whether the image repeats"),
            ("natural", "Natural", "Textures that do not repeat"),
            ("regular", "Regular", "Bricks, tiles, cloth"),
            ("gatys", "Gatys et al.", "The method of the paper"),
            ("paper", "Paper", "The paper to the letter, which takes long"),
        ],
    )
    tile: EnumProperty(
        name="Tile",
        description="Directions in which the texture tiles without a seam",
        items=[
            ("no", "No", "It does not tile"),
            ("xy", "Both", "Across and down"),
            ("x", "Across", "Side by side"),
            ("y", "Down", "One above the other"),
        ],
    )
    seed: IntProperty(name="Seed", description="The same seed gives the same texture", min=0)

    at_work = None  # the run, of whichever operator: the machine has no place for two
    _run = None  # this operator's, which may be none: a dialog is one too

    def invoke(self, context, event):
        """Asks for the options."""
        if not self.image:
            at_hand = image_at_hand(context)
            self.image = at_hand.name if at_hand else ""
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context):
        """Starts the command; in the background, where nobody waits, to its end."""
        run = None
        try:
            if type(self).at_work is not None:
                raise RefusedError("texsynth is already at work: wait, or stop it by Esc")
            source = self._find_image(context)
            run = Run(find_command(_preferred(context)))
            export(source, run.exemplar)
            run.start(self._options())
        except (RefusedError, OSError, RuntimeError) as error:
            if run is not None:
                run.close()
            self.report({"ERROR"}, str(error).strip())
            return {"CANCELLED"}
        type(self).at_work = self._run = run
        # Names, for an undo makes other objects of all images.
        self._made = f"{Path(source.name).stem}_texture", source.colorspace_settings.name
        if bpy.app.background:
            run.wait()
            return self._finish(context)
        manager = context.window_manager
        self._timer = manager.event_timer_add(_SECONDS_BETWEEN_LOOKS, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        """Looks how far it is, and hears Esc; all else is Blender's."""
        if event.type == "ESC" and event.value == "PRESS":
            self._run.stop()
            return {"RUNNING_MODAL"}
        if event.type == "TIMER":
            if self._run.is_over():
                return self._finish(context)
            told = self._run.line.removeprefix("texsynth: ")
            context.workspace.status_text_set(f"texsynth: {told}   (Esc: stop, and keep it so far)")
        return {"PASS_THROUGH"}

    def cancel(self, context):
        """Ends it at once; Blender calls this when it opens another file, or is closed.

        And of a dialog that is left.
        """
        if self._run is not None:
            self._close(context)

    def _finish(self, context):
        is_there, line = self._run.outcome()
        try:
            if is_there:
                image = load(self._run.texture, *self._made)
                space = context.space_data
                if space is not None and space.type == "IMAGE_EDITOR":
                    space.image = image
        except RuntimeError as error:  # Blender's, when it cannot read a file
            is_there, line = False, str(error).strip()
        finally:
            self._close(context)
        if not is_there:
            self.report({"ERROR"}, line)
            return {"CANCELLED"}
        self.report({"WARNING"} if line else {"INFO"}, line or f"made {image.name}")
        return {"FINISHED"}

    def _close(self, context):
        type(self).at_work = None
        self._run.close()
        if not bpy.app.background:
            context.window_manager.event_timer_remove(self._timer)
            context.workspace.status_text_set(None)

    def _find_image(self, context):
        image = bpy.data.images.get(self.image) if self.image else image_at_hand(context)
        if image is None:
            raise RefusedError(
                f"there is no image {self.image}"
                if self.image
                else "open an image in the Image Editor, or select an image texture node"
            )
        return image

    def _options(self):
        width, height = self.output_size
        options = ["--size", str(self.size), "--preset", self.preset, "--seed", str(self.seed)]
        if width or height:
            options += ["--output-size", f"{width or height}x{height or width}"]
        return options + (["--tile", self.tile] if self.tile != "no" else [])


def image_at_hand(context):
    """Returns the image of the Image Editor, or of the active node; ``None`` if there is none.

    Args:
        context (bpy.types.Context): Where the user is.
    """
    space = context.space_data
    if space is not None and space.type == "IMAGE_EDITOR":
        return space.image
    if space is not None and space.type == "NODE_EDITOR":
        tree = space.edit_tree
    else:
        material = context.object.active_material if context.object else None
        tree = material.node_tree if material else None
    return getattr(tree.nodes.active, "image", None) if tree else None


class Preferences(bpy.types.AddonPreferences):
    """Where the command is."""

    bl_idname = __name__

    command: StringProperty(
        name="Command",
        description=f"Path of texsynth; empty looks at {ENVIRONMENT}, then at PATH",
        subtype="FILE_PATH",
    )

    def draw(self, context):
        """Draws the one field."""
        self.layout.prop(self, "command")


def _preferred(context):
    addon = context.preferences.addons.get(__name__)
    return addon.preferences.command if addon else ""


def _draw_entry(menu, context):
    menu.layout.separator()
    menu.layout.operator(SynthesiseTexture.bl_idname, text="Synthesise Texture...")


_MENUS = ("IMAGE_MT_image", "NODE_MT_node")
_CLASSES = (Preferences, SynthesiseTexture)


def register():
    """Adds it to Blender."""
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    for menu in _MENUS:
        getattr(bpy.types, menu).append(_draw_entry)


def unregister():
    """Takes it away again."""
    for menu in _MENUS:
        with contextlib.suppress(ValueError):
            getattr(bpy.types, menu).remove(_draw_entry)
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
