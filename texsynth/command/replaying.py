"""What ``--replay`` makes again: the texture of a record, or that of a picture's own text."""

import json
import tempfile
from pathlib import Path

from texsynth.command import provenance, record
from texsynth.command.provenance import DEPTH, QUALITY, Picture, Recipe, Target
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
    text = provenance.text_of(path) if path.is_file() else {}
    return _of_text(path, text) if provenance.is_of_ours(text) else record.read(path)


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
        from texsynth import images

        text = self.environment
        depth, quality = text.get(DEPTH, "8"), int(text.get(QUALITY, 1))
        with tempfile.TemporaryDirectory() as folder:
            again = Path(folder) / f"again{self.path.suffix}"
            images.save(again, result.values, depth=depth, quality=quality)
            ours, theirs = images.read_map(again), images.read_map(self.path)
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
