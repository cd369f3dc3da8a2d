import os
import re
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth.config import Config
from texsynth.errors import ConfigError
from texsynth.losses import LOSSES, RangePenalty
from texsynth.network import architecture, device
from texsynth.objective import composing, memory
from texsynth.objective.held_memory import Held
from texsynth.objective.team import ALONE
from texsynth.synthesis import fitting, pyramid
from texsynth.synthesis.holes import Damaged
from texsynth.synthesis.masked import Source
from texsynth.synthesis.mixture import Mixture
from texsynth.synthesis.regions import painted
from texsynth.synthesis.repair_study import RepairStudy
from texsynth.synthesis.workshop import Workshop

GRAM = LOSSES["gram"](dict.fromkeys(("conv1_1", "pool1", "pool2", "pool3", "pool4"), 1.0))
FINE = LOSSES["contrast-gram"]({"conv1_1": 1.0, "pool2": 1.0})
COARSE = LOSSES["correspondence"](dict.fromkeys(("pool1", "pool2", "pool3"), 0.1))
PLAN = pyramid.plan((256, 256), (1024, 1024), 60, None, 16, 16, 32, 1 / 32)


def fit(budget, *losses, **changes):
    precision = changes.pop("precision", "fp32")
    workshop = SimpleNamespace(
        engine="winograd",
        precision=precision,
        device=device.select(-1),
        table=architecture.VGG16,
        team=ALONE,
        config=SimpleNamespace(memory=budget, wrap=(False, False)),
        pace=lambda layers: 2e-5,
    )
    return fitting.fit(workshop, [*losses, RangePenalty(1e-4)], PLAN, **changes)


def test_a_level_that_must_be_whole_is_refused_if_it_does_not_fit():
    assert fit(900e6, GRAM).blocks
    with pytest.raises(
        ConfigError, match=r"the level of 512x512 px needs 1\.\d GB of memory whole"
    ):
        fit(900e6, GRAM, COARSE)


def test_where_it_fits_the_finest_level_is_made_in_blocks_all_the_same():
    assert fit(1.5e9, GRAM, COARSE)[1]
    assert not fit(4e9, GRAM, COARSE)[1]


def least_of(*losses, **changes):
    """The smallest budget, in MB, for which all is made whole."""
    low, high = 100, 20_000
    while high - low > 1:
        middle = (low + high) // 2
        try:
            is_whole = not fit(middle * 1e6, *losses, **changes)[1]
        except ConfigError:
            is_whole = False
        low, high = (low, middle) if is_whole else (middle, high)
    return high


def test_what_is_held_beside_counts():
    """Masks, planes and parts; and each part's patches."""
    canvas = 1024 + 2 * 16
    alone = least_of(GRAM)
    masks = Held(planes=4, masks=3)
    a_pixel = 4 + 3 * (1 + 1 + 1 / 4 + 1 / 16 + 1 / 64 + 1 / 256)
    expected = 4 * a_pixel * canvas**2 / 1e6
    assert least_of(GRAM, held=masks) - alone == pytest.approx(expected, abs=1)
    coarse = least_of(GRAM, COARSE) - alone
    parts = least_of(GRAM, COARSE, held=Held(parts=3)) - least_of(GRAM, held=Held(parts=3))
    assert coarse <= 1 and parts <= 1  # the coarse level is the smaller one all the same
    many = least_of(GRAM, COARSE, held=Held(parts=40)) - least_of(GRAM, held=Held(parts=40))
    assert many > 500  # in 40 parts it is not


def test_the_second_network_and_images_of_even_contrast_count():
    canvas = (1024 + 2 * 16) ** 2
    second = memory.second_bytes("winograd", FINE.layers, (1056, 1056))
    images = composing.image_bytes((1056, 1056))
    assert second > 400 * canvas and images == 96 * canvas
    assert least_of(GRAM, FINE) - least_of(GRAM) == pytest.approx((second + images) / 1e6, abs=1)


def test_in_blocks_images_of_even_contrast_count(monkeypatch):
    held = []

    def choose(*given):
        held.append(given[-1])
        return SimpleNamespace(bytes=0, description="", work=1.0, pairs=3, block=64, keep=None)

    monkeypatch.setattr(fitting.block_choice, "choose", choose)
    fit(900e6, GRAM)
    fit(900e6, GRAM, FINE)
    assert held[1] - held[0] == composing.image_bytes((1056, 1056))


def test_the_time_that_is_told_is_that_of_both_networks(caplog):
    caplog.set_level("INFO", logger="texsynth")
    for losses in ([GRAM], [GRAM, FINE]):
        fit(1.5e9, *losses)
    alone, both = (
        float(re.search(r"time: about ([\d.]+) s per", text)[1])
        for text in caplog.messages
        if text.startswith("time")
    )
    assert both == pytest.approx(2 * alone, rel=0.2)


def test_kernels_in_bfloat16_are_counted_as_large_as_they_are():
    kernels = (
        9
        * 4
        * sum(
            layer.in_channels * layer.out_channels
            for layer in architecture.to_deepest(GRAM.layers, architecture.VGG16)
            if isinstance(layer, architecture.Convolution)
        )
    )
    less = least_of(GRAM) - least_of(GRAM, precision="bf16")
    assert less == pytest.approx(4 * kernels / 1e6, abs=1)


@pytest.fixture
def workshop(random_weights_file):
    config = Config(
        size=0,
        layers="conv1_1,pool1",
        preset="gatys",
        weights=random_weights_file,
        engine="plain",
    )
    return Workshop(config)


def test_a_repair_counts_its_images_and_masks(workshop):
    mask = np.zeros((40, 48), bool)
    mask[10:20, 10:20] = True
    damaged = Damaged.of(make_texture(48, 40), mask, workshop.config)
    assert RepairStudy(workshop, damaged)._held == Held(planes=21, masks=1, exemplar_masks=1)
    source = RepairStudy(workshop, damaged, make_texture(40, 40))
    assert source._held == Held(planes=21, masks=1)


def test_parts_count_their_weights_masks_and_targets(workshop):
    regions = np.zeros((32, 32), int)
    regions[:, 16:], regions[:8] = 1, 2
    mask = np.ones((32, 32))
    textures = {
        0: make_texture(32, 32),
        1: Source(make_texture(32, 32), mask),
        2: make_texture(32, 32),
    }
    held = painted(workshop, textures, regions)._held
    assert held == Held(planes=6, masks=3, exemplar_masks=1, targets=6, parts=3)
    mixture = Mixture(workshop, [make_texture(32, 32), make_texture(32, 32, seed=1)])
    assert mixture._held == Held(targets=2)


PEAK = """
    import dataclasses, pathlib, re, sys
    import numpy as np
    from texsynth.config import Config
    from texsynth.objective import memory
    from texsynth.synthesis import fitting
    from texsynth.synthesis.holes import Damaged
    from texsynth.synthesis.level_run import LevelRun
    from texsynth.synthesis.regions import painted
    from texsynth.synthesis.repair_study import RepairStudy
    from texsynth.synthesis.workshop import Workshop

    kind, path, side = sys.argv[1], sys.argv[2], int(sys.argv[3])
    losses = ["gram", "contrast-gram=30"] if kind == "contrast" else "gram"
    config = Config(
        size=0, output_size=(side, side), preset="gatys", losses=losses, levels=1, iterations=1,
        weights=path, engine="winograd", precision="fp32",
    )
    workshop = Workshop(config)
    photo = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    if kind == "repair":
        mask = np.zeros((side, side), bool)
        mask[side // 4 : side // 2, side // 4 : side // 2] = True
        study = RepairStudy(workshop, Damaged.of(photo, mask, config))
    elif kind in ("texture", "contrast"):
        study = workshop.study(photo)
    else:
        regions = np.arange(side)[:, None] * 6 // side + np.zeros((side, side), int)
        study = painted(workshop, dict.fromkeys(range(6), photo[:160, :160]), regions)
    workshop.device.use()
    study.make_network()
    next(LevelRun(study, 1, study.start(0)).steps())
    peak = re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]
    counted = workshop, "winograd", study.losses, study.plan[-1]
    held = fitting._whole_bytes(*counted, study.channels, study._held)
    pairs = [memory.history_bytes((side, side), number) for number in (1, memory.MOST_PAIRS)]
    print(int(peak) * 1024, held + pairs[0] - pairs[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells")
@pytest.mark.parametrize("kind", ["texture", "contrast", "repair", "regions"])
def test_estimates_are_what_processes_take(kind, random_weights_file):
    """The peak of a process that takes one step, to an eighth."""
    output = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PEAK), kind, str(random_weights_file), "400"],
        env=os.environ | {"NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    peak, estimated = map(int, output.split())
    assert peak == pytest.approx(estimated, rel=0.125)
