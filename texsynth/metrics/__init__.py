"""How good a texture is, measured on the 8-bit image that was saved; one measure a module."""

from texsynth.metrics.evaluator import Evaluator, Measures
from texsynth.metrics.gram_error import (
    HELD_OUT,
    gram_errors,
    gram_errors_of_target,
    mixed_gram_errors,
)
from texsynth.metrics.hole_edge import edge_score
from texsynth.metrics.parts import Part, PartMeasures, Rectangle, measure_part
from texsynth.metrics.seam import seam_scores

__all__ = [
    "HELD_OUT",
    "Evaluator",
    "Measures",
    "Part",
    "PartMeasures",
    "Rectangle",
    "edge_score",
    "gram_errors",
    "gram_errors_of_target",
    "measure_part",
    "mixed_gram_errors",
    "seam_scores",
]
