"""L-BFGS on a GPU: what :class:`texsynth.optimizers.lbfgs.LBFGS` does, decided on the device.

The host launches a trial and reads once, what became of it: nothing waits for the host in between.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from texsynth import cuda
from texsynth.compat import chainer
from texsynth.optimizers.contract import Stopped
from texsynth.optimizers.device_steps import Reading, Replayed, on_device
from texsynth.typing import Array

_THREADS = 256
_ROWS = 4  # of the matrix of pairs, that a block of threads multiplies at once
_MOST_PAIRS = 64
_OWN = 7  # numbers of a trial that belong to no pair
_SMALLEST_CHUNK, _MOST_CHUNKS = 2048, 512  # values of the image that a block adds up

_STATE = np.dtype(
    [
        ("loss", "f8"),
        *((name, "i4") for name in ("status", "ends", "trials", "stands", "count", "newest")),
        *((name, "i4") for name in ("moves", "keeps", "turns")),
        *((name, "f8") for name in ("slope", "step", "first_step", "largest", "squared")),
    ],
    align=True,
)
_NAMES = tuple(_STATE.names or ())
_ACCEPTED, _AGAIN = 0, 1
_REASONS = {
    2: "the loss of the start is not finite",
    3: "the gradient of the start is not finite",
    4: "the gradient is zero",
    5: "no step along the gradient lowers the loss",
}
_NO_START = (_REASONS[2], _REASONS[3])
_CODES = {reason: code for code, reason in _REASONS.items()}


class DeviceLBFGS(chainer.Optimizer):
    """Limited-memory BFGS with a backtracking line search, without a team, for an image on a GPU.

    The same steps as :class:`texsynth.optimizers.lbfgs.LBFGS`, to rounding. Curvature pairs are
    rows of one matrix; the two-loop recursion is done on coefficients, from a table of inner
    products (Chen, Wang and Zhou 2014, *Large-scale L-BFGS using MapReduce*, algorithm 3), in
    float64.

    Args:
        memory (int): Curvature pairs to keep, at most 64; each takes two images of memory.
        first_step (float): As for :class:`texsynth.optimizers.lbfgs.LBFGS`.

    Attributes:
        stop_reason (str): Why no further step can be taken; ``None`` as long as one can.
    """

    def __init__(self, memory: int = 20, first_step: float = 20.0) -> None:
        super().__init__()
        if not 1 <= memory <= _MOST_PAIRS:
            raise ValueError(f"memory must be from 1 to {_MOST_PAIRS}, not {memory}")
        if not (first_step > 0 and math.isfinite(first_step)):
            raise ValueError(f"first_step must be a positive number, not {first_step}")
        self._memory, self._first_step = memory, first_step
        self.stop_reason: str | None = None
        self._ends: int | None = None
        self._last = math.nan  # loss

    def setup(self, link: chainer.Link) -> Any:
        """Takes the one parameter of a link, on a GPU, as the image to optimise.

        Raises:
            ValueError: The link has not exactly one parameter.
        """
        parameters = list(link.params())
        if len(parameters) != 1:
            raise ValueError(f"L-BFGS takes a link with one parameter, not {len(parameters)}")
        self._image = parameters[0]
        self._make_arrays()
        return super().setup(link)

    def update(self, lossfun: Callable[..., Any], *args: Any) -> float:
        """Takes one step, which may compute loss and gradient more than once.

        Args:
            lossfun: Returns the loss, a float or an array of the device that has no dimensions, and
                leaves the gradient in the parameter.
            args: Handed to ``lossfun``.

        Returns:
            float: The loss after the step; not a number if loss or gradient of the start is not.
        """
        status = self._ends
        while status is None or status == _AGAIN:
            self._move()
            try:
                loss = lossfun(*args)
            except Stopped:
                self._return_to_start()
                raise
            self._last, status, ends = self._judge(loss)
        if status == _ACCEPTED:
            self.t += 1
            self._ends = ends or None
            return self._last
        self._ends, self.stop_reason = status, _REASONS[status]
        self._return_to_start()
        return math.nan if self.stop_reason in _NO_START else self._last

    def _make_arrays(self) -> None:
        xp = chainer.backend.get_array_module(self._image.array)
        n, most = self._image.array.size, self._memory
        self._n = n
        self._chunk = max(_SMALLEST_CHUNK, -(-n // _MOST_CHUNKS))
        self._chunks = -(-n // self._chunk)
        size = 2 * most + 1
        self._pairs = xp.empty((2 * most, n), np.float32)
        self._start, self._gradient, self._direction = (xp.empty(n, np.float32) for _ in range(3))
        self._table, self._coefficients = xp.zeros((size, size)), xp.zeros(size)
        self._products = xp.zeros(6 * most + _OWN)
        self._parts = xp.zeros((6 * most + _OWN, self._chunks), np.float32)
        self._loss = xp.zeros((), np.float32)
        state = np.zeros((), _STATE)
        state["newest"], state["step"], state["first_step"] = -1, 1, self._first_step
        self._state = Reading(xp, state, ("loss", "status", "ends"))
        self._kernel = cuda.load(__package__, "lbfgs")
        self._judging = Replayed(self._launch_judgement)

    def _move(self) -> None:
        """Puts the next trial into the image, once there is a start to go from."""
        arguments = self._state.array, self._start, self._direction, self._image.array
        self._kernel("move")(
            (cuda.blocks(self._n, _THREADS),), (_THREADS,), (*arguments, np.int64(self._n))
        )

    def _judge(self, loss: Any) -> tuple[float, int, int]:
        """Has the trial judged and all laid out for the next; returns what the host must know."""
        loss = on_device(loss, self._loss)
        self._judging(self._image.array, self._image.grad, loss)
        loss, status, ends = self._state.read()
        return float(loss), int(status), int(ends)

    def _launch_judgement(self, image: Array, gradient: Array, loss: Array) -> None:
        n, most = np.int64(self._n), np.int32(self._memory)
        state, pairs = self._state.array, self._pairs
        own = start, last = self._start, self._gradient
        rows = -(-2 * self._memory // _ROWS) + 1
        self._kernel("measure")(
            (self._chunks, rows),
            (_THREADS,),
            (state, pairs, *own, image, gradient, n, most, np.int32(self._chunk), self._parts),
        )
        table = self._table, self._coefficients
        self._kernel("decide")(
            (1,),
            (_THREADS,),
            (state, *table, self._products, self._parts, loss, most, np.int32(self._chunks)),
        )
        self._kernel("advance")(
            (cuda.blocks(self._n, _THREADS),),
            (_THREADS,),
            (
                *(state, self._coefficients, pairs, start, last),
                *(image, gradient, self._direction, n, most),
            ),
        )
        self._state.enqueue()

    def _return_to_start(self) -> None:
        """The image as it was before a step that was given up, with its gradient."""
        if not self._state.whole()["stands"]:
            return
        shape = self._image.array.shape
        self._image.array[...] = self._start.reshape(shape)
        self._image.grad = self._gradient.reshape(shape).copy()

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Returns what a later :meth:`restore` needs: plain fields, and arrays by name."""
        scalars = self._state.whole()
        fields = {
            "t": self.t,
            "stop_reason": self.stop_reason,
            "ends": self._ends,
            "scalars": {name: scalars[name].item() for name in _NAMES},
            "table": self._table.get().tolist(),
        }
        if not scalars["stands"]:
            return fields, {}
        shape = self._image.array.shape
        arrays = {"gradient": self._gradient, "direction": self._direction}
        for row in range(scalars["count"]):
            arrays |= {f"s.{row}": self._pairs[row], f"y.{row}": self._pairs[row + self._memory]}
        return fields, {name: array.reshape(shape) for name, array in arrays.items()}

    def restore(self, fields: Mapping[str, Any], array: Callable[[str], Array]) -> None:
        """Goes on from where :meth:`state` was taken; the image is restored by the caller.

        What :class:`texsynth.optimizers.lbfgs.LBFGS` saved will do, too: that of a team, or of a
        release that had nothing else for a GPU.

        Args:
            fields (dict): The fields.
            array: Function from a name to that array, on the image's device.

        Raises:
            KeyError: They were made by neither optimizer.
            ValueError: They belong to another number of pairs, or the gradient is not finite.
        """
        if "rho" in fields:
            self._take_over(fields, array)
            return
        table = np.array(fields["table"], np.float64)
        if table.shape != self._table.shape:
            raise ValueError(f"a table of {table.shape} is not for {self._memory} curvature pairs")
        scalars = np.zeros((), _STATE)
        for name in _NAMES:
            scalars[name] = fields["scalars"][name]
        count, newest = (int(scalars[name]) for name in ("count", "newest"))
        if not (0 <= count <= self._memory and -1 <= newest < self._memory):
            raise ValueError(f"there are no {count} curvature pairs, the last of them {newest}")
        self.t, self.stop_reason, self._ends = (fields[k] for k in ("t", "stop_reason", "ends"))
        self._last = float(scalars["loss"])
        self._state.set(scalars)
        self._table.set(table)
        if not scalars["stands"]:
            return
        self._start[...] = self._image.array.ravel()
        self._gradient[...] = array("gradient").ravel()
        self._direction[...] = array("direction").ravel()
        for row in range(int(scalars["count"])):
            self._pairs[row] = array(f"s.{row}").ravel()
            self._pairs[row + self._memory] = array(f"y.{row}").ravel()

    def _take_over(self, fields: Mapping[str, Any], array: Callable[[str], Array]) -> None:
        """Restores a state of the CPU's kind: its pairs are as they were, the rest is made of them.

        Where image and gradient are zero, a pair is a trial of its own: judged like one, it gets
        the inner products that it would have, had it been found here.
        """
        reason, loss = fields["stop_reason"], fields["loss"]
        ends = None if reason is None else _CODES[reason]
        self.t, self.stop_reason, self._ends = fields["t"], reason, ends
        if loss is None or reason in _NO_START:
            return
        count, number = 0, len(fields["rho"])
        for row in range(max(0, number - self._memory), number):
            self._start.fill(0)
            self._gradient.fill(0)
            kept = self._judge_anew(array(f"s.{row}"), array(f"y.{row}"), count)
            count += int(kept["keeps"] >= 0)
        gradient = array("gradient")
        self._start[...], self._gradient[...] = self._image.array.ravel(), gradient.ravel()
        scalars = self._judge_anew(self._image.array, gradient, count)
        if scalars["status"] != _ACCEPTED:
            raise ValueError("the gradient is not finite")
        scalars["loss"] = self._last = float(loss)
        self._state.set(scalars)
        self._ends = ends or int(scalars["ends"]) or None

    def _judge_anew(self, image: Array, gradient: Array, count: int) -> Any:
        """Has something judged that is accepted, beside so many pairs; returns the state then."""
        scalars = np.zeros((), _STATE)
        scalars["stands"], scalars["step"], scalars["first_step"] = 1, 1, self._first_step
        scalars["count"], scalars["newest"] = count, count - 1
        self._state.set(scalars)
        self._loss.fill(0)
        self._launch_judgement(image, gradient, self._loss)
        return self._state.whole().copy()
