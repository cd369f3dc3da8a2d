"""Adam on a GPU: what :class:`texsynth.optimizers.adam.Adam` does, decided on the device."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from texsynth import cuda
from texsynth.compat import chainer
from texsynth.optimizers.contract import check_kind
from texsynth.optimizers.device_steps import Reading, Replayed, on_device
from texsynth.typing import Array

_THREADS = 256
_MOST_BLOCKS = 512  # whose largest gradients one thread looks through
_STATE = np.dtype(
    [
        ("loss", "f8"),
        *((name, "i4") for name in ("status", "nowhere", "failures")),
        *((name, "f8") for name in ("first", "best", "rate")),
        *((name, "i4") for name in ("t", "has_first", "has_best", "is_back")),
        *((name, "i4") for name in ("improves", "goes_back")),
        ("step", "f4"),
    ],
    align=True,
)
_NAMES = tuple(_STATE.names or ())
_ACCEPTED, _AGAIN = 0, 1
_REASONS = {
    2: "the loss of the start is not finite",
    3: "the loss was not finite, or 10 times that of the start, 3 times in a row",
}


class DeviceAdam(chainer.Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1) for an image on a GPU.

    The same steps as :class:`texsynth.optimizers.adam.Adam`, to rounding, with the same way back
    from where loss or gradient is not finite.

    Args:
        learning_rate (float): Step size in grey levels.

    Attributes:
        stop_reason (str): Why no further step can be taken; ``None`` as long as one can.
    """

    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        self._learning_rate = learning_rate
        self.stop_reason: str | None = None
        self._last = math.nan  # loss

    def setup(self, link: chainer.Link) -> Any:
        """Takes the one parameter of a link, on a GPU, as the image to optimise."""
        (self._image,) = link.params()
        xp = chainer.backend.get_array_module(self._image.array)
        self._n = n = self._image.array.size
        self._m, self._v, self._best = (xp.zeros(n, np.float32) for _ in range(3))
        self._parts = xp.empty(min(_MOST_BLOCKS, cuda.blocks(n, _THREADS)), np.float32)
        self._loss = xp.zeros((), np.float32)
        state = np.zeros((), _STATE)
        state["rate"] = self._learning_rate
        self._state = Reading(xp, state, ("loss", "status", "nowhere"))
        self._kernel = cuda.load(__package__, "adam")
        self._stepping = Replayed(self._launch)
        return super().setup(link)

    def update(self, lossfun: Callable[..., Any], *args: Any) -> float:
        """Takes one step.

        Args:
            lossfun: Returns the loss, a float or an array of the device that has no dimensions, and
                leaves the gradient in the parameter.
            args: Handed to ``lossfun``.

        Returns:
            float: The loss at the beginning of the step; not a number if nothing came of the start.
        """
        status = _AGAIN
        while status == _AGAIN and self.stop_reason is None:
            loss = lossfun(*args)
            loss = on_device(loss, self._loss)
            self._stepping(self._image.array, self._image.grad, loss)
            self._last, status, is_nowhere = self._state.read()
            self.t = self.t + 1 if status == _ACCEPTED else 0
            if is_nowhere:  # the next evaluation goes back from there
                status = _AGAIN
        if status != _ACCEPTED:
            self.stop_reason = self.stop_reason or _REASONS[int(status)]
        return float(self._last)

    def _launch(self, image: Array, gradient: Array, loss: Array) -> None:
        n, count = np.int64(self._n), self._parts.size
        state = self._state.array
        self._kernel("measure")((count,), (_THREADS,), (gradient, n, self._parts))
        self._kernel("decide")((1,), (1,), (state, self._parts, np.int32(count), loss))
        arrays = image, gradient, self._m, self._v, self._best
        self._kernel("advance")((cuda.blocks(self._n, _THREADS),), (_THREADS,), (state, *arrays, n))
        self._state.enqueue()

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Returns what a later :meth:`restore` needs: plain fields, and arrays by name."""
        scalars = self._state.whole()
        fields = {
            "t": self.t,
            "stop_reason": self.stop_reason,
            "scalars": {name: scalars[name].item() for name in _NAMES},
        }
        if not scalars["has_best"]:
            return fields, {}
        shape = self._image.array.shape
        arrays = {"m": self._m, "v": self._v, "best": self._best}
        return fields, {name: array.reshape(shape) for name, array in arrays.items()}

    def restore(self, fields: Mapping[str, Any], array: Callable[[str], Array]) -> None:
        """Goes on from where :meth:`state` was taken; the image is restored by the caller.

        Args:
            fields (dict): The fields.
            array: Function from a name to that array, on the image's device.

        Raises:
            KeyError: A field or an array is missing.
            texsynth.errors.CheckpointError: :class:`texsynth.optimizers.adam.Adam` made them.
        """
        check_kind(fields, decided_on_device=True)
        scalars = np.zeros((), _STATE)
        for name in _NAMES:
            scalars[name] = fields["scalars"][name]
        self.t, self.stop_reason = fields["t"], fields["stop_reason"]
        self._last = float(scalars["loss"])
        self._state.set(scalars)
        if scalars["has_best"]:
            for name, own in (("m", self._m), ("v", self._v), ("best", self._best)):
                own[...] = array(name).ravel()
