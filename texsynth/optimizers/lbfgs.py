"""L-BFGS as a ``chainer.Optimizer``."""

import functools
import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Self, cast

import numpy as np

from texsynth.compat import chainer
from texsynth.objective.team import ALONE, Alone, Team
from texsynth.optimizers.contract import check_kind
from texsynth.optimizers.vectors import Vectors
from texsynth.typing import Array

_SUFFICIENT_DECREASE = 1e-4  # c1 of equation 3.4; the book's own value
_CURVATURE = 1e-10  # s.y over y.y below this is rounding, not curvature
_MOST_TRIALS = 12
_TINY = 1e-30  # what is smaller cannot be divided by


class LBFGS(chainer.Optimizer):
    """Limited-memory BFGS with a backtracking line search, for any link.

    Nocedal and Wright, *Numerical Optimization* (2nd ed. 2006): the two-loop recursion is algorithm
    7.4 with the initial scaling of equation 7.20; sufficient decrease is equation 3.4; the step of
    the backtracking is the minimiser of the parabola through both values and the slope (equation
    3.57). Parameters, gradients and curvature pairs stay on their device; of several parameters
    the pairs are vectors, one parameter after the other.

    A step that lowers the loss enough is taken at once, which nearly every first try does. A
    curvature pair is kept only if it is positive enough for the inverse Hessian to stay positive
    definite. When no step lowers the loss, or a value is not finite all along the line, the pairs
    are dropped and steepest descent is tried once before giving up.

    Hooks are called as Chainer calls them: those before the update once the gradient at its start
    is there, those after it once a step was taken. The step goes along the gradient that hooks
    leave, but must lower the loss itself: a penalty belongs in the loss, not in ``WeightDecay``.

    Args:
        memory (int): Curvature pairs to keep; each takes the parameters' memory twice.
        first_step (float): Largest change of a value in the first step, and in the first after
            the pairs were dropped; the default is meant for the grey levels of an image.
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
        self._has_hooks = self._asks_anew = False
        self._raw: Any = None  # the gradient, where hooks may have changed what is in its place
        self.stop_reason: str | None = None

    def setup(self, link: chainer.Link) -> Self:
        """Takes the parameters of a link as what to optimise.

        Args:
            link (chainer.Link): All its parameters, but for those of which ``disable_update`` was
                called later; some may get their shape when the loss is first computed.

        Raises:
            ValueError: The link has no parameters.
        """
        parameters = list(link.params())
        if not parameters:
            raise ValueError("L-BFGS takes a link with at least one parameter")
        for parameter in parameters:
            parameter.update_rule = _Rule()  # which Chainer's links enable and disable
        self._vectors = Vectors(link)
        self._pairs.clear()
        self._loss, self.stop_reason = None, None
        self._has_hooks = False
        return super().setup(link)

    def add_hook(self, hook: Any, name: str | None = None, timing: str = "auto") -> None:
        """Registers a hook, see ``chainer.Optimizer.add_hook``.

        Args:
            hook: As there.
            name: As there.
            timing: As there.
        """
        super().add_hook(hook, name, timing)
        self._has_hooks = True

    def update(self, lossfun: Callable[..., Any] | None = None, *args: Any, **kwds: Any) -> float:
        """Takes one step, which computes loss and gradient once or more.

        Args:
            lossfun: Returns the loss as a ``chainer.Variable`` of one value. Or a number: then it
                has left the gradients in the parameters, and is one function throughout, so that
                its last value is not asked for again in the next step.
            args: Handed to ``lossfun``.
            kwds: Handed to it, too.

        Returns:
            float: The loss after the step; not a number if loss or gradient of the start is not.

        Raises:
            RuntimeError: ``setup`` was not called.
            TypeError: There is no ``lossfun``, or it returned something else.
            ValueError: The loss has more than one value, or the pairs that were loaded are of
                another link.
        """
        self._check_set_up()
        if lossfun is None:
            raise TypeError("L-BFGS needs the loss function: it computes the loss at several steps")
        evaluate = functools.partial(self._evaluated, lossfun, args, kwds)
        try:
            if self._loss is None or self._has_hooks:
                self._begin(evaluate)
            self._step(evaluate)
            return cast(float, self._loss)
        finally:
            self._raw = None
            if self._asks_anew:
                self._loss = None

    def _step(self, evaluate: Callable[[], float]) -> None:
        """Goes as far as the loss gets lower; says so where it does nowhere."""
        while self.stop_reason is None:
            if not self._pairs and self._team.largest(self._vectors.gradient) <= _TINY:
                self.stop_reason = "the gradient is zero"
            elif self._search(self._direction(), evaluate):
                self.t += 1
                self.call_hooks("post")
                break
            elif not self._pairs:
                self.stop_reason = "no step along the gradient lowers the loss"
            self._pairs.clear()

    def _begin(self, evaluate: Callable[[], float]) -> None:
        """Evaluates where the step goes from."""
        self.stop_reason = None
        self._loss = evaluate()
        if not math.isfinite(self._loss):
            self.stop_reason = "the loss of the start is not finite"
            return
        gradient = self._vectors.gradient
        if not math.isfinite(self._team.dot(gradient, gradient)):
            self._loss = math.nan
            self.stop_reason = "the gradient of the start is not finite"
            return
        size = gradient.size
        if any(s.size != size for s, _, _ in self._pairs):
            raise ValueError(f"the curvature pairs are not of this link, which has {size} values")
        for number, (s, y, rho) in enumerate(self._pairs):  # those that were loaded are flat
            self._pairs[number] = s.reshape(gradient.shape), y.reshape(gradient.shape), rho
        if self._has_hooks:
            self._raw = gradient.copy()
            self.call_hooks("pre")

    def _evaluated(
        self, lossfun: Callable[..., Any], args: tuple[Any, ...], kwds: Mapping[str, Any]
    ) -> float:
        """Returns the loss, with the gradients in the parameters."""
        loss = lossfun(*args, **kwds)
        self._asks_anew = isinstance(loss, chainer.Variable)  # which may be of other data next time
        if isinstance(loss, chainer.Variable):
            if loss.size != 1:
                raise ValueError(f"the loss must be one value, not an array of {loss.shape}")
            self.target.cleargrads()
            loss.backward()
            loss = loss.array
        self._vectors.fill_gradients()
        try:
            return float(loss)
        except TypeError:
            raise TypeError(
                "the loss function must return a chainer.Variable or a number, "
                f"not {type(loss).__name__}"
            ) from None

    def _direction(self) -> Array:
        """The two-loop recursion; without pairs, steepest descent of the first step's size."""
        gradient: Array = self._vectors.gradient
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

    def _search(self, direction: Array, evaluate: Callable[[], float]) -> bool:
        """Backtracks until the loss is lower by enough; restores the parameters if it never is.

        Writes over ``direction`` and the last gradient, which become a curvature pair.
        """
        vectors, start, along = self._vectors, self._vectors.values, self._vectors.gradient
        gradient = along if self._raw is None else self._raw
        xp = chainer.backend.get_array_module(start)
        slope = float(self._team.dot(gradient, direction))
        if not slope < 0:
            return False
        step = 1.0
        for _ in range(_MOST_TRIALS):
            vectors.values = start + start.dtype.type(step) * direction
            try:
                loss = evaluate()
            except BaseException:
                vectors.values, vectors.gradient = start, along
                raise
            allowed = self._loss + self._noise * abs(self._loss)
            lower = loss <= allowed + _SUFFICIENT_DECREASE * step * slope
            # With a finite loss a gradient can still overflow; such a point is no progress.
            if lower and math.isfinite(self._team.dot(vectors.gradient, vectors.gradient)):
                xp.subtract(vectors.values, start, out=direction)  # no memory but what is there
                xp.subtract(vectors.gradient, gradient, out=gradient)
                self._remember(direction, gradient)
                self._loss = loss
                return True
            step *= _shrinkage(self._loss, loss, slope * step)
        vectors.values, vectors.gradient = start, along
        return False

    def serialize(self, serializer: Any) -> None:
        """Saves or loads the curvature pairs too, so that a run goes on as if it had not ended.

        Args:
            serializer (chainer.AbstractSerializer): Saves or loads; the parameters are saved with
                their link.

        Raises:
            ValueError: The pairs that are loaded are not whole.
        """
        super().serialize(serializer)
        if not isinstance(serializer, chainer.Deserializer):
            xp = self.target.device.xp
            rows = {"s": [s.ravel() for s, _, _ in self._pairs]}
            rows["y"] = [y.ravel() for _, y, _ in self._pairs]
            for name, vectors in rows.items():
                serializer(name, xp.stack(vectors) if vectors else np.zeros((0, 0)))
            serializer("rho", np.array([rho for _, _, rho in self._pairs]))
            return
        s, y, rho = (serializer(name, None) for name in ("s", "y", "rho"))
        self._pairs.clear()
        self._loss, self.stop_reason = None, None
        if s is None:  # by a deserializer that lets be missing what is
            return
        if not (s.ndim == 2 and s.shape == y.shape and rho.shape == s.shape[:1]):
            raise ValueError(
                f"curvature pairs of {s.shape}, {y.shape} and {rho.shape} are not whole"
            )
        send = self.target.device.send
        for one, other, share in zip(s, y, rho, strict=True):
            self._pairs.append((send(one), send(other), float(share)))

    def state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Returns what a later :meth:`restore` needs: plain fields, and arrays by name."""
        fields = {
            "t": self.t,
            "loss": self._loss,
            "rho": [rho for _, _, rho in self._pairs],
            "stop_reason": self.stop_reason,
        }
        arrays = {} if self._loss is None else {"gradient": self._vectors.gradient}
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
            self._vectors.gradient = array("gradient")
        self._pairs.extend(
            (array(f"s.{number}"), array(f"y.{number}"), float(rho))
            for number, rho in enumerate(fields["rho"])
        )

    def _remember(self, s: Array, y: Array) -> None:
        """Keeps a pair if ``s.y`` is positive enough."""
        sy, yy = float(self._team.dot(s, y)), float(self._team.dot(y, y))
        if math.isfinite(yy) and sy > max(_CURVATURE * yy, _TINY):
            self._pairs.append((s, y, 1 / sy))


class _Rule(chainer.UpdateRule):
    """What says whether a parameter takes part; the steps are not its own."""

    def add_hook(self, *args: Any, **kwds: Any) -> None:
        raise NotImplementedError("L-BFGS takes hooks for all parameters: optimizer.add_hook")


def _shrinkage(loss: float, trial: float, slope: float) -> float:
    """The parabola's minimiser as a share of the step, kept within 0.1 and 0.5."""
    curvature = 2 * (trial - loss - slope)
    if not (math.isfinite(trial) and curvature > 0):
        return 0.1
    return min(0.5, max(0.1, -slope / curvature))
