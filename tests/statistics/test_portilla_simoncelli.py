import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth.metrics.luminance import luminance
from texsynth.statistics import portilla_simoncelli
from texsynth.statistics.portilla_simoncelli import texture_statistics
from texsynth.statistics.steerable_pyramid import decompose


def image(height=128, width=160, seed=0):
    return luminance(make_texture(width, height, seed)) / 255


def test_there_are_as_many_as_in_the_paper():
    found = texture_statistics(image())
    assert sum(values.size for values in found.values()) == 710
    assert {name: values.shape for name, values in found.items()} == {
        "pixels": (6,),
        "highpass": (1,),
        "lowpass_deviation": (5,),
        "lowpass_skewness": (5,),
        "lowpass_kurtosis": (5,),
        "lowpass_neighbours": (5, 24),
        "magnitude_deviation": (4, 4),
        "magnitude_neighbours": (4, 4, 24),
        "magnitude_orientations": (4, 6),
        "magnitude_scales": (3, 4, 4),
        "phases": (3, 4, 8),
    }


def test_pixels_are_counted_as_they_are():
    y = np.zeros((112, 112))
    y[:56] = 0.2
    y[:28] = 1.0  # a quarter 1, a quarter .2, half 0
    mean = 0.3
    variance = (0.49 + 0.01 + 2 * 0.09) / 4
    skewness = (0.343 - 0.001 - 2 * 0.027) / 4 / variance**1.5
    kurtosis = (0.2401 + 0.0001 + 2 * 0.0081) / 4 / variance**2
    found = texture_statistics(y)["pixels"]
    np.testing.assert_allclose(found, [mean, variance, skewness, kurtosis, 0, 1], rtol=1e-3)


def test_neighbours_are_correlations_with_the_moved_image():
    y = image()
    found, pyramid = texture_statistics(y), decompose(y)
    lowpass = [*(scale.lowpass for scale in pyramid.scales), pyramid.lowpass]
    magnitudes = [np.abs(band) for scale in pyramid.scales for band in scale.bands]
    moves = [(dy, dx) for dy in range(-3, 4) for dx in range(-3, 4)][:24]
    for images, values in (
        (lowpass, found["lowpass_neighbours"]),
        (magnitudes, found["magnitude_neighbours"].reshape(16, 24)),
    ):
        for picture, row in zip(images, values, strict=True):
            expected = [
                np.corrcoef(picture.ravel(), np.roll(picture, move, axis=(0, 1)).ravel())[0, 1]
                for move in moves
            ]
            np.testing.assert_allclose(row, expected, atol=1e-9)


def test_correlations_are_those_of_each_pair():
    y = image()
    found, scales = texture_statistics(y), decompose(y).scales

    def correlation(a, b):
        return np.corrcoef(a.ravel(), b.ravel())[0, 1]

    sizes = [np.abs(scale.bands) for scale in scales]
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    expected = [[correlation(size[a], size[b]) for a, b in pairs] for size in sizes]
    np.testing.assert_allclose(found["magnitude_orientations"], expected, atol=1e-9)
    deviations = [[band.std() for band in size] for size in sizes]
    np.testing.assert_allclose(found["magnitude_deviation"], deviations, rtol=1e-9)
    for n in range(3):
        spectrum = np.fft.fftshift(np.fft.fft2(scales[n + 1].bands), axes=(1, 2))
        rows, columns = (side // 2 for side in spectrum.shape[1:])
        spectrum = np.pad(spectrum, ((0, 0), (rows, rows), (columns, columns)))
        coarse = np.fft.ifft2(np.fft.ifftshift(spectrum, axes=(1, 2)))
        for a in range(4):
            for b in range(4):
                size, angle = np.abs(coarse[b]), 2 * np.angle(coarse[b])
                told = found["magnitude_scales"][n, a, b]
                assert told == pytest.approx(correlation(sizes[n][a], size), abs=1e-9)
                for part, wave in ((0, np.cos(angle)), (4, np.sin(angle))):
                    u, v = scales[n].bands[a].real, size * wave
                    # About 0, not about the mean: of waves that have none but by chance.
                    expected = (u * v).mean() / np.sqrt((u**2).mean() * (v**2).mean())
                    assert found["phases"][n, a, b + part] == pytest.approx(expected, abs=1e-9)


def test_the_moments_of_the_lowpass_images():
    y = image()
    found, pyramid = texture_statistics(y), decompose(y)
    for n, picture in enumerate([*(s.lowpass for s in pyramid.scales), pyramid.lowpass]):
        standard = picture / picture.std()
        assert found["lowpass_deviation"][n] == pytest.approx(picture.std())
        assert found["lowpass_skewness"][n] == pytest.approx((standard**3).mean(), abs=1e-9)
        assert found["lowpass_kurtosis"][n] == pytest.approx((standard**4).mean())
    assert found["highpass"][0] == pytest.approx((pyramid.highpass**2).mean())


def test_light_and_contrast_change_only_what_measures_them():
    ours, other = texture_statistics(image()), texture_statistics(0.5 * image() + 0.2)
    for name, values in ours.items():
        if name == "pixels":
            np.testing.assert_allclose(other[name][2:4], values[2:4])
        elif name == "highpass":
            np.testing.assert_allclose(other[name], values / 4)
        else:
            factor = 0.5 if name.endswith("deviation") else 1.0
            np.testing.assert_allclose(other[name], factor * values, atol=1e-9)


def test_an_image_without_contrast_correlates_with_nothing():
    found = texture_statistics(np.full((112, 112), 0.3))
    assert found["pixels"].tolist() == pytest.approx([0.3, 0, 0, 3, 0.3, 0.3])
    assert found["lowpass_kurtosis"].tolist() == [3] * 5
    for name in ("neighbours", "orientations", "scales", "phases", "skewness"):
        assert not any(values.any() for key, values in found.items() if key.endswith(name))


def test_a_phase_is_doubled_and_nothing_stays_nothing():
    found = portilla_simoncelli._phase_doubled(np.array([0, 3j, 2 * np.exp(0.4j)]))
    np.testing.assert_allclose(found, [0, -3, 2 * np.exp(0.8j)])


def as_plenoptic_tells(module, y):
    """The same groups by plenoptic, which leaves out what is there twice: as NaN."""
    import torch

    model = module.models.PortillaSimoncelli(y.shape, 4, 4, 7).double()
    told = model.convert_to_dict(model(torch.from_numpy(y)[None, None]))
    told = {name: np.moveaxis(values[0, 0].numpy(), -1, 0) for name, values in told.items()}

    def neighbours(name):
        window = np.moveaxis(told[name], (1, 2), (-2, -1))
        window = np.where(np.isnan(window), window[..., ::-1, ::-1], window)
        return window.reshape(*window.shape[:-2], 49)[..., :24]

    crossed = told["cross_orientation_correlation_magnitude"]
    crossed = np.where(np.isnan(crossed), crossed.swapaxes(1, 2), crossed)
    return {
        "pixels": told["pixel_statistics"],
        "highpass": told["var_highpass_residual"],
        "lowpass_deviation": told["std_reconstructed"],
        "lowpass_skewness": told["skew_reconstructed"],
        "lowpass_kurtosis": told["kurtosis_reconstructed"],
        "lowpass_neighbours": neighbours("auto_correlation_reconstructed"),
        "magnitude_deviation": told["magnitude_std"],
        "magnitude_neighbours": neighbours("auto_correlation_magnitude"),
        "magnitude_orientations": crossed[:, *np.triu_indices(4, 1)],
        "magnitude_scales": told["cross_scale_correlation_magnitude"],
        "phases": told["cross_scale_correlation_real"],
    }


@pytest.mark.filterwarnings("default")  # those of other people's modules
@pytest.mark.parametrize("shape", [(128, 128), (128, 160)])
def test_plenoptic_tells_the_same(shape):
    """It reads its filters from tables, hence not to the last digit."""
    pytest.importorskip("torch")
    plenoptic = pytest.importorskip("plenoptic")
    for y in (image(*shape), np.random.default_rng(0).random(shape)):
        found, expected = texture_statistics(y), as_plenoptic_tells(plenoptic, y)
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=2e-4, err_msg=name)
