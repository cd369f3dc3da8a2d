"""The record of a texture: a JSON file of what made it, from which it can be made again."""

import dataclasses
import json
from pathlib import Path
from typing import NamedTuple

from texsynth.command.mending import Mending
from texsynth.command.provenance import FREE, Picture, Recipe, Target, has_more_steps
from texsynth.config import Config
from texsynth.errors import ConfigError, RecordError, TexsynthError
from texsynth.files import write_text
from texsynth.files.printable import one_line
from texsynth.synthesis import environment

FORMAT = 1
"""Version of the format; a reader refuses what is newer than itself."""

_KIND = "texsynth record"
_MOST_BYTES = 2**26  # of a million steps
_LONGEST_LINE = 400  # characters of what a file says
# A JSON text of a thousand brackets is a RecursionError, a number of 400 digits an OverflowError
# where a float is wanted.
_ODD = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)


class Record(NamedTuple):
    """What a record says that is needed to make its texture again.

    Attributes:
        path (pathlib.Path): The file.
        recipe (texsynth.command.provenance.Recipe): What the texture was made from, and is again.
        checksums (dict): SHA-256 of ``exemplar``, ``init`` (or ``None``) and ``texture``, of the
            sizes and pixels, and of the ``weights``.
        environment (dict): What :func:`texsynth.synthesis.environment.describe` returned.
    """

    path: Path
    recipe: Recipe
    checksums: dict
    environment: dict

    def check(self, recipe):
        """Makes sure that what is read is what was read.

        Args:
            recipe (texsynth.command.provenance.Recipe): The pictures that are there now.

        Raises:
            texsynth.errors.TexsynthError: A picture cannot be read, or has changed.
        """
        for name, picture in (("exemplar", recipe.exemplar), ("init", recipe.init)):
            if picture is not None and picture.checksum != self.checksums[name]:
                what = "target" if picture.is_target else "image"
                raise RecordError(
                    f"{picture.path} is not the {what} that {self.path} was made from"
                )
        if recipe.mending is not None and recipe.mending.told() != self.checksums["repair"]:
            raise RecordError(f"mask or source is not that from which {self.path} was made")

    def check_result(self, result):
        """Makes sure that a texture is that of the record.

        Args:
            result (texsynth.Result): The texture.

        Raises:
            texsynth.errors.RecordError: It is another one.
        """
        from texsynth import images

        if images.checksum(result.image) == self.checksums["texture"]:
            return
        changed = environment.differences(self.environment, result.environment)
        if result.weights_sha256 != self.checksums["weights"]:
            changed.append("other weights")
        why = _told("; ".join(changed)) or "nothing on record has changed"
        raise RecordError(f"the texture differs from that of {self.path} ({why})")


def compose(command, recipe, result, lengthened):
    """Returns the record of a texture, plain values by name.

    Args:
        command: The arguments of the process, a list of str.
        recipe (texsynth.command.provenance.Recipe): What it was made from.
        result (texsynth.Result): The texture.
        lengthened (bool): Whether it was resumed with more steps than it began with.
    """
    from texsynth import images

    config, exemplar, init = recipe.config, recipe.exemplar, recipe.init
    settings = config.as_dict()
    if config.weights is not None:  # it may be followed from another folder
        settings["weights"] = str(Path(config.weights).absolute())
    return {
        "kind": _KIND,
        "format": FORMAT,
        "command": command,
        "target" if exemplar.is_target else "image": str(exemplar.path.absolute()),
        "init": None if init is None else str(init.path.absolute()),
        "repair": recipe.mending and recipe.mending.as_dict(),
        "config": settings,
        "sha256": {
            "exemplar": exemplar.checksum,
            "init": None if init is None else init.checksum,
            "repair": recipe.mending and recipe.mending.told(),
            "weights": result.weights_sha256,
            "texture": images.checksum(result.image),
        },
        "environment": result.environment,
        "preset": {"name": result.scheme.name, "why": result.scheme.why},
        "lengthened": lengthened,
        "history": result.history,
        "evaluations": result.evaluations,
        "seconds": result.seconds,
        "reason": result.reason,
        "finished": result.is_finished,
        "errors": result.errors,
    }


def save(path, record):
    """Writes a record, whole or not at all.

    Args:
        path (pathlib.Path): Path of the file; its folder must exist.
        record (dict): What :func:`compose` returned.

    Raises:
        texsynth.errors.TexsynthError: It cannot be written.
    """
    write_text(path, json.dumps(record, indent=1) + "\n")


def is_of(path, texture):
    """Returns whether a file is the record of a texture, from which it can be made again.

    Args:
        path (pathlib.Path): The file, which need not be there.
        texture (texsynth.command.provenance.Picture): The texture.
    """
    from texsynth import images

    try:
        return read(path).checksums["texture"] == images.checksum(texture.pixels)
    except TexsynthError:  # or the texture has more pixels than are read
        return False


def is_stopped(path):
    """Returns whether a file is a record of a texture that was not finished.

    Args:
        path (pathlib.Path): The file.
    """
    try:
        fields = json.loads(_content(path))
        return fields["kind"] == _KIND and fields["finished"] is False
    except (OSError, *_ODD, RecordError):
        return False


def is_same(path, recipe, is_again):
    """Returns whether a file is a record of the same texture, be it finished or not.

    Args:
        path (pathlib.Path): The file.
        recipe (texsynth.command.provenance.Recipe): What the texture is made from.
        is_again (bool): Whether it may also be of fewer steps (or of more, if it was not finished),
            and on another GPU.
    """
    free = FREE if is_again else {"weights": None}
    try:
        fields = json.loads(_content(path))
        was = Config.from_dict(fields["config"])
        preset, is_finished = fields["preset"]["name"], fields["finished"]
        if is_again and is_finished and has_more_steps(was, recipe.config, preset):
            return False
        sums = [fields["sha256"].get(name) for name in ("exemplar", "init", "repair")]
    except (OSError, *_ODD, TexsynthError):
        return False
    init = None if recipe.init is None else recipe.init.checksum
    settings = [dataclasses.replace(each, **free) for each in (was, recipe.config)]
    now = [recipe.exemplar.checksum, init, recipe.mending and recipe.mending.told()]
    return settings[0] == settings[1] and sums == now


def read(path):
    """Reads what is needed to make the texture of a record again.

    Args:
        path (pathlib.Path): Path of the file.

    Returns:
        Record: The settings and what to compare.

    Raises:
        texsynth.errors.RecordError: It is no record, of a newer format, or of a texture that
            cannot be made from its settings.
    """
    try:
        return _parsed(path, json.loads(_content(path)))
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror or error}") from error
    except ConfigError as error:
        raise RecordError(f"{path}: {_told(str(error))}") from error
    except _ODD as error:
        told = _told(f"{type(error).__name__} {error}")
        raise RecordError(f"{path} is not a record ({told})") from error


def _content(path):
    """The bytes of a file that may be a record."""
    if not path.is_file():
        raise RecordError(f"no such record: {path}")
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise RecordError(f"{path} is not a record: it is too long")
    return data


def _parsed(path, fields):
    """The record of a file with these fields."""
    if fields["kind"] != _KIND:
        raise RecordError(f"{path} is not a record")
    if fields["format"] != FORMAT:
        told = _told(f"has format {fields['format']}, not {FORMAT}")
        raise RecordError(f"{path} {told}")
    if fields["lengthened"]:
        raise RecordError(
            f"{path}: the run was resumed with more steps than it began with, "
            "so it cannot be repeated from its settings"
        )
    if not fields["finished"]:
        raise RecordError(
            f"{path}: the run was stopped early, so it cannot be repeated from its settings"
        )
    config = Config.from_dict(fields["config"])
    init, target = fields["init"], fields.get("target")
    exemplar = fields["image"] if target is None else target
    if any("\0" in path for path in (exemplar, init or "")):
        raise ValueError("a path with a zero byte")
    init = None if init is None else Picture(Path(init), config.input_range)
    told = fields.get("repair")  # none in records of earlier versions
    mending = None if told is None else Mending.of(told)
    if target is None:
        recipe = Recipe(config, Picture(Path(exemplar), config.input_range), init, mending)
    else:
        recipe = Recipe(config, Target(Path(exemplar)), init)
    checksums = {name: fields["sha256"][name] for name in _CHECKED}
    checksums["repair"] = fields["sha256"].get("repair")
    return Record(path, recipe, checksums, dict(fields["environment"]))


def _told(text):
    return one_line(text, _LONGEST_LINE)


_CHECKED = ("exemplar", "init", "weights", "texture")
