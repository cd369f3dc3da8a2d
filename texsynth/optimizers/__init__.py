"""Optimizers of one image as ``chainer.Optimizer``: L-BFGS and Adam, on the CPU or on a GPU.

All take one step by ``optimizer.update(objective, image)``, where the objective returns the loss
and leaves the gradient in ``image.grad``. Those for a GPU decide on the device, so that the host
waits for it once a step.
"""

from types import ModuleType

import numpy as np

from texsynth.objective.team import ALONE, Alone, Team
from texsynth.optimizers.adam import Adam
from texsynth.optimizers.contract import Image, Stopped
from texsynth.optimizers.device_adam import DeviceAdam
from texsynth.optimizers.device_lbfgs import DeviceLBFGS
from texsynth.optimizers.lbfgs import LBFGS

__all__ = ["LBFGS", "Adam", "DeviceAdam", "DeviceLBFGS", "Image", "Stopped", "make"]


def make(
    name: str,
    learning_rate: float,
    pairs: int = 20,
    team: Team | Alone = ALONE,
    xp: ModuleType = np,
    noise: float = 0.0,
) -> LBFGS | Adam | DeviceLBFGS | DeviceAdam:
    """Makes an optimizer by its name in :data:`texsynth.config.OPTIMIZERS`.

    Args:
        name (str): ``"lbfgs"`` or ``"adam"``.
        learning_rate (float): Step size of Adam in grey levels.
        pairs (int): Curvature pairs that L-BFGS keeps.
        team (texsynth.objective.team.Team): The processes that share the image's rows out among
            them.
        xp: The module of the image's arrays, NumPy or CuPy.
        noise (float): Relative error that rounding may make in the loss; for L-BFGS on the CPU.
    """
    on_device = xp is not np and team.size == 1
    if name == "adam":
        return DeviceAdam(learning_rate) if on_device else Adam(learning_rate)
    return DeviceLBFGS(pairs) if on_device else LBFGS(pairs, team=team, noise=noise)
