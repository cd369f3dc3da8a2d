"""Options of what else is written of a material: for other programs, and pictures of it."""

import dataclasses
import json
from dataclasses import dataclass

import click

from texsynth.command.shared import PATH
from texsynth.errors import ConfigError

_FORMS = ("plane", "sphere")


def export_options(command):
    """A decorator that adds the options; they come as ``exports``, ``packings_path``, ``previews``.

    Args:
        command (click.Command): A command, or a function that becomes one.
    """
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = [
    click.option(
        "--export",
        "exports",
        metavar="NAME|KEY=CHANNELS",
        multiple=True,
        help="Also write the maps as a program takes them, to the folder NAME in that of --out:"
        " unity, unity-hdrp, unreal, godot, blender, or a name of --packings; or one file"
        " <name>_KEY.png of these channels, such as arm=ao,roughness,metallic. Repeat the option"
        " for more.",
    ),
    click.option(
        "--packings",
        "packings_path",
        metavar="FILE",
        type=PATH,
        help="TOML file of packings of one's own for --export.",
    ),
    click.option(
        "--preview",
        "previews",
        metavar="|".join(_FORMS),
        type=click.Choice(_FORMS),
        multiple=True,
        help="Also write <name>_plane.png or <name>_sphere.png, 2 x 2 tiles under a lamp; repeat"
        " the option for both.",
    ),
]


def _text_of(packing):
    """What the pictures of a packing say of it: which maps go where."""
    from texsynth.materials.made import PACKING  # takes NumPy, a moment

    return {PACKING: json.dumps(dataclasses.asdict(packing))}


@dataclass(frozen=True)
class Exports:
    """What else is to be written of a material.

    Attributes:
        packings (tuple): Each a :class:`texsynth.materials.packing.Packing`.
        previews (tuple): Each of :data:`texsynth.materials.preview.FORMS`.
    """

    packings: tuple = ()
    previews: tuple = ()

    @classmethod
    def asked(cls, exports, packings_path, previews):
        """Returns what options ask for.

        Args:
            exports: Texts of ``--export``.
            packings_path (pathlib.Path): ``--packings``, or ``None``.
            previews: ``--preview``.

        Raises:
            texsynth.errors.ConfigError: An export is unknown or cannot be read, or the file cannot.
        """
        from texsynth.materials.packing import parse_one_file  # these take NumPy, a moment
        from texsynth.materials.packings import built_in, load

        known = {**built_in(), **({} if packings_path is None else load(packings_path))}
        packings = []
        for text in dict.fromkeys(exports):
            if "=" in text:
                packings.append(parse_one_file(text))
            elif text in known:
                packings.append(known[text])
            else:
                raise ConfigError(
                    f"--export must be one of {', '.join(known)}, or KEY=CHANNELS such as"
                    f" arm=ao,roughness,metallic, not {text!r}"
                )
        return cls(tuple(packings), tuple(dict.fromkeys(previews)))

    def files(self, folder, name, kinds):
        """Returns the files that :meth:`write` would write.

        Args:
            folder (pathlib.Path): That of the material.
            name (str): The material's.
            kinds: The kinds of maps that it has.

        Returns:
            tuple: What each picture's text says of how it is packed, a dict by path; and paths of
            files that name pictures, a list.

        Raises:
            texsynth.errors.ConfigError: A map is missing, or two files have the same name.
        """
        from texsynth.materials import exporting
        from texsynth.materials.made import PREVIEW

        found = [
            (path, _text_of(packing))
            for packing in self.packings
            for path in exporting.paths(packing, folder, name, kinds)
        ]
        found += [(folder / f"{name}_{form}.png", {PREVIEW: form}) for form in self.previews]
        paths = [path for path, _ in found]
        if len(set(paths)) < len(paths):
            twice = next(path for path in paths if paths.count(path) > 1)
            raise ConfigError(f"--export and --preview would write {twice} twice")
        pictures = {path: text for path, text in found if path.suffix == exporting.ENDING}
        return pictures, [path for path in paths if path not in pictures]

    def write(self, stack, folder, name, text=None):
        """Writes all of it; yields the paths of what is written.

        Args:
            stack (dict): The maps by kind, as :data:`texsynth.materials.kinds.Stack`.
            folder (pathlib.Path): That of the material, which must exist.
            name (str): The material's.
            text (dict): ``{keyword: text}`` to keep in the images.

        Raises:
            texsynth.errors.TexsynthError: A map is missing, or a file cannot be written.
        """
        from texsynth import images
        from texsynth.materials import exporting
        from texsynth.materials.made import PREVIEW
        from texsynth.materials.preview import preview

        text = {} if text is None else text
        for packing in self.packings:
            told = {**text, **_text_of(packing)}
            yield from exporting.export(stack, packing, folder, name, told)
        for form in self.previews:
            path = folder / f"{name}_{form}.png"
            images.save_png(path, preview(stack, form), {**text, PREVIEW: form})
            yield path
