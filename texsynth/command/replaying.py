"""What ``--replay`` makes again: the texture of a record, or that of a picture's own text."""

import json
import tempfile
from pathlib import Path

from texsynth.command import provenance, record
from texsynth.command.composed import Composed
from texsynth.command.composition import recalled
from texsynth.command.provenance import DEPTH, NORMAL, QUALITY
from texsynth.command.recipe import Picture, Recipe, Target
from texsynth.command.stack import CONVENTIONS, StackOfMaps
from texsynth.config import Config
from texsynth.errors import RecordError, TexsynthError
from texsynth.files.printable import one_line
from texsynth.version import __version__

# A JSON text of a thousand brackets is a RecursionError.
_ODD = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
_LONGEST_NAME = 200  # characters that are told


def read(path):
    """Reads what is needed to make a texture again.

    Args:
        path (pathlib.Path): Path of a record, or of a texture that this program wrote.

    Returns:
        texsynth.command.record.Record: The settings and what to compare.

    Raises:
        texsynth.errors.RecordError: It is neither; or it is of a texture that cannot be made again
            from what it says.
    """
    from texsynth.images.encoding import FORMATS

    text = provenance.text_of(path) if path.is_file() else {}
    if provenance.is_of_ours(text):
        return _of_text(path, text)
    if path.suffix.lower() in FORMATS and path.is_file():
        raise RecordError(
            f"{path} is not a record, and no picture with texts of texsynth, which are lost if"
            " another program saves it anew"
        )
    return record.read(path)


class _OfPicture(record.Record):
    """As a record, but that the picture is all that is known of the texture.

    Its ``environment`` has all the picture's texts.
    """

    __slots__ = ()

    def check_result(self, result):
        """Makes sure that a texture, written as the picture is, is the picture.

        Args:
            result (texsynth.Result): The texture.

        Raises:
            texsynth.errors.RecordError: It is another one.
        """
        text = self.environment
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = self._pair(Path(folder) / f"again{self.path.suffix}", result)
        if ours.shape == theirs.shape and (ours == theirs).all():
            return
        now = {"Software": f"texsynth {__version__}", **result.account()}
        changed = [
            f"{told} was {one_line(text.get(name, 'another'), _LONGEST_NAME)}, not {now[name]}"
            for name, told in _MADE_WITH.items()
            if text.get(name) != now[name]
        ]
        why = "; ".join(changed) or "its text tells of no reason"
        raise RecordError(f"the texture differs from {self.path} ({why})")

    def _pair(self, again, result):
        """What is read of the texture, once it is written to a path, and of the picture."""
        from texsynth import images

        text = self.environment
        depth, quality = text.get(DEPTH, "8"), int(text.get(QUALITY, 1))
        images.save(again, result.values, depth=depth, quality=quality)
        return images.read_map(again), images.read_map(self.path)


_MADE_WITH = {"Software": "it", "texsynth:engine": "engine", "texsynth:precision": "precision"}


def _of_text(path, text):
    """What the texts of a picture say."""
    from texsynth.images import encoding

    if not provenance.is_of_finished(text):
        raise RecordError(f"{path} is of a texture that was not finished, and says too little")
    if "texsynth:repair" in text:
        raise RecordError(f"{path} was repaired, and only a record (--record) says from what")
    try:
        encoding.chosen(path, text.get(DEPTH))
        if (told := _stack_told(text)) is not None:
            return _of_map(path, text, told)
        told = json.loads(text["texsynth:settings"])
        files = {name: told.pop(name, None) for name in ("image", "target", "init")}
        config = Config.from_dict(told)
        found = {name: _found(path, name, file) for name, file in files.items() if file is not None}
        sums = {
            name: text.get(f"texsynth:{name}_sha256") for name in ("exemplar", "target", "init")
        }
        init = Picture(found["init"], config.input_range) if "init" in found else None
        if "target" in found:
            exemplar = Target(found["target"])
        else:
            exemplar = Picture(found["image"], config.input_range)
        checksums = {"exemplar": sums["exemplar"] or sums["target"], "init": sums["init"]}
        return _OfPicture(path, Recipe(config, exemplar, init), checksums, text, {})
    except RecordError:
        raise
    except (*_ODD, TexsynthError) as error:
        why = one_line(str(error), _LONGEST_NAME)
        raise RecordError(f"{path} cannot be made again from its text: {why}") from error


class _OfMap(_OfPicture):
    """As there, of one map of a stack."""

    __slots__ = ()

    def _pair(self, again, result):
        from texsynth import images
        from texsynth.materials import writing

        kind, depth = _kind_of(self.path), self.environment.get(DEPTH, "8")
        writing.write({kind: result.maps[kind]}, {kind: again}, self.written["normal"], depth)
        return images.read_map(again), images.read_map(self.path)


def _stack_told(text):
    """What texts say of the stack that a map was made from; ``None`` of other pictures."""
    told = json.loads(text.get("texsynth:composition", "null"))
    return told if told is not None and told["kind"] == StackOfMaps.KIND else None


def _of_map(path, text, told):
    """What the texts of one map of a stack say."""
    from texsynth.materials.made import PACKING, PREVIEW
    from texsynth.materials.writing import depth_of

    if PACKING in text or PREVIEW in text:
        raise RecordError(
            f"{path} was written of maps; one of these, or their record, says how they were made"
        )
    own = _kind_of(path)
    settings = json.loads(text["texsynth:settings"])
    stem, sums = settings.pop("image"), told["sha256"]
    folder = _folder_with(path, stem, [name for name, _ in told["maps"].values()])
    maps = {kind: [str(folder / name), at] for kind, (name, at) in told["maps"].items()}
    stack = recalled({"kind": StackOfMaps.KIND, "stem": stem, **told, "maps": maps})
    depth, normal = text.get(DEPTH, "8"), text.get(NORMAL, CONVENTIONS[0])
    if own not in stack.kinds or depth not in ("8", "16") or normal not in CONVENTIONS:
        raise ValueError(f"a map {own} of {depth} bits, normals {normal}")
    written = {"depth": None if depth == depth_of(own) else depth, "normal": normal}
    checksums = {
        "exemplar": text["texsynth:exemplar_sha256"],
        "init": None,
        "pictures": {str(folder / name): checksum for name, checksum in sums.items()},
    }
    recipe = Recipe(Config.from_dict(settings), Composed(stack, stack.gallery(None)))
    return _OfMap(path, recipe, checksums, text, written)


def _kind_of(path):
    """Which kind of map a file is, by its name."""
    from texsynth.materials.finding import find

    return next(iter(find([path]).maps))


def _folder_with(path, stem, names):
    """The folder of the files that a map of a stack names."""
    if not all(isinstance(each, str) and Path(each).name == each for each in [stem, *names]):
        raise ValueError("of a path")
    places = path.parent, Path()
    folders = [each for at in places for each in (at, at / stem, at / ".." / stem)]
    missing = {
        each: [name for name in dict.fromkeys(names) if not (each / name).is_file()]
        for each in folders
    }
    folder = min(folders, key=lambda each: len(missing[each]))
    if not missing[folder]:
        return folder
    if len(missing[folder]) < len(set(names)):
        told = one_line(", ".join(missing[folder]), _LONGEST_NAME)
        raise RecordError(f"{path} was made from {told} as well, which the folder {folder} lacks")
    told = one_line(", ".join(names), _LONGEST_NAME)
    raise RecordError(
        f"{path} was made from {told}, which are neither beside it, nor in the current folder,"
        f" nor in a folder {one_line(stem, _LONGEST_NAME)} in or beside one of these"
    )


def _found(path, name, file):
    """The path of a file that a picture names: it is beside it, or in the current folder."""
    if Path(file).name != file or "\0" in file:  # a mixture, or somebody's trick
        raise RecordError(
            f"{path} is not of one {name}, and only a record (--record) says of which"
        )
    for folder in (path.parent, Path()):
        if (folder / file).is_file():
            return folder / file
    raise RecordError(
        f"{path} was made from {one_line(file, _LONGEST_NAME)}, which is neither beside it nor in"
        " the current folder"
    )
