"""One level of a synthesis under way: an image, its optimizer, and the steps they take."""

import gc
import math

import numpy as np

from texsynth import images, optimizers
from texsynth.compat import chainer
from texsynth.errors import DivergenceError
from texsynth.network import device
from texsynth.objective.changed import Changed
from texsynth.objective.units import Units
from texsynth.statistics import contrast

# How far rounding the factors of products to 8 bits moves the loss, relative to it: without it
# L-BFGS found no step that lowers the loss after 200 of 240 steps at 64 pixels.
_NOISE = {"bf16": 1e-3}


class LevelRun:
    """A level of the pyramid, from its start to its last step.

    Args:
        study (texsynth.synthesis.study.Study): The exemplar and the plan.
        number (int): Which level, from 1, the coarsest.
        start (numpy.ndarray): ``(1, 3, H, W)`` float32, of any size; what the level begins from.
            ``None`` if :meth:`restore` follows.
        stop: Asked before each evaluation; when it returns ``True``, the step under way is given
            up, and the image is as it was before that step.

    Attributes:
        study (texsynth.synthesis.study.Study): The same.
        number (int): The same.
        level (texsynth.synthesis.pyramid.Level): Sizes and steps.
        losses (list): The loss after each step so far.
        reason (str): Why no further step is taken; ``None`` as long as one can be.
    """

    def __init__(self, study, number, start, stop=lambda: False):
        config = study.workshop.config
        self.study = study
        self.number, self.level = number, study.plan[number - 1]
        self._team = study.workshop.team
        self._device, self._stop = study.workshop.device, stop
        self._objective = study.objective(number)
        self._evaluated_before = self._objective.evaluations  # it may have served another texture
        self._colours, self._keep = study.colours, study.keep(number)
        self._shape = (1, self._colours.number, *self.level.canvas_size[::-1])
        if start is None:
            start = np.zeros(self._shape, np.float32)
        else:
            start = images.mirrored(study.begun(number, start), self.level.canvas_size)
            start = self._colours.coordinates(start)
        self._units = None
        if study.has_units(number):
            units = contrast.units(start, self.level.wrap)
            start = start / units
            self._units = self._device.send(self._objective.own(units))
            del units
        self._candidate = optimizers.Image(self._objective.own(start))
        del start  # as large as the image
        self._candidate.to_device(self._device)
        self._optimizer = optimizers.make(
            config.optimizer,
            config.learning_rate,
            study.pairs,
            self._objective.team,
            self._device.xp,
            _NOISE.get(study.workshop.precision, 0.0),
        )
        self._optimizer.setup(self._candidate)
        in_place = isinstance(self._optimizer, optimizers.DeviceLBFGS | optimizers.DeviceAdam)
        loss_of = self._objective
        if self._keep is not None:
            own, send = self._objective.own, self._device.send
            keep = self._keep.of(lambda whole: send(own(whole)), self._keep.around)
            loss_of = Changed(loss_of, keep, in_place)
        self._loss_of = self._colours.objective(loss_of, in_place)
        if self._units is not None:
            self._loss_of = Changed(self._loss_of, Units(self._units), in_place)
        self.losses = []
        self.reason = None

    @property
    def evaluations(self):
        """Computations of loss and gradient so far."""
        return self._objective.evaluations - self._evaluated_before

    def steps(self):
        """Takes the steps; yields the loss after each.

        Raises:
            texsynth.errors.DivergenceError: Nothing can come of the first level's start.
            texsynth.optimizers.Stopped: ``stop`` said so.
        """
        while len(self.losses) < self.level.steps:
            loss = self._optimizer.update(self._evaluate, self._candidate.pixels)
            reason = self._optimizer.stop_reason
            if not math.isfinite(loss) and self.number == 1:  # there is no image yet
                raise DivergenceError(
                    f"{reason}, after {self.evaluations} evaluations; try smaller weights "
                    "of losses or layers, or a smaller learning rate"
                )
            if reason is not None:
                self.reason = reason
                return
            self.losses.append(loss)
            yield loss
        self.reason = f"all {self.level.steps} steps of the last level were taken"

    def _evaluate(self, pixels):
        if self._team.any(self._stop()):
            raise optimizers.Stopped
        return self._loss_of(pixels)

    def pixels(self):
        """Returns this process's part of the image as it is now, ``(1, 3, H, W)``, NumPy."""
        coordinates = chainer.get_device("@numpy").send(self._coordinates())
        return self._shown(coordinates, self._objective.own)

    def texture(self):
        """Returns what the level hands on as it is now, ``(1, 3, H, W)`` float32.

        All processes must ask, and get the same.
        """
        canvas = self._objective.gathered(self._coordinates())
        # Processes on different machines may round differently.
        size = self.level.whole_size
        centre = images.centre(self._team.agreed(canvas), size)
        return self._shown(centre, lambda whole: images.centre(whole, size))

    def _coordinates(self):
        """This process's part of the image, in the study's colours."""
        values = self._candidate.pixels.array
        return values if self._units is None else values * self._units

    def _shown(self, coordinates, part_of):
        """The image of a part's coordinates, with what stays there."""
        pixels = self._colours.image(coordinates)
        if self._keep is None:
            return pixels
        return self._keep.of(part_of, (0, 0)).image(pixels)

    def end(self):
        """Lets go of all but the image."""
        self._optimizer = None
        self._candidate.cleargrads()
        self._objective.rest()
        gc.collect()  # Chainer's links and optimizers hold one another
        device.free(self._device)

    def state(self):
        """Returns what :meth:`restore` needs: fields, and a generator of names and whole arrays.

        All processes must ask and take the arrays, which are gathered one at a time.
        """
        settings, parts = self._optimizer.state()
        fields = {
            "level": self.number,
            "losses": self.losses,
            "evaluations": self.evaluations,
            "optimizer": settings,
            "block": self._objective.block,
        }
        parts = {"image": self._candidate.pixels.array, **parts}
        if self._units is not None:
            parts["units"] = self._units
        return fields, ((name, self._objective.gathered(part)) for name, part in parts.items())

    def restore(self, fields, arrays):
        """Goes on from a state.

        Args:
            fields (dict): What :meth:`state` returned.
            arrays (dict): Whole arrays by name; they are taken out one after another.

        Raises:
            KeyError: An array or a field is missing.
            ValueError: An array has another shape.
        """

        def part(name, shape=self._shape):
            whole = arrays.pop(name)
            if whole.shape != shape or whole.dtype != np.float32:
                raise ValueError(f"array {name} is {whole.dtype} {whole.shape}, not {shape}")
            return self._device.send(self._objective.own(whole))

        if self._units is not None:
            self._units[...] = part("units", (1, 1, *self._shape[2:]))
        self._candidate.pixels.array[...] = part("image")
        self._optimizer.restore(fields["optimizer"], part)
        self.losses = list(fields["losses"])
        self._evaluated_before = self._objective.evaluations - fields["evaluations"]
        if fields["block"] is not None:
            self._objective.block = fields["block"]
