from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import texsynth
from tests.conftest import make_texture
from texsynth import Steered, Workshop, images, steer
from texsynth.compat import chainer
from texsynth.errors import ConfigError
from texsynth.synthesis import steering

pytestmark = pytest.mark.usefixtures("weights_read_once")
SIDE = 48
FIELDS = array_shapes(min_dims=2, max_dims=2, max_side=5)
SETTINGS = {
    "preset": "natural",
    "size": SIDE,
    "precision": "fp32",
    "iterations": 2,
    "layers": ["conv1_1", "pool1"],
    "levels": 2,
}


@pytest.fixture
def exemplar():
    return make_texture(SIDE, SIDE)


def halves(left, right, side=SIDE):
    field = np.full((side, side), float(left))
    field[:, side // 2 :] = right
    return field


@given(arrays(float, FIELDS, elements=st.floats(-1e4, 1e4)))
def test_weights_of_angles_are_a_partition_of_unity(angles):
    weights = steering.angle_weights(angles)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-5)
    assert ((weights > 0).sum(axis=0) <= 2).all()


@given(arrays(float, FIELDS, elements=st.floats(-720, 720)), st.integers(-3, 3))
def test_weights_of_angles_are_periodic(angles, turns):
    found = steering.angle_weights(angles + 360 * turns)
    np.testing.assert_allclose(found, steering.angle_weights(angles), atol=1e-5)


@given(st.floats(0, 360))
def test_the_mean_of_the_steps_is_the_angle(angle):
    """On the circle: between the last step and the first too."""
    weights = steering.angle_weights([[angle]])[:, 0, 0]
    steps = np.arange(len(weights)) * 360 / len(weights)
    apart = (steps - angle + 180) % 360 - 180
    near = weights > 0
    assert (weights[near] * apart[near]).sum() == pytest.approx(0, abs=1e-3)
    assert abs(apart[near]).max() <= 360 / len(weights) + 1e-6


@given(arrays(float, FIELDS, elements=st.floats(0.5, 2)))
def test_weights_of_scales_are_a_partition_of_unity(scales):
    weights = steering.scale_weights(scales)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-5)
    steps = np.linspace(-1, 1, len(weights))
    mean = np.tensordot(steps, weights, 1)
    np.testing.assert_allclose(mean, np.log2(scales), atol=1e-5)


def test_grey_means_angles_and_scales():
    grey = [[0, 64, 128, 192]]
    np.testing.assert_array_equal(steering.angles_of(grey), [[0, 90, 180, 270]])
    found = steering.scales_of([[0, 127.5, 255]])
    np.testing.assert_allclose(found, [[0.5, 1, 2]])
    assert found.max() <= 2
    steering.scale_weights(found)


@pytest.mark.parametrize(
    ("maps", "told"),
    [
        ({}, "either angles or scales must be given, not both"),
        ({"angles": [[1]], "scales": [[1]]}, "either angles or scales must be given, not both"),
        ({"angles": [1.0]}, "angles must be a (height, width) array, not (1,)"),
        ({"angles": [[np.nan]]}, "angles must be a (height, width) array of finite degrees"),
        ({"scales": np.ones((0, 3))}, "scales must be a (height, width) array, not (0, 3)"),
        ({"scales": [[2.5]]}, "scales must be a (height, width) array within 0.5..2"),
        ({"scales": [[np.nan]]}, "scales must be a (height, width) array within 0.5..2"),
    ],
)
def test_what_is_no_map_is_one_line(config, exemplar, maps, told):
    with pytest.raises(ConfigError) as raised:
        steer(exemplar, config(), **maps)
    assert str(raised.value) == told


def test_the_statistics_are_those_of_the_turned_exemplar(config, exemplar):
    """Where all is turned by a quarter, the objective is that of the exemplar turned by hand."""
    asked = {"losses": ["gram"], "levels": 1, "output_size": (SIDE, SIDE), "start": "noise"}
    settings = config(margin=16, **asked)  # what is turned does not wrap
    image = images.to_batch(make_texture(SIDE, SIDE, seed=3))
    study = Steered(Workshop(settings), exemplar, angles=np.full((4, 4), 90.0))
    plain = Workshop(settings).study(np.rot90(exemplar))
    found = []
    for each in (study, plain):
        canvas = images.mirrored(image, each.plan[0].canvas_size)
        pixels = chainer.Parameter(canvas)
        found.append((float(each.objective(1)(pixels)), pixels.grad))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    scale = abs(found[1][1]).max()
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-3 * scale)


def test_each_part_has_the_gram_matrix_of_its_own_turn(config, exemplar):
    """By a naive loop over the pixels that are inside, for conv1_1 sees no more than 3x3."""
    settings = config(losses=["gram"], layers=["conv1_1"], levels=1)
    workshop = Workshop(settings)
    study = Steered(workshop, exemplar, angles=halves(0, 30))
    names = [round(360 / 24 * number) for number in range(24)]
    assert names[:3] == [0, 15, 30] and len(study._exemplars) == 2
    _, turned_parts = study.objective(1).targets[0]
    made = steering.turning.turned(images.to_batch(exemplar), (SIDE, SIDE), 30)
    level = study._levels[1][0]
    padded = images.mirrored(made.batch, level.padded_size)
    mask = images.mirrored(made.mask[None, None], level.padded_size)
    seen = workshop.features(["conv1_1"])(chainer.Variable(padded))["conv1_1"].array[0]
    matrix, total = np.zeros((64, 64)), 0.0
    rows, columns = (level.pad + cut for cut in level.trim)
    for row in range(rows, seen.shape[1] - rows):
        for column in range(columns, seen.shape[2] - columns):
            around = mask[0, 0, row - 1 : row + 2, column - 1 : column + 2]
            weight = float(around.mean()) ** 4
            vector = seen[:, row, column].astype(float)
            matrix += weight * np.outer(vector, vector)
            total += weight
    np.testing.assert_allclose(
        turned_parts["conv1_1"].array[0],
        matrix / total,
        rtol=2e-3,
        atol=1e-2 * matrix.max() / total,
    )


def test_in_blocks_it_is_as_whole(config, exemplar):
    """As with --memory: the sums of all parts add up over blocks."""
    y, x = np.mgrid[:80, :80] - 39.5
    angles, canvas, found = np.degrees(np.arctan2(-y, x)), None, []
    for blocks in ({}, {"block": 32, "keep": None}):
        settings = config(losses=["gram", "centred-gram"], levels=1)
        study = Steered(Workshop(replace(settings, output_size=(80, 80))), exemplar, angles=angles)
        study.adopt({"pairs": study.pairs, **blocks})
        if canvas is None:
            image = images.to_batch(make_texture(80, 80, seed=3))
            canvas = images.mirrored(image, study.plan[0].canvas_size)
        pixels = chainer.Parameter(canvas)
        found.append((float(study.objective(1)(pixels)), pixels.grad))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    np.testing.assert_allclose(found[0][1], found[1][1], atol=2e-3 * abs(found[0][1]).max())


def test_the_gradient_of_the_objective(config, exemplar):
    """Through the objective that the command minimises, along random directions."""
    study = Steered(Workshop(config(levels=1)), exemplar, angles=halves(10, 100))
    objective, random = study.objective(1), np.random.default_rng(0)
    start = images.mirrored(
        images.to_batch(make_texture(SIDE, SIDE, seed=3)), study.plan[0].canvas_size
    )
    pixels = chainer.Parameter(start)
    objective(pixels)
    gradient = pixels.grad.astype(float)
    for _ in range(3):
        direction = random.standard_normal(start.shape).astype(np.float32)
        direction += np.sign(gradient).astype(np.float32)  # along which it changes by far more
        low, high = (
            float(objective(chainer.Parameter(start + step * direction))) for step in (-0.1, 0.1)
        )
        assert (high - low) / 0.2 == pytest.approx((gradient * direction).sum(), rel=2e-2)


def stripes(period=8):
    """Upright stripes."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[:, np.arange(SIDE) % period < period // 2] = 255
    return pixels


def steps_across(image):
    """Mean differences of neighbouring pixels, along rows and down columns."""
    grey = image.astype(float).mean(axis=2)
    return abs(np.diff(grey, axis=1)).mean(), abs(np.diff(grey, axis=0)).mean()


@pytest.mark.parametrize("settings", [{}, {"tile": "xy"}, {"engine": "plain"}])
def test_it_is_turned_where_the_map_wants_it(config, settings):
    image = steer(stripes(), config(iterations=8, **settings), angles=halves(0, 90)).image
    assert image.shape == (SIDE, SIDE, 3)
    (left_across, left_down), (right_across, right_down) = (
        steps_across(part) for part in (image[:, 4:20], image[:, 28:44])
    )
    assert left_across > 1.5 * left_down and right_down > 1.5 * right_across


def test_it_is_scaled_where_the_map_wants_it(config):
    found = steer(stripes(4), config(iterations=8, levels=1), scales=halves(1, 2)).image
    left, right = steps_across(found[:, 4:20])[0], steps_across(found[:, 28:44])[0]
    assert left > 1.4 * right


def test_only_the_steps_that_the_map_has_are_made(config, exemplar):
    study = Steered(Workshop(config()), exemplar, angles=halves(350, 5))
    widths = [each.shape[3] for each in study._exemplars]
    assert widths == [SIDE, 59, 59]  # as it is, and turned by 15 and 345 degrees
    np.testing.assert_array_equal(study.pictured, exemplar)


def test_the_output_has_the_size_of_the_map(config, exemplar):
    found = steer(exemplar, config(levels=1), angles=np.zeros((40, 56)))
    assert found.image.shape == (40, 56, 3)
    assert set(found.errors) == {"conv1_1", "pool1", "pool2", "pool3", "pool4"}


def test_an_exemplar_that_is_too_small_when_it_is_halved_is_named(config):
    with pytest.raises(ConfigError, match=r"exemplar of 10x10 px is too small: the deepest layer"):
        steer(
            make_texture(20, 20), config(size=20, layers=["pool4"], levels=1), scales=halves(0.5, 1)
        )


def test_the_same_seed_gives_the_same(config, exemplar):
    first, second, other = (
        steer(exemplar, config(seed=seed), angles=halves(0, 45)).image for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_it_looks_as_it_did(config, exemplar, golden):
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5 - SIDE / 2
    golden("turn.png", steer(exemplar, config(), angles=np.degrees(np.arctan2(-y, x))).image)
    scales = np.tile(np.geomspace(0.5, 2, SIDE), (SIDE, 1))
    golden("scale-map.png", steer(exemplar, config(levels=1), scales=scales).image)


def test_it_can_be_gone_on_with(config, exemplar, tmp_path):
    """What mixtures are saved by, it is saved by."""
    angles, path = halves(0, 45), tmp_path / "state.ckpt"
    whole = steer(exemplar, config(iterations=4), angles=angles)
    stops = iter([False] * 2 + [True] * 99)
    steer(
        exemplar,
        config(iterations=4),
        angles=angles,
        checkpoints=texsynth.Checkpoints(path, every=1),
        stop=lambda: next(stops),
    )
    found = steer(
        exemplar,
        config(iterations=4),
        angles=angles,
        checkpoints=texsynth.Checkpoints(path, resume=path),
    )
    np.testing.assert_array_equal(found.image, whole.image)


def test_slow_drifts_are_taken_out_of_what_is_turned(config, exemplar):
    drifting = exemplar * np.linspace(0.4, 1, SIDE)[:, None]
    flat = Steered(Workshop(config(flatten=16.0)), drifting, angles=halves(0, 90))
    np.testing.assert_allclose(
        flat.exemplar, images.without_drift(images.to_batch(drifting), 16.0), atol=1e-3
    )
    assert np.ptp(flat.exemplar.mean(axis=(0, 1, 3))) < np.ptp(drifting.mean(axis=(1, 2)))
