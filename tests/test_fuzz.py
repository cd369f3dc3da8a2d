"""Random files, texts and command lines: a value, or an error of ours, soon and in one line.

``TEXSYNTH_FUZZ=50 scripts/test tests/test_fuzz.py`` tries fifty times as many.
"""

import dataclasses
import io
import itertools
import json
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from tests.conftest import make_texture
from tests.weights.test_reading import SUFFIXES, make_tiny_network, oxford, write_whole_file
from texsynth import config, images, terms, values, weights
from texsynth.command import cli
from texsynth.config import Config
from texsynth.errors import ConfigError, ImageError, TexsynthError, WeightsError
from texsynth.synthesis import presets

TIMES = int(os.environ.get("TEXSYNTH_FUZZ", "1"))
LONGEST = 2.0  # seconds, of any one example
MOST_MEMORY = 300  # megabytes, of all examples of a test


def fuzz(examples):
    """Settings of a test, with so many examples in the suite."""
    return settings(
        max_examples=examples * TIMES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@pytest.fixture
def bounded():
    """The test takes no more memory than it may."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert taken / 1024 < MOST_MEMORY


def outcome(function, *arguments, error, **options):
    """What a function returns, or the error of ours, of one line, that it raises."""
    began = time.monotonic()
    try:
        return function(*arguments, **options)
    except error as caught:
        assert str(caught) and "\n" not in str(caught)
        return caught
    finally:
        assert time.monotonic() - began < LONGEST


# Files


@st.composite
def damaged(draw, files):
    """One of some files, with bytes overwritten, put in, left out, moved, or cut off."""
    content = bytearray(draw(st.sampled_from(files)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(content)))
        kind = draw(st.sampled_from(["flip", "number", "bytes", "cut", "leave out", "splice"]))
        if kind == "flip" and place < len(content):
            content[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "number":
            number = draw(
                st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1])
            )
            order = draw(st.sampled_from(["little", "big"]))
            size = max(1, (number.bit_length() + 7) // 8)
            content[place : place + size] = number.to_bytes(size, order)
        elif kind == "bytes":
            new = draw(st.binary(max_size=20))
            content[place : place + draw(st.integers(0, len(new)))] = new
        elif kind == "cut":
            del content[place:]
        elif kind == "leave out":
            del content[place : place + draw(st.integers(1, 50))]
        elif kind == "splice":
            other = draw(st.sampled_from(files))
            begin = draw(st.integers(0, len(other)))
            content[place : place + draw(st.integers(0, 100))] = other[begin : begin + 100]
    return bytes(content)  # fmt: skip


def encoded(format_, mode="RGB", **options):
    file = io.BytesIO()
    picture = Image.fromarray(make_texture(12, 8))
    if mode == "I;16":
        picture = Image.fromarray(np.arange(96, dtype=np.uint16).reshape(8, 12) * 600)
    elif mode != "RGB":
        picture = picture.convert(mode)
    picture.save(file, format_, **options)
    return file.getvalue()


def make_pictures():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x9003] = "2026:01:01 00:00:00"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    more = [Image.new("RGB", (12, 8), "red")]
    return [
        encoded("PNG", exif=exif, icc_profile=profile),
        encoded("PNG", "P", transparency=3),
        encoded("PNG", "I;16", transparency=600),
        encoded("PNG", "RGBA"),
        encoded("PNG", "1"),
        encoded("PNG", save_all=True, append_images=more),
        encoded("JPEG", exif=exif, icc_profile=profile),
        encoded("JPEG", "CMYK"),
        encoded("JPEG", progressive=True),
        encoded("TIFF", exif=exif, icc_profile=profile),
        encoded("TIFF", compression="tiff_lzw"),
        encoded("TIFF", "CMYK", compression="tiff_adobe_deflate"),
        encoded("TIFF", "I;16", save_all=True),
        encoded("WEBP", exif=exif),
        encoded("WEBP", "RGBA", lossless=True),
        encoded("WEBP", save_all=True, append_images=more),
        encoded("GIF", "P", transparency=1),
        encoded("GIF", save_all=True, append_images=more),
        encoded("BMP"),
        encoded("BMP", "P"),
        encoded("ICO", sizes=[(8, 8)]),
        encoded("PPM"),
        encoded("TGA", compression="tga_rle"),
    ]


@fuzz(400)
@given(content=damaged(make_pictures()))
def test_images(tmp_path, bounded, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image, "MAX_IMAGE_PIXELS", 4_000_000)  # so that a million is much
        got = outcome(images.read, path, error=ImageError)
    if not isinstance(got, ImageError):
        assert got.dtype == np.uint8 and got.ndim == 3 and got.shape[2] == 3 and got.size > 0
        assert images.to_batch(got).shape == (1, 3, *got.shape[:2])


def make_deep_pictures():
    pixels, made = make_texture(12, 8) * (65535 / 65280) / 255, []
    text = {"Software": "texsynth 0", "texsynth:settings": "{}"}
    with tempfile.TemporaryDirectory() as folder:
        for ending, depth in (
            (".png", "16"), (".tif", "16"), (".tif", "float"), (".exr", "16"), (".exr", "float"),
            (".webp", "8"), (".jpg", "8"),
        ):  # fmt: skip
            for channels in (1, 3):
                path = Path(folder) / f"a{ending}"
                images.write_map(path, pixels[..., :channels], depth, text)
                made.append(path.read_bytes())
    return made


@fuzz(400)
@given(content=damaged([*make_deep_pictures(), *make_pictures()]))
def test_images_at_full_depth(tmp_path, bounded, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image, "MAX_IMAGE_PIXELS", 4_000_000)
        deep = outcome(images.read_deep, path, error=ImageError)
        values = outcome(images.read_map, path, error=ImageError)
        for is_whole in (False, True):
            text = outcome(images.text_of, path, is_whole, error=ImageError)
            assert all(isinstance(each, str) for each in (*text, *text.values()))
    if not isinstance(deep, ImageError):
        assert images.to_batch(deep).shape == (1, 3, *deep.shape[:2])
        assert images.rounded(deep).dtype == np.uint8
    if not isinstance(values, ImageError):
        assert values.dtype == np.float32 and values.ndim == 3 and 1 <= values.shape[2] <= 4
        assert np.isfinite(values).all()


@pytest.fixture(scope="module")
def tiny_network():
    """Tensors of a tiny VGG16; as long as this stands, VGG16 is so tiny."""
    with pytest.MonkeyPatch.context() as patch:
        yield oxford(make_tiny_network(patch), 0)


@pytest.fixture
def whole(tiny_network, tmp_path, suffix):
    """The bytes of a file of the tiny VGG16."""
    path = tmp_path / f"whole{suffix}"
    write_whole_file(path, tiny_network)
    assert len(weights.load(path).tensors) == 13
    return path.read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_weights(tmp_path, whole, bounded, suffix):
    path = tmp_path / f"vgg{suffix}"

    @fuzz(60)
    @given(content=damaged([whole]))
    def check(content):
        path.write_bytes(content)
        got = outcome(weights.load, path, error=WeightsError)
        if not isinstance(got, WeightsError):
            assert len(got.tensors) == 13 and got.mean.shape == (3,)
            for W, b in got.tensors.values():
                assert W.dtype == b.dtype == np.float32 and W.shape[2:] == (3, 3)
                assert np.isfinite(W).all() and np.isfinite(b).all()

    check()


# Texts and settings

NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.sampled_from([2**64, 1e308]),
)
STRANGE_NUMBERS = st.sampled_from([np.int64(3), np.float32(0.5), np.float64("nan"), 10**400, 1j])
NAMES = st.sampled_from(
    [*terms.LOSSES, *config.DEFAULT_LAYERS, "conv5_3", "pool6", "", " ", "noise", "auto", "xy"]
)
WEIGHTS = st.one_of(NUMBERS.map(str), st.text(max_size=5), st.just("1_0"), st.just("٣"))
WEIGHTED = st.builds("{}{}{}".format, NAMES, st.sampled_from(["=", "", " = ", "=="]), WEIGHTS)
TEXTS = st.one_of(
    st.text(max_size=20),
    WEIGHTED,
    st.lists(WEIGHTED, max_size=3).map(",".join),
    st.builds("{}:{}".format, WEIGHTED, st.lists(WEIGHTED, max_size=3).map(",".join)),
    st.builds("{}{}{}".format, NUMBERS, st.sampled_from(["x", "X", " x ", "kB", "GiB"]), NUMBERS),
    st.from_regex(r"\d{0,12}[xX.]\d{0,12} ?[kKmMgGtT]?i?[bB]?", fullmatch=True),
)


@pytest.mark.parametrize(
    "parse", [terms.parse_term, terms.parse_layers, values.parse_memory, values.parse_size]
)
@fuzz(150)
@given(text=TEXTS)
def test_texts_of_options(parse, text):
    got = outcome(parse, text, error=ConfigError)
    if isinstance(got, terms.Term):
        assert got.name in terms.LOSSES and 0 <= got.weight < float("inf")
    elif isinstance(got, int):
        assert got > 0


WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789 -=日\x7f", max_size=5)
ANYTHING = st.recursive(
    st.one_of(st.none(), NUMBERS, NAMES, WORDS, st.just(b"x"), st.just(Path("x"))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(NAMES, st.none(), st.integers(0, 3)), inner, max_size=3),
    ),
    max_leaves=6,
)  # fmt: skip
TERMS = st.lists(st.builds(terms.Term, st.sampled_from(list(terms.LOSSES))), max_size=3)
FIELDS = sorted({*Config.__dataclass_fields__} - {"match_colours"})  # which anything switches


LIKELY = st.one_of(
    NUMBERS,
    TEXTS.filter(str.isprintable),
    TERMS,
    st.none(),
    st.tuples(st.integers(-1, 70_000), st.integers(-1, 70_000)),
    st.dictionaries(NAMES, NUMBERS, max_size=3),
    st.sampled_from(
        [*config.ENGINES, *config.OPTIMIZERS, *config.PRESETS, *config.STARTS, *config.TILINGS]
    ),
)


@fuzz(200)
@given(chosen=st.dictionaries(st.sampled_from(FIELDS), st.one_of(LIKELY, ANYTHING), max_size=3))
def test_settings(chosen):
    got = outcome(Config, error=ConfigError, **chosen)
    if isinstance(got, Config):
        json.loads(json.dumps(got.as_dict(), allow_nan=False))
        assert Config(**{name: getattr(got, name) for name in FIELDS}) == got


NUMBERS_AND_MORE = st.one_of(NUMBERS, STRANGE_NUMBERS, ANYTHING)


@fuzz(150)
@given(
    name=st.one_of(st.sampled_from(list(terms.LOSSES)), ANYTHING),
    weight=NUMBERS_AND_MORE,
    layers=st.one_of(st.dictionaries(NAMES, NUMBERS_AND_MORE, max_size=3), st.none(), ANYTHING),
)
def test_terms(name, weight, layers):
    got = outcome(terms.Term, name, weight, layers, error=ConfigError)
    if isinstance(got, terms.Term):
        json.loads(json.dumps(dataclasses.asdict(got), allow_nan=False))


# Command lines

SWITCHES = [
    "--tile",
    "--match-colours",
    "--offline",
    "-q",
    "-v",
    "--",
    "--help",
    "--version",
    "-h",
    "--size=9",
]
LEFT_OUT = ["--distributed", "--record"]  # they need what is replaced here
OPTIONS = sorted(
    name
    for option in cli.main.params
    for name in option.opts
    if name.startswith("-") and name not in (*LEFT_OUT, *SWITCHES)
)
VALUES = st.one_of(
    TEXTS.map(lambda text: "".join(filter(str.isprintable, text)) or "x"),
    st.integers(-1, 70).map(str),
    st.sampled_from(["a.png", "b.png", "text.png", "out", "none/x.png", "x.png", "2x3", "4GB"]),
)
ARGUMENTS = st.lists(
    st.one_of(
        st.sampled_from(["a.png", "b.png"]).map(lambda name: [name]),
        st.tuples(st.sampled_from(OPTIONS), VALUES).map(list),
        st.sampled_from(SWITCHES).map(lambda switch: [switch]),
        VALUES.map(lambda value: [value]),
    ),
    max_size=6,
).map(lambda parts: list(itertools.chain(*parts)))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to stand in, in which textures come from nowhere."""
    from texsynth.synthesis import workshop
    from texsynth.synthesis.result import Result

    class Study:
        def __init__(self, workshop, exemplar):
            self.workshop, self.exemplar = workshop, exemplar

    def made(study, seed, **others):
        shape = study.exemplar.shape
        if min(shape[:2]) < 8:
            raise TexsynthError("too small")
        return Result(
            image=study.exemplar,
            values=study.exemplar,
            exemplar=study.exemplar,
            errors={"conv1_1": 0.5},
            history=[[1.0, 0.5]],
            evaluations=2,
            reason="made up",
            engine="plain",
            scheme=presets.Scheme("gatys", ()),
            seconds=0.1,
            environment={},
            weights_sha256="",
        )

    def synthesize(exemplar, config, **others):
        return made(Study(None, exemplar), config.seed)

    monkeypatch.setattr("texsynth.synthesis.loop.synthesize", synthesize)
    monkeypatch.setattr("texsynth.synthesis.loop.make_variation", made)
    monkeypatch.setattr(workshop, "Workshop", lambda config: config)
    monkeypatch.setattr(
        Config, "study", lambda self, exemplar: Study(self, exemplar), raising=False
    )
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()
    Path("text.png").write_text("no image")
    for number, name in enumerate(("a.png", "b.png")):
        Image.fromarray(make_texture(9 - number, 9)).save(name)
    return tmp_path


@fuzz(150)
@given(arguments=ARGUMENTS)
def test_command_lines(folder, arguments):
    before = {name: (folder / name).read_bytes() for name in ("a.png", "b.png", "text.png")}
    began = time.monotonic()
    result = CliRunner().invoke(cli.main, arguments)
    assert time.monotonic() - began < LONGEST
    assert result.exit_code in (0, 1, 2), (result.exception, result.stderr)
    assert isinstance(result.exception, SystemExit | None), result.exception
    lines = result.stderr.splitlines()
    assert "Traceback" not in result.stderr or "-v" in arguments
    if result.exit_code == 2:
        assert len([line for line in lines if "error: " in line]) == 1, result.stderr
    if result.exit_code:
        assert lines and "error: " in lines[-1], result.stderr
        assert "Error: " not in result.stderr, result.stderr  # a defect of ours, told by its type
    for name, content in before.items():
        assert (folder / name).read_bytes() == content
    assert not list(folder.rglob("*.part"))
