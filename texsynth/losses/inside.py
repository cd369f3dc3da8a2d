"""Activations as losses are shown them: without those near the edges of the image."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from texsynth.compat import chainer
from texsynth.statistics.gram_layers import GramSums, Place
from texsynth.typing import Array

if TYPE_CHECKING:
    from texsynth.kernels.rooms import Rooms


class Inside(Mapping[str, chainer.Variable]):
    """``{layer: (N, C, h, w)}``, each cut when it is first asked for.

    Gram sums are taken of the whole layer, and of each once for all losses.

    Args:
        whole: ``{layer: chainer.Variable}``, ``(N, C, H, W)``.
        places: ``{layer: (rows, columns)}``: slices with both ends, the positions that count.
        rooms (texsynth.kernels.rooms.Rooms): Where gradients are made, if somebody keeps memory.
    """

    def __init__(
        self,
        whole: Mapping[str, chainer.Variable],
        places: Mapping[str, Place],
        rooms: "Rooms | None" = None,
    ) -> None:
        self._whole, self._places, self._rooms = whole, places, rooms
        self._cut: dict[str, chainer.Variable] = {}
        self._sums: dict[str, chainer.Variable] = {}

    def __getitem__(self, name: str) -> chainer.Variable:
        if name not in self._cut:
            self._cut[name] = cut(self._whole[name], self._places[name])
        return self._cut[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole)

    def __len__(self) -> int:
        return len(self._whole)

    def count(self, name: str) -> int:
        """Returns the number of positions of a layer that count."""
        return math.prod(part.stop - part.start for part in self._places[name])

    def gram_sums(self, names: Sequence[str]) -> list[chainer.Variable]:
        """Returns the sums of the products of channels over these positions, ``(N, C, C)`` each.

        Args:
            names: The layers.
        """
        missing = [name for name in names if name not in self._sums]
        if missing:
            function = GramSums([self._places[name] for name in missing], self._rooms)
            sums = function.apply(tuple(self._whole[name] for name in missing))
            self._sums.update(zip(missing, sums, strict=True))
        return [self._sums[name] for name in names]


class _Cut(chainer.FunctionNode):
    """Cuts rows and columns off; the gradient keeps the layout in memory, for engines mind it."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        (x,) = inputs
        self._like = x
        return (x[:, :, *self._place],)

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable]:
        xp = chainer.backend.get_array_module(self._like)
        gx = xp.zeros_like(self._like)
        gx[:, :, *self._place] = grad_outputs[0].array
        return (chainer.as_variable(gx),)


def cut(activations: chainer.Variable, place: Place) -> chainer.Variable:
    """Returns the activations at some positions, or ``activations`` if those are all.

    Args:
        activations (chainer.Variable): ``(N, C, H, W)``.
        place: Rows and columns, slices with both ends.
    """
    if all(
        part.stop - part.start == side
        for part, side in zip(place, activations.shape[2:], strict=True)
    ):
        return activations
    inner: chainer.Variable = _Cut(place).apply((activations,))[0]
    return inner
