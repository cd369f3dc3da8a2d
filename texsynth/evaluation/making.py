"""How outputs were made that are more than textures of one exemplar: painted by a map, or repaired.

What the command line says counts; else a record, the one that was named or the one beside an
output; of a repair, also the text of its PNG.
"""

import dataclasses
import hashlib
import logging
from pathlib import Path

import click

from texsynth.command import record as records
from texsynth.command.composition import Gallery
from texsynth.command.keeping import Keeping
from texsynth.command.mending import ALPHA, Mending
from texsynth.command.outputs import Outputs
from texsynth.command.painting import Painting
from texsynth.command.recipe import Picture
from texsynth.command.regions import guide_beside, is_asked, paintings
from texsynth.command.stack import StackOfMaps
from texsynth.errors import ConfigError, TexsynthError
from texsynth.files.printable import one_line

_log = logging.getLogger(__name__)

_LONGEST_NAME = 200  # characters that are told
_MAPS = ("guide_path", "target_guide_path", "regions")


@dataclasses.dataclass(frozen=True)
class Asked:
    """What the command line says.

    Attributes:
        source: Path of the exemplar, or of the photograph; ``None`` if there is none.
        outputs: Paths of the outputs.
        painting: What was painted, or ``None``.
        mending: What is said of a repair, a dict of the fields of
            :class:`texsynth.command.mending.Mending`, and of ``tile``.
        record: A :class:`texsynth.command.record.Record` that was named, or ``None``.
    """

    source: Path | None
    outputs: tuple[Path, ...]
    painting: Painting | None = None
    mending: dict = dataclasses.field(default_factory=dict)
    record: records.Record | None = None

    @property
    def gallery_range(self):
        """What is black and what white in pictures of the record that was named; or ``None``."""
        return None if self.record is None else self.record.recipe.config.input_range


@dataclasses.dataclass(frozen=True)
class Making:
    """How an output was made, if it is more than a texture of one exemplar.

    Attributes:
        painting: What was painted, or ``None``.
        mending: What of the photograph was made anew, or ``None``.
        tile: Along which axes a repair was to tile, or ``None``.
    """

    painting: Painting | None = None
    mending: Mending | None = None
    tile: str | None = None


def asked(paths, record_path, mending, maps):
    """Returns what the command line says, :class:`Asked`.

    Args:
        paths: Paths of exemplar and outputs, in this order, as they stand there.
        record_path: Path of a record that names exemplar and maps; or ``None``.
        mending: As of :class:`Asked`: those that were given.
        maps: ``guide_path``, ``target_guide_path`` and ``regions``, a dict.

    Raises:
        click.UsageError: There is no output.
        texsynth.errors.TexsynthError: Options do not go together; or the record cannot be read.
    """
    is_painted = is_asked(maps)
    if is_painted and mending:
        raise ConfigError("an output was painted by --target-guide, or repaired; not both")
    if record_path is not None:
        if is_painted or mending:
            raise ConfigError("--record says how OUTPUT was made; no maps or masks beside it")
        return _by_record(paths, records.read_account(record_path))
    if not is_painted:
        return Asked(paths[0], _some(paths[1:]), None, mending)
    has_guide = maps["guide_path"] or guide_beside(paths[0]).is_file()
    images, outputs = (paths[:1], paths[1:]) if has_guide else ((), paths)
    if not (has_guide or maps["regions"]):
        raise ConfigError(
            f"--target-guide needs --region, or --guide (or a map called"
            f" {guide_beside(paths[0])}) for EXEMPLAR"
        )
    (painting,) = paintings(images, maps)
    return Asked(images[0] if images else None, _some(outputs), painting)


def of_output(asked, path, told):
    """Returns how an output was made, :class:`Making`.

    Args:
        asked (Asked): What the command line says.
        path (pathlib.Path): The output.
        told (texsynth.evaluation.record.Record): What its file says.

    Raises:
        texsynth.errors.TexsynthError: A mask that is asked for cannot be read.
    """
    if asked.painting is not None:
        return Making(asked.painting)
    if asked.record is not None:
        return _of_record(asked.record)
    if told.composition == Painting.KIND:
        return _beside(path, "statistics of its parts", "--target-guide, --guide and --region")
    if not (asked.mending or told.repair):
        return Making()
    return _mended(asked.mending, path, told)


def _by_record(paths, record):
    """What a record says of all outputs."""
    recipe = record.recipe
    composition = getattr(recipe.exemplar, "composition", None)
    if recipe.exemplar.is_target:
        raise ConfigError(f"{record.path}: it was made from statistics, not from an exemplar")
    if isinstance(composition, StackOfMaps):
        given = one_line(str(composition.image_paths[0].parent), _LONGEST_NAME)
        raise ConfigError(
            f"{record.path} is of a stack of maps; these are compared by their folders, without"
            f" --record: {given} {record.path.parent}"
        )
    if composition is not None and not isinstance(composition, Painting):
        raise ConfigError(f"{record.path}: a mix has no one exemplar to be compared with")
    source = None if composition is not None else recipe.exemplar.path
    return Asked(source, _some(paths), composition, record=record)


def _of_record(record):
    recipe = record.recipe
    composition = getattr(recipe.exemplar, "composition", None)
    painting = composition if isinstance(composition, Painting) else None
    return Making(painting, recipe.mending, recipe.config.tile)


def _some(outputs):
    if not outputs:
        raise click.UsageError("Missing argument 'OUTPUT...'.")
    return outputs


def _beside(path, what, options):
    """What the record beside an output says; nothing, with a warning, if there is none of it."""
    place = Outputs(path, None, Keeping(), ()).record
    if place.is_file():
        try:
            record = records.read_account(place)
            if record.checksums["texture"] == Picture(path).checksum:
                return _of_record(record)
        except TexsynthError as error:
            _log.warning("%s", error)
    _log.warning("%s: for %s it needs --record, or %s", path, what, options)
    return Making()


def _mended(given, path, told):
    """How a repair was made: what was given, and all else as its file says."""
    noted = told.repair or {}
    tile = given.get("tile", told.tile or None)
    values = {name: noted[name] for name in ("band", "grow") if noted.get(name) is not None}
    values |= {name: given[name] for name in ("band", "grow", "source") if name in given}
    mask = given.get("mask", ALPHA if noted.get("alpha") else None)
    if mask is None and noted.get("mask") is not None:
        return _beside(path, "what is said of repairs", "--mask")
    if mask not in (None, ALPHA):
        mask = Path(mask)
        _compare(mask, noted.get("mask"), path)
    if mask is None and tile is None and "grow" not in values:
        raise ConfigError("a repair has --mask, --tile or --grow, by which it is known what is new")
    return Making(mending=Mending(mask, **values), tile=tile)


def _compare(mask, checksum, path):
    """Says so if a mask is not the one that an output's file names."""
    pixels = Picture(mask).pixels
    if checksum is not None and hashlib.sha256(pixels.tobytes()).hexdigest() != checksum:
        _log.warning("%s is not the mask that %s says it was made with", mask, path)


def gallery(asked, input_range):
    """Returns where the pictures of what was painted are read.

    Args:
        asked (Asked): What the command line says.
        input_range: What is black and what white in them; ``None`` takes what the record says.
    """
    return Gallery(input_range or asked.gallery_range)
