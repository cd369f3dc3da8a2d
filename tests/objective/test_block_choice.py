"""What fits a budget, by hand, and what can be had."""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from texsynth.errors import ConfigError
from texsynth.network import device
from texsynth.objective import block_choice, blocks, memory
from texsynth.values import parse_memory

DEFAULT = ("conv1_1", "pool1", "pool2", "pool3", "pool4")


def test_what_is_held_leaves_less_for_blocks_and_pairs():
    size = (2048, 2048)
    alone = block_choice.choose(2e9, size, DEFAULT, "winograd")
    held = int(0.4e9)
    beside = block_choice.choose(2e9, size, DEFAULT, "winograd", held=held)
    less = block_choice.choose(2e9 - held, size, DEFAULT, "winograd")
    assert (beside.block, beside.keep, beside.pairs) == (less.block, less.keep, less.pairs)
    assert beside.bytes == less.bytes + held <= 2e9
    assert (beside.block, beside.pairs) != (alone.block, alone.pairs)


@pytest.mark.parametrize("engine", ["winograd", "plain", "cuda", "plain-gpu"])
@pytest.mark.parametrize("size", [(512, 512), (1024, 700), (4096, 4096), (64, 64)])
@pytest.mark.parametrize("budget", [1e9, 2e9, 4e9, 16e9, 1e12])
def test_choice_fits_and_is_the_largest_that_does(engine, size, budget):
    try:
        choice = block_choice.choose(budget, size, DEFAULT, engine)
    except ConfigError:
        assert size == (4096, 4096) and budget < 4e9
        return

    def total(core, keep, pairs):
        planned = blocks.plan(size, DEFAULT, core)
        window = planned[0].shape
        return (
            memory.block_bytes(engine, DEFAULT, window)
            + (len(planned) - 1) * memory.kept_bytes(DEFAULT, keep, window)
            + memory.history_bytes(size, pairs)
            + memory.process_bytes(engine, DEFAULT)
        )

    assert choice.bytes == total(choice.block, choice.keep, choice.pairs) <= budget
    assert block_choice.FEWEST_PAIRS <= choice.pairs <= memory.MOST_PAIRS
    assert choice.block >= 64
    if choice.block < max(size):
        assert total(max(size), None, choice.pairs) > budget
    if choice.pairs < memory.MOST_PAIRS:
        assert total(min(1024, max(size)), None, choice.pairs + 1) > budget or choice.block < 1024
    assert engine == "winograd" or choice.keep is None


def test_what_is_kept_is_what_takes_the_least_time():
    """Nothing, then the deepest block, then more, as memory grows; and smaller blocks for it."""
    size, process = (4096, 4096), memory.process_bytes("winograd", DEFAULT)
    budgets = [process + gb * 1e9 for gb in (2.32, 2.52, 3.02, 3.52)]
    choices = [block_choice.choose(budget, size, DEFAULT, "winograd") for budget in budgets]
    works = [choice.work for choice in choices]
    assert works == sorted(works, reverse=True) and works[0] > works[-1]
    assert choices[-1].keep == "conv3_1"
    assert f"{choices[-1].keep} and deeper kept" in choices[-1].description
    kept = block_choice.choose(4e9, size, DEFAULT, "winograd").work
    assert kept < 0.9 * block_choice.choose(4e9, size, DEFAULT, "plain").work


def test_work_by_hand():
    """Two windows, the first pass of one of them, all of it statistics and activations."""
    whole = block_choice.choose(1e12, (512, 512), DEFAULT, "plain")
    assert whole.work == 512 * 512
    size = (128, 1024)
    (height, width), number = blocks.outline(size, DEFAULT, 512)
    assert number == 2
    enough = memory.process_bytes("plain", DEFAULT) + memory.history_bytes(size, 3)
    enough += memory.block_bytes("plain", DEFAULT, (height, width))
    halves = block_choice.choose(enough, size, DEFAULT, "plain")
    assert halves.block == 512
    assert halves.work == pytest.approx(height * width * (2 + 0.46))


def test_plenty_takes_the_whole_image_and_all_pairs():
    choice = block_choice.choose(1e12, (300, 500), DEFAULT, "winograd")
    assert (choice.block, choice.pairs) == (500, 20)
    assert choice.description.startswith("1 block of 500x300 px (")


def test_description_names_blocks_and_pairs():
    choice = block_choice.choose(6e9, (4096, 4096), DEFAULT, "winograd")
    assert "25 blocks of 896x896 px, conv3_1 and deeper kept (" in choice.description
    assert f"image and {choice.pairs} curvature pairs (" in choice.description
    assert "\n" not in choice.description


def test_wrapping_blocks_overlap_on_both_sides():
    plain = block_choice.choose(2e9, (2048, 2048), DEFAULT, "winograd")
    wrapped = block_choice.choose(2e9, (2048, 2048), DEFAULT, "winograd", (True, True))
    assert wrapped.block <= plain.block


def test_the_overlap_at_the_edges_of_an_image_that_wraps_is_counted():
    """In the windows, in what is kept of them, and in the time that they take."""
    size, wrap = (1024, 2048), (True, True)
    choice = block_choice.choose(1.56e9, size, DEFAULT, "winograd", wrap)
    window, number = blocks.outline(size, DEFAULT, choice.block, wrap)
    assert window != blocks.outline(size, DEFAULT, choice.block)[0]
    taken = memory.block_bytes("winograd", DEFAULT, window)
    taken += (number - 1) * memory.kept_bytes(DEFAULT, choice.keep, window)
    taken += memory.history_bytes(size, choice.pairs) + memory.process_bytes("winograd", DEFAULT)
    assert choice.bytes == taken and choice.keep == "conv2_1"
    assert number < choice.work / np.prod(window) < number + 1
    assert f"{number} blocks of {window[1]}x{window[0]} px" in choice.description


def test_pixels_alone_need_no_network():
    choice = block_choice.choose(1e9, (512, 512), (), "plain")
    assert (choice.block, choice.pairs) == (512, 20)


def test_too_little_memory_says_how_much_is_needed():
    with pytest.raises(ConfigError, match=r"for 4096x2048 px, not 1\.0 GB$") as one:
        block_choice.choose(1e9, (2048, 4096), DEFAULT, "winograd")
    needed = parse_memory(str(one.value).split("at least ")[1].split(" for")[0])
    choice = block_choice.choose(needed * 1.05, (2048, 4096), DEFAULT, "winograd")
    assert choice.pairs == block_choice.FEWEST_PAIRS


def test_available_on_this_machine():
    amount = block_choice.available(device.select(-1))
    assert amount is None or 0 < amount < 2**50


def test_available_on_the_cpu_is_what_the_machine_leaves(monkeypatch):
    monkeypatch.setattr("texsynth.machine.free_memory", lambda: 77)
    assert block_choice.available(device.select(-1)) == 77


def test_what_cupy_keeps_in_reserve_is_available():
    """And the device is asked that will compute."""
    entered = []

    @contextmanager
    def one():
        entered.append("in")
        yield
        entered.append("out")

    def free():
        assert entered == ["in"]
        return 1000, 9000

    pool = SimpleNamespace(free_bytes=lambda: 77)
    xp = SimpleNamespace(
        cuda=SimpleNamespace(runtime=SimpleNamespace(memGetInfo=free)),
        get_default_memory_pool=lambda: pool,
    )
    assert block_choice.available(SimpleNamespace(xp=xp, device=one())) == 1077
    assert entered == ["in", "out"]


@pytest.mark.gpu
def test_available_on_a_gpu(gpu):
    assert 0 < block_choice.available(gpu) < 2**50
