"""What was found out about outputs: a report, and each output in it."""

from dataclasses import dataclass, field

import numpy as np

from texsynth.evaluation import record, regions, repairs, stacks
from texsynth.metrics import Measures
from texsynth.version import __version__


@dataclass(frozen=True)
class Evaluated:
    """One output and what was found out about it.

    Attributes:
        name: What to call it, printable.
        pixels: ``(H, W, 3)`` uint8.
        exemplar: ``(H, W, 3)`` uint8: the source at the size it was compared at.
        record: What its file says.
        pooling: Pooling of the network that measured it.
        measures: The measures.
        region: Which region of it was measured, if it was painted by a map, a
            :class:`texsynth.evaluation.regions.Region`; pixels and exemplar are the rectangles then
            that were compared.
        rectangles: Of a region, where they are in output and exemplar, a pair of
            :class:`texsynth.metrics.Rectangle`.
        repair: What was measured of it as a repair, a
            :class:`texsynth.evaluation.repairs.Repair`; or ``None``.
        of_stack: Which map of which stack it is, a :class:`texsynth.evaluation.stacks.OfStack`, or
            ``None``; pixels and exemplar are the pictures then that the network sees.
    """

    name: str
    pixels: np.ndarray
    exemplar: np.ndarray
    record: record.Record
    pooling: str
    measures: Measures
    region: regions.Region | None = None
    rectangles: tuple | None = None
    repair: repairs.Repair | None = None
    of_stack: stacks.OfStack | None = None

    def as_dict(self):
        """Returns it as plain values, ready for JSON."""
        found = {
            "file": self.name,
            "size": list(self.pixels.shape[1::-1]),
            "exemplar_size": list(self.exemplar.shape[1::-1]),
            "pooling": self.pooling,
            "optimised": self.record.layers and list(self.record.layers),
            "measures": self.measures.as_dict(),
        }
        if self.region is not None:
            found["region"] = {
                "colour": self.region.colour,
                "share": self.region.share,
                "exemplar": self.region.source,
                "rectangle": list(self.rectangles[0]),
                "exemplar_rectangle": list(self.rectangles[1]),
            }
        if self.repair is not None:
            found["repair"] = self.repair.as_dict()
        if self.of_stack is not None:
            found["map"] = self.of_stack._asdict()
        return found


@dataclass(frozen=True)
class Report:
    """A source and its outputs.

    Attributes:
        source: Name of the source, printable.
        outputs: A list of :class:`Evaluated`.
        network: Name of the network that measured them.
        failed: Pairs of the name of an output that could not be measured, and why.
        stacks: Of folders of maps, a list of :class:`texsynth.evaluation.stacks.Stack`; their maps
            are the outputs.
    """

    source: str
    outputs: list
    network: str = "vgg16"
    failed: list = field(default_factory=list)
    stacks: list = field(default_factory=list)

    def as_dict(self):
        """Returns the report as plain values, ready for JSON."""
        found = {
            "texsynth": __version__,
            "source": self.source,
            "network": self.network,
            "outputs": [output.as_dict() for output in self.outputs],
            "failed": [{"file": name, "error": why} for name, why in self.failed],
        }
        if self.stacks:
            found["stacks"] = [stack.as_dict() for stack in self.stacks]
        return found
