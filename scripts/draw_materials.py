"""Draw stacks of material maps that tile: albedo, normal, roughness, metallic, height, ao.

Needs numpy, Pillow and click, which the project's environment has. Lengths are in units of which a
tile is 256 wide and high, so a seed gives the same material at every size.
"""

import zlib
from pathlib import Path

import click
import numpy as np
from drawings.materials import MATERIALS, Tile, stack
from PIL import Image


def draw(name, size=256, seed=0):
    """Draws a material.

    Args:
        name: One of :data:`drawings.materials.MATERIALS`.
        size: Pixels along a side.
        seed: Another seed gives another tile of the same material.

    Returns:
        dict: Its maps, as :func:`drawings.materials.stack` gives them.
    """
    tile = Tile(np.random.default_rng([seed, zlib.crc32(name.encode())]), size)
    return stack(tile, MATERIALS[name](tile))


def save(folder, name, maps):
    """Writes maps as FOLDER/NAME_KIND.png, 8 bits a channel; the height has 16."""
    for kind, values in maps.items():
        levels = 65535 if kind == "height" else 255
        samples = np.round(values * levels).astype(np.uint16 if levels > 255 else np.uint8)
        path = folder / f"{name}_{kind}.png"
        pixels = samples[..., 0] if samples.shape[2] == 1 else samples
        Image.fromarray(pixels).save(path, optimize=True)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", metavar="[NAME]...", nargs=-1, type=click.Choice(list(MATERIALS)))
@click.option("--size", type=click.IntRange(16, 4096), default=256, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def main(folder, names, size, seed):
    """Draw the materials of these names, or all, as FOLDER/NAME/NAME_KIND.png."""
    try:
        for name in names or MATERIALS:
            (folder / name).mkdir(parents=True, exist_ok=True)
            save(folder / name, name, draw(name, size, seed))
            click.echo(folder / name)
    except OSError as error:
        raise click.ClickException(f"cannot write to {folder}: {error.strerror}") from error


if __name__ == "__main__":
    main()
