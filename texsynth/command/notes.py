"""The notes that the command keeps with a checkpoint: where everything was, to go on from it."""

from pathlib import Path
from typing import NamedTuple

from texsynth.command import composition
from texsynth.command.composition import Composition
from texsynth.command.mending import Mending
from texsynth.command.stack import CONVENTIONS
from texsynth.config import Config
from texsynth.errors import CheckpointError, ConfigError


class Earlier(NamedTuple):
    """What a checkpoint tells of the command that saved it.

    Attributes:
        config (texsynth.Config): The settings.
        image_path (pathlib.Path): The exemplar, or the statistics in its place; ``None`` if there
            is a composition, or if a library saved it, which notes nothing. So are the next two.
        is_target (bool): Whether it is statistics.
        init_path (pathlib.Path): The image to start from, or ``None``.
        out (pathlib.Path): The file or folder to write to, or ``None``.
        mending (texsynth.command.mending.Mending): What of the image is made anew, or ``None``.
        composition (texsynth.command.composition.Composition): What is made of several pictures,
            or ``None``.
        kept (dict): Steps between ``snapshots``, or ``None``; whether a ``record`` and a
            ``comparison`` are written; ``depth`` and ``quality`` of the texture, and which way the
            green of a ``normal`` map points, or ``None``.
    """

    config: Config
    image_path: Path | None
    is_target: bool
    init_path: Path | None
    out: Path | None
    mending: Mending | None
    composition: Composition | None
    kept: dict


def compose(order):
    """Returns the notes on one texture, plain values by name.

    Args:
        order (texsynth.command.order.Order): What is made.
    """
    sources, (subject,) = order.sources, order.sources.subjects
    is_composed = isinstance(subject, Composition)
    paths = {
        "target" if sources.is_target else "image": None if is_composed else subject,
        "init": sources.init_path,
        "weights": order.config.weights,
        "out": order.out,
    }
    return {
        # It may be resumed from another folder.
        **{name: path and str(Path(path).absolute()) for name, path in paths.items()},
        "snapshots": order.keeping.snapshots,
        "record": order.keeping.record,
        "comparison": order.keeping.comparison,
        "depth": order.keeping.depth,
        "quality": order.keeping.quality,
        "normal": order.keeping.written and order.keeping.written.convention,
        "repair": sources.mending and sources.mending.as_dict(),
        "composition": subject.as_dict() if is_composed else None,
    }


def read(resumed, path):
    """Returns the :class:`Earlier` of a checkpoint.

    Args:
        resumed (texsynth.Checkpoints): The checkpoint.
        path (pathlib.Path): What it is called in messages.

    Raises:
        texsynth.errors.CheckpointError: It is none of this program.
    """
    notes = resumed.notes
    with resumed.reading():
        # A checkpoint that was not made by the command has none.
        paths = {name: _path(notes.get(name)) for name in _PATHS}
        kept = {
            "snapshots": notes.get("snapshots"),
            "record": notes.get("record", False),
            "comparison": notes.get("comparison", True),
            "depth": notes.get("depth"),
            "quality": notes.get("quality"),
            "normal": notes.get("normal"),
        }
        for name, value in kept.items():
            if type(value) not in _KEPT[name] or (name == "normal" and value not in _NORMALS):
                raise TypeError(f"of the note {name} {value!r}")
        try:
            weights = None if paths["weights"] is None else str(paths["weights"])
            config = Config.from_dict({**resumed.settings, "weights": weights})
            told = notes.get("repair")
            mending = None if told is None else Mending.of(told)
            told = notes.get("composition")
            composed = None if told is None else composition.recalled(told)
        except ConfigError as error:
            raise CheckpointError(f"{path}: {error}") from error
    is_target = paths["target"] is not None
    exemplar = paths["target" if is_target else "image"]
    return Earlier(
        config, exemplar, is_target, paths["init"], paths["out"], mending, composed, kept
    )


_NUMBER = int, type(None)
_KEPT = {
    "snapshots": _NUMBER,
    "record": (bool,),
    "comparison": (bool,),
    "depth": (str, type(None)),
    "quality": _NUMBER,
    "normal": (str, type(None)),
}
"""Types that notes of what is kept may have, by name."""

_NORMALS = (None, *CONVENTIONS)
_PATHS = ("image", "target", "init", "weights", "out")


def _path(noted):
    """The path of a note, or ``None``."""
    if not isinstance(noted, str | None) or "\0" in (noted or ""):
        raise TypeError(f"of a path {noted!r}")
    return None if noted is None else Path(noted)
