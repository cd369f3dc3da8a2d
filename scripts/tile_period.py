"""Measure how much of a texture that tiles shows its period: what varies once and twice in a tile.

Needs numpy, Pillow and click, which the project's environment has.
"""

from pathlib import Path

import click
import numpy as np
from PIL import Image

LUMA = (0.299, 0.587, 0.114)


def deviation(pixels, harmonics):
    """Returns the deviation of what varies no faster than so often in a tile, grey levels.

    In a tiling all power lies at multiples of the tile's frequency, so one tile says it all.

    Args:
        pixels: ``(H, W, 3)``, 0..255.
        harmonics: Periods in a tile, across or down, that count.
    """
    power = np.abs(np.fft.fft2(np.asarray(pixels, float) @ LUMA) / pixels[..., 0].size) ** 2
    down, across = (np.abs(np.fft.fftfreq(side, 1 / side)) for side in power.shape)
    slow = np.maximum(down[:, None], across[None]) <= harmonics
    return float(np.sqrt(power[slow].sum() - power[0, 0]))


@click.command()
@click.argument("paths", metavar="TEXTURE...", nargs=-1, required=True, type=click.Path())
def main(paths):
    """Print the deviation of the first, and of the first two harmonics of each TEXTURE's period."""
    for path in paths:
        try:
            with Image.open(Path(path)) as picture:
                pixels = np.asarray(picture.convert("RGB"))
        except OSError as error:
            raise click.ClickException(f"cannot read {path}: {error}") from error
        click.echo(f"{path}: {deviation(pixels, 1):.2f} {deviation(pixels, 2):.2f}")


if __name__ == "__main__":
    main()
