"""Draw a picture of beach pebbles seen from above: the project's own sample exemplar.

Needs numpy and Pillow, which the project's environment has. Lengths are in units of which the
picture is 300 wide and high, so a seed gives the same stones at every size.
"""

import argparse
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

SIDE, SUPERSAMPLE = 300, 3  # units along the picture; samples along each pixel
PAD, MARGIN, EDGE = 20, 50, 72  # units round the picture: drawn; laid with stones; left free
TILE, TEXELS = 1024, 6  # noise fields: texels along a side (a power of 2), texels per unit
LIGHT = np.array([-0.56, -0.47, 0.68], np.float32)  # x right, y down, z to the viewer
SUN, SKY = np.array([1.0, 0.96, 0.90]) * 2.2, np.array([0.94, 0.99, 1.03]) * 0.58

# share, sRGB colour, mottle, speckle, strata, chance of veins, gloss
KINDS = (
    (0.25, (0.50, 0.495, 0.475), 0.13, 0.06, 0.07, 0.20, 0.20),  # grey limestone
    (0.18, (0.41, 0.42, 0.435), 0.12, 0.05, 0.05, 0.30, 0.25),  # blue-grey
    (0.15, (0.585, 0.53, 0.45), 0.13, 0.08, 0.14, 0.05, 0.12),  # beige sandstone
    (0.12, (0.44, 0.385, 0.325), 0.16, 0.08, 0.13, 0.10, 0.15),  # brown
    (0.10, (0.55, 0.53, 0.505), 0.08, 0.26, 0.00, 0.00, 0.15),  # speckled granite
    (0.09, (0.25, 0.25, 0.26), 0.13, 0.05, 0.05, 0.30, 0.35),  # dark basalt
    (0.05, (0.46, 0.325, 0.28), 0.18, 0.08, 0.10, 0.15, 0.20),  # reddish
    (0.06, (0.68, 0.66, 0.615), 0.09, 0.05, 0.00, 0.10, 0.30),  # quartz
)


@dataclass
class Pebble:
    """One stone: where it lies and how it is shaped."""

    axes: np.ndarray  # half lengths along its own two directions
    turn: float
    facets: np.ndarray  # directions and distances of the rounded sides, shape (2, n)
    power: float  # how sharp the corners between the sides are
    dome: float  # how flat the top is
    thickness: float
    seed: int  # of its material
    x: float = 0
    y: float = 0
    z: float = 0  # of its middle, where its outline is

    def local(self, x, y):
        """Turn offsets from the centre into the stone's own directions."""
        c, s = math.cos(self.turn), math.sin(self.turn)
        return c * x + s * y, c * y - s * x

    def gauge(self, u, v):
        """Give 0 at the centre and 1 on the outline: a p-norm of half-planes, always convex."""
        u, v = u / self.axes[0], v / self.axes[1]
        angle, distance = self.facets[..., None, None]
        sides = (np.cos(angle) * u + np.sin(angle) * v) / distance
        return (np.maximum(sides, 0) ** self.power).sum(0) ** (1 / self.power)


def make_pebble(rng, radius):
    """Make a stone of about this radius, not yet laid."""
    count = rng.integers(6, 10)
    angles = (np.arange(count) + rng.uniform(-0.2, 0.2, count)) * 2 * np.pi / count
    stretch = math.exp(min(abs(rng.normal(0, 0.16)), 0.3))
    return Pebble(
        axes=radius * np.array([stretch, 1 / stretch]),
        turn=rng.uniform(0, 2 * np.pi),
        facets=np.float32([angles, rng.uniform(0.86, 1.12, count)]),
        power=rng.uniform(3.5, 6.5),
        dome=rng.uniform(1.8, 2.6),
        thickness=radius * rng.uniform(0.5, 0.85),
        seed=int(rng.integers(2**31)),
    )


def lay(rng, occupied, pebble, overlap, choice):
    """Lay the stone in the tightest of some places where it fits; say whether there was one."""
    reach = math.ceil(pebble.axes.max() * 1.5) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    gauge = pebble.gauge(*pebble.local(x, y))
    inside, near = gauge <= 1, gauge <= 1.3
    free = np.flatnonzero(~occupied[EDGE:-EDGE, EDGE:-EDGE])
    limit, best, place = overlap * np.count_nonzero(inside), -1, None
    for spot in rng.choice(free, min(free.size, 60)):
        row, column = (EDGE + part for part in divmod(int(spot), len(occupied) - 2 * EDGE))
        window = occupied[row - reach : row + reach + 1, column - reach : column + reach + 1]
        if choice and np.count_nonzero(window & inside) <= limit:
            choice -= 1
            contact = np.count_nonzero(window & near)
            if contact > best:
                best, place = contact, window
                pebble.x, pebble.y = column - EDGE - MARGIN, row - EDGE - MARGIN
    if place is not None:
        place |= inside
    return place is not None


def lay_layer(rng, radii, overlap, lift):
    """Lay a layer, the large stones first and the smaller ones into the gaps they leave."""
    occupied, layer = np.zeros((SIDE + 2 * MARGIN + 2 * EDGE,) * 2, bool), []
    for radius in sorted(radii, reverse=True):
        pebble = make_pebble(rng, radius)
        # large ones anywhere, or they would flock; small ones close up, as in a shaken heap
        if lay(rng, occupied, pebble, overlap, 1 if radius > 20 else 6):
            pebble.z = 0.7 * pebble.thickness + rng.uniform(0, 3) + lift
            layer.append(pebble)
    return sorted(layer, key=lambda pebble: pebble.z)


def lay_beach(rng):
    """Lay all stones and return them from the lowest to the highest."""
    grit = lay_layer(rng, rng.uniform(1.3, 3.5, 5200), 0.25, -18)
    below = lay_layer(rng, rng.uniform(4, 10, 1100), 0.15, -13)
    sizes = [rng.uniform(25, 34, 20), rng.uniform(12, 24, 130), rng.uniform(5, 12, 600)]
    main = lay_layer(rng, np.concatenate([*sizes, rng.uniform(2.5, 5, 600)]), 0.07, 0)
    return grit + below + main


def noise_field(rng, low, high, slope):
    """Make periodic noise, mean 0 and deviation 1, of wavelengths from low to high units."""
    f = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None]) * TEXELS
    gain = np.where((f > 1 / high) & (f < 1 / low), np.maximum(f, 1e-6) ** -slope, 0)
    field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(TILE, TILE))) * gain, (TILE, TILE))
    return (field / field.std()).astype(np.float32)


def sample(field, u, v, rng, stretch=1.0):
    """Read a noise field over a stone, from a random place in it."""
    du, dv = rng.integers(TILE, size=2)
    column = (u * (TEXELS / stretch) + du).astype(np.int32) & (TILE - 1)
    return field[(v * TEXELS + dv).astype(np.int32) & (TILE - 1), column]


def add_veins(albedo, u, v, fields, rng, radius):
    """Lay pale veins across a stone, more or less parallel."""
    angle = rng.uniform(0, np.pi)
    for _ in range(rng.integers(1, 4)):
        tilt, shift = angle + rng.normal(0, 0.25), rng.uniform(-0.7, 0.7) * radius
        away = math.cos(tilt) * u + math.sin(tilt) * v - shift
        away += rng.uniform(0.2, 0.7) * sample(fields["cloud"], u, v, rng)
        vein = np.exp(-((away / rng.uniform(0.2, 0.8)) ** 2)) * rng.uniform(0.3, 0.75)
        albedo += vein[..., None] * (np.array([0.50, 0.48, 0.43], np.float32) - albedo)


def material(pebble, u, v, fields):
    """Give a stone's albedo over its window, and its gloss."""
    rng = np.random.default_rng(pebble.seed)
    kind = KINDS[rng.choice(len(KINDS), p=[kind[0] for kind in KINDS])]
    _, colour, mottle, speckle, strata, veins, gloss = kind
    colour = np.array(colour) ** 2.2 * np.exp(rng.normal(0, 0.22) + rng.normal(0, 0.022, 3))
    tone = mottle * sample(fields["cloud"], u, v, rng)
    tone += strata * sample(fields["cloud"], u + 0.3 * v, v - 0.3 * u, rng, 9.0)
    tone += rng.uniform(0.07, 0.15) * sample(fields["grain"], u, v, rng)
    speck = sample(fields["speck"], u, v, rng)
    tone += 2 * speckle * (np.maximum(speck - 0.9, 0) - 1.6 * np.maximum(-speck - 0.9, 0))
    albedo = (colour * np.exp(tone[..., None])).astype(np.float32)
    if rng.random() < veins:
        add_veins(albedo, u, v, fields, rng, pebble.axes[0])
    return np.clip(albedo, 0.01, 0.75), gloss


def paint(pebble, scale, buffers, fields):
    """Paint a stone's height, normals and material over what lies below it."""
    reach = pebble.axes.max() * 1.4 + 1
    edges = [[(c + PAD + r) * scale for r in (-reach, reach)] for c in (pebble.y, pebble.x)]
    edges = np.clip(edges, 0, len(buffers[0])).astype(int)
    if np.diff(edges).min() < 3:
        return  # outside the picture
    window = tuple(slice(*pair) for pair in edges)
    y, x = np.mgrid[window].astype(np.float32) / scale - PAD
    u, v = pebble.local(x - pebble.x, y - pebble.y)
    rng = np.random.default_rng(pebble.seed + 1)
    gauge = np.maximum(pebble.gauge(u, v) + 0.007 * sample(fields["cloud"], u, v, rng), 0)
    relief = pebble.thickness * np.sqrt(np.maximum(1 - gauge**pebble.dome, 0))
    relief += rng.uniform(0.02, 0.10) * sample(fields["cloud"], u, v, rng)
    relief += rng.uniform(0.006, 0.024) * sample(fields["grain"], u, v, rng)
    slope_y, slope_x = np.gradient(relief, 1 / scale)
    steepness = np.sqrt(slope_x**2 + slope_y**2 + 1)[..., None]
    normal = np.stack([-slope_x, -slope_y, np.ones_like(slope_x)], -1) / steepness
    layers = (pebble.z + relief, normal, *material(pebble, u, v, fields))
    inside = gauge < 1
    for buffer, layer in zip(buffers, layers, strict=True):
        buffer[window][inside] = layer[inside] if np.ndim(layer) else layer


def sunlight(height, scale):
    """Give the share of the sun that reaches each place: march towards it over the heights."""
    lit, run = np.ones_like(height), math.hypot(LIGHT[0], LIGHT[1])
    for step in np.arange(1.0, PAD * scale, 1 + 0.25 * scale):
        dx, dy = round(step * LIGHT[0] / run), round(step * LIGHT[1] / run)
        distance = math.hypot(dx, dy) / scale
        above = np.roll(height, (-dy, -dx), (0, 1)) - height - distance * LIGHT[2] / run
        # the further the edge that casts it, the softer the shadow
        lit = np.minimum(lit, np.clip(0.5 - above / (0.4 + 0.12 * distance), 0, 1))
    return lit


def skylight(height, scale):
    """Give the share of the sky seen from each place: how deep it lies among its surroundings."""
    f = np.hypot(np.fft.fftfreq(len(height))[:, None], np.fft.rfftfreq(len(height))[None])
    spectrum, seen = np.fft.rfft2(height), np.ones_like(height)
    for radius in (1.0, 2.5, 6.0, 14.0):
        blur = np.exp(-2 * (np.pi * radius * scale * f) ** 2)
        around = np.fft.irfft2(spectrum * blur, height.shape).astype(np.float32)
        seen *= np.exp(-0.45 * np.maximum(around - height, 0) / radius)
    return seen


def develop(height, normal, albedo, gloss, scale):
    """Light the scene and return it as sRGB values from 0 to 1."""
    lit, seen = sunlight(height, scale), skylight(height, scale)
    sun = np.maximum(normal @ LIGHT, 0) * lit * (0.35 + 0.65 * seen)
    sky = seen * (0.5 + 0.5 * normal[..., 2])
    half = LIGHT + np.float32([0, 0, 1])
    shine = np.maximum(normal @ (half / np.linalg.norm(half)), 0) ** 24 * lit * gloss
    colour = albedo * sky[..., None] * SKY
    colour += (albedo * sun[..., None] + 0.14 * shine[..., None]) * SUN
    colour = 1.04 * colour / (0.3 * colour + 0.74)  # a film's shoulder: no burnt highlights
    return np.clip(colour, 0, 1) ** (1 / 2.2)


def draw(size, seed):
    """Draw the picture."""
    rng = np.random.default_rng(seed)
    bands = {"cloud": (0.7, 22, 1.6), "grain": (0.35, 4, 0.8), "speck": (0.9, 3.5, 0.5)}
    fields = {name: noise_field(rng, *band) for name, band in bands.items()}
    scale = size * SUPERSAMPLE / SIDE
    pad = math.ceil(PAD * scale)
    ground = np.zeros((size * SUPERSAMPLE + 2 * pad,) * 2 + (3,), np.float32)  # low and dark
    buffers = (ground[..., 0] - 21, ground + LIGHT, ground + 0.03, ground[..., 0])
    for stone in lay_beach(rng):
        paint(stone, scale, buffers, fields)
    picture = np.uint8(develop(*buffers, scale)[pad:-pad, pad:-pad] * 255 + 0.5)
    return Image.fromarray(picture).resize((size, size), Image.Resampling.LANCZOS)


def main():
    """Read the arguments, draw the picture and write it."""
    parser = argparse.ArgumentParser(description="Draw a picture of beach pebbles.")
    parser.add_argument("out", metavar="OUT.png", help="the picture to write")
    parser.add_argument("--size", type=int, default=512, help="pixels along a side (512)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other stones (0)")
    args = parser.parse_args()
    draw(args.size, args.seed).save(args.out, optimize=True)


if __name__ == "__main__":
    main()
