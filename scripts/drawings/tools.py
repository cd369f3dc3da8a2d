"""What all drawn textures share: coordinates, noise, cells, light, and the camera.

Colours are linear RGB, heights and lengths are in units of which a picture is 256 wide and high.
"""

import zlib

import numpy as np
from PIL import Image

SIDE, SUPERSAMPLE, MARGIN = 256, 3, 12  # units along the picture; samples a pixel; units round it
TILE, TEXELS = 1024, 3  # noise: texels along a side, texels a unit
LOTS = 128  # elements along a side until their random numbers come again
LIGHT = np.array([-0.55, -0.48, 0.68], np.float32)  # x right, y down, z to the viewer


class Scene:
    """Where a texture is drawn, and its random numbers.

    Attributes:
        size: Pixels along a side of the picture.
        rng: The texture's own random numbers.
        x: ``(S, S)`` float32, units to the right; the margin round the picture is included.
        y: ``(S, S)`` float32, units down.
        step: Units from one sample to the next.
    """

    def __init__(self, name, size, seed):
        self.size = size
        self.rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        self.step = SIDE / (size * SUPERSAMPLE)
        self.edge = round(MARGIN / self.step)
        line = (np.arange(-self.edge, size * SUPERSAMPLE + self.edge) + 0.5) * self.step
        self.x, self.y = np.meshgrid(line.astype(np.float32), line.astype(np.float32))

    def turned(self, degrees):
        """Returns ``(x, y)`` turned about the picture's middle."""
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        x, y = self.x - SIDE / 2, self.y - SIDE / 2
        return np.float32(c) * x + np.float32(s) * y, np.float32(c) * y - np.float32(s) * x

    def noise(self, low, high, slope=1.0):
        """Returns noise over the picture, wavelengths from low to high units."""
        return Noise(self.rng, low, high, slope)(self.x, self.y)

    def field(self, low, high, slope=1.0):
        """Returns noise that can be read anywhere."""
        return Noise(self.rng, low, high, slope)

    def draws(self, i, j, count):
        """Returns ``count`` numbers from 0 to 1 of each element ``(i, j)``, integer arrays."""
        table = self.rng.random((count, LOTS, LOTS), dtype=np.float32)
        return table[:, i % LOTS, j % LOTS]


class Noise:
    """Periodic noise of mean 0 and deviation 1, read with bilinear interpolation.

    Its period is ``tile`` texels.
    """

    def __init__(self, rng, low, high, slope, tile=TILE):
        f = np.hypot(np.fft.fftfreq(tile)[:, None], np.fft.rfftfreq(tile)[None]) * TEXELS
        gain = np.where((f > 1 / high) & (f < 1 / low), np.maximum(f, 1e-6) ** -slope, 0)
        field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(tile, tile))) * gain, (tile, tile))
        self._field = (field / field.std()).astype(np.float32)
        self._start = rng.integers(tile, size=2).astype(np.float32)

    def __call__(self, u, v):
        """Returns the noise at ``(u, v)``, arrays in units."""
        u, v = u * TEXELS + self._start[0], v * TEXELS + self._start[1]
        left, top = np.floor(u), np.floor(v)
        right_share, low_share = u - left, v - top
        tile = len(self._field)
        i, j = left.astype(np.int32) % tile, top.astype(np.int32) % tile
        k, m = (i + 1) % tile, (j + 1) % tile
        f = self._field
        above = f[j, i] + right_share * (f[j, k] - f[j, i])
        below = f[m, i] + right_share * (f[m, k] - f[m, i])
        return above + low_share * (below - above)


def rgb(code):
    """Returns the linear colour of a hexadecimal sRGB code, ``(3,)`` float32."""
    return (np.array([int(code[k : k + 2], 16) for k in (0, 2, 4)]) / 255).astype(np.float32) ** 2.2


def ramp(value, start, end):
    """Returns 0 where ``value`` is at ``start``, 1 at ``end``, smoothly between."""
    t = np.clip((value - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def mix(under, over, share):
    """Lays colours over colours where ``share``, ``(S, S)``, is 1."""
    return under + share[..., None] * (over - under)


def choose(colours, number):
    """Returns one of the colours for each number from 0 to 1, ``(S, S, 3)``."""
    colours = np.stack(colours)
    return colours[np.minimum((number * len(colours)).astype(int), len(colours) - 1)]


def repeat(value, period):
    """Returns the element's number and the place in it, from -0.5 to 0.5 of the period."""
    number = np.floor(value / period)
    return number.astype(np.int32), value / period - number - 0.5


def cells(scene, u, v, pitch, jitter=0.9):
    """Returns distance to the cell's point, distance to its border, and its numbers i, j.

    The cells are Voronoi's, of points strewn one in each square of side ``pitch``.
    """
    table = scene.rng.random((2, LOTS, LOTS), dtype=np.float32)

    def offset(i, j):
        du, dv = jitter * (table[:, i % LOTS, j % LOTS] - 0.5) + 0.5
        return (i + du) * pitch - u, (j + dv) * pitch - v

    i0, j0 = np.floor(u / pitch).astype(np.int32), np.floor(v / pitch).astype(np.int32)
    best, own = np.full(u.shape, np.inf, np.float32), [np.zeros_like(i0), np.zeros_like(j0)]
    around = [(di, dj) for di in (-2, -1, 0, 1, 2) for dj in (-2, -1, 0, 1, 2)]
    for di, dj in around:
        du, dv = offset(i0 + di, j0 + dj)
        nearer = (distance := du**2 + dv**2) < best
        best = np.where(nearer, distance, best)
        own = [np.where(nearer, i0 + di, own[0]), np.where(nearer, j0 + dj, own[1])]
    au, av = offset(*own)
    border = np.full(u.shape, np.inf, np.float32)
    for di, dj in around:
        du, dv = offset(i0 + di, j0 + dj)
        apart = np.hypot(du - au, dv - av)
        across = ((du + au) * (du - au) + (dv + av) * (dv - av)) / (2 * np.maximum(apart, 1e-6))
        border = np.where(apart > 1e-3, np.minimum(border, across), border)
    return np.sqrt(best), border, *own


def light(scene, albedo, height, gloss=0.0, sharpness=24):
    """Returns the colour of a relief under sun and sky, ``(S, S, 3)``."""
    slope_y, slope_x = np.gradient(height, scene.step)
    upright = 1 / np.sqrt(slope_x**2 + slope_y**2 + 1)
    lit, seen = _sunlight(scene, height), skylight(scene.step, height)
    facing = np.maximum((LIGHT[2] - slope_x * LIGHT[0] - slope_y * LIGHT[1]) * upright, 0)
    half = LIGHT + np.float32([0, 0, 1])
    half = half / np.linalg.norm(half)
    shine = np.maximum((half[2] - slope_x * half[0] - slope_y * half[1]) * upright, 0) ** sharpness
    sun, sky = np.float32([1.0, 0.96, 0.90]) * 1.5, np.float32([0.92, 0.98, 1.05]) * 0.55
    colour = albedo * (seen * (0.5 + 0.5 * upright))[..., None] * sky
    return (
        colour
        + (albedo * facing[..., None] + (gloss * shine)[..., None])
        * sun
        * ((lit * (0.4 + 0.6 * seen))[..., None])
    )


def _sunlight(scene, height):
    """Gives the share of the sun that reaches each place: march towards it over the heights."""
    lit, run = np.ones_like(height), np.hypot(LIGHT[0], LIGHT[1])
    for distance in np.arange(0.35, MARGIN, 0.45):
        dx, dy = (round(distance * LIGHT[k] / run / scene.step) for k in (0, 1))
        far = np.hypot(dx, dy) * scene.step
        above = np.roll(height, (-dy, -dx), (0, 1)) - height - far * LIGHT[2] / run
        # the further the edge that casts it, the softer the shadow
        lit = np.minimum(lit, np.clip(0.5 - above / (0.3 + 0.15 * far), 0, 1))
    return lit


def skylight(step, height):
    """Returns the share of the sky seen from each place: how deep it lies in its surroundings.

    Args:
        step: Units from one sample to the next.
        height: ``(S, S)``, units; it goes on at the opposite edge.
    """
    seen = np.ones_like(height)
    for radius in (1.0, 2.5, 6.0):
        around = blur(step, height, radius)
        seen *= np.exp(-0.5 * np.maximum(around - height, 0) / radius)
    return seen


def blur(step, values, radius):
    """Returns values, ``(S, S)``, under a Gaussian blur of this deviation in units."""
    f = np.hypot(np.fft.fftfreq(len(values))[:, None], np.fft.rfftfreq(len(values))[None])
    kernel = np.exp(-2 * (np.pi * radius / step * f) ** 2)
    return np.fft.irfft2(np.fft.rfft2(values) * kernel, values.shape).astype(np.float32)


def photograph(scene, colour):
    """Returns the picture that a camera takes: uneven light, film's shoulder, pixels, grain."""
    inside = slice(scene.edge, -scene.edge)
    uneven = 1 + 0.035 * scene.noise(150, 400, 1.0)
    colour = np.maximum(colour * uneven[..., None], 0)[inside, inside]
    colour = colour + 0.1 * (colour.mean(axis=2, keepdims=True) - colour)  # no lens is so clean
    colour = 0.8 * colour
    colour = np.clip(1.04 * colour / (0.3 * colour + 0.74), 0, 1) ** (1 / 2.2)
    picture = Image.fromarray(np.uint8(colour * 255 + 0.5))
    picture = picture.resize((scene.size, scene.size), Image.Resampling.LANCZOS)
    grain = scene.rng.normal(0, 1.6, (scene.size, scene.size, 1))
    grain = grain + scene.rng.normal(0, 0.9, (scene.size, scene.size, 3))
    return Image.fromarray(np.uint8(np.clip(np.asarray(picture) + grain + 0.5, 0, 255)))
