"""Optimizers of one image: L-BFGS as a ``chainer.Optimizer``, and Chainer's Adam, by name.

Both take one step by ``optimizer.update(objective, image)``, where the objective returns the loss
as a float and leaves the gradient in ``image.grad``.
"""

from collections.abc import Callable

from texsynth.objective.team import ALONE, Alone, Team
from texsynth.optimizers.adam import Adam
from texsynth.optimizers.contract import Image, Stopped
from texsynth.optimizers.lbfgs import LBFGS

__all__ = ["LBFGS", "Adam", "Image", "Stopped", "make"]


def make(
    name: str, learning_rate: float, pairs: int = 20, team: Team | Alone = ALONE
) -> LBFGS | Adam:
    """Makes an optimizer by its name in :data:`texsynth.config.OPTIMIZERS`.

    Args:
        name (str): ``"lbfgs"`` or ``"adam"``.
        learning_rate (float): Step size of Adam in grey levels.
        pairs (int): Curvature pairs that L-BFGS keeps.
        team (texsynth.objective.team.Team): The processes that share the image's rows out among
            them.
    """
    makers: dict[str, Callable[[], LBFGS | Adam]] = {
        "lbfgs": lambda: LBFGS(pairs, team=team),
        "adam": lambda: Adam(learning_rate),
    }
    return makers[name]()
