"""A small stack of maps of one relief, which agree to the pixel."""

import numpy as np


def drawn(size=48, seed=0):
    """Bumps with gaps between them: colours, normals, roughness, height and occlusion."""
    random = np.random.default_rng(seed)
    noise = np.fft.rfft2(random.standard_normal((size, size)))
    radius = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    band = np.exp(-(((radius - 0.09) / 0.04) ** 2))
    relief = np.fft.irfft2(noise * band, (size, size))
    height = 1 / (1 + np.exp(-2 * relief / relief.std()))
    down = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) / 2
    across = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) / 2
    normal = np.stack([-3 * across, 3 * down, np.ones_like(down)], axis=2)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    stone, gap = np.array([0.7, 0.6, 0.4]), np.array([0.2, 0.15, 0.2])
    albedo = gap + height[..., None] * (stone - gap)
    stack = {
        "albedo": albedo,
        "normal": normal / 2 + 0.5,
        "roughness": 0.9 - 0.3 * height[..., None],
        "height": height[..., None],
        "ao": np.sqrt(height)[..., None],
    }
    return {name: values.astype(np.float32) for name, values in stack.items()}
