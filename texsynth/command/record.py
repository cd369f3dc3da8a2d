"""The record of a texture: a JSON file of what made it, from which it can be made again."""

import dataclasses
import json
from pathlib import Path
from typing import NamedTuple

from texsynth.command import record_file
from texsynth.command.composed import Composed
from texsynth.command.composition import recalled
from texsynth.command.mending import Mending
from texsynth.command.provenance import FREE, has_more_steps
from texsynth.command.recipe import Picture, Recipe, Target
from texsynth.command.stack import CONVENTIONS
from texsynth.config import Config
from texsynth.errors import RecordError, TexsynthError
from texsynth.files import write_text
from texsynth.synthesis import environment


class Record(NamedTuple):
    """What a record says that is needed to make its texture again.

    Attributes:
        path (pathlib.Path): The file.
        recipe (texsynth.command.recipe.Recipe): What the texture was made from, and is again.
        checksums (dict): SHA-256 of ``exemplar``, ``init`` (or ``None``) and ``texture``, of the
            sizes and pixels, and of the ``weights``; of ``pictures`` of a composition by path; of a
            stack of maps also of ``maps`` and of their ``files``, by kind.
        environment (dict): What :func:`texsynth.synthesis.environment.describe` returned.
        written (dict): How maps were written, ``depth`` and ``normal``; of other textures empty.
    """

    path: Path
    recipe: Recipe
    checksums: dict
    environment: dict
    written: dict

    def check(self, recipe):
        """Makes sure that what is read is what was read.

        Args:
            recipe (texsynth.command.recipe.Recipe): The pictures that are there now.

        Raises:
            texsynth.errors.TexsynthError: A picture cannot be read, or has changed.
        """
        if isinstance(recipe.exemplar, Composed):
            self._check_composed(recipe.exemplar)
        for name, picture in (("exemplar", recipe.exemplar), ("init", recipe.init)):
            if picture is not None and picture.checksum != self.checksums[name]:
                what = "target" if picture.is_target else "image"
                raise RecordError(
                    f"{picture.path} is not the {what} that {self.path} was made from"
                )
        if recipe.mending is not None and recipe.mending.told() != self.checksums["repair"]:
            raise RecordError(f"mask or source is not that from which {self.path} was made")

    def _check_composed(self, exemplar):
        """Names the picture of a composition that is another one."""
        for path, checksum in exemplar.checksums.items():
            if self.checksums["pictures"].get(str(path)) != checksum:
                raise RecordError(f"{path} is not the image that {self.path} was made from")

    def check_result(self, result):
        """Makes sure that a texture is that of the record.

        Args:
            result (texsynth.Result): The texture.

        Raises:
            texsynth.errors.RecordError: It is another one.
        """
        sums = self.recipe.exemplar.checksums_of(result)
        if sums["texture"] == self.checksums["texture"]:
            return
        changed = environment.differences(self.environment, result.environment)
        if result.weights_sha256 != self.checksums["weights"]:
            changed.append("other weights")
        why = record_file.told("; ".join(changed)) or "nothing on record has changed"
        kinds = [
            name for name, was in self.checksums["maps"].items() if sums["maps"].get(name) != was
        ]
        differs = f"{', '.join(kinds)}: not the same as" if kinds else "the texture differs from"
        raise RecordError(f"{differs} that of {self.path} ({why})")


def compose(command, recipe, result, lengthened):
    """Returns the record of a texture, plain values by name.

    Args:
        command: The arguments of the process, a list of str.
        recipe (texsynth.command.recipe.Recipe): What it was made from.
        result (texsynth.Result): The texture.
        lengthened (bool): Whether it was resumed with more steps than it began with.
    """
    config, exemplar, init = recipe.config, recipe.exemplar, recipe.init
    settings = config.as_dict()
    if config.weights is not None:  # it may be followed from another folder
        settings["weights"] = str(Path(config.weights).absolute())
    return {
        "kind": record_file.KIND,
        "format": record_file.FORMAT,
        "command": command,
        **_of_exemplar(exemplar),
        "init": None if init is None else str(init.path.absolute()),
        "repair": recipe.mending and recipe.mending.as_dict(),
        "config": settings,
        "sha256": {
            "exemplar": exemplar.checksum,
            "init": None if init is None else init.checksum,
            "repair": recipe.mending and recipe.mending.told(),
            **_checksums_of_pictures(exemplar),
            "weights": result.weights_sha256,
            **exemplar.checksums_of(result),
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


def _of_exemplar(exemplar):
    """What a record says of where the texture comes from."""
    if isinstance(exemplar, Composed):
        return {"image": None, "composition": exemplar.composition.as_dict()}
    return {"target" if exemplar.is_target else "image": str(exemplar.path.absolute())}


def _checksums_of_pictures(exemplar):
    """Those of the pictures of a composition, by path; of one exemplar there are none."""
    if not isinstance(exemplar, Composed):
        return {}
    sums = {str(path.absolute()): checksum for path, checksum in exemplar.checksums.items()}
    return {"pictures": sums}


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
        texture (texsynth.command.recipe.Picture): The texture.
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
        fields = json.loads(record_file.content(path))
        return fields["kind"] == record_file.KIND and fields["finished"] is False
    except (OSError, *record_file.ODD, RecordError):
        return False


def is_same(path, recipe, is_again):
    """Returns whether a file is a record of the same texture, be it finished or not.

    Args:
        path (pathlib.Path): The file.
        recipe (texsynth.command.recipe.Recipe): What the texture is made from.
        is_again (bool): Whether it may also be of fewer steps (or of more, if it was not finished),
            and on another GPU.
    """
    free = FREE if is_again else {"weights": None}
    try:
        fields = json.loads(record_file.content(path))
        was = Config.from_dict(fields["config"])
        preset, is_finished = fields["preset"]["name"], fields["finished"]
        if is_again and is_finished and has_more_steps(was, recipe.config, preset):
            return False
        sums = [fields["sha256"].get(name) for name in ("exemplar", "init", "repair")]
    except (OSError, *record_file.ODD, TexsynthError):
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
    return record_file.read(path, _repeatable)


def read_account(path):
    """Reads what a record says of how its texture was made, also of one that was stopped.

    Args:
        path (pathlib.Path): As for :func:`read`.

    Returns:
        Record: As there.

    Raises:
        texsynth.errors.RecordError: It is no record, or of a newer format.
    """
    return record_file.read(path, _parsed)


def _repeatable(path, fields):
    """The record of a file with these fields, if its texture can be made again."""
    record_file.check_format(path, fields)
    if fields["lengthened"]:
        raise RecordError(
            f"{path}: the run was resumed with more steps than it began with, "
            "so it cannot be repeated from its settings"
        )
    if not fields["finished"]:
        raise RecordError(
            f"{path}: the run was stopped early, so it cannot be repeated from its settings"
        )
    return _parsed(path, fields)


def _parsed(path, fields):
    """The record of a file with these fields."""
    record_file.check_format(path, fields)
    config = Config.from_dict(fields["config"])
    init = fields["init"]
    if "\0" in (init or ""):
        raise ValueError("a path with a zero byte")
    init = None if init is None else Picture(Path(init), config.input_range)
    told = fields.get("repair")  # none in records of earlier versions
    mending = None if told is None else Mending.of(told, config.input_range)
    recipe = Recipe(config, _exemplar(fields, config.input_range), init, mending)
    checksums = {name: fields["sha256"][name] for name in _CHECKED}
    checksums["repair"] = fields["sha256"].get("repair")
    for name in ("pictures", "maps", "files"):
        checksums[name] = dict(fields["sha256"].get(name) or {})
    written = dict(fields.get("written") or {})
    if not written.items() <= {("depth", each) for each in (None, "8", "16")} | {
        ("normal", each) for each in CONVENTIONS
    }:
        raise ValueError("maps were written in another way")
    return Record(path, recipe, checksums, dict(fields["environment"]), written)


def _exemplar(fields, input_range):
    """What stands for the exemplar in a file with these fields."""
    if (told := fields.get("composition")) is not None:
        composition = recalled(told)
        return Composed(composition, composition.gallery(input_range))
    target = fields.get("target")
    path = fields["image"] if target is None else target
    if "\0" in path:
        raise ValueError("a path with a zero byte")
    return Picture(Path(path), input_range) if target is None else Target(Path(path))


_CHECKED = ("exemplar", "init", "weights", "texture")
