"""L-BFGS as a ``chainer.Optimizer``."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Self, cast

from texsynth.compat import chainer
from texsynth.objective.team import ALONE, Alone, Team
from texsynth.optimizers.contract import Stopped, check_kind
from texsynth.typing import Array

_SUFFICIENT_DECREASE = 1e-4  # c1 of equation 3.4; the book's own value
_CURVATURE = 1e-10  # s.y over y.y below this is rounding, not curvature
_MOST_TRIALS = 12
_TINY = 1e-30  # what is smaller cannot be divided by


class LBFGS(chainer.Optimizer):
    """Limited-memory BFGS with a backtracking line search.

    Nocedal and Wright, *Numerical Optimization* (2nd ed. 2006): the two-loop recursion is algorithm
    7.4 with the initial scaling of equation 7.20; sufficient decrease is equation 3.4; the step of
    the backtracking is the minimiser of the parabola through both values and the slope (equation
    3.57). Image, gradient and curvature pairs stay on the image's device.

    A step that lowers the loss enough is taken at once, which nearly every first try does. A
    curvature pair is kept only if it is positive enough for the inverse Hessian to stay positive
    definite. When no step lowers the loss, or a value is not finite all along the line, the pairs
    are dropped and steepest descent is tried once before giving up.

    Args:
        memory (int): Curvature pairs to keep; each takes two images of memory.
        first_step (float): Largest change of a pixel in the first step, and in the first after
            the pairs were dropped, in grey levels.
        team (texsynth.objective.team.Team): The processes that share the image's rows out among
            them.
        noise (float): Relative error that rounding may make in the loss. A step may raise the loss
            by so much, for nothing tells it from a step that lowers it (the relaxed line search of
            Shi, Xie, Byrd and Nocedal 2022, *A noise-tolerant quasi-Newton algorithm for
            unconstrained optimization*).

    Attributes:
        stop_reason (str): Why no further step can be taken; ``None`` as long as one can.
    """

    def __init__(
        self,
        memory: int = 20,
        first_step: float = 20.0,
        team: Team | Alone = ALONE,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        if memory < 1:
            raise ValueError(f"memory must be at least 1, not {memory}")
        if not (first_step > 0 and math.isfinite(first_step)):
            raise ValueError(f"first_step must be a positive number, not {first_step}")
        self._team = team
        self._pairs: deque[tuple[Array, Array, float]] = deque(maxlen=memory)  # s, y, 1 / s.y
        self._first_step = first_step
        self._noise = noise
        self._loss: Any = None
        self.stop_reason: str | None = None

    def setup(self, link: chainer.Link) -> Self:
        """Takes the one parameter of a link as the image to optimise.

        Raises:
            ValueError: The link has not exactly one parameter.
        """
        parameters = list(link.params())
        if len(parameters) != 1:
            raise ValueError(f"L-BFGS takes a link with one parameter, not {len(parameters)}")
        self._image = parameters[0]
        return super().setup(link)

    def update(self, lossfun: Callable[..., float], *args: Any) -> float:
        """Takes one step, which may compute loss and gradient more than once.

        Args:
            lossfun: Returns the loss, which ``float`` takes, and leaves the gradient in the
                parameter.
            args: Handed to ``lossfun``.

        Returns:
            float: The loss after the step; not a number if loss or gradient of the start is not.
        """
        if self._loss is None:
            self._loss = float(lossfun(*args))
            if not math.isfinite(self._loss):
                self.stop_reason = "the loss of the start is not finite"
            elif not math.isfinite(self._team.dot(self._image.grad, self._image.grad)):
                self._loss = math.nan
                self.stop_reason = "the gradient of the start is not finite"
        while self.stop_reason is None:
            if not self._pairs and self._team.largest(self._image.grad) <= _TINY:
                self.stop_reason = "the gradient is zero"
            elif self._search(self._direction(), lossfun, args):
                self.t += 1
                break
            elif not self._pairs:
                self.stop_reason = "no step along the gradient lowers the loss"
            self._pairs.clear()
        return cast(float, self._loss)

    def _direction(self) -> Array:
        """The two-loop recursion; without pairs, steepest descent sized in grey levels."""
        gradient: Array = self._image.grad
        dot = self._team.dot
        if not self._pairs:
            return gradient * (-self._first_step / self._team.largest(gradient))
        direction = -gradient
        alphas = []
        for s, y, rho in reversed(self._pairs):
            alpha = rho * dot(s, direction)
            direction -= alpha * y
            alphas.append(alpha)
        s, y, rho = self._pairs[-1]
        direction *= 1 / (rho * dot(y, y))
        for (s, y, rho), alpha in zip(self._pairs, reversed(alphas), strict=True):
            direction += (alpha - rho * dot(y, direction)) * s
        return direction

    def _search(
        self, direction: Array, lossfun: Callable[..., float], args: tuple[Any, ...]
    ) -> bool:
        """Backtracks until the loss is lower by enough; restores the image if it never is.

        Writes over ``direction`` and the last gradient, which become a curvature pair.
        """
        image, start, gradient = self._image, self._image.array, self._image.grad
        xp = chainer.backend.get_array_module(start)
        slope = float(self._team.dot(gradient, direction))
        if not slope < 0:
            return False
        step = 1.0
        for _ in range(_MOST_TRIALS):
            image.array = start + start.dtype.type(step) * direction
            try:
                loss = float(lossfun(*args))
            except Stopped:
                image.array, image.grad = start, gradient
                raise
            allowed = self._loss + self._noise * abs(self._loss)
            lower = loss <= allowed + _SUFFICIENT_DECREASE * step * slope
            # With a finite loss a gradient can still overflow; such a point is no progress.
            if lower and math.isfinite(self._team.dot(image.grad, image.grad)):
                xp.subtract(image.array, start, out=direction)  # no memory but what is there
                xp.subtract(image.grad, gradient, out=gradient)
                self._remember(direction, gradient)
                self._loss = loss
                return True
            step *= _shrinkage(self._loss, loss, slope * step)
        image.array, image.grad = start, gradient
        return False

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Returns what a later :meth:`restore` needs: plain fields, and arrays by name."""
        fields = {
            "t": self.t,
            "loss": self._loss,
            "rho": [rho for _, _, rho in self._pairs],
            "stop_reason": self.stop_reason,
        }
        arrays = {} if self._loss is None else {"gradient": self._image.grad}
        for number, (s, y, _) in enumerate(self._pairs):
            arrays |= {f"s.{number}": s, f"y.{number}": y}
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
        self.t, self._loss = fields["t"], fields["loss"]
        self.stop_reason = fields["stop_reason"]
        if self._loss is not None:
            self._image.grad = array("gradient")
        self._pairs.extend(
            (array(f"s.{number}"), array(f"y.{number}"), float(rho))
            for number, rho in enumerate(fields["rho"])
        )

    def _remember(self, s: Array, y: Array) -> None:
        """Keeps a pair if ``s.y`` is positive enough."""
        sy, yy = float(self._team.dot(s, y)), float(self._team.dot(y, y))
        if math.isfinite(yy) and sy > max(_CURVATURE * yy, _TINY):
            self._pairs.append((s, y, 1 / sy))


def _shrinkage(loss: float, trial: float, slope: float) -> float:
    """The parabola's minimiser as a share of the step, kept within 0.1 and 0.5."""
    curvature = 2 * (trial - loss - slope)
    if not (math.isfinite(trial) and curvature > 0):
        return 0.1
    return min(0.5, max(0.1, -slope / curvature))
