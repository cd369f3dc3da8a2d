"""Prints how well maps fit that were made together, and one by one, of a drawn stack.

``scripts/material_alignment SIZE OUT`` draws stones in mortar, makes their maps both ways, and
writes those that were made together to the folder OUT.
"""

import sys
import time
from pathlib import Path

import numpy as np

import texsynth
from texsynth.materials import writing
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


def main(size, folder):
    """Makes the maps both ways, and prints the table."""
    stack = drawn(size)
    config = texsynth.Config(size=0, tile="xy", preset="natural")
    began = time.process_time()
    together = texsynth.synthesize_stack(stack, config).maps
    middle = time.process_time()
    alone = {
        name: texsynth.synthesize_stack(
            {name: stack[name]}, texsynth.Config(size=0, tile="xy", preset="natural", seed=seed)
        ).maps[name]
        for seed, name in enumerate(stack)
    }
    ended = time.process_time()
    found, apart = alignment(stack, together), alignment(stack, alone)
    print("| maps | exemplar | made together | made one by one |\n|---|---|---|---|")
    for pair, each in found.items():
        print(f"| {', '.join(pair)} | {each.exemplar:.2f} | {each.output:.2f} |", end="")
        print(f" {apart[pair].output:.2f} |")
    kept = alignment_kept(found), alignment_kept(apart)
    print("| all, of the exemplar's own | 1 | {:.2f} | {:.2f} |".format(*kept))
    print(f"| seconds of a processor | | {middle - began:.0f} | {ended - middle:.0f} |")
    folder.mkdir(parents=True, exist_ok=True)
    writing.write(together, writing.paths(together, folder, "gl"), "gl")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
