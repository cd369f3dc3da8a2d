"""What suits a kind of texture: losses, start, levels, margin; and the choice by the exemplar."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from texsynth.config import DEFAULT_LAYERS, Config
from texsynth.errors import ConfigError
from texsynth.statistics import regularity
from texsynth.terms import Term, as_layers
from texsynth.typing import Batch

REGULAR_FROM = 0.3
"""Correlation at the best repeat from which a texture counts as regular; see docs/quality.md."""


_MARGIN = 16
_PAD = 32
_TRIM = 1 / 32  # 8 of 256 pixels
_FRAME = 8  # of 64 pixels
_TOGETHER = Term("correspondence", 0.1)
_FAINT = Term("contrast-gram", 30), Term("scaled-gram", 0.1), Term("band-power", 0.03)
# Of fewer, Gram matrices say where things are, not what they are like.
_LEAST_POSITIONS = 6
_QUICK = 4  # times as few steps, whoever asks for their number; see docs/presets.md


@dataclass(frozen=True)
class Scheme:
    """How a texture is made.

    Attributes:
        name: Name of the preset.
        losses: Terms of the loss, :class:`texsynth.terms.Term`.
        iterations: Optimizer steps at full size; see :func:`texsynth.synthesis.pyramid.plan`.
        start: ``"noise"`` or ``"phase"``.
        levels: Pyramid levels; ``None`` takes the number that the size allows.
        margin: Pixels beyond each edge that are made too, and cut away in the end.
        wraps: Whether opposite edges are neighbours while it is made, in place of a margin.
        pad: Pixels beyond each edge of the exemplar, mirrored, that the network sees too.
        trim: Share of each side of the exemplar that is left out of its statistics at both ends.
        frame: Pixels beyond each edge of the coarsest level that are made as the texture is, and
            cut away before the next.
        least_positions: How many positions along the exemplar's shorter side a layer that nobody
            asked for must have to take part at a coarser level.
        detail: Whether levels start with the exemplar's detail, see
            :mod:`texsynth.synthesis.octave`.
        own_colours: Whether it is optimised in the exemplar's own colours, see
            :mod:`texsynth.statistics.colours`.
        own_units: Whether finer levels measure changes of each pixel in a unit of its own, see
            :func:`texsynth.statistics.contrast.units`.
        match_colours: Whether to match the exemplar's colour histogram at the end.
        why: What in the exemplar led to it; empty if nobody had to choose.
    """

    name: str
    losses: Sequence[Term]
    iterations: int = 45
    start: str = "noise"
    levels: int | None = None
    margin: int = _MARGIN
    wraps: bool = False
    pad: int = _PAD
    trim: float = _TRIM
    frame: int = 0
    least_positions: int = 0
    detail: bool = True
    own_colours: bool = True
    own_units: bool = True
    match_colours: bool = False
    why: str = ""


# The paper as it stands; at one level it takes more steps.
_GATYS = Scheme(
    "gatys",
    (Term("gram"),),
    iterations=180,
    levels=1,
    margin=0,
    pad=0,
    trim=0.0,
    detail=False,
    own_colours=False,
    own_units=False,
)
# With the paper's loss, network (see texsynth.config) and number of steps too, and the last step of
# the authors' notebook.
_PAPER = dataclasses.replace(
    _GATYS, name="paper", losses=(Term("paper-gram"),), iterations=2000, match_colours=True
)
_NATURAL = Scheme(
    "natural",
    (Term("gram"), *_FAINT, _TOGETHER),
    start="phase",
    wraps=True,
    least_positions=_LEAST_POSITIONS,
)
# It does not wrap: what repeats would have to fit the canvas.
_REGULAR = Scheme(
    "regular",
    (Term("gram"), *_FAINT, Term("autocorrelation"), _TOGETHER),
    iterations=60,
    frame=_FRAME,
)

_PRESETS = {scheme.name: scheme for scheme in (_GATYS, _PAPER, _NATURAL, _REGULAR)}

_DECIDED = ("iterations", "losses", "start", "levels", "margin", "detail", "match_colours")


def choose(config: Config, exemplar: Batch) -> Scheme:
    """Returns the scheme of a preset, with what the settings ask for instead.

    Args:
        config (texsynth.Config): The settings.
        exemplar: ``(1, 3, H, W)`` float32, NumPy; looked at if the preset is ``"auto"``.

    Returns:
        Scheme: Complete but for ``levels``, which may be left to the size.
    """
    name, why = config.preset, ""
    if name == "auto":
        repeat = regularity.measure(exemplar)
        name = "regular" if repeat.strength >= REGULAR_FROM else "natural"
        why = _reason(repeat)
    return dataclasses.replace(_PRESETS[name], **_asked(config, name), why=why)


def _asked(config: Config, name: str) -> dict[str, Any]:
    """What the settings decide on in the place of a preset."""
    asked = {key: value for key in _DECIDED if (value := getattr(config, key)) is not None}
    asked |= {"wraps": False} if config.margin is not None else {}
    terms = cast(Sequence[Term], config.losses or ())  # which the settings made of any texts
    has_own_layers = config.layers != as_layers(DEFAULT_LAYERS) or any(
        term.layers is not None for term in terms
    )
    asked |= {"least_positions": 0} if has_own_layers else {}
    return {**asked, "iterations": steps(config, name)}


def choose_for_change(config: Config, exemplar: Batch) -> Scheme:
    """Returns the scheme of a texture that changes over the image.

    ``"auto"`` is ``"natural"`` then: what repeats has no one distance where the texture changes.
    It does not wrap: the texture is another one at the opposite edge.

    Args:
        config (texsynth.Config): The settings.
        exemplar: As for :func:`choose`.
    """
    if config.preset != "auto":
        return unwrapped(choose(config, exemplar))
    scheme = unwrapped(choose(dataclasses.replace(config, preset="natural"), exemplar))
    return dataclasses.replace(scheme, why="the texture changes over the image")


def unwrapped(scheme: Scheme) -> Scheme:
    """Returns a scheme with its margin, where opposite edges are not to be neighbours."""
    return dataclasses.replace(scheme, wraps=False)


def choose_for_statistics(config: Config) -> Scheme:
    """Returns the scheme of a texture of which only statistics are known.

    ``"auto"`` is ``"gatys"`` then, and ``"paper"`` leaves the exemplar's colour histogram.

    Args:
        config (texsynth.Config): The settings.

    Raises:
        texsynth.errors.ConfigError: They need the exemplar itself.
    """
    name, why = config.preset, ""
    if name == "auto":
        name, why = "gatys", "there are only statistics"
    needs = {
        f"preset {name}": name not in ("gatys", "paper"),
        "start phase (--init)": config.start == "phase",
        "detail": config.detail,
        "match colours": config.match_colours,
        "more than one level": (config.levels or 1) > 1,
    }
    for what, is_asked_for in needs.items():
        if is_asked_for:
            raise ConfigError(
                f"{what} needs the exemplar itself, not its statistics; without it, textures are "
                "made as by preset gatys or paper, at one level"
            )
    asked = {**_asked(config, name), "match_colours": False}
    return dataclasses.replace(_PRESETS[name], **asked, why=why)


def steps(config: Config, name: str) -> int:
    """Returns the steps at full size that settings come to, without a look at the exemplar.

    Args:
        config (texsynth.Config): The settings.
        name: The preset that was chosen by them.

    Raises:
        KeyError: There is no such preset.
    """
    taken = _PRESETS[name].iterations if config.iterations is None else config.iterations
    return math.ceil(taken / _QUICK) if config.quick else taken


def _reason(repeat: regularity.Regularity) -> str:
    if repeat.strength >= REGULAR_FROM:
        x, y = repeat.lag
        return f"the exemplar repeats at a shift of {x}, {y} px (correlation {repeat.strength:.2f})"
    return f"nothing in the exemplar repeats (correlation {repeat.strength:.2f} at best)"
