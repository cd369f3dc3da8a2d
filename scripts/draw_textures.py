"""Draw pictures of textures, regular and natural ones: exemplars whose truth is known.

Needs numpy, Pillow and click, which the project's environment has. Lengths are in units of which a
picture is 256 wide and high, so a seed gives the same texture at every size.
"""

from pathlib import Path

import click
from drawings.metal import METAL
from drawings.natural import NATURAL
from drawings.regular import REGULAR
from drawings.tools import Scene, photograph
from drawings.woven import WOVEN

TRUTHS = {
    **dict.fromkeys((*REGULAR, *METAL, *WOVEN), "regular"),
    **dict.fromkeys(NATURAL, "natural"),
}
"""Of each texture by name: ``"regular"`` (a lattice, which must not break) or ``"natural"``."""

_PAINTERS = {**REGULAR, **METAL, **WOVEN, **NATURAL}


def draw(name, size=256, seed=0):
    """Draws a texture.

    Args:
        name: One of :data:`TRUTHS`.
        size: Pixels along a side.
        seed: Another seed gives another picture of the same texture.

    Returns:
        PIL.Image.Image: The picture, RGB.
    """
    scene = Scene(name, size, seed)
    return photograph(scene, _PAINTERS[name](scene))


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", metavar="[NAME]...", nargs=-1, type=click.Choice(list(TRUTHS)))
@click.option("--size", type=click.IntRange(16, 4096), default=256, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def main(folder, names, size, seed):
    """Draw the textures of these names, or all, as FOLDER/NAME.png."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names or TRUTHS:
            draw(name, size, seed).save(folder / f"{name}.png")
            click.echo(f"{folder / name}.png: {TRUTHS[name]}")
    except OSError as error:
        raise click.ClickException(f"cannot write to {folder}: {error.strerror}") from error


if __name__ == "__main__":
    main()
