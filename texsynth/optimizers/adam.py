"""Chainer's Adam, which goes back and on in smaller steps where it diverges."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from texsynth.compat import chainer
from texsynth.optimizers.contract import check_kind
from texsynth.typing import Array

_MOST_FAILURES = 3
_DIVERGED = 10  # times the loss of the start; noise is far off already


class Adam(chainer.optimizers.Adam):
    """Chainer's Adam (Kingma and Ba 2015) behind the one-call contract of this room.

    Where loss or gradient is not finite, or the loss is far above that of the start, it goes back
    to the best image so far, forgets its moments, and goes on in steps a tenth as large; after the
    third time in a row it stops there.

    Args:
        learning_rate (float): Step size in grey levels; the article's program takes 4.

    Attributes:
        stop_reason (str): Why no further step can be taken; ``None`` as long as one can.
    """

    def __init__(self, learning_rate: float) -> None:
        super().__init__(alpha=learning_rate)
        self._first: Any = None  # losses
        self._best: Any = None
        self._best_image: Any = None
        self._failures = 0  # in a row
        self._is_back = False  # at the best image, after a failure
        self.stop_reason: str | None = None

    def update(self, lossfun: Callable[..., float], *args: Any) -> float:
        """Takes one step.

        Args:
            lossfun: Returns the loss, which ``float`` takes, and leaves the gradient in the
                parameter.
            args: Handed to ``lossfun``.

        Returns:
            float: The loss at the beginning of the step; not a number if nothing came of the start.
        """
        (image,) = self.target.params()
        while self.stop_reason is None:
            loss = float(lossfun(*args))
            if self._first is None:
                self._first = loss
            if self._is_sound(loss, image):
                if self._best is None or loss < self._best:
                    self._best, self._best_image = loss, image.array.copy()
                if not self._is_back:
                    self._failures = 0
                self._is_back = False
                super().update()
                if abs(image.array).max() < math.inf:
                    return loss
            self._go_back(image)
        return math.nan if self._best in (None, self._first) else self._best

    def _is_sound(self, loss: float, image: chainer.Parameter) -> bool:
        most = self._first + (_DIVERGED - 1) * abs(self._first)
        return loss <= most and bool(abs(image.grad).max() < math.inf)

    def _go_back(self, image: chainer.Parameter) -> None:
        if self._best is None:
            self.stop_reason = "the loss of the start is not finite"
            return
        self._failures += 1
        if self._failures == _MOST_FAILURES:
            self.stop_reason = (
                f"the loss was not finite, or {_DIVERGED} times that of the start, "
                f"{_MOST_FAILURES} times in a row"
            )
        self._is_back = True
        image.array[...] = self._best_image
        rule = image.update_rule
        if rule.state is not None:
            rule.state["m"][...] = 0
            rule.state["v"][...] = 0
        rule.t = self.t = 0
        self.alpha *= 0.1

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Returns what a later :meth:`restore` needs: plain fields, and arrays by name."""
        (image,) = self.target.params()
        rule = image.update_rule
        fields = {
            "t": rule.t,
            "alpha": self.alpha,
            "first": self._first,
            "best": self._best,
            "failures": self._failures,
            "is_back": self._is_back,
            "stop_reason": self.stop_reason,
        }
        arrays = {} if rule.state is None else {"m": rule.state["m"], "v": rule.state["v"]}
        if self._best is not None:
            arrays["best"] = self._best_image
        return fields, arrays

    def restore(self, fields: Mapping[str, Any], array: Callable[[str], Array]) -> None:
        """Goes on from where :meth:`state` was taken; the image is restored by the caller.

        Args:
            fields (dict): The fields.
            array: Function from a name to that array, on the image's device.

        Raises:
            texsynth.errors.CheckpointError: An optimizer that decides on a GPU made them.
        """
        check_kind(fields, decided_on_device=False)
        (image,) = self.target.params()
        rule = image.update_rule
        self.t = rule.t = fields["t"]
        self.alpha = fields["alpha"]
        self._first, self._best = fields["first"], fields["best"]
        self._failures, self._is_back = fields["failures"], fields["is_back"]
        self.stop_reason = fields["stop_reason"]
        if self._best is not None:
            self._best_image = array("best")
            moments = {"t": np.array(rule.t), "m": array("m"), "v": array("v")}
            rule.serialize(chainer.serializers.NpzDeserializer(moments))
