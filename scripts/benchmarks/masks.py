"""Gram sums and their gradients with a weight for each position, and without."""

import statistics
import time

import click
import numpy as np

_LAYERS = ((64, 1), (64, 2), (128, 4), (256, 8), (512, 16))
"""Channels, and pixels from one position to the next, of the default layers."""


def compare(size, runs):
    """Prints milliseconds of processor time with and without a mask, in turn, for each layout.

    Args:
        size (int): Side of the image in pixels.
        runs (int): Runs of each; one more of each comes first.
    """
    click.echo("Gram sums and gradients of the default layers, ms of processor time")
    for layout in ("plain", "winograd"):
        medians = [_medians(layout, channels, size // step, runs) for channels, step in _LAYERS]
        without, masked = (sum(each[number] for each in medians) for number in (0, 1))
        told = f"{without:6.2f} without, {masked:6.2f} with a mask, {masked / without:.3f}"
        click.echo(f"{layout:>9}: {told}")


def _medians(layout, channels, side, runs):
    """Milliseconds at one layer, without a mask and with one."""
    from texsynth.losses import GramLoss
    from texsynth.losses.loss import Counted

    generator = np.random.default_rng(0)
    x = generator.uniform(0, 1, (1, channels, side, side)).astype(np.float32)
    if layout == "winograd":  # channels last, as its engine leaves them
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    gradient = generator.uniform(-1, 1, (1, channels, channels)).astype(np.float32)
    masks = Counted({"layer": generator.uniform(0, 1, (1, 1, side, side)).astype(np.float32)})
    loss, taken = GramLoss({"layer": 1.0}), ([], [])
    for run in range(-1, runs):
        for number in (0, 1) if run % 2 else (1, 0):
            told = masks if number else None
            began = time.process_time()
            loss.partial({"layer": x}, told)
            loss.sums_gradient(x, [gradient], told and told["layer"])
            if run >= 0:
                taken[number].append(1000 * (time.process_time() - began))
    return [statistics.median(each) for each in taken]
