"""Measures every preset on every exemplar, and puts their pictures side by side."""

import json
from pathlib import Path

import click
import numpy as np
from PIL import Image

import texsynth
from texsynth import Config, weights
from texsynth.config import NETWORKS
from texsynth.images import fit, fitted_size, read, save_png, side_by_side, to_batch, to_pixels
from texsynth.metrics import Evaluator
from texsynth.statistics import regularity
from texsynth.synthesis import presets

PRESETS = ("gatys", "natural", "regular")
TRIM = 32  # the outer 1/32 of an exemplar is its frame, not its texture: no preset gains by it
COLUMNS = ("conv1_1", "pool1", "pool2", "pool3", "pool4", "pool5")


@click.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--size", default=256, show_default=True, help="Longer side in pixels.")
@click.option("--iterations", type=int, help="Steps at full size.  [default: the presets']")
@click.option("--choices", is_flag=True, help="Only print what auto chooses, and make nothing.")
@click.option("--network", type=click.Choice(NETWORKS), default="vgg16", show_default=True)
@click.option(
    "--weights", "weights_path", help="The network's weights.  [default: found, or fetched]"
)
def main(out, images, size, iterations, choices, network, weights_path):
    """Writes OUT/NAME.jpg (the exemplar and what each preset made), and prints the table.

    The network that makes the textures also measures them. What OUT/quality.json has already is not
    made again.
    """
    if choices:
        for path in images:
            repeat = regularity.measure(to_batch(read_exemplar(path, size)))
            chosen = "regular" if repeat.strength >= presets.REGULAR_FROM else "natural"
            click.echo(f"| {path.stem} | {repeat.strength:.2f} | {repeat.lag} | {chosen} |")
        return
    out.mkdir(parents=True, exist_ok=True)
    record_path = out / "quality.json"
    record = json.loads(record_path.read_text()) if record_path.exists() else {}
    weights_path = str(weights_path or weights.find_or_fetch(network))
    for path in images:
        exemplar = read_exemplar(path, size)
        for preset in PRESETS:
            key = f"{path.stem} {preset}"
            if key not in record:
                config = Config(
                    preset=preset,
                    network=network,
                    size=0,
                    iterations=iterations,
                    weights=weights_path,
                )
                record[key] = measured(exemplar, config, out / f"{path.stem}_{preset}.png")
                record_path.write_text(json.dumps(record, indent=1))
                click.echo(key, err=True)
        strip(out, path.stem, exemplar)
    for path in images:
        chosen = presets.choose(Config(), to_batch(read_exemplar(path, size)))
        click.echo("\n".join(rows(path.stem, chosen.name, record)))


def read_exemplar(path, size):
    """Returns an exemplar at the size of the trial, ``(H, W, 3)`` uint8.

    Args:
        path: Path of the image.
        size (int): Longer side in pixels.
    """
    batch = to_batch(read(path))
    return to_pixels(fit(batch, fitted_size(batch.shape[:1:-1], size)))


def measured(exemplar, config, path):
    """Makes one texture, saves it, and returns its measures as a dict.

    Args:
        exemplar: ``(H, W, 3)`` uint8.
        config (texsynth.Config): The settings.
        path: Path of the PNG.
    """
    result = texsynth.synthesize(exemplar, config)
    save_png(path, result.image)
    rows, columns = (max(1, side // TRIM) for side in exemplar.shape[:2])
    inner = np.ascontiguousarray(exemplar[rows:-rows, columns:-columns])
    vgg_weights = weights.load(config.weights, config.network)
    values = {"seconds": result.seconds, "evaluations": result.evaluations}
    for name, source in (("whole", exemplar), ("inner", inner)):
        values[name] = Evaluator(source, vgg_weights).measure(result.image).as_dict()
    return values


def strip(out, name, exemplar):
    """Saves the exemplar and the textures of all presets in a row, as a JPEG.

    Args:
        out: Path of the folder.
        name (str): Name of the exemplar.
        exemplar: ``(H, W, 3)`` uint8.
    """
    row = exemplar
    for preset in PRESETS:
        row = side_by_side(row, read(out / f"{name}_{preset}.png"))
    Image.fromarray(row).save(out / f"{name}.jpg", quality=88)


def rows(name, chosen, record):
    """Yields the lines of one exemplar in the Markdown table.

    Args:
        name (str): Name of the exemplar.
        chosen (str): The preset that ``auto`` takes.
        record (dict): Measures by ``"NAME PRESET"``.
    """
    for preset in PRESETS:
        values = record[f"{name} {preset}"]
        label = f"**{preset}**" if preset == chosen else preset
        whole, inner = values["whole"], values["inner"]
        cells = [_figures(whole["gram_errors"]), _figures(inner["gram_errors"])]
        cells += [_figures(inner["sliced_wasserstein"])]
        cells += [f"{whole['spectrum_distance']:.3f}", f"{inner['colour_distance']:.1f}"]
        cells += [f"{share * 100:.0f}" for share in (inner["copied_share"] or 0,)]
        cells += [f"{values['seconds']:.0f}", str(values["evaluations"])]
        yield f"| {name} | {label} | {' | '.join(cells)} |"


def _figures(by_layer):
    return " ".join(f"{by_layer[layer]:.3f}".lstrip("0") for layer in COLUMNS if layer in by_layer)


if __name__ == "__main__":
    main()
