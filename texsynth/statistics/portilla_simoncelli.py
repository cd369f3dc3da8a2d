"""The texture statistics of Portilla and Simoncelli: which neighbouring wavelets occur together.

Source: Portilla and Simoncelli, *A Parametric Texture Model Based on Joint Statistics of Complex
Wavelet Coefficients* (IJCV 2000), section 2.2: marginal statistics, correlations of the low-pass
images, correlations of the magnitudes, and relative phases across scales. With 4 scales, 4
orientations and neighbourhoods of 7x7 they are 710 numbers. Correlations are over their variances,
which are statistics of their own.
"""

import numpy as np
import numpy.typing as npt

from texsynth.statistics.steerable_pyramid import (
    Complex,
    Pyramid,
    Real,
    decompose,
    interpolated,
)

_NEIGHBOURHOOD = 7
_NOTHING = 1e-12  # variance, of white - black = 1: what is below it is rounding, and has no shape


def texture_statistics(image: Real) -> dict[str, npt.NDArray[np.float64]]:
    """Returns the statistics of an image, group by group.

    Args:
        image: ``(H, W)`` float64, 0..1, both sides multiples of 16 and at least 112: the coarsest
            low-pass image needs 7x7 positions.

    Returns:
        dict: Float64 arrays; ``N = 4`` scales, fine to coarse, and the coarser rest; ``K = 4``
        orientations; 24 neighbours, one of each pair that lies opposite:

        - ``pixels``: ``(6,)``: mean, variance, skewness, kurtosis, least, greatest;
        - ``highpass``: ``(1,)``: variance;
        - ``lowpass_deviation``, ``lowpass_skewness``, ``lowpass_kurtosis``: ``(N + 1,)``;
        - ``lowpass_neighbours``: ``(N + 1, 24)``: autocorrelation;
        - ``magnitude_deviation``: ``(N, K)``;
        - ``magnitude_neighbours``: ``(N, K, 24)``: autocorrelation;
        - ``magnitude_orientations``: ``(N, K (K - 1) / 2)``: correlation of two orientations;
        - ``magnitude_scales``: ``(N - 1, K, K)``: correlation with the next coarser scale;
        - ``phases``: ``(N - 1, K, 2 K)``: correlation of the real part with the real and imaginary
          part of the next coarser scale, its phase doubled.
    """
    pyramid = decompose(image)
    magnitudes = [_centred(np.abs(scale.bands)) for scale in pyramid.scales]
    doubled = [_phase_doubled(interpolated(scale.bands)) for scale in pyramid.scales[1:]]
    between = np.triu_indices(len(magnitudes[0]), 1)
    return {
        "pixels": _pixels(image),
        "highpass": np.array([(pyramid.highpass**2).mean()]),
        **_of_lowpass(pyramid),
        "magnitude_deviation": np.stack([_deviation(each) for each in magnitudes]),
        "magnitude_neighbours": np.stack([_neighbours(each) for each in magnitudes]),
        "magnitude_orientations": np.stack([_correlations(m, m)[between] for m in magnitudes]),
        "magnitude_scales": np.stack(
            [
                _correlations(fine, _centred(np.abs(coarse)))
                for fine, coarse in zip(magnitudes, doubled, strict=False)
            ]
        ),
        "phases": np.stack(
            [
                _correlations(scale.bands.real, np.concatenate((coarse.real, coarse.imag)))
                for scale, coarse in zip(pyramid.scales, doubled, strict=False)
            ]
        ),
    }


def _pixels(image: Real) -> Real:
    variance = image.var(ddof=1)
    about = image - image.mean()
    shape = _skewness(about, variance), _kurtosis(about, variance)
    return np.array([image.mean(), variance, *shape, image.min(), image.max()])


def _of_lowpass(pyramid: Pyramid) -> dict[str, Real]:
    images = [*(scale.lowpass for scale in pyramid.scales), pyramid.lowpass]
    variances = [float((image**2).mean()) for image in images]
    both = list(zip(images, variances, strict=True))
    return {
        "lowpass_deviation": np.sqrt(variances),
        "lowpass_skewness": np.array([_skewness(*each) for each in both]),
        "lowpass_kurtosis": np.array([_kurtosis(*each) for each in both]),
        "lowpass_neighbours": np.stack([_neighbours(image[None])[0] for image in images]),
    }


def _skewness(about: Real, variance: float) -> float:
    """``about`` has mean 0; without contrast as symmetric as a normal distribution."""
    return float((about * about**2).mean() / variance**1.5) if variance > _NOTHING else 0.0


def _kurtosis(about: Real, variance: float) -> float:
    """``about`` has mean 0; without contrast that of a normal distribution."""
    return float(((about**2) ** 2).mean() / variance**2) if variance > _NOTHING else 3.0


def _centred(channels: Real) -> Real:
    found: Real = channels - channels.mean(axis=(1, 2), keepdims=True)
    return found


def _deviation(channels: Real) -> Real:
    found: Real = np.sqrt((channels**2).mean(axis=(1, 2)))
    return found


def _phase_doubled(coefficients: Complex) -> Complex:
    """The same magnitudes, twice the angles: at half the frequency a phase turns half as fast."""
    magnitude = np.abs(coefficients)
    squared = coefficients**2
    return np.divide(squared, magnitude, out=np.zeros_like(squared), where=magnitude > 0)


def _neighbours(channels: Real) -> Real:
    """Autocorrelation, ``(C, 24)``, at distances up to 3 of ``(C, h, w)``, which wraps around."""
    power = np.abs(np.fft.rfft2(channels)) ** 2
    covariance = np.fft.irfft2(power, channels.shape[1:]) / channels[0].size
    near = np.arange(_NEIGHBOURHOOD) - _NEIGHBOURHOOD // 2
    window = covariance[:, near[:, None], near].reshape(len(channels), -1)
    # At a distance and at its opposite it is the same, and at none it is 1.
    return _over(window[:, : _NEIGHBOURHOOD**2 // 2], covariance[:, :1, 0])


def _correlations(a: Real, b: Real) -> Real:
    """Correlation coefficients, ``(A, B)``, of ``(A, h, w)`` with ``(B, h, w)``, of mean 0."""
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    variances = np.outer((a**2).mean(axis=1), (b**2).mean(axis=1))
    return _over(a @ b.T / a.shape[1], np.sqrt(variances))


def _over(covariance: Real, variance: Real) -> Real:
    """What has no contrast correlates with nothing."""
    variance = np.broadcast_to(variance, covariance.shape)
    return np.divide(covariance, variance, out=np.zeros_like(covariance), where=variance > _NOTHING)
