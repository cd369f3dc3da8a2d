"""The terms of a loss as users write them: a loss's name, its weight, and its layers."""

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from texsynth.errors import ConfigError
from texsynth.files.printable import one_line
from texsynth.network import architecture


class Kind(NamedTuple):
    """What is known of a loss without an import of its class, which takes Chainer's second.

    Attributes:
        path: Where its class is in :mod:`texsynth.losses`, as ``module.Class``.
        on_pixels: Whether it works on the pixels themselves and takes no layers.
    """

    path: str
    on_pixels: bool = False


LOSSES = {
    "gram": Kind("gram.GramLoss"),
    "paper-gram": Kind("gram.PaperGramLoss"),
    "centred-gram": Kind("gram.CentredGramLoss"),
    "contrast-gram": Kind("contrast.ContrastGramLoss"),
    "scaled-gram": Kind("gram.ScaledGramLoss"),
    "shifted-gram": Kind("gram.ShiftedGramLoss"),
    "autocorrelation": Kind("autocorrelation.AutocorrelationLoss"),
    "correspondence": Kind("correspondence.CorrespondenceLoss"),
    "spectrum": Kind("pixels.SpectrumLoss", on_pixels=True),
    "wasserstein": Kind("wasserstein.WassersteinLoss"),
    "histogram": Kind("wasserstein.HistogramLoss", on_pixels=True),
    "band-power": Kind("band_power.BandPowerLoss", on_pixels=True),
}
"""The registry of losses, by the names that users give them."""

GRAM_LOSSES = ("gram", "paper-gram", "centred-gram")
"""Those on one matrix a layer, which can be taken along principal components."""

MIXINGS = ("transport", "average")
"""How Gram matrices and covariances are mixed, see :mod:`texsynth.losses.mixing`."""


@dataclass(frozen=True)
class Term:
    """One term of the loss; checked when made.

    Attributes:
        name: One of :data:`LOSSES`.
        weight: Weight of the whole term.
        layers: Weight of each layer by name; ``None`` means the loss's own default. May be given as
            names alone, each of weight 1.

    Raises:
        texsynth.errors.ConfigError: A name is unknown or a weight out of range.
    """

    name: str
    weight: float = 1.0
    layers: Mapping[str, float] | Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.name not in tuple(LOSSES):  # which any value can be looked for in
            raise ConfigError(f"loss must be one of {', '.join(LOSSES)}, not {self.name!r}")
        check_weight(f"weight of loss {self.name}", self.weight)
        object.__setattr__(self, "weight", float(self.weight))  # NumPy's become plain
        if self.layers is not None and LOSSES[self.name].on_pixels:
            raise ConfigError(f"loss {self.name} works on the pixels and takes no layers")
        if self.layers is not None:
            layers = as_layers(self.layers)
            check_layers(layers)
            plain = {name: float(weight) for name, weight in layers.items()}
            object.__setattr__(self, "layers", plain)

    def __hash__(self) -> int:
        layers = None if self.layers is None else frozenset(as_layers(self.layers).items())
        return hash((self.name, self.weight, layers))


def parse_layers(text: str) -> dict[str, float]:
    """Reads ``"conv1_1,pool1=0.5"`` as ``{"conv1_1": 1.0, "pool1": 0.5}``.

    Args:
        text: Layer names with commas between them; ``=WEIGHT`` behind a name sets its weight.

    Raises:
        texsynth.errors.ConfigError: A weight is no number, or a layer is named twice.
    """
    layers: dict[str, float] = {}
    for item in text.split(","):
        name, weight = _name_and_weight(item, "layer", "layers must look like conv1_1,pool1=0.5")
        if name in layers:
            raise ConfigError(f"layer {name} is named twice")
        layers[name] = weight
    return layers


def parse_term(text: str) -> Term:
    """Reads ``"autocorrelation=0.5:pool1,pool2=2"`` as a :class:`Term`.

    Args:
        text: A loss's name; ``=WEIGHT`` behind it sets its weight, ``:LAYERS`` its layers as
            :func:`parse_layers` reads them.

    Raises:
        texsynth.errors.ConfigError: It has another form, or a name is unknown.
    """
    head, colon, layers = text.partition(":")
    name, weight = _name_and_weight(
        head, "loss", "a loss must look like gram or autocorrelation=0.5:pool1,pool2"
    )
    return Term(name, weight, parse_layers(layers) if colon else None)


def _name_and_weight(item: str, what: str, form: str) -> tuple[str, float]:
    name, equals, weight = (part.strip() for part in item.partition("="))
    if not name:
        raise ConfigError(f"{form}, not {item!r}")
    try:
        return name, float(weight) if equals else 1.0
    except ValueError:
        raise ConfigError(
            f"weight of {what} {one_line(name)} must be a number, not {weight!r}"
        ) from None


def check_weight(name: str, value: Any) -> None:
    """Raises a ConfigError unless a value is a finite number of at least 0.

    Args:
        name (str): What to call it.
        value: What to check.
    """
    try:
        number = float(value) if isinstance(value, numbers.Real) else math.nan
    except OverflowError:  # of a whole number that no float holds
        number = math.inf
    if not 0 <= number < math.inf:
        raise ConfigError(f"{name} must be a number of at least 0, not {value!r}")


def as_layers(layers: Any) -> Any:
    """Returns ``{name: weight}`` of what names layers; what does not is left for the check.

    Args:
        layers: Weights by name; or names, each of weight 1; or a text for :func:`parse_layers`.

    Raises:
        texsynth.errors.ConfigError: A layer is named twice, or the text has another form.
    """
    if isinstance(layers, str):
        return parse_layers(layers)
    if isinstance(layers, tuple | list) and all(isinstance(name, str) for name in layers):
        if twice := [name for name in layers if layers.count(name) > 1]:
            raise ConfigError(f"layer {twice[0]} is named twice")
        return dict.fromkeys(layers, 1.0)
    return layers


def check_layers(layers: Any, network: str | None = None) -> None:
    """Raises a ConfigError unless these are known layers, one of them with a weight above 0.

    Args:
        layers (Mapping): Weight of each layer by name.
        network: That has them, a name of :data:`texsynth.network.architecture.NETWORKS`; ``None``
            takes those of any.
    """
    if not isinstance(layers, Mapping):
        raise ConfigError(f"layers must map names to weights, not be {layers!r}")
    if not layers:
        raise ConfigError("layers must name at least one layer")
    for name, weight in layers.items():
        table = architecture.VGG19 if network is None else architecture.NETWORKS[network]
        if name not in table:
            owner = "VGG19" if network is None else f"network {network}"
            raise ConfigError(f"layer {name!r} is unknown; {owner} has {', '.join(table)}")
        check_weight(f"weight of layer {name}", weight)
    if not any(layers.values()):
        raise ConfigError("at least one layer must have a weight above 0")
