"""The notes that the command keeps with a checkpoint: where everything was, to go on from it."""

from pathlib import Path
from typing import NamedTuple

from texsynth.command.mending import Mending
from texsynth.config import Config
from texsynth.errors import CheckpointError, ConfigError


class Earlier(NamedTuple):
    """What a checkpoint tells of the command that saved it.

    Attributes:
        config (texsynth.Config): The settings.
        image_path (pathlib.Path): The exemplar, or the statistics in its place; ``None`` if a
            library saved it, which notes nothing. So are the next two.
        is_target (bool): Whether it is statistics.
        init_path (pathlib.Path): The image to start from, or ``None``.
        out (pathlib.Path): The file or folder to write to, or ``None``.
        mending (texsynth.command.mending.Mending): What of the image is made anew, or ``None``.
        kept (dict): Steps between ``snapshots``, or ``None``; whether a ``record`` and a
            ``comparison`` are written; ``depth`` and ``quality`` of the texture, or ``None``.
    """

    config: Config
    image_path: Path | None
    is_target: bool
    init_path: Path | None
    out: Path | None
    mending: Mending | None
    kept: dict


def compose(order):
    """Returns the notes on one texture, plain values by name.

    Args:
        order (texsynth.command.order.Order): What is made.
    """
    sources = order.sources
    paths = {
        "target" if sources.is_target else "image": sources.image_paths[0],
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
        "repair": sources.mending and sources.mending.as_dict(),
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
        }
        for name, value in kept.items():
            if type(value) not in _KEPT[name]:
                raise TypeError(f"of the note {name} {value!r}")
        try:
            weights = None if paths["weights"] is None else str(paths["weights"])
            config = Config.from_dict({**resumed.settings, "weights": weights})
            told = notes.get("repair")
            mending = None if told is None else Mending.of(told)
        except ConfigError as error:
            raise CheckpointError(f"{path}: {error}") from error
    is_target = paths["target"] is not None
    exemplar = paths["target" if is_target else "image"]
    return Earlier(config, exemplar, is_target, paths["init"], paths["out"], mending, kept)


_NUMBER = int, type(None)
_KEPT = {
    "snapshots": _NUMBER,
    "record": (bool,),
    "comparison": (bool,),
    "depth": (str, type(None)),
    "quality": _NUMBER,
}
"""Types that notes of what is kept may have, by name."""

_PATHS = ("image", "target", "init", "weights", "out")


def _path(noted):
    """The path of a note, or ``None``."""
    if not isinstance(noted, str | None) or "\0" in (noted or ""):
        raise TypeError(f"of a path {noted!r}")
    return None if noted is None else Path(noted)
