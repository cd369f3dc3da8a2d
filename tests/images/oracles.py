"""What samples mean, computed in floating point; and how a picture that was read is compared."""

import io

import numpy as np
from PIL import Image, ImageCms

from tests.images import pictures
from texsynth import images

WIDTH, HEIGHT = 22, 19
PROFILES = {"none": None, "grey": pictures.GREY, "rgb": pictures.RGB, "cmyk": pictures.CMYK}


def random(channels, most, dtype):
    """Values of which the first pixel is repeated here and there."""
    generator = np.random.default_rng(channels)
    values = generator.integers(0, most + 1, (HEIGHT, WIDTH, channels), endpoint=False)
    values[generator.random((HEIGHT, WIDTH)) < 0.2] = values[0, 0]
    return values.astype(dtype)


def by_littlecms(shares, mode, profile):
    pixels = np.ascontiguousarray(np.rint(shares * 255).astype(np.uint8))
    image = Image.frombytes(mode, pixels.shape[1::-1], pixels.tobytes())
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    srgb = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")) / 255


def by_formula(grey):
    """sRGB of what a grey profile says."""
    return encoded_srgb(grey**pictures.GREY_GAMMA)


def encoded_srgb(linear):
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def expected(shares, profile="none"):
    """Grey levels, of ``(H, W, C)`` in 0..1: grey, grey and alpha, RGB, or RGB and alpha."""
    colours, alpha = shares, 1
    if shares.shape[2] in (2, 4):
        colours, alpha = shares[..., :-1], shares[..., -1:]
    if profile == "grey" and colours.shape[2] == 1:
        colours = by_formula(colours)
    colours = np.broadcast_to(colours, (*colours.shape[:2], 3))
    if profile == "rgb":
        colours = by_littlecms(colours, "RGB", pictures.RGB)
    return 255 * (colours * alpha + 1 - alpha)


def check(path, wanted, caplog, transparent=False, ignored=False, roundings=1, **options):
    """Right to rounding, and told of as it should be."""
    pixels = images.read(path, **options)
    assert pixels.dtype == np.uint8 and pixels.shape == wanted.shape
    # Where there is alpha, it is rounded too, and so are both on white.
    assert np.abs(pixels - wanted).max() <= 0.51 * (roundings + 2 * transparent)
    assert ("transparency is composited on white" in caplog.text) == transparent
    assert ("ignoring its colour profile" in caplog.text) == ignored
