"""Targets of several exemplars made one: what a mixture of their textures is to have.

Gram matrices and covariances are taken as what they are of Gaussians, and mixed on the way of the
least transport (:mod:`texsynth.statistics.transport`), or averaged. What else is measured is
averaged: correlations lag by lag, distributions quantile by quantile. Patches are those of all.
"""

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from texsynth.compat import chainer
from texsynth.errors import ConfigError
from texsynth.losses.autocorrelation import AutocorrelationLoss
from texsynth.losses.band_power import BandPowerLoss
from texsynth.losses.correspondence import CorrespondenceLoss
from texsynth.losses.gram import CentredGramLoss, GramLoss, ShiftedGramLoss
from texsynth.losses.loss import TINY, AdditiveLoss, Loss
from texsynth.losses.pixels import RangePenalty
from texsynth.losses.wasserstein import HistogramLoss, WassersteinLoss
from texsynth.statistics import correspondence, gram, transport, wasserstein
from texsynth.terms import LOSSES
from texsynth.typing import Array

Moments: TypeAlias = tuple[chainer.Variable, chainer.Variable]
"""Means of the products of channels, ``(1, C, C)``, and of channels, ``(1, C)``."""


class MomentsOf(AdditiveLoss):
    """What Gram matrices are mixed of: the first two moments of each layer. It measures nothing.

    Args:
        weights: Weight of each layer by name; a layer of weight 0 is left out.
    """

    def sums(
        self, activations: chainer.Variable | Array, mask: Array | None = None
    ) -> tuple[chainer.Variable, ...]:
        """Returns the sums of products of channels, ``(N, C, C)``, and of channels, ``(N, C)``."""
        return gram.gram_sum(activations, mask)[0], gram.channel_sum(activations, mask)

    def finalise(self, sums: tuple[chainer.Variable, ...], count: float) -> Any:
        """Returns the :data:`Moments`."""
        products, channels = sums
        return gram.finalise(products, count), channels / count


def measured(losses: Sequence[Loss]) -> list[Loss]:
    """Returns losses whose targets are to be made of each exemplar, for :func:`mixed`.

    Args:
        losses: Those of the mixture, all of this package.

    Raises:
        texsynth.errors.ConfigError: One cannot be mixed.
    """
    return [_measured(loss) for loss in losses]


def _measured(loss: Loss) -> Loss:
    if isinstance(loss, GramLoss | CentredGramLoss):
        return MomentsOf(loss.weights)
    if type(loss) not in _MIXED:
        names: dict[str, str] = {kind.path.split(".")[1]: name for name, kind in LOSSES.items()}
        inner = getattr(loss, "inner", loss)
        name, along = type(inner).__name__, "" if inner is loss else " along components"
        raise ConfigError(f"loss {names.get(name, name)}{along} cannot be mixed")
    return loss


def mixed(loss: Loss, targets: Sequence[Any], shares: Sequence[float], transports: bool) -> Any:
    """Returns the target of a mixture.

    Args:
        loss: A loss of the mixture.
        targets: What :func:`measured` made of it has as target of each exemplar.
        shares: One above 0 for each exemplar; they sum to 1.
        transports: Whether covariances are mixed on the way of the least transport, and Gram
            matrices by it; otherwise they are averaged.
    """
    if isinstance(loss, GramLoss | CentredGramLoss):
        is_centred = isinstance(loss, CentredGramLoss)
        return {
            name: _second_order([each[name] for each in targets], shares, transports, is_centred)
            for name in loss.layers
        }
    return targets[0] if len(targets) == 1 else _MIXED[type(loss)](targets, shares)


def _second_order(
    moments: Sequence[Moments], shares: Sequence[float], transports: bool, is_centred: bool
) -> Any:
    """The Gram matrix of a mixture, or its covariance, a ``chainer.Variable`` ``(1, C, C)``."""
    is_average = len(moments) == 1 or not transports
    if is_average and not is_centred:
        return _average([products for products, _ in moments], shares)
    covariances = [products - _outer(mean) for products, mean in moments]
    if is_average:
        return _average(covariances, shares)
    covariance = _transported([each.array for each in covariances], shares)
    if is_centred:
        return covariance
    return covariance + _outer(_average([mean for _, mean in moments], shares))


def _transported(covariances: Sequence[Array], shares: Sequence[float]) -> chainer.Variable:
    """The covariance on the way of the least transport, of ``(1, C, C)`` on any device."""
    device = chainer.backend.get_device_from_array(covariances[0])
    host = chainer.get_device("@numpy")
    found = transport.barycentre([host.send(each)[0] for each in covariances], shares)
    return chainer.Variable(device.send(found[None].astype(covariances[0].dtype)))


def _outer(mean: chainer.Variable) -> chainer.Variable:
    column = chainer.functions.expand_dims(mean, 2)
    outer: chainer.Variable = chainer.functions.matmul(column, column, transb=True)
    return outer


def _average(values: Sequence[Any], shares: Sequence[float]) -> Any:
    if len(values) == 1:
        return values[0]
    first, *others = (value * share for value, share in zip(values, shares, strict=True))
    return sum(others, start=first)


def _averaged_lags(
    targets: Sequence[Mapping[str, tuple[Any, Array | None]]], shares: Sequence[float]
) -> dict[str, tuple[Any, Array | None]]:
    """Autocorrelations, at the lags that all have."""
    mixture = {}
    for name in targets[0]:
        theirs = [each[name] for each in targets]
        shapes = [found.shape for found, _ in theirs]
        down, across = min(shape[2] // 2 for shape in shapes), min(shape[3] for shape in shapes)

        def common(array: Any, down: int = down, across: int = across) -> Array:
            middle = array.shape[2] // 2
            return chainer.as_array(array)[:, :, middle - down : middle + down + 1, :across]

        pairs = [common(there) for _, there in theirs if there is not None]
        both = functools.reduce(operator.mul, pairs) if pairs else None
        mixture[name] = _average([common(found) for found, _ in theirs], shares), both
    return mixture


def _averaged_shifts(
    targets: Sequence[Mapping[str, Mapping[Any, Any]]], shares: Sequence[float]
) -> dict[str, Any]:
    """Gram matrices between shifted positions, for the shifts that all have."""
    mixture = {}
    for name in targets[0]:
        common = set.intersection(*(set(each[name]) for each in targets))
        mixture[name] = {d: _average([each[name][d] for each in targets], shares) for d in common}
    return mixture


def _averaged_quantiles(
    targets: Sequence[Mapping[str, tuple[Array, Array, Any]]], shares: Sequence[float]
) -> dict[str, tuple[Array, Array, Any]]:
    """Sorted projections: the mean in the Wasserstein distance, along each direction."""
    mixture = {}
    for name, (vectors, _, _) in targets[0].items():
        count = max(each[name][1].shape[2] for each in targets)
        ordered = _average([wasserstein.resample(each[name][1], count) for each in targets], shares)
        mixture[name] = vectors, ordered, 1 / ((ordered**2).mean() + TINY)
    return mixture


def _all_patches(
    targets: Sequence[Mapping[str, correspondence.Patches | None]], shares: Sequence[float]
) -> dict[str, correspondence.Patches | None]:
    """The patches of all exemplars, whatever their shares: each is to be one that there is."""
    mixture: dict[str, correspondence.Patches | None] = {}
    for name in targets[0]:
        theirs = [patches for each in targets if (patches := each[name]) is not None]
        is_whole = len(theirs) == len(targets)
        mixture[name] = correspondence.merged(theirs) if is_whole else None
    return mixture


def _averaged_powers(targets: Sequence[Array], shares: Sequence[float]) -> Array:
    """Powers of bands by their logarithms, as the loss compares them."""
    xp = chainer.backend.get_array_module(targets[0])
    mixture: Array = xp.exp(_average([xp.log(each) for each in targets], shares))
    return mixture


_MIXED: dict[type, Any] = {
    AutocorrelationLoss: _averaged_lags,
    BandPowerLoss: _averaged_powers,
    CorrespondenceLoss: _all_patches,
    HistogramLoss: _averaged_quantiles,
    RangePenalty: lambda targets, shares: cast(None, targets[0]),
    ShiftedGramLoss: _averaged_shifts,
    WassersteinLoss: _averaged_quantiles,
}
