import math

import numpy as np
import pytest

from texsynth.materials.shading import shade, shadows

UP = np.array([0.0, 0.0, 1.0])
LAMP = np.array([0.6, 0.0, 0.8])


def unit(*vector):
    return np.array(vector) / np.linalg.norm(vector)


def naive(albedo, roughness, metallic, ao, normal, view, lamp):
    """One channel of one place, by the formulas of the papers; light of the lamp and of the sky."""
    half = unit(*(view + lamp))
    alpha = max(roughness, 0.045) ** 2
    n_h, n_v, n_l = (float(max(normal @ way, 1e-4)) for way in (half, view, lamp))
    tan2 = 1 / n_h**2 - 1
    spread = 1 / (math.pi * alpha**2 * n_h**4 * (1 + tan2 / alpha**2) ** 2)
    masks = [(math.sqrt(1 + alpha**2 * (1 / c**2 - 1)) - 1) / 2 for c in (n_v, n_l)]
    masking = 1 / (1 + sum(masks))
    base = 0.04 * (1 - metallic) + albedo * metallic
    fresnel = base + (1 - base) * (1 - float(view @ half)) ** 5
    shine = spread * masking * fresnel / (4 * n_v * n_l)
    diffuse = albedo * (1 - metallic) / math.pi
    facing = max(float(normal @ lamp), 0)
    return 2.6 * facing * (diffuse + shine) + 0.32 * ao * (diffuse * math.pi + base)


@pytest.mark.parametrize("roughness", [0.0, 0.2, 0.6, 1.0])
@pytest.mark.parametrize("metallic", [0.0, 0.3, 1.0])
def test_light_is_that_of_the_formulas(roughness, metallic):
    rng = np.random.default_rng(3)
    normals = [unit(0, 0, 1), unit(0.6, 0, 0.8), unit(0.3, 0, 1), unit(-0.9, 0.2, 0.4)]
    values, ao = rng.random(4), rng.random(4)
    encoded = np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
    stack = {
        "albedo": np.repeat(encoded[:, None], 3, 1),
        "roughness": np.full((4, 1), roughness),
        "metallic": np.full((4, 1), metallic),
        "ao": ao[:, None],
    }
    light = shade(stack, np.stack(normals), UP, LAMP)
    assert light.shape == (4, 3)
    for place in range(4):
        wanted = naive(values[place], roughness, metallic, ao[place], normals[place], UP, LAMP)
        assert light[place] == pytest.approx([wanted] * 3, rel=1e-9)


@pytest.mark.parametrize("roughness", [0.3, 0.7, 1.0])
@pytest.mark.parametrize("metallic", [0.0, 1.0])
def test_no_more_light_is_sent_back_than_comes(roughness, metallic):
    """A white surface under light from everywhere, straight above: the mean over the lamp's way."""
    heights = (np.arange(2000) + 0.5) / 2000
    white = {
        "albedo": np.full((1, 3), 1.0),
        "roughness": np.full((1, 1), roughness),
        "metallic": np.full((1, 1), metallic),
        "ao": np.zeros((1, 1)),
    }
    lamps = [np.array([np.sqrt(1 - height**2), 0, height]) for height in heights]
    sent = np.mean([shade(white, UP[None], UP, lamp)[0, 0] for lamp in lamps])
    share = 2 * np.pi * sent / 2.6
    assert share <= (1 if metallic else 1.05)  # what 4 % reflect is not taken off the diffuse light
    if metallic and roughness == 1:
        # the integral of c / (1 + c) from 0 to 1: what is reflected twice is lost
        assert share == pytest.approx(1 - np.log(2), rel=1e-4)


def test_a_shadow_is_as_long_as_the_lamp_is_low():
    height = np.zeros((8, 64))
    height[:, 40] = 12
    lit = shadows(height, np.array([0.6, 0.0, 0.8]))  # from the right: it falls to the left
    shadow = np.flatnonzero(lit[3] < 0.5)
    assert (
        shadow == np.arange(40 - 8, 40)
    ).all()  # 12 * 0.6 / 0.8 = 9, of which the last is half lit
    assert (lit[:, 41:] == 1).all() and (lit[:, :25] == 1).all()


def test_a_lamp_above_casts_shadows_down_the_picture():
    height = np.zeros((64, 8))
    height[20] = 6
    lit = shadows(height, unit(0.0, 0.6, 0.8))
    dark = np.flatnonzero(lit[:, 3] < 0.5)
    assert dark.min() == 21 and dark.max() in (23, 24)


def test_shadows_go_on_at_the_opposite_edge_and_flat_ground_has_none():
    height = np.random.default_rng(1).random((16, 16)) * 5
    lamp = unit(-0.5, 0.6, 0.8)
    moved = shadows(np.roll(height, (3, 7), (0, 1)), lamp)
    assert (moved == np.roll(shadows(height, lamp), (3, 7), (0, 1))).all()
    assert (shadows(np.full((5, 5), 2.0), lamp) == 1).all()
