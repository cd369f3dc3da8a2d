"""A Gram loss on the principal components of each layer: fewer numbers, of more weight."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Self

from texsynth.compat import chainer
from texsynth.losses.gram import CentredGramLoss, GramLoss
from texsynth.losses.loss import Activations, AdditiveLoss, Masks, Partial
from texsynth.statistics import components
from texsynth.typing import Array


class Leading(NamedTuple):
    """The target of a layer.

    Attributes:
        basis: ``(C, K)``, the directions; ``None`` if there are no more than K channels.
        matrix: ``(1, K, K)`` array, the exemplar's statistic along them.
    """

    basis: Array | None
    matrix: Array


class ComponentsLoss(AdditiveLoss):
    """A Gram loss along the K leading eigenvectors of the exemplar's own matrix, at each layer.

    With ``V`` of these as columns: the inner loss of ``V^T G V`` and ``V^T T V``. A layer then has
    ``K (K + 1) / 2`` parameters in the place of ``C (C + 1) / 2``, as Gatys et al. 2015 reduce
    theirs (section 4, figure 3). Differs from them: the components are those of the exemplar's
    layer, not of natural images; what they leave out of it is least.

    Args:
        inner: The loss on matrices, a :class:`texsynth.losses.gram.GramLoss` or the like.
        number (int): K, at least 1; a layer of fewer channels is taken whole.

    Attributes:
        inner: The same.
        number (int): The same.
    """

    def __init__(self, inner: GramLoss | CentredGramLoss, number: int) -> None:
        super().__init__(inner.weights)
        self.inner, self.number = inner, number

    def of_layers(self, names: Collection[str]) -> Self:
        """Returns the loss at some of its layers alone, see :meth:`LayerLoss.of_layers`.

        Args:
            names: As there.
        """
        fewer = super().of_layers(names)
        fewer.inner = self.inner.of_layers(names)
        return fewer

    def sums(
        self, activations: chainer.Variable | Array, mask: Array | None = None
    ) -> tuple[chainer.Variable, ...]:
        """Returns the sums of the inner loss: of all channels, for parts may not know the basis.

        Args:
            activations: See :meth:`texsynth.losses.loss.AdditiveLoss.sums`.
            mask: As there.
        """
        return self.inner.sums(activations, mask)

    def sums_gradient(
        self, activations: Array, gradients: Sequence[Array], mask: Array | None = None
    ) -> Array:
        """Returns the gradient for activations, as the inner loss does.

        Args:
            activations: See :meth:`texsynth.losses.loss.AdditiveLoss.sums_gradient`.
            gradients: As there.
            mask: As there.
        """
        return self.inner.sums_gradient(activations, gradients, mask)

    def finalise(self, sums: tuple[chainer.Variable, ...], count: float) -> chainer.Variable:
        """Returns the inner loss's matrix, ``(N, C, C)``."""
        return self.inner.finalise(sums, count)

    def summary(self, partials: Mapping[str, Partial]) -> dict[str, Leading]:
        """Returns the target from sums over the exemplar, see :class:`AdditiveLoss`.

        Args:
            partials: As there.
        """
        return self._leading(self.inner.summary(partials))

    def recalled(self, moments: Mapping[str, Any]) -> dict[str, Leading]:
        """Returns the target from statistics, see :meth:`texsynth.losses.gram.GramLoss.recalled`.

        Args:
            moments: As there.
        """
        return self._leading(self.inner.recalled(moments))

    def measure(
        self,
        activations: Activations,
        target: Mapping[str, Leading],
        masks: Masks | None = None,
    ) -> chainer.Variable:
        """Returns the loss of a candidate; projects first, so that products are of K channels.

        Args:
            activations: As for :class:`AdditiveLoss`.
            target: What :meth:`target` or :meth:`recalled` returned.
            masks: As there.
        """
        projected = {name: _along(activations[name], target[name].basis) for name in self.layers}
        matrices = {name: each.matrix for name, each in target.items()}
        return self.inner.measure(projected, matrices, masks)

    def distance(self, statistic: chainer.Variable, target: Leading) -> chainer.Variable:
        """Returns the inner loss's distance along the components, a scalar.

        Args:
            statistic (chainer.Variable): ``(N, C, C)``, of the candidate.
            target (Leading): Of the exemplar.
        """
        basis = target.basis
        if basis is not None:
            matmul = chainer.functions.matmul
            statistic = matmul(basis.T[None], matmul(statistic, basis[None]))
        return self.inner.distance(statistic, target.matrix)

    def _leading(self, matrices: Mapping[str, chainer.Variable]) -> dict[str, Leading]:
        return {name: self._of_layer(matrix.array) for name, matrix in matrices.items()}

    def _of_layer(self, matrix: Array) -> Leading:
        if self.number >= matrix.shape[1]:
            return Leading(None, matrix)
        basis = components.leading(matrix, self.number)
        return Leading(basis, basis.T @ matrix @ basis)


def _along(x: chainer.Variable | Array, basis: Array | None) -> chainer.Variable | Array:
    return x if basis is None else components.project(x, basis)
