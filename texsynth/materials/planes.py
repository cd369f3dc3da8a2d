"""A stack of maps as planes: what is optimised, and what a network for photographs can see.

The network was trained on photographs, 0..255. So that it sees of each map what there is, maps are
scaled: colours as they are, other maps so that their own range becomes 0..255, for in a flat
roughness it would see next to nothing. Of a normal the parts along the surface are taken, x and y,
to one scale: the third follows from them, so that whatever comes of the planes has unit length.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from texsynth.errors import ImageError
from texsynth.images import LUMA
from texsynth.materials import normals
from texsynth.materials.kinds import KINDS, Kind, Map, Stack
from texsynth.typing import Array, Batch

_RARE = 0.1  # per cent of the values at each end of a map that may lie beyond 0..255
_LEAST_RANGE = 1 / 16  # of a map: what is flatter keeps some of its flatness


class _Scaled(NamedTuple):
    """Where a map's planes are, and their scale: ``planes = values * gain + offset``."""

    kind: Kind
    place: slice
    gain: float
    offset: float


class Planes:
    """The planes of stacks that have the kinds of maps and the scales of one stack.

    Maps of one value have no planes: they come back as they are.

    Args:
        stack: The stack whose scales are taken, see :data:`texsynth.materials.kinds.Stack`.

    Attributes:
        number (int): How many planes there are, K.
        places (dict): Which planes a map has, a slice by its kind's name.

    Raises:
        texsynth.errors.ImageError: The stack is unusable, or all its maps are of one value.
    """

    def __init__(self, stack: Mapping[str, Map]) -> None:
        check(stack)
        self.number = 0
        self._flat: dict[str, Map] = {}
        self._scaled: dict[str, _Scaled] = {}
        for name in (name for name in KINDS if name in stack):
            values = stack[name]
            if (values == values[:1, :1]).all():
                self._flat[name] = values[:1, :1]
                continue
            kind = KINDS[name]
            here = _parts(kind, values)
            place = slice(self.number, self.number + here.shape[2])
            self._scaled[name] = _Scaled(kind, place, *_scale(kind, here))
            self.number = place.stop
        if not self._scaled:
            raise ImageError("all maps are of one value: there is no texture in them")
        self.places = {name: each.place for name, each in self._scaled.items()}

    def batch(self, stack: Mapping[str, Map]) -> Batch:
        """Returns the planes of a stack, ``(1, K, H, W)`` float32.

        Args:
            stack: Of the same kinds.
        """
        planes = [
            _parts(each.kind, stack[name]) * np.float32(each.gain) + np.float32(each.offset)
            for name, each in self._scaled.items()
        ]
        return np.ascontiguousarray(np.concatenate(planes, axis=2).transpose(2, 0, 1)[None])

    def stack(self, batch: Batch) -> Stack:
        """Returns the stack of planes; values within 0..1, normals of unit length.

        Args:
            batch: ``(1, K, H, W)`` float32.
        """
        size = batch.shape[2:]
        found = {
            name: np.broadcast_to(value, (*size, value.shape[2])).copy()
            for name, value in self._flat.items()
        }
        for name, each in self._scaled.items():
            values = batch[0, each.place].transpose(1, 2, 0)
            values = (values - np.float32(each.offset)) / np.float32(each.gain)
            if each.kind.is_vector:
                found[name] = normals.encoded(normals.raised(values))
            else:
                found[name] = np.ascontiguousarray(values.clip(0, 1), dtype=np.float32)
        return {name: found[name] for name in KINDS if name in found}

    def picture(self, name: str, batch: Batch) -> Batch:
        """Returns a map as a picture, ``(1, 3, H, W)``, as a network for photographs can see it.

        Colours are as they are, normals have x and y in red and green and 0 in blue, others are
        grey.

        Args:
            name: Its kind's, one of :attr:`places`.
            batch: ``(1, K, H, W)`` float32, planes.
        """
        found = batch[:, self.places[name]]
        if found.shape[1] == 2:
            return np.concatenate([found, np.zeros_like(found[:, :1])], axis=1)
        return np.repeat(found, 3, axis=1) if found.shape[1] == 1 else found

    def signals(self) -> dict[str, list[Array]]:
        """Returns what of each map is seen beside other maps: rows ``(K,)`` over the planes.

        Of a colour that is its brightness, of a normal each of its two parts.
        """
        rows = np.eye(self.number, dtype=np.float32)
        found = {name: list(rows[place]) for name, place in self.places.items()}
        for name, each in self._scaled.items():
            if each.kind.is_colour:
                found[name] = [np.asarray(LUMA, np.float32) @ rows[each.place]]
        return found

    def colours(self) -> dict[str, Array]:
        """Returns the rows that show a map of colours as it is, ``(3, K)`` by its kind's name."""
        rows = np.eye(self.number, dtype=np.float32)
        return {n: rows[each.place] for n, each in self._scaled.items() if each.kind.is_colour}


def check(stack: Mapping[str, Map]) -> None:
    """Makes sure that a stack is one.

    Args:
        stack: Arrays by the names of their kinds.

    Raises:
        texsynth.errors.ImageError: A kind is unknown, a map has another shape or other values than
            its kind, or the maps differ in size.
    """
    if not stack:
        raise ImageError("a stack must have at least one map")
    for name, values in stack.items():
        if name not in KINDS:
            raise ImageError(f"there is no kind of map {name!r}; there are {', '.join(KINDS)}")
        channels = KINDS[name].channels
        if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
            raise ImageError(f"map {name} must be an array of floating-point numbers")
        if values.ndim != 3 or values.shape[2] != channels or values.size == 0:
            raise ImageError(
                f"map {name} must be a (height, width, {channels}) array, not {values.shape}"
            )
        if not (values.min() >= 0 and values.max() <= 1):  # neither holds of NaN
            raise ImageError(f"map {name} must have finite values within 0..1")
    sizes = {name: f"{values.shape[1]}x{values.shape[0]}" for name, values in stack.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ImageError(f"all maps must have one size: {told}")


def _parts(kind: Kind, values: Map) -> Map:
    """What of a map becomes planes, ``(H, W, C)``."""
    return normals.vectors(values)[..., :2] if kind.is_vector else values


def _scale(kind: Kind, values: Map) -> tuple[float, float]:
    """Gain and offset of a map's planes."""
    if kind.is_colour:
        return 255.0, 0.0
    low, high = (float(x) for x in np.percentile(values, [_RARE, 100 - _RARE]))
    # Half of what there is at most lies beyond, as of a map that is nearly all of one value.
    span = max(high - low, float(values.max() - values.min()) / 2, _LEAST_RANGE)
    middle = (low + high) / 2
    if kind.is_vector:  # about 0, which is upright
        span, middle = max(2 * max(abs(low), abs(high)), _LEAST_RANGE), 0.0
    gain = 255 / span
    return gain, 127.5 - gain * middle
