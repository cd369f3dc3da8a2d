"""Colour profiles at full depth, against what their definitions say, computed with NumPy."""

import struct
import sys
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.images import pictures
from texsynth import images
from texsynth.images import colour, profiles, srgb
from texsynth.materials import finding, reading

D50 = np.array([0.9642, 1.0, 0.8249])  # as ICC profiles have it
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_SRGB = (0.64, 0.33), (0.30, 0.60), (0.15, 0.06)
_P3 = (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)
_ADOBE = (0.64, 0.33), (0.21, 0.71), (0.15, 0.06)
_ADOBE_GAMMA = 563 / 256
_PARTS = 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045  # of IEC 61966-2-1


def xyz(x, y):
    return np.array([x / y, 1, (1 - x - y) / y])


def matrix(primaries):
    """From linear RGB with the white of D65 to XYZ of D50, ``(3, 3)``."""
    white = xyz(0.3127, 0.3290)
    columns = np.stack([xyz(*each) for each in primaries], axis=1)
    of_d65 = columns * np.linalg.solve(columns, white)
    scale = np.diag((_BRADFORD @ D50) / (_BRADFORD @ white))
    return np.linalg.solve(_BRADFORD, scale @ _BRADFORD) @ of_d65


def curve_of_srgb(values):
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encoded_srgb(linear):
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def by_definition(values, primaries, linear):
    """0..255 of sRGB, of ``(..., 3)`` in 0..1."""
    there = linear(values) @ matrix(primaries).T
    return 255 * encoded_srgb(there @ np.linalg.inv(matrix(_SRGB)).T)


def _curve(*parts):
    """A curve of ICC with a power and a straight piece."""
    return b"para\0\0\0\0\0\3\0\0" + struct.pack(">5i", *(round(x * 65536) for x in parts))


def rgb_profile(primaries, curve):
    columns = matrix(primaries).T
    tags = {name: pictures._xyz(*each) for name, each in zip(_COLORANTS, columns, strict=True)}
    return pictures.profile(b"RGB ", tags | dict.fromkeys(_CURVES, curve))


_COLORANTS, _CURVES = (b"rXYZ", b"gXYZ", b"bXYZ"), (b"rTRC", b"gTRC", b"bTRC")
ADOBE = rgb_profile(_ADOBE, pictures._gamma(_ADOBE_GAMMA))
P3 = rgb_profile(_P3, _curve(*_PARTS))
KINDS = {
    "adobe": (ADOBE, _ADOBE, lambda values: values**_ADOBE_GAMMA),
    "p3": (P3, _P3, curve_of_srgb),
}
SIZE = (40, 50)


def integers(channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 65536, (*SIZE, channels)).astype(np.uint16)


def write(path, values, profile):
    """A PNG of 16 bits, or a TIFF, by others."""
    channels = values.shape[2]
    if path.suffix == ".png":
        colours = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
        chunk = pictures.chunk(b"iCCP", b"x\0\0" + zlib.compress(profile))
        path.write_bytes(pictures.png(values, 16, colours, chunk))
        return path
    tifffile.imwrite(
        path, values if channels > 1 else values[..., 0],
        photometric="rgb" if channels > 2 else "minisblack", iccprofile=profile,
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
    )  # fmt: skip
    return path


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("kind", KINDS)
def test_16_bits_are_converted_at_full_depth(tmp_path, caplog, ending, kind):
    """Profiles have their numbers to 1 in 65536, which in dark colours comes to more."""
    profile, primaries, linear = KINDS[kind]
    given = integers()
    pixels = images.read_deep(write(tmp_path / f"a{ending}", given, profile))
    assert pixels.dtype == np.float32 and not caplog.records
    errors = np.abs(pixels - by_definition(given / 65535, primaries, linear))
    assert errors.max() < 0.2 and errors.mean() < 0.004  # of 255; rounding to 8 bits has 0.25
    assert len(np.unique(np.rint(pixels * 257))) > 4000


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_right_to_a_few_of_65536_by_the_numbers_that_profiles_have(kind):
    profile, primaries, linear = KINDS[kind]
    given = np.random.default_rng(1).random((*SIZE, 3))
    there = linear(given) @ _rounded(matrix(primaries)).T
    written = _colorants(profiles._srgb())
    np.testing.assert_allclose(written, matrix(_SRGB), atol=1e-5)
    expected = 255 * encoded_srgb(there @ np.linalg.inv(written).T)
    found = profiles.to_srgb(profile, False, "a")(255 * given)
    assert np.abs(found - expected).max() < 5 / 257


def _rounded(numbers):
    return np.rint(numbers * 65536) / 65536


def _colorants(profile):
    """The matrix of an ICC profile, ``(3, 3)``."""
    (number,) = struct.unpack(">I", profile[128:132])
    tags = [
        struct.unpack(">4sII", profile[at : at + 12]) for at in range(132, 132 + 12 * number, 12)
    ]
    places = {name: place for name, place, _ in tags}
    columns = [struct.unpack_from(">3i", profile, places[name] + 8) for name in _COLORANTS]
    return np.array(columns).T / 65536


def test_floating_point_keeps_its_depth(tmp_path):
    """Steps far below those of 16 bits."""
    ramp = np.linspace(0.5, 0.5001, SIZE[1], dtype=np.float32)
    given = np.broadcast_to(ramp[:, None], (*SIZE, 3))
    pixels = images.read_deep(write(tmp_path / "a.tif", given, ADOBE))
    assert pixels.dtype == np.float64 and (np.diff(pixels[..., 1], axis=1) > 0).all()
    expected = by_definition(given.astype(float), _ADOBE, KINDS["adobe"][2])
    np.testing.assert_allclose(pixels, expected, atol=0.01)


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_grey_by_a_profile_of_grey_and_by_one_of_colours(tmp_path, ending):
    given = integers(1)
    pixels = images.read_deep(write(tmp_path / f"a{ending}", given, pictures.GREY))
    expected = 255 * encoded_srgb((given / 65535) ** pictures.GREY_GAMMA)
    np.testing.assert_allclose(pixels, np.broadcast_to(expected, pixels.shape), atol=0.03)
    pixels = images.read_deep(write(tmp_path / f"b{ending}", given, ADOBE))
    grey = np.broadcast_to(given / 65535, pixels.shape)
    np.testing.assert_allclose(pixels, by_definition(grey, _ADOBE, KINDS["adobe"][2]), atol=0.2)


def test_alpha_is_no_colour(tmp_path, caplog):
    given = integers(4)
    path = write(tmp_path / "a.png", given, P3)
    expected = by_definition(given[..., :3] / 65535, _P3, curve_of_srgb)
    colours, alpha = images.read_deep_apart(path)
    np.testing.assert_allclose(colours, expected, atol=0.2)
    np.testing.assert_array_equal(alpha, np.rint(given[..., 3] / 257))
    share = given[..., 3:] / 65535
    on_white = 255 - (255 - expected) * share
    np.testing.assert_allclose(images.read_deep(path), on_white, atol=0.2)
    assert "transparency is composited on white" in caplog.text


def _table():
    """A profile that is a table: Lab of two by two by two colours, in 8 bits."""
    r, g, b = np.meshgrid(*[[0, 1]] * 3, indexing="ij")
    lab = 80 * r + 140 * g + 35 * b, 128 + 50 * r - 50 * g + 20 * b, 128 + 30 * r + 40 * g - 60 * b
    ramp = bytes(range(256))
    head = b"mft1\0\0\0\0\3\3\2\0" + struct.pack(">9i", *np.eye(3, dtype=int).ravel() * 65536)
    corners = np.stack(lab, axis=-1).astype(np.uint8).tobytes()
    tags = {b"A2B0": head + ramp * 3 + corners + ramp * 3}
    return pictures.profile(b"RGB ", tags, connection=b"Lab ")


@pytest.mark.parametrize("profile", [P3, pictures.RGB, _table()], ids=["p3", "exchanged", "table"])
def test_it_is_what_8_bits_give_but_for_their_rounding(tmp_path, profile):
    """Of values that have 8 bits, so that nothing but what comes out is rounded."""
    given = np.random.default_rng(3).integers(0, 256, (*SIZE, 3)).astype(np.uint16) * 257
    path = write(tmp_path / "a.png", given, profile)
    deep, plain = images.read_deep(path), images.read(path)
    assert deep.dtype == np.float32
    apart = np.abs(deep - plain)
    # At 8 bits littleCMS goes by a grid, which rounds off the edge of what sRGB has.
    is_inside = (plain.min(axis=2) > 20) & (plain.max(axis=2) < 235)
    assert apart[is_inside].max() < 1 and apart.mean() < 0.3


def test_without_the_package_8_bits_are_used_and_that_is_said(tmp_path, monkeypatch, caplog):
    path = write(tmp_path / "a.tif", integers(), P3)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    pixels = images.read_deep(path)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, images.read(path))
    assert "a.tif: its colour profile is applied at 8 bits a channel; at full depth" in caplog.text
    assert "pip install imagecodecs" in caplog.text
    # One of sRGB needs no package.
    assert images.read_deep(write(tmp_path / "b.tif", integers(), srgb.profile())).dtype != np.uint8


def test_what_the_package_cannot_apply_has_8_bits(tmp_path, monkeypatch, caplog):
    def fail(*_, **options):
        raise imagecodecs.CmsError("cmsCreateTransform returned NULL")

    imagecodecs = pytest.importorskip("imagecodecs")
    path = write(tmp_path / "a.png", integers(), P3)
    monkeypatch.setattr(imagecodecs, "cms_transform", fail)
    np.testing.assert_array_equal(images.read_deep(path), images.read(path))
    assert "a.png: its colour profile is applied at 8 bits a channel" in caplog.text


def test_values_that_are_no_colours_are_never_converted(tmp_path):
    """Such as roughness and normals."""
    for channels in (1, 3):
        given = integers(channels)
        profile = pictures.GREY if channels == 1 else P3
        values = images.read_map(write(tmp_path / "a.png", given, profile))
        np.testing.assert_array_equal(np.rint(values * 65535), given)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_values_that_are_colours_are_converted_if_that_is_said(tmp_path, channels):
    """Such as an albedo's; alpha is none."""
    given = integers(channels)
    profile = pictures.GREY if channels == 1 else P3
    path = write(tmp_path / "a.png", given, profile)
    values = images.read_map(path, as_colours=True)
    colours, _ = images.read_deep_apart(path)
    np.testing.assert_allclose(values[..., :3], colours / 255, atol=1e-6)
    np.testing.assert_array_equal(np.rint(values[..., 3:] * 65535), given[..., 3:])
    plain = write(tmp_path / "b.png", given, srgb.profile())
    np.testing.assert_array_equal(images.read_map(plain, True), images.read_map(plain))


def test_8_bits_of_colours_are_as_images_of_8_bits_have_them(tmp_path, monkeypatch, caplog):
    """For which no package is needed; and deeper ones have as many without it."""
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    pixels = np.random.default_rng(5).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=P3)
    values = images.read_map(tmp_path / "a.png", as_colours=True)
    np.testing.assert_allclose(255 * values, images.read(tmp_path / "a.png"), atol=1e-4)
    assert not np.array_equal(np.rint(255 * values), pixels) and not caplog.records
    path = write(tmp_path / "b.png", integers(), P3)
    values = images.read_map(path, as_colours=True)
    np.testing.assert_allclose(255 * values, images.read(path), atol=1e-4)
    assert "b.png: its colour profile is applied at 8 bits a channel" in caplog.text


def test_the_profile_of_an_albedo_counts_and_that_of_another_map_does_not(tmp_path):
    given = integers()
    for name in ("albedo", "normal"):
        there = given // 4 + 32768 if name == "normal" else given  # out of the surface
        write(tmp_path / f"{name}.png", there, P3)
    stack = reading.read(finding.find(finding.listed(tmp_path)))
    expected = by_definition(given / 65535, _P3, curve_of_srgb)
    np.testing.assert_allclose(255 * stack["albedo"], expected, atol=0.2)
    np.testing.assert_array_equal(np.rint(65535 * stack["normal"]), given // 4 + 32768)


def test_a_grey_albedo_is_brought_to_srgb_too(tmp_path):
    write(tmp_path / "albedo.png", given := integers(1), pictures.GREY)
    found = reading.read(finding.find(finding.listed(tmp_path)))["albedo"]
    expected = encoded_srgb((given / 65535) ** pictures.GREY_GAMMA)
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=2e-4)


def test_profiles_that_fit_no_colours_are_left_out():
    unchanged = np.ones((2, 2, 3), np.float32)
    for profile in (None, b"damaged", pictures.GREY, srgb.profile()):
        assert profiles.to_srgb(profile, False, "a")(unchanged) is unchanged
    assert not colour.changes_nothing(P3, False)
