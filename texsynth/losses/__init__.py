"""Losses: each names the layers it reads, makes its target from the exemplar, measures a candidate.

:data:`LOSSES` is the registry: another loss is one class and one entry there.
"""

from texsynth.losses.autocorrelation import AutocorrelationLoss
from texsynth.losses.gram import CentredGramLoss, GramLoss, ShiftedGramLoss
from texsynth.losses.loss import IMAGE
from texsynth.losses.pixels import RangePenalty, SpectrumLoss
from texsynth.losses.wasserstein import HistogramLoss, WassersteinLoss

__all__ = ["IMAGE", "LOSSES", "GramLoss", "RangePenalty"]

LOSSES = {
    "gram": GramLoss,
    "centred-gram": CentredGramLoss,
    "shifted-gram": ShiftedGramLoss,
    "autocorrelation": AutocorrelationLoss,
    "spectrum": SpectrumLoss,
    "wasserstein": WassersteinLoss,
    "histogram": HistogramLoss,
}
"""Losses by the names that users give them; each takes ``{layer: weight}``."""
