from types import SimpleNamespace

import pytest

from texsynth.errors import ConfigError
from texsynth.losses import LOSSES, RangePenalty
from texsynth.network import architecture, device
from texsynth.objective.team import ALONE
from texsynth.synthesis import fitting, pyramid

GRAM = LOSSES["gram"](dict.fromkeys(("conv1_1", "pool1", "pool2", "pool3", "pool4"), 1.0))
COARSE = LOSSES["correspondence"](dict.fromkeys(("pool1", "pool2", "pool3"), 0.1))
PLAN = pyramid.plan((256, 256), (1024, 1024), 60, None, 16, 16, 32, 1 / 32)


def fit(budget, *losses):
    workshop = SimpleNamespace(
        engine="winograd",
        device=device.select(-1),
        table=architecture.VGG16,
        team=ALONE,
        config=SimpleNamespace(memory=budget, wrap=(False, False)),
        pace=lambda layers: 1e-6,
    )
    return fitting.fit(workshop, [*losses, RangePenalty(1e-4)], PLAN)


def test_a_level_that_must_be_whole_is_refused_if_it_does_not_fit():
    assert fit(900e6, GRAM).blocks
    with pytest.raises(
        ConfigError, match=r"the level of 512x512 px needs 1\.\d GB of memory whole"
    ):
        fit(900e6, GRAM, COARSE)


def test_where_it_fits_the_finest_level_is_made_in_blocks_all_the_same():
    assert fit(1.5e9, GRAM, COARSE)[1]
    assert not fit(4e9, GRAM, COARSE)[1]
