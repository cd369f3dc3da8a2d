"""Autocorrelation, spectrum and sliced Wasserstein distance against known values."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.losses.inside import cut
from texsynth.statistics import fourier, spectrum, wasserstein
from texsynth.statistics.autocorrelation import autocorrelation, fast_length


def random(seed, shape=(1, 3, 24, 20)):
    return np.random.default_rng(seed).standard_normal(shape)


def test_autocorrelation_at_lag_zero_is_the_mean_square():
    x = random(0)
    actual = autocorrelation(x, (5, 7)).array
    assert actual.shape == (1, 3, 11, 8)
    np.testing.assert_allclose(actual[:, :, 5, 0], (x**2).mean(axis=(2, 3)))


def test_autocorrelation_of_a_constant_does_not_fade():
    np.testing.assert_allclose(autocorrelation(np.full((1, 1, 9, 8), 3.0), (8, 7)).array, 9)


def test_autocorrelation_of_a_wave_is_a_wave():
    wave = np.cos(2 * np.pi * np.arange(240) / 12)[None, None, None, :].repeat(4, 2)
    actual = autocorrelation(wave, (1, 24)).array[0, 0, 1]
    np.testing.assert_allclose(actual, np.cos(2 * np.pi * np.arange(25) / 12) / 2, atol=0.01)


@pytest.mark.parametrize(("least", "length"), [(1, 2), (7, 8), (13, 16), (97, 100), (1025, 1080)])
def test_fast_length(least, length):
    assert fast_length(least) == length


@pytest.fixture
def pools(monkeypatch):
    """Transforms as on four cores, with a thread for however few values: what pools are made."""
    made = []
    monkeypatch.setattr(
        fourier, "ThreadPoolExecutor", lambda count: made.append(count) or ThreadPoolExecutor(count)
    )
    monkeypatch.setattr("texsynth.machine.processors", lambda: 4)
    monkeypatch.setattr(fourier, "_LEAST", 1)
    return made


@pytest.mark.parametrize(
    ("asked", "count"),
    [("3", 3), ("2,1", 2), ("99", 4), ("", 4), (None, 4), ("many", 4), ("0", 4), ("1", None)],
)
def test_transforms_are_shared_by_as_many_threads_as_asked_for(asked, count, pools, monkeypatch):
    """However many there are, they are NumPy's, of sides that are odd too."""
    if asked is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    x = random(0, (2, 7, 12, 9))
    spectra = fourier.rfft2(x, (15, 11))
    np.testing.assert_array_equal(spectra, np.fft.rfft2(x, (15, 11)))
    back = fourier.irfft2(spectra, (15, 11))
    np.testing.assert_array_equal(back, np.fft.irfft2(spectra, (15, 11)))
    assert pools == ([] if count is None else [count, count])


def test_few_values_are_not_worth_a_thread(pools, monkeypatch):
    monkeypatch.setattr(fourier, "_LEAST", 2 * 7 * 12 * 9)
    fourier.rfft2(random(0, (2, 7, 12, 9)), (15, 11))
    assert pools == []


def test_the_gradient_through_the_interior_lies_in_memory_as_the_activations_do():
    """Else the engine, whose channels lie next to each other, has to copy it."""
    x = chainer.Variable(random(0, (1, 7, 9, 4)).transpose(0, 3, 1, 2))
    chainer.functions.sum(cut(x, (slice(1, 6), slice(0, 9)))).backward()
    assert x.grad.strides == x.array.strides
    assert x.grad[:, :, 1:-1].min() == 1 and x.grad.sum() == 4 * 5 * 9


@pytest.mark.parametrize("axes", [(2, 3), (3, 2)])
def test_periodic_component_of_a_ramp_is_flat(axes):
    ramp = np.linspace(0, 100, 32)[None, None, None, :].repeat(16, 2).swapaxes(*axes)
    component = spectrum.periodic_component(ramp)
    assert component.mean() == pytest.approx(50)
    # What stays is the step at the border that the ramp's own slope asks for.
    assert abs(component - 50).max() < 100 / 31


def test_periodic_component_leaves_a_periodic_image_alone():
    y, x = np.mgrid[:16, :24]
    wave = np.sin(2 * np.pi * (y / 16 + 2 * x / 24))[None, None]
    inner = wave.copy()
    inner[:, :, 0] = inner[:, :, -1] = inner[..., 0] = inner[..., -1] = 0
    np.testing.assert_allclose(spectrum.periodic_component(inner), inner, atol=1e-12)


def test_spectra_keep_the_dtype_of_the_image():
    single = random(0).astype(np.float32)
    assert spectrum.periodic_component(single).dtype == np.float32
    assert spectrum.project(single, random(1)).dtype == np.float32


def test_random_phase_keeps_mean_and_spectrum():
    exemplar = (random(0) * 20 + 100).astype(np.float32)
    texture = spectrum.random_phase(exemplar, (20, 24), 3)
    assert texture.dtype == np.float32
    np.testing.assert_allclose(texture.mean(axis=(2, 3)), exemplar.mean(axis=(2, 3)), rtol=1e-5)
    goal = spectrum.spot(exemplar, (24, 20))
    amplitudes = [abs(np.fft.fft2(x - x.mean(axis=(2, 3), keepdims=True))) for x in (texture, goal)]
    np.testing.assert_allclose(*amplitudes, atol=0.02)


def test_random_phase_keeps_what_colours_have_in_common():
    grey = np.repeat(random(0, (1, 1, 24, 20)), 3, axis=1).astype(np.float32)
    texture = spectrum.random_phase(grey, (20, 24), 0)
    np.testing.assert_allclose(texture[:, 0], texture[:, 2], atol=1e-5)


@pytest.mark.parametrize("size", [(40, 50), (12, 10), (50, 10)])
def test_a_spot_of_another_size_has_the_same_power_by_pixel(size):
    exemplar = random(0, (1, 3, 32, 32))
    spot = spectrum.spot(exemplar, size)
    assert spot.shape[2:] == size
    assert (spot**2).mean() == pytest.approx(exemplar.var(), rel=0.25)


def test_a_smaller_spot_is_of_the_middle():
    exemplar = random(0, (1, 3, 32, 32))
    middle = exemplar[:, :, 8:24, 10:22]
    np.testing.assert_array_equal(
        spectrum.spot(exemplar, (16, 12)), spectrum.spot(middle, (16, 12))
    )


def test_a_spot_in_a_larger_image_fades_where_it_ends():
    spot = spectrum.spot(random(0, (1, 3, 40, 40)), (60, 40))
    assert (spot[:, :, 40:] == 0).all()
    for row in (0, 39):
        assert spot[:, :, row].std() < 0.1 * spot.std()
    for column in (0, 39):  # this side is full: it goes on at the opposite border
        assert spot[..., column].std() > 0.5 * spot.std()


def test_random_phase_is_repeatable_and_depends_on_the_seed():
    exemplar = random(0).astype(np.float32)
    one, two, three = (spectrum.random_phase(exemplar, (30, 30), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert abs(one - three).mean() > 0.1


def test_projection_is_the_nearest_of_many():
    image, exemplar = random(0), random(1)
    nearest = spectrum.project(image, exemplar)
    for seed in range(20):
        other = spectrum.random_phase(exemplar, (20, 24), seed)
        assert ((image - nearest) ** 2).sum() < ((image - other) ** 2).sum()
    np.testing.assert_allclose(spectrum.project(nearest, exemplar), nearest, atol=1e-9)


def test_projection_keeps_what_colours_have_in_common():
    grey = np.repeat(random(1, (1, 1, 24, 20)), 3, axis=1)
    nearest = spectrum.project(random(0), grey)
    np.testing.assert_allclose(nearest[:, 0], nearest[:, 2], atol=1e-9)


def test_sorted_projections_by_hand():
    x = np.array([[3.0, 1.0], [0.0, 2.0]]).reshape(1, 2, 1, 2)
    actual = wasserstein.sorted_projections(x, np.array([[1.0, 0.0], [0.0, -1.0]]))
    np.testing.assert_array_equal(actual, [[[1, 3], [-2, 0]]])


def test_directions_are_unit_vectors_of_their_key():
    vectors = wasserstein.directions(5, 7, "pool1")
    np.testing.assert_allclose((vectors**2).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(vectors, wasserstein.directions(5, 7, "pool1"))
    assert abs(vectors - wasserstein.directions(5, 7, "pool2")).max() > 0.1


def test_directions_are_the_same_in_every_process():
    """Python's own hash of a string is not."""
    known = [[0.4915243, -0.8708639], [-0.6783793, -0.7347119]]
    np.testing.assert_allclose(wasserstein.directions(2, 2, "pool1"), known, atol=1e-6)


def test_resample_reads_between_quantiles():
    values = np.array([0.0, 10.0])
    np.testing.assert_allclose(wasserstein.resample(values, 4), [0, 2.5, 7.5, 10])
    np.testing.assert_allclose(wasserstein.resample(np.arange(9.0), 3), [1, 4, 7])


def test_sliced_distance_of_a_shift_is_its_square():
    x = random(0, (1, 1, 4, 5))
    vectors = np.ones((1, 1))
    ordered = wasserstein.sorted_projections(x + 3, vectors)
    assert float(wasserstein.sliced_distance(x, vectors, ordered).array) == pytest.approx(9)


def test_sliced_distance_of_a_batch_and_its_gradient(check_gradient):
    x, other = random(0, (2, 3, 4, 5)), random(1, (2, 3, 4, 5))
    vectors = wasserstein.directions(3, 4).astype(float)
    ordered = wasserstein.sorted_projections(other, vectors)
    alone = [
        float(wasserstein.sliced_distance(x[n : n + 1], vectors, ordered[n : n + 1]).array)
        for n in range(2)
    ]
    together = wasserstein.sliced_distance(x, vectors, ordered)
    assert float(together.array) == pytest.approx(np.mean(alone))
    check_gradient(lambda x: wasserstein.sliced_distance(x, vectors, ordered), x)


def test_matched_colours_have_the_exemplars_histogram_and_the_images_order():
    image, exemplar = random(0), random(1) ** 3
    matched = wasserstein.match_colours(image, exemplar)
    flat = [x.reshape(3, -1) for x in (matched, exemplar, image)]
    np.testing.assert_array_equal(np.sort(flat[0]), np.sort(flat[1]))
    np.testing.assert_array_equal(flat[0].argsort(), flat[2].argsort())


def test_matched_colours_of_another_size():
    image, exemplar = random(0, (1, 3, 9, 9)), random(1)
    matched = wasserstein.match_colours(image, exemplar)
    np.testing.assert_allclose(matched.mean(axis=(2, 3)), exemplar.mean(axis=(2, 3)), atol=0.05)


def test_equal_colours_are_told_apart_by_their_places():
    image = np.random.default_rng(0).integers(0, 3, (1, 3, 40, 50)).astype(np.float32)
    matched = wasserstein.match_colours(image, random(1)).reshape(3, -1)
    for channel, values in zip(image.reshape(3, -1), matched, strict=True):
        for level in range(3):
            assert (np.diff(values[channel == level]) >= 0).all()
