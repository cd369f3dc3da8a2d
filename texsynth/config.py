"""Every setting of a synthesis: its default, and the check of its value, once."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from texsynth.errors import ConfigError
from texsynth.network import architecture
from texsynth.terms import GRAM_LOSSES, Term, as_layers, check_layers, parse_term
from texsynth.values import (
    check_at_least,
    check_choice,
    check_integer,
    check_not_negative,
    check_positive,
    check_range,
    parse_memory,
)

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

_PLAIN = {
    **dict.fromkeys(("size", "seed", "gpu", "iterations", "levels", "margin", "memory"), int),
    "components": int,
    **dict.fromkeys(("learning_rate", "range_weight", "flatten"), float),
    **dict.fromkeys(("match_colours", "detail", "quick"), bool),
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
        flatten: Slow drifts of light and colour are taken out of the exemplar first: what varies
            more slowly than a Gaussian of this deviation, in pixels of the exemplar at its
            ``size`` (:func:`texsynth.images.without_drift`); ``None`` leaves it as it is.
        input_range: ``(black, white)`` of image files whose type does not say so: floating-point
            numbers, integers with a sign or beyond 16 bits. ``None`` refuses such files.
        output_size: ``(width, height)`` of the texture in pixels; ``None`` means the size of the
            exemplar.
        iterations: Optimizer steps at full size; the next coarser level takes twice as many, those
            below it five times as many. ``None`` means the preset's. With 0 the texture is what it
            starts from.
        quick: Whether a quarter of these steps is taken at each level, for a picture to judge by.
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
        margin: Extra pixels to optimise beyond each edge and crop at the end; ``None`` means what
            the preset has: so many, or opposite edges that are neighbours.
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
    flatten: float | None = None
    input_range: tuple[float, float] | None = None
    output_size: tuple[int, int] | None = None
    iterations: int | None = None
    quick: bool = False
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
        check_choice("engine", self.engine, ENGINES)
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("pooling", self.pooling, POOLINGS)
        check_choice("preset", self.preset, PRESETS)
        if self.network is None:
            network = _NETWORK_OF_PRESET.get(self.preset, "vgg16")
            object.__setattr__(self, "network", network)
        check_choice("network", self.network, NETWORKS)
        if self.start is not None:
            check_choice("start", self.start, STARTS)
        if self.tile is not None:
            check_choice("tile", self.tile, TILINGS)
        check_layers(layers, self.network)
        layers = {name: float(weight) for name, weight in layers.items()}
        object.__setattr__(self, "layers", layers)
        self._check_losses()

    def _check_numbers(self) -> None:
        check_integer("size", self.size, 0, LARGEST_SIDE)
        if self.output_size is not None:
            if not isinstance(self.output_size, tuple | list) or len(self.output_size) != 2:
                raise ConfigError(f"output size must be (width, height), not {self.output_size}")
            for side in self.output_size:
                check_integer("output size", side, 1, LARGEST_SIDE)
            object.__setattr__(self, "output_size", tuple(map(int, self.output_size)))
        if self.input_range is not None:
            ends = check_range("input range", self.input_range)
            object.__setattr__(self, "input_range", ends)
        if self.iterations is not None:
            check_integer("iterations", self.iterations, 0)
        if self.levels is not None:
            check_integer("levels", self.levels, 1)
        if self.components is not None:
            check_integer("components", self.components, 1)
        if self.margin is not None:
            check_integer("margin", self.margin, 0, LARGEST_SIDE)
        check_integer("seed", self.seed, 0, 2**64 - 1)
        check_integer("gpu", self.gpu, -1)
        if isinstance(self.memory, str):
            object.__setattr__(self, "memory", parse_memory(self.memory))
        elif self.memory is not None:
            check_integer("memory", self.memory, 1)
        if self.flatten is not None:
            check_at_least("flatten", self.flatten, 1)
        check_positive("learning rate", self.learning_rate)
        check_not_negative("range weight", self.range_weight)
        if self.quick not in (True, False):
            raise ConfigError(f"quick must be True or False, not {self.quick!r}")
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
