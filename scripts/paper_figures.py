"""Makes figures 2 and 3 of Gatys, Ecker and Bethge 2015 anew, with any of the networks.

Figure 2: textures from Gram matrices of more and more layers. Figure 3: the same from fewer or more
parameters, with either pooling, and with random weights in place of trained ones.
"""

import contextlib
import dataclasses
import json
import tempfile
from pathlib import Path

import click
import numpy as np
from paper.models import (
    LAYERS,
    UNTRAINED,
    Model,
    ReducedGramLoss,
    parameters,
    random_weights,
)
from paper.models import figure_3 as models_of_figure_3
from PIL import Image, ImageDraw, ImageFont

from texsynth import Config, metrics, synthesize, weights
from texsynth.command import device_options
from texsynth.config import NETWORKS
from texsynth.errors import TexsynthError
from texsynth.images import fit, read, save_png, to_batch, to_pixels
from texsynth.network import device

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
EXEMPLARS = [SAMPLES / name for name in ("pebbles.png", "gravel.png", "stars.jpg", "brick.png")]
GAP = 6  # pixels between the pictures of a grid
PATH = click.Path(path_type=Path, readable=False)


class Studio:
    """Makes textures after models and keeps account of them.

    Args:
        config (Config): The settings that all textures share.
        random_file: Path of a file with random weights.

    Attributes:
        account (list): A dict of numbers for each texture.
        models_of_figure_3 (dict): Its rows, for the network of the settings.
    """

    def __init__(self, config, random_file):
        self._config = config
        self._random_file = random_file
        self._trained = weights.load(config.weights, config.network)
        self._made = {}
        self.models_of_figure_3 = models_of_figure_3(config.network)
        self.account = []

    def texture(self, name, exemplar, model):
        """Returns a texture, ``(H, W, 3)`` uint8; the same one if asked for again.

        Args:
            name: What to call the exemplar.
            exemplar: ``(H, W, 3)`` uint8, at its final size.
            model (Model): What to match.
        """
        if (name, model) not in self._made:
            self._made[name, model] = self._make(name, exemplar, model)
        return self._made[name, model]

    def _make(self, name, exemplar, model):
        config = dataclasses.replace(
            self._config,
            layers=dict.fromkeys(model.layers, 1.0),
            pooling=model.pooling,
            **self._network(model),
        )
        losses = None
        if model.count is not None:
            losses = [ReducedGramLoss(model.layers, model.count, model.choose)]
        result = synthesize(exemplar, config, losses=losses)
        # In one and the same network, or the errors of different models could not be compared.
        judge = Config(preset="gatys", size=0)
        errors = metrics.gram_errors(
            result.image, to_batch(exemplar), self._trained, judge, device.select(config.gpu)
        )
        self.account.append(
            {
                "exemplar": name,
                **dataclasses.asdict(model),
                "choose": model.choose.__name__ if model.count else None,
                "parameters": parameters(model.layers, model.count),
                "loss": result.history[-1][-1],
                "errors": errors,
                "evaluations": result.evaluations,
                "seconds": round(result.seconds, 1),
            }
        )
        click.echo(
            f"{name}: {'+'.join(model.layers[-1:])}, {model.caption}, {model.pooling} pooling, "
            f"{'random' if model.random else 'trained'} weights: {result.seconds:.0f} s"
        )
        return result.image

    def _network(self, model):
        """Settings of the network, and of the file of its weights."""
        network, path = self._config.network, self._config.weights
        if model.random:
            network, path = UNTRAINED[network], self._random_file
        return {"network": network, "weights": path}


def figure_2(studio, exemplars):
    """Returns the rows of figure 2: a label and its pictures, the originals last.

    Args:
        studio (Studio): Makes the textures.
        exemplars: ``{name: (H, W, 3) uint8}``.
    """
    rows = []
    for depth, layer in enumerate(LAYERS, 1):
        model = Model(LAYERS[:depth])
        label = f"{'+ ' if depth > 1 else ''}{layer}\n({parameters(model.layers):,})"
        rows.append((label, [(None, studio.texture(n, e, model)) for n, e in exemplars.items()]))
    return [*rows, ("original", [(None, exemplar) for exemplar in exemplars.values()])]


def figure_3(studio, exemplars):
    """Returns the rows of figure 3, of the first exemplar: a label and captioned pictures.

    Args:
        studio (Studio): Makes the textures.
        exemplars: ``{name: (H, W, 3) uint8}``.
    """
    name, exemplar = next(iter(exemplars.items()))
    rows = [
        (label, [(model.caption, studio.texture(name, exemplar, model)) for model in models])
        for label, models in studio.models_of_figure_3.items()
    ]
    return [*rows, ("original", [(None, exemplar)])]


def draw_grid(rows):
    """Returns a grid of pictures with labels at the left and captions above, ``(H, W, 3)`` uint8.

    Args:
        rows: ``[(label, [(caption or None, (h, w, 3) uint8), ...]), ...]``; pictures of one size.
    """
    height, width = rows[0][1][0][1].shape[:2]
    font = ImageFont.load_default(max(10, width / 14))
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    left = GAP + max(int(ruler.multiline_textbbox((0, 0), row[0], font)[2]) for row in rows) + GAP
    above = int(ruler.textbbox((0, 0), "Ag", font)[3]) + 2
    tops = [above if any(caption for caption, _ in row[1]) else 0 for row in rows]
    columns = max(len(row[1]) for row in rows)
    size = (left + columns * (width + GAP), sum(tops) + len(rows) * (height + GAP) + GAP)
    grid = Image.new("RGB", size, "white")
    pen, y = ImageDraw.Draw(grid), GAP
    for (label, pictures), top in zip(rows, tops, strict=True):
        y += top
        pen.multiline_text((left - GAP, y + height / 2), label, "black", font, "rm", align="right")
        for column, (caption, pixels) in enumerate(pictures):
            x = left + column * (width + GAP)
            pen.text((x, y - 2), caption or "", "black", font, "ls")
            grid.paste(Image.fromarray(pixels), (x, y))
        y += height + GAP
    return np.asarray(grid)


def read_square(path, size):
    """Returns the middle square of an image file at a size, ``(size, size, 3)`` uint8."""
    pixels = read(path)
    side = min(pixels.shape[:2])
    top, left = ((whole - side) // 2 for whole in pixels.shape[:2])
    square = to_batch(pixels[top : top + side, left : left + side])
    return to_pixels(fit(square, (size, size)))


def read_exemplars(paths, size):
    """Returns ``{name: (size, size, 3) uint8}`` of image files, by their names without suffix.

    Args:
        paths: Paths of the files.
        size: Side in pixels.
    """
    exemplars = {path.stem: read_square(path, size) for path in paths}
    if len(exemplars) < len(paths):
        raise click.UsageError("exemplars must have different names: the account goes by them")
    return exemplars


FIGURES = {"2": figure_2, "3": figure_3}


@click.command()
@click.argument("images", metavar="[IMAGE]...", nargs=-1, type=PATH)
@click.option("--out", type=PATH, default="figures", show_default=True, help="Folder to write to.")
@click.option("--figure", type=click.Choice(["2", "3", "both"]), default="both", show_default=True)
@click.option("--size", type=click.IntRange(32, 2048), default=256, show_default=True)
@click.option("--iterations", type=click.IntRange(1), default=100, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--network", type=click.Choice(NETWORKS), default="vgg16", show_default=True)
@click.option("--weights", "weights_path", type=PATH, help="File of the trained weights.")
@device_options
def main(images, out, figure, size, iterations, seed, network, weights_path, gpu):
    """Make figure2.png and figure3.png of these exemplars, or of four samples.

    Beside each lies a .json of its numbers. Figure 3 shows the first exemplar.
    """
    try:
        config = Config(
            preset="gatys",
            size=size,
            iterations=iterations,
            seed=seed,
            network=network,
            weights=weights_path or weights.find_or_fetch(network),
            gpu=gpu,
        )
        exemplars = read_exemplars(images or EXEMPLARS, size)
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()  # better told now than after the textures
        with tempfile.TemporaryDirectory() as folder:
            random_file = Path(folder) / "random.npz"
            weights.save(random_file, random_weights(seed, network))
            for number in FIGURES if figure == "both" else figure:
                studio = Studio(config, random_file)
                rows = FIGURES[number](studio, exemplars)
                save_png(out / f"figure{number}.png", draw_grid(rows))
                settings = {
                    "network": network,
                    "size": size,
                    "iterations": iterations,
                    "seed": seed,
                }
                account = {**settings, "textures": studio.account}
                _save_json(out / f"figure{number}.json", account)
    except TexsynthError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"cannot write to {out}: {error.strerror}") from error


def _save_json(path, content):
    part = path.with_suffix(".part")
    with contextlib.ExitStack() as stack:
        stack.callback(part.unlink, missing_ok=True)
        part.write_text(json.dumps(content, indent=1) + "\n")
        part.replace(path)


if __name__ == "__main__":
    main()
