"""Prints how well maps fit that were made together, and one by one, and what each way takes.

``scripts/material_alignment OUT`` draws stones in mortar, or reads the maps of a folder, makes maps
of them both ways, and writes them to the folders OUT/together and OUT/alone.
"""

import time
from pathlib import Path

import click
import numpy as np

import texsynth
from texsynth.materials import finding, reading, writing
from texsynth.metrics.alignment import alignment, alignment_kept

_STONE = 22  # pixels across, about


def blurred(plane, sigma):
    """A Gaussian mean of a plane that tiles."""
    height, width = plane.shape
    squares = np.fft.fftfreq(height)[:, None] ** 2 + np.fft.rfftfreq(width) ** 2
    return np.fft.irfft2(
        np.fft.rfft2(plane) * np.exp(-2 * (np.pi * sigma) ** 2 * squares), plane.shape
    )


def stones(size, random):
    """Which stone is at each pixel, and how far its edge is; cells of a jittered grid that tile."""
    number = max(4, size // _STONE)
    places = np.stack(np.meshgrid(*[np.arange(number)] * 2), axis=-1).reshape(-1, 2)
    middles = (places + random.uniform(0.1, 0.9, places.shape)) * size / number
    rows, columns = np.mgrid[:size, :size]
    distances = []
    for x, y in middles:
        across, down = np.abs(columns - x), np.abs(rows - y)
        distances.append(np.hypot(np.minimum(across, size - across), np.minimum(down, size - down)))
    order = np.argsort(distances, axis=0)[:2]
    nearest, second = np.take_along_axis(np.array(distances), order, axis=0)
    return order[0], len(middles), second - nearest


def drawn(size, seed=1):
    """Albedo, normal, roughness, height and ambient occlusion of one relief."""
    random = np.random.default_rng(seed)
    stone, number, edge = stones(size, random)

    def of_stones(low, high):
        return random.uniform(low, high, number)[stone]

    ramp = np.clip(edge / 8, 0, 1)
    dome = ramp * ramp * (3 - 2 * ramp)
    tops = of_stones(0.55, 1)
    grain = blurred(random.standard_normal((size, size)), 1.2)
    grain /= grain.std()
    height = 0.05 + 0.8 * blurred(dome * tops, 0.8) + 0.02 * grain * dome
    height = height.clip(0, 1)
    down, across = ((np.roll(height, -1, axis) - np.roll(height, 1, axis)) / 2 for axis in range(2))
    normal = np.stack([-8 * across, 8 * down, np.ones_like(down)], axis=2)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    hue, light = of_stones(0, 1)[..., None], of_stones(0.75, 1.05)[..., None]
    colour = (1 - hue) * (0.62, 0.50, 0.38) + hue * (0.45, 0.48, 0.52)
    mortar = (0.22, 0.19, 0.16) + 0.02 * random.standard_normal((size, size, 1))
    cover = blurred(np.clip(edge / 4, 0, 1), 0.7)[..., None]
    maps = {
        "albedo": mortar + cover * (colour * light + 0.035 * grain[..., None] - mortar),
        "normal": normal / 2 + 0.5,
        "roughness": (0.9 - 0.45 * dome * of_stones(0.6, 1) + 0.03 * grain)[..., None],
        "height": height[..., None],
        "ao": (1 - 1.2 * np.maximum(0, blurred(height, 5) - height) - 0.25 * (1 - dome))[..., None],
    }
    return {name: values.clip(0, 1).astype(np.float32) for name, values in maps.items()}


def timed(make):
    """What a function returns, and the seconds of a processor that it took."""
    began = time.process_time()
    return make(), time.process_time() - began


def made(stack, settings):
    """Maps of a stack, made together and one by one: another seed for each of them."""

    def together():
        return texsynth.synthesize_stack(stack, texsynth.Config(**settings)).maps

    def alone():
        found = {}
        for seed, name in enumerate(stack):
            config = texsynth.Config(**settings, seed=seed)
            found |= texsynth.synthesize_stack({name: stack[name]}, config).maps
        return found

    return {"together": timed(together), "alone": timed(alone)}


def furthest_from_unit(maps):
    """How far a normal is from unit length at most."""
    return float(abs(np.linalg.norm(2.0 * maps["normal"] - 1, axis=2) - 1).max())


def table(stack, together, alone):
    """Prints what was kept of the exemplar's alignment, by pairs of maps, and the seconds."""
    (maps, joint_seconds), (others, lone_seconds) = together, alone
    found, apart = alignment(stack, maps), alignment(stack, others)
    print("| maps | exemplar | made together | made one by one |\n|---|---|---|---|")
    for pair, each in found.items():
        print(f"| {', '.join(pair)} | {each.exemplar:.2f} | {each.output:.2f} |", end="")
        print(f" {apart[pair].output:.2f} |")
    kept = alignment_kept(found), alignment_kept(apart)
    print("| all, of the exemplar's own | 1 | {:.2f} | {:.2f} |".format(*kept))
    print(f"| seconds of a processor | | {joint_seconds:.0f} | {lone_seconds:.0f} |")
    if "normal" in maps:
        print(f"normals are within {furthest_from_unit(maps):.1g} of unit length")


@click.command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--size", type=click.IntRange(64), default=128, show_default=True, help="Of stones.")
@click.option("--maps", "where", help="Maps of this folder, not stones.")
@click.option("--output-size", type=click.IntRange(64), help="Side of what is made, in pixels.")
@click.option("-n", "--iterations", type=click.IntRange(0), help="Steps at full size.")
@click.option("--preset", default="natural", show_default=True)
def main(out, size, where, output_size, iterations, preset):
    """Make maps both ways, print the table, and write them to OUT."""
    stack = drawn(size) if where is None else reading.read(finding.find(finding.listed(where)))
    asked = {"output_size": (output_size, output_size) if output_size else None}
    settings = {"size": 0, "tile": "xy", "preset": preset, "iterations": iterations} | asked
    both = made(stack, settings)
    table(stack, **both)
    for name, (maps, _) in both.items():
        (out / name).mkdir(parents=True, exist_ok=True)
        writing.write(maps, writing.paths(maps, out / name, "gl"), "gl")


if __name__ == "__main__":
    main()
