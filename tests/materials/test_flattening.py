import numpy as np

from tests.materials.stacks import stack
from texsynth import images
from texsynth.images.drift import slowly
from texsynth.materials.flattening import flattened
from texsynth.materials.relief import relief, slopes

SIDE, SCALE = 64, 16


def drifting():
    """Maps of random values under a slope each, and normals of a height that bends slowly."""
    maps = stack(size=(SIDE, SIDE))
    slope = np.linspace(0, 0.5, SIDE, dtype=np.float32)[:, None]
    for kind in ("height", "roughness", "ao"):
        maps[kind] = 0.5 * maps[kind] + slope
    column = np.arange(SIDE) / SIDE
    height = 0.3 + 0.02 * np.sin(16 * np.pi * column) + 0.6 * (column - 0.5) ** 2
    right = np.gradient(height * 20)
    vectors = np.stack([-right, 0 * right, np.ones(SIDE)], axis=1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) / 2 + 0.5
    maps["normal"] = np.broadcast_to(unit.astype(np.float32), (SIDE, SIDE, 3)).copy()
    maps["height"] = np.broadcast_to(height.astype(np.float32), (SIDE, SIDE))[..., None].copy()
    return maps


def drift(values):
    return slowly(values.transpose(2, 0, 1).astype(float), 2 * SCALE).std()


def test_numbers_lose_their_slope_and_keep_their_mean_and_detail():
    maps = drifting()
    made = flattened(maps, SCALE)
    for kind in ("height", "roughness", "ao"):
        assert drift(made[kind]) < 0.4 * drift(maps[kind])
        assert abs(made[kind].mean() - maps[kind].mean()) < 0.02
        fine = [np.diff(each[kind][..., 0], n=2, axis=1).ravel() for each in (maps, made)]
        assert np.corrcoef(*fine)[0, 1] > 0.99
        assert made[kind].dtype == np.float32 and made[kind].shape == maps[kind].shape


def test_albedo_is_flattened_as_an_exemplar_is():
    maps = drifting()
    batch = maps["albedo"].transpose(2, 0, 1)[None] * 255
    wanted = images.without_drift(batch, SCALE)[0].transpose(1, 2, 0) / 255
    np.testing.assert_allclose(flattened(maps, SCALE)["albedo"], wanted, atol=1e-6)


def test_normals_stay_unit_vectors_that_fit_the_height():
    maps = drifting()
    made = flattened(maps, SCALE)
    vectors = made["normal"] * 2 - 1
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=2), 1, atol=1e-6)
    before, after = (slopes(each["normal"])[0][:, 4:-4] for each in (maps, made))
    smooth = [slowly(each[None], SCALE)[0].std() for each in (before, after)]
    assert smooth[1] < 0.5 * smooth[0]
    assert abs(relief(made) - relief(maps)) < 0.05 * relief(maps)


def test_maps_of_one_value_keep_it_to_the_bit():
    maps = {kind: np.broadcast_to(values[:1, :1], values.shape) for kind, values in stack().items()}
    for kind, values in flattened(maps, SCALE).items():
        assert (values == maps[kind]).all()


def test_shares_of_metal_and_opacity_stay_and_so_does_the_stack_itself():
    maps = drifting()
    before = {kind: values.copy() for kind, values in maps.items()}
    made = flattened(maps, SCALE)
    assert made.keys() == maps.keys()
    for kind in ("metallic", "opacity"):
        assert (made[kind] == before[kind]).all()
    for kind, values in before.items():
        assert (maps[kind] == values).all()
