"""What an output's PNG says about how it was made: read, limited and checked.

The text is anybody's: whatever has not the expected form is left out, and said to be unusable.
"""

import json
import logging
import math
import warnings
from dataclasses import dataclass

from PIL import Image

from texsynth import images
from texsynth.config import DEFAULT_LAYERS, LARGEST_SIDE, POOLINGS, TILINGS, check_range
from texsynth.files.printable import one_line
from texsynth.losses import make_losses
from texsynth.network import architecture
from texsynth.terms import Term, check_layers

_log = logging.getLogger(__name__)

_MOST_CHARACTERS = 4_000_000
_MOST_TERMS = 32
_MOST_LEVELS = 64
_MOST_STEPS = 200_000


@dataclass(frozen=True)
class Record:
    """How an output was made, as far as its file says so; ``None`` for what it does not.

    Attributes:
        size: Longer side in pixels that the exemplar was brought to; 0 kept it.
        input_range: What was black and what white in the exemplar's file.
        losses: Names of the losses.
        layers: Names of the layers that were optimised, shallow ones first.
        pooling: ``"average"`` or ``"max"``.
        engine: What evaluated the network.
        precision: How the factors of its matrix products were rounded.
        tile: Axes along which it tiles, ``"x"``, ``"y"`` or ``"xy"``; empty if it is not to tile.
        history: Loss after each step, one list of floats for each level.
    """

    size: int | None = None
    input_range: tuple | None = None
    losses: tuple | None = None
    layers: tuple | None = None
    pooling: str | None = None
    engine: str | None = None
    precision: str | None = None
    tile: str | None = None
    history: list | None = None


def read(path):
    """Returns the :class:`Record` in a file; an empty one for a file without.

    Args:
        path: Path of an image that can be read.
    """
    text = _text(path)
    settings = _parsed(path, text, "settings", _settings) or {}
    terms = _parsed(path, text, "scheme", _terms)
    if terms is None and settings.get("layers"):
        terms = [Term("gram")]  # a file of version 0.1, which had no other loss
    return Record(
        size=settings.get("size"),
        input_range=settings.get("input_range"),
        losses=terms and tuple(dict.fromkeys(term.name for term in terms if term.weight)),
        layers=terms and _layers(terms, settings.get("layers") or DEFAULT_LAYERS),
        pooling=settings.get("pooling"),
        engine=_word(text.get("texsynth:engine")),
        precision=_word(text.get("texsynth:precision")),
        tile=settings.get("tile"),
        history=_parsed(path, text, "history", _history),
    )


def _text(path):
    """The texts of a picture; none of what has none."""
    return _text_of_png(path) or images.text_of(path)


def _text_of_png(path):
    """The texts of a PNG, also of one that is damaged further on; none of what is none."""
    with warnings.catch_warnings():
        # Of many pixels; whether they are too many was decided when the image was read.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=["PNG"]) as file:
                return dict(file.text)
        # Other kinds; and texts and profiles that are none of ours, which are read over elsewhere.
        except (OSError, ValueError):
            return {}


def _parsed(path, text, key, convert):
    written = text.get(f"texsynth:{key}")
    if written is None:
        return None
    try:
        _demand(len(written) <= _MOST_CHARACTERS, "it is too long")
        return convert(json.loads(written))
    except (ValueError, OverflowError, RecursionError) as error:
        _log.warning("%s: ignoring its texsynth:%s: %s", path, key, one_line(str(error), 200))
        return None


def _settings(value):
    """Those of the settings that matter here."""
    _demand(isinstance(value, dict), "it is not an object")
    size, layers, pooling = (value.get(key) for key in ("size", "layers", "pooling"))
    size = None if "target" in value else size  # which no exemplar was brought to
    _demand(size is None or (type(size) is int and 0 <= size <= LARGEST_SIDE), "invalid size")
    _demand(pooling is None or pooling in POOLINGS, "unknown pooling")
    tile = value.get("tile") or ("" if "tile" in value else None)
    _demand(not tile or tile in TILINGS, "unknown tiling")
    ends = value.get("input_range")
    ends = None if ends is None else check_range("input range", ends)
    if layers is not None:
        _demand(isinstance(layers, dict), "layers are not an object")
        check_layers(layers)
    return {"size": size, "input_range": ends, "layers": layers, "pooling": pooling, "tile": tile}


def _terms(value):
    _demand(isinstance(value, dict), "it is not an object")
    losses = value.get("losses")
    _demand(isinstance(losses, list) and 0 < len(losses) <= _MOST_TERMS, "it has no losses")
    return [_term(loss) for loss in losses]


def _term(value):
    _demand(isinstance(value, dict) and isinstance(value.get("name"), str), "a loss has no name")
    layers = value.get("layers")
    _demand(layers is None or isinstance(layers, dict), "layers are not an object")
    return Term(value["name"], value.get("weight", 1.0), layers)


def _layers(terms, gram_layers):
    read_by_any = {name for loss in make_losses(terms, gram_layers) for name in loss.layers}
    return tuple(name for name in architecture.VGG19 if name in read_by_any)


def _history(value):
    _demand(
        isinstance(value, list) and 0 < len(value) <= _MOST_LEVELS, "it is not a list of levels"
    )
    _demand(all(isinstance(level, list) for level in value), "a level is not a list")
    _demand(0 < sum(map(len, value)) <= _MOST_STEPS, "no steps, or too many")
    for loss in (loss for level in value for loss in level):
        # JSON's 1e400 is read as infinity, and NaN as NaN.
        _demand(type(loss) in (int, float) and math.isfinite(loss), "a loss is not a finite number")
    return [[float(loss) for loss in level] for level in value]


def _word(text):
    return text if text and len(text) <= 40 and text.isprintable() else None


def _demand(condition, otherwise):
    if not condition:
        raise ValueError(otherwise)
