"""What was made of a stack of maps: the maps, and how they came about."""

from dataclasses import dataclass

from texsynth.materials.kinds import Stack
from texsynth.synthesis.result import Outcome


@dataclass(frozen=True, eq=False)
class StackResult(Outcome):
    """What was made of a stack of maps.

    Beside what is listed here it has what every outcome has, as a :class:`texsynth.Result`:
    ``history``, ``evaluations``, ``reason`` and others.

    Attributes:
        maps: The maps by the names of their kinds, ``(H, W, 1)`` or ``(H, W, 3)`` float32, 0..1;
            normals are OpenGL's, of unit length.
        exemplar: The exemplar's at the size they were used at.
        errors: ``{kind: {layer: ||G - T|| / ||T||}}`` of each map shown as a picture.
        networks: How often each evaluation went through the network.
    """

    maps: Stack
    exemplar: Stack
    errors: dict[str, dict[str, float]]
    networks: int
