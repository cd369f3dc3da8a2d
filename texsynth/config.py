"""Every setting of a synthesis: its default, and the check of its value, once."""

import math
import numbers
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from texsynth.errors import ConfigError
from texsynth.network import architecture
from texsynth.terms import GRAM_LOSSES, Term, as_layers, check_layers, parse_term

ENGINES = ("auto", "plain", "winograd", "cuda")
PRECISIONS = ("auto", "fp32", "bf16", "tf32")
OPTIMIZERS = ("lbfgs", "adam")
POOLINGS = ("average", "max")
PRESETS = ("auto", "gatys", "regular", "natural", "paper")
NETWORKS = tuple(architecture.NETWORKS)
STARTS = ("noise", "phase")
TILINGS = ("x", "y", "xy")
DEFAULT_LAYERS = {"conv1_1": 1.0, "pool1": 1.0, "pool2": 1.0, "pool3": 1.0, "pool4": 1.0}
LARGEST_SIDE = 65536
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d{1,3})?"
_UNITS = {"k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("kmgt", 1)}

_PLAIN = {
    **dict.fromkeys(("size", "seed", "gpu", "iterations", "levels", "margin", "memory"), int),
    "components": int,
    **dict.fromkeys(("learning_rate", "range_weight"), float),
    **dict.fromkeys(("match_colours", "detail"), bool),
}
_NETWORK_OF_PRESET = {"paper": "vgg19-normalised"}


@dataclass(frozen=True)
class Config:
    """The settings of a synthesis; checked when made.

    Attributes:
        preset: Settings for a kind of texture, see :mod:`texsynth.synthesis.presets`; ``"auto"``
            chooses from the exemplar. It decides those of ``network``, ``iterations``, ``losses``,
            ``start``, ``levels``, ``margin``, ``detail`` and ``match_colours`` that are ``None``.
        network: ``"vgg16"``, ``"vgg19-normalised"`` (Gatys et al. 2015, section 2) or ``"vgg19"``;
            ``None`` becomes the preset's.
        size: Longer side in pixels that the exemplar is first resized to; 0 keeps its size.
        input_range: ``(black, white)`` of image files whose type does not say so: floating-point
            numbers, integers with a sign or beyond 16 bits. ``None`` refuses such files.
        output_size: ``(width, height)`` of the texture in pixels; ``None`` means the size of the
            exemplar.
        iterations: Optimizer steps at full size; the next coarser level takes twice as many, those
            below it four times as many. ``None`` means the preset's.
        optimizer: ``"lbfgs"`` or ``"adam"``.
        learning_rate: Step size for Adam, in grey levels; the article's program uses 4.
        losses: Terms of the loss, :class:`texsynth.Term`; ``None`` means the preset's. May be given
            as texts, such as ``["gram", "autocorrelation=0.5:pool2"]``, or one.
        layers: Weight of each layer's Gram error, by layer name, for terms that name no layers. May
            be given as names alone, each of weight 1.
        components: Principal components of each layer of the exemplar along which Gram losses are
            taken; ``None`` takes all channels.
        pooling: ``"average"`` (Gatys et al. 2015, section 2) or ``"max"`` (VGG as trained).
        start: ``"noise"``, uniform about the mean colour, or ``"phase"``, the exemplar with random
            phases (:func:`texsynth.statistics.spectrum.random_phase`); ``None`` means the preset's.
        levels: Pyramid levels; 1 means full size only, ``None`` means the preset's, or the number
            that the size allows.
        margin: Extra pixels to optimise beyond each edge and crop at the end; ``None`` means the
            preset's.
        detail: Whether each level starts with fine detail of the exemplar, laid where the exemplar
            looks like the coarser level (:mod:`texsynth.synthesis.octave`); ``None`` means the
            preset's.
        tile: Axes along which the texture tiles without a seam: ``"x"``, ``"y"``, ``"xy"``, or
            ``None``.
        match_colours: Whether to match the exemplar's colour histogram at the end; ``None`` means
            the preset's.
        seed: Random seed.
        range_weight: Weight of the penalty that keeps pixels within 0..255.
        weights: Path of a file with the network's weights; ``None`` looks in the usual places and
            downloads them if there are none.
        memory: Device memory that a run may use, in bytes or as ``"4GB"``; ``None`` means four
            fifths of what is free when it begins. A canvas that does not fit as a whole is made in
            blocks, and L-BFGS keeps fewer curvature pairs.
        gpu: CUDA device number; -1 means the CPU.
        engine: How to evaluate the network: ``"plain"``, ``"winograd"`` (fast, CPU only),
            ``"cuda"`` (fast, GPU only), or ``"auto"`` for the fastest that works.
        precision: Precision of the factors of matrix products, whose sums are always float32:
            ``"fp32"``; ``"bf16"`` (8 bits, engine ``"winograd"`` on a processor with AVX512_BF16);
            ``"tf32"`` (11 bits, engine ``"cuda"``); or ``"auto"``, which is ``"bf16"`` where that
            is possible and ``"fp32"`` elsewhere.

    Raises:
        texsynth.errors.ConfigError: (also a ``ValueError``) A value is out of range.
    """

    preset: str = "auto"
    network: str | None = None
    size: int = 300
    input_range: tuple[float, float] | None = None
    output_size: tuple[int, int] | None = None
    iterations: int | None = None
    optimizer: str = "lbfgs"
    learning_rate: float = 4.0
    losses: Sequence[Term | str] | str | None = None
    layers: Mapping[str, float] | Sequence[str] | None = None
    components: int | None = None
    pooling: str = "average"
    start: str | None = None
    levels: int | None = None
    margin: int | None = None
    detail: bool | None = None
    tile: str | None = None
    match_colours: bool | None = None
    seed: int = 0
    range_weight: float = 1e-4
    weights: str | os.PathLike[str] | None = None
    memory: int | str | None = None
    gpu: int = -1
    engine: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        layers = as_layers(DEFAULT_LAYERS if self.layers is None else self.layers)
        if not isinstance(layers, Mapping):
            raise ConfigError(f"layers must be names, or map them to weights, not be {layers!r}")
        if not isinstance(self.weights, str | os.PathLike | None):
            raise ConfigError(f"weights must be a path, not {self.weights!r}")
        if self.weights is not None:
            object.__setattr__(self, "weights", os.fspath(self.weights))
        self._check_numbers()
        _check_choice("engine", self.engine, ENGINES)
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("optimizer", self.optimizer, OPTIMIZERS)
        _check_choice("pooling", self.pooling, POOLINGS)
        _check_choice("preset", self.preset, PRESETS)
        if self.network is None:
            network = _NETWORK_OF_PRESET.get(self.preset, "vgg16")
            object.__setattr__(self, "network", network)
        _check_choice("network", self.network, NETWORKS)
        if self.start is not None:
            _check_choice("start", self.start, STARTS)
        if self.tile is not None:
            _check_choice("tile", self.tile, TILINGS)
        check_layers(layers, self.network)
        layers = {name: float(weight) for name, weight in layers.items()}
        object.__setattr__(self, "layers", layers)
        self._check_losses()

    def _check_numbers(self) -> None:
        _check_integer("size", self.size, 0, LARGEST_SIDE)
        if self.output_size is not None:
            if not isinstance(self.output_size, tuple | list) or len(self.output_size) != 2:
                raise ConfigError(f"output size must be (width, height), not {self.output_size}")
            for side in self.output_size:
                _check_integer("output size", side, 1, LARGEST_SIDE)
            object.__setattr__(self, "output_size", tuple(map(int, self.output_size)))
        if self.input_range is not None:
            ends = check_range("input range", self.input_range)
            object.__setattr__(self, "input_range", ends)
        if self.iterations is not None:
            _check_integer("iterations", self.iterations, 1)
        if self.levels is not None:
            _check_integer("levels", self.levels, 1)
        if self.components is not None:
            _check_integer("components", self.components, 1)
        if self.margin is not None:
            _check_integer("margin", self.margin, 0, LARGEST_SIDE)
        _check_integer("seed", self.seed, 0, 2**64 - 1)
        _check_integer("gpu", self.gpu, -1)
        if isinstance(self.memory, str):
            object.__setattr__(self, "memory", parse_memory(self.memory))
        elif self.memory is not None:
            _check_integer("memory", self.memory, 1)
        _check_positive("learning rate", self.learning_rate)
        _check_not_negative("range weight", self.range_weight)
        if self.match_colours not in (True, False, None):
            raise ConfigError(
                f"match colours must be True, False or None, not {self.match_colours!r}"
            )
        if self.detail not in (True, False, None):
            raise ConfigError(f"detail must be True, False or None, not {self.detail!r}")
        for name, plain in _PLAIN.items():  # NumPy's become Python's
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, plain(value))

    def __hash__(self) -> int:
        values = (getattr(self, each.name) for each in fields(self))
        return hash(tuple(frozenset(v.items()) if isinstance(v, Mapping) else v for v in values))

    @property
    def wrap(self) -> tuple[bool, bool]:
        """``(rows, columns)``: whether top and bottom, left and right, are neighbours."""
        rows, columns = (self.tile is not None and axis in self.tile for axis in "yx")
        return rows, columns

    def _check_losses(self) -> None:
        if self.losses is None:
            return
        losses = (self.losses,) if isinstance(self.losses, str) else self.losses
        if not isinstance(losses, tuple | list) or not losses:
            raise ConfigError(f"losses must be a sequence of terms, not {losses!r}")
        terms = tuple(parse_term(term) if isinstance(term, str) else term for term in losses)
        for term in terms:
            if not isinstance(term, Term):
                raise ConfigError(f"losses must be terms, or texts of them, not {term!r}")
            if term.layers is not None:
                check_layers(term.layers, self.network)
        if not any(term.weight for term in terms):
            raise ConfigError("at least one loss must have a weight above 0")
        if self.components is not None and not any(t.name in GRAM_LOSSES for t in terms):
            raise ConfigError(f"components are of losses {', '.join(GRAM_LOSSES)}; there is none")
        object.__setattr__(self, "losses", terms)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Returns the settings of which :meth:`as_dict` made these values, also by way of JSON.

        Args:
            values (dict): The values; what is missing takes its default.

        Raises:
            texsynth.errors.ConfigError: A name is unknown or a value out of range.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"settings must be names and values, not {values!r}")
        if unknown := values.keys() - {each.name for each in fields(cls)}:
            raise ConfigError(f"unknown settings: {', '.join(sorted(map(str, unknown)))}")
        values = dict(values)
        try:
            if values.get("losses") is not None:
                values["losses"] = tuple(Term(**term) for term in values["losses"])
            return cls(**values)
        except TypeError as error:
            raise ConfigError(f"settings cannot be read: {error}") from error

    def as_dict(self) -> dict[str, Any]:
        """Returns the settings as a dict of plain values, ready for JSON."""
        return asdict(self)


def parse_range(text: str) -> tuple[float, float]:
    """Reads ``"0,1"`` as ``(0.0, 1.0)``: black, white.

    Raises:
        texsynth.errors.ConfigError: The text has another form, or the first is not the lower one.
    """
    match = re.fullmatch(rf" *({_NUMBER}) *, *({_NUMBER}) *", text, re.ASCII | re.IGNORECASE)
    if match is None:
        raise ConfigError(f"input range must look like 0,1 (black, white), not {text!r}")
    return check_range("input range", (float(match[1]), float(match[2])))


def check_range(name: str, ends: Any) -> tuple[float, float]:
    """Returns two numbers as a tuple, once it is sure that they are a range.

    Args:
        name (str): What to call it in messages.
        ends: What should be two finite numbers, the lower first.

    Raises:
        texsynth.errors.ConfigError: It is something else.
    """
    is_pair = isinstance(ends, tuple | list) and len(ends) == 2
    if not is_pair or not all(isinstance(each, numbers.Real) for each in ends):
        raise ConfigError(f"{name} must be two numbers, (black, white), not {ends!r}")
    low, high = map(float, ends)
    if not -math.inf < low < high < math.inf:
        raise ConfigError(
            f"{name} must be two finite numbers, the lower first, not {low:g},{high:g}"
        )
    return low, high


def parse_shares(text: str) -> tuple[float, ...]:
    """Reads ``"0.5,0.5"`` as ``(0.5, 0.5)``: the share of each exemplar in a mixture.

    Raises:
        texsynth.errors.ConfigError: The text has another form, or a share is below 0.
    """
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"shares must look like 0.5,0.5, not {text!r}") from None
    return check_shares(shares)


def check_shares(shares: Sequence[float], number: int | None = None) -> tuple[float, ...]:
    """Returns shares that sum to 1, in proportion to those given.

    Args:
        shares: Finite numbers of at least 0, not all 0.
        number: How many there must be; ``None`` takes any number.

    Raises:
        texsynth.errors.ConfigError: They are something else.
    """
    given = tuple(shares)
    for share in given:
        _check_not_negative("share", share)
    if number is not None and len(given) != number:
        raise ConfigError(f"{number} exemplars need {number} shares, not {len(given)}")
    total = math.fsum(given)
    if not 0 < total < math.inf:
        raise ConfigError("at least one share must be above 0")
    return tuple(float(share) / total for share in given)


def parse_memory(text: str) -> int:
    """Reads ``"4GB"``, ``"500MB"`` or ``"1.5GiB"`` as a number of bytes.

    Args:
        text (str): A number and a unit: k, M, G or T, powers of 1000, or with an i, of 1024; the B
            may be left out, and case does not matter.

    Returns:
        int: Bytes.

    Raises:
        texsynth.errors.ConfigError: It has another form, or is zero.
    """
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+) *([kmgt]i?)b?", text.strip(), re.ASCII | re.IGNORECASE)
    amount = float(match[1]) * _UNITS[match[2].lower()] if match else 0
    if not 1 <= amount < math.inf:
        raise ConfigError(f"memory must look like 4GB, 500MB or 1.5GiB, not {text!r}")
    return int(amount)


def parse_size(text: str) -> tuple[int, int]:
    """Reads ``"384x192"`` as ``(384, 192)``: width, height; and ``"384"`` as a square.

    Raises:
        texsynth.errors.ConfigError: The text has another form.
    """
    match = re.fullmatch(r"(\d{1,9})(?:x(\d{1,9}))?", text, re.ASCII | re.IGNORECASE)
    if match is None:
        raise ConfigError(
            f"output size must look like 384x192 (width x height) or 384 (a square), not {text!r}"
        )
    return int(match[1]), int(match[2] or match[1])


def _check_integer(name: str, value: int, lowest: int, highest: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ConfigError(f"{name} must be a whole number, not {value!r}")
    if value < lowest:
        raise ConfigError(f"{name} must be at least {lowest}, not {value}")
    if highest is not None and value > highest:
        raise ConfigError(f"{name} must be at most {highest}, not {value}")


def _check_positive(name: str, value: float) -> None:
    if not (isinstance(value, numbers.Real) and value > 0 and math.isfinite(value)):
        raise ConfigError(f"{name} must be a positive number, not {value!r}")


def _check_not_negative(name: str, value: float) -> None:
    if not (isinstance(value, numbers.Real) and value >= 0 and math.isfinite(value)):
        raise ConfigError(f"{name} must be a number of at least 0, not {value!r}")


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
