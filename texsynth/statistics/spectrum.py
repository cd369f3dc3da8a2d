"""The power spectrum of an image: its periodic component, its spot, and random phases.

All functions take and return NumPy or CuPy arrays; the image is ``(N, 3, H, W)``.
"""

from collections.abc import Sequence
from types import ModuleType

import numpy as np

from texsynth.compat import chainer
from texsynth.typing import Array, Batch, Size

_TAPER = 0.1  # share of a side over which a spot that is set into a larger image fades


def periodic_component(image: Array) -> Array:
    """Removes from an image what makes its opposite borders differ.

    Moisan 2011, *Periodic plus smooth image decomposition*, equations 10 to 12: the smooth
    component solves a Poisson equation whose source is the jump across the borders. With it in, the
    spectrum has a cross of lines that belongs to the frame, not the texture.

    Args:
        image (array): ``(N, C, H, W)`` float.

    Returns:
        array: The same shape and dtype; the mean of each channel is kept.
    """
    xp = chainer.backend.get_array_module(image)
    height, width = image.shape[2:]
    jumps: Array = xp.zeros(image.shape, np.float64)
    rows = image[:, :, -1].astype(np.float64) - image[:, :, 0]
    columns = image[..., -1].astype(np.float64) - image[..., 0]
    jumps[:, :, 0] += rows
    jumps[:, :, -1] -= rows
    jumps[..., 0] += columns
    jumps[..., -1] -= columns
    down = 2 * xp.cos(2 * np.pi * xp.fft.fftfreq(height))
    across = 2 * xp.cos(2 * np.pi * xp.fft.rfftfreq(width))
    laplacian = down[:, None] + across - 4
    laplacian[0, 0] = 1  # the mean, which no jump has
    smooth: Array = xp.fft.irfft2(xp.fft.rfft2(jumps) / laplacian, (height, width))
    return (image - smooth).astype(image.dtype)


def spot(exemplar: Array, size: Size) -> Array:
    """Returns an image of a given size with the exemplar's power spectrum and mean 0.

    Galerne, Gousseau and Morel 2011, *Random phase textures: theory and synthesis*, section 4: the
    periodic component about its mean; set into zeros, faded at its borders and raised to the same
    power by pixel, where the size is larger, and cut where it is smaller.

    Args:
        exemplar (array): ``(N, C, H, W)`` float.
        size: ``(height, width)``.
    """
    xp = chainer.backend.get_array_module(exemplar)
    within = tuple(min(pair) for pair in zip(exemplar.shape[2:], size, strict=True))
    tops = [(side - part) // 2 for side, part in zip(exemplar.shape[2:], within, strict=True)]
    top, left = tops
    part: Array = periodic_component(exemplar[:, :, top : top + within[0], left : left + within[1]])
    part = part - part.mean(axis=(2, 3), keepdims=True)
    if within == tuple(size):
        return part
    window: Array = _taper(xp, within[0], size[0])[:, None] * _taper(xp, within[1], size[1])
    window *= ((size[0] * size[1]) / (window**2).sum()) ** 0.5
    whole: Array = xp.zeros((*part.shape[:2], *size), part.dtype)
    whole[:, :, : within[0], : within[1]] = part * window
    return whole


def _taper(xp: ModuleType, length: int, full: int) -> Array:
    """Ones, with a raised cosine at both ends where the spot does not fill the image."""
    ramp = int(length * _TAPER)
    ends: Array = xp.ones(length, np.float32)
    if length < full and ramp:
        rise = (1 - xp.cos(np.pi * (xp.arange(ramp, dtype=np.float32) + 0.5) / ramp)) / 2
        ends[:ramp], ends[-ramp:] = rise, rise[::-1]
    return ends


def random_phase(exemplar: Batch, size: Size, seed: int) -> Batch:
    """Makes an image with the exemplar's power spectrum, mean and no structure.

    Galerne, Gousseau and Morel 2011, algorithm 1 (random phase noise): the phase of white noise is
    added to all channels alike, so that their phase differences, the colours, stay.

    Args:
        exemplar: ``(1, C, H, W)`` float32, NumPy.
        size: ``(width, height)`` in pixels.
        seed (int): The same seed gives the same image.

    Returns:
        numpy.ndarray: ``(1, C, height, width)`` float32.
    """
    return random_phase_of([exemplar], [1.0], size, seed)


def random_phase_of(
    exemplars: Sequence[Batch], shares: Sequence[float], size: Size, seed: int
) -> Batch:
    """Makes an image with a spectrum between those of exemplars, their mean and no structure.

    Xia, Ferradans, Peyre and Aujol 2014, *Synthesizing and mixing stationary Gaussian texture
    models*, section 4: each spot is brought to the phases of the first, by one turn for all its
    channels at each frequency, and then they are averaged. Of two, that is the mean in the
    Wasserstein distance; of one, :func:`random_phase`.

    Args:
        exemplars: ``(1, C, H, W)`` float32 each, NumPy.
        shares: One for each; they sum to 1.
        size: ``(width, height)`` in pixels.
        seed (int): The same seed gives the same image.

    Returns:
        numpy.ndarray: ``(1, C, height, width)`` float32.
    """
    shape = (size[1], size[0])
    noise = np.fft.rfft2(np.random.default_rng(seed).standard_normal(shape))
    phase = noise / np.maximum(np.abs(noise), np.finfo(float).tiny)
    first, *others = (np.fft.rfft2(spot(exemplar, shape)) for exemplar in exemplars)
    spectrum = first if not others else first * shares[0]
    for other, share in zip(others, shares[1:], strict=True):
        spectrum += other * share * _turn(first, other)
    deviation = np.fft.irfft2(spectrum * phase, shape)
    means = [each.mean(axis=(2, 3), keepdims=True) for each in exemplars]
    mean = means[0] if not others else sum(m * s for m, s in zip(means, shares, strict=True))
    image: Array = mean + deviation
    return image.astype(np.float32)


def _turn(goal: Array, spectrum: Array) -> Array:
    """The phase that brings a spectrum nearest to another, for all channels ``(N, 1, h, w)``."""
    xp = chainer.backend.get_array_module(spectrum)
    product = (goal * spectrum.conj()).sum(axis=1, keepdims=True)
    magnitude = abs(product)
    is_zero = magnitude == 0
    turn: Array = xp.where(is_zero, 1, product / xp.where(is_zero, 1, magnitude))
    return turn


def project(image: Array, exemplar: Array) -> Array:
    """Returns the image with the exemplar's power spectrum and mean that is nearest to an image.

    Liu, Gousseau and Xia 2016, *Texture synthesis through convolutional neural networks and
    spectrum constraints*, equation 5: one phase for all channels at each frequency, that of the
    product of the image's with the conjugate of the exemplar's.

    Args:
        image (array): ``(N, C, H, W)`` float.
        exemplar (array): ``(N, C, h, w)`` float.

    Returns:
        array: The shape and dtype of ``image``.
    """
    xp = chainer.backend.get_array_module(image)
    size = image.shape[2:]
    goal = xp.fft.rfft2(spot(exemplar, size))
    phase = _turn(xp.fft.rfft2(image), goal)
    deviation = xp.fft.irfft2(goal * phase, size)
    nearest: Array = exemplar.mean(axis=(2, 3), keepdims=True) + deviation
    return nearest.astype(image.dtype)
