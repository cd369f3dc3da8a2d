"""Checkpoints come back bit for bit, or are refused; they are there whole, whatever happens."""

import contextlib
import io
import itertools
import json
import math
import os
import resource
import signal
import struct
import subprocess
import sys
import tracemalloc
import weakref
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from texsynth.errors import CheckpointError
from texsynth.files import checkpoint_format
from texsynth.files.checkpoint import load, previous_of, save

DTYPES = ["<f4", "<f8", "<i8", "|u1"]
FIELDS = {"step": 7, "losses": [0.1, 1e-300], "of": {"seed": None}}
ARRAYS = {"image": np.arange(6, dtype=np.float32).reshape(2, 3), "mask": np.arange(3) > 1}
ARRAYS["mask"] = ARRAYS["mask"].astype(np.uint8)

bounded = settings(max_examples=100, deadline=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all examples of a test."""
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="module")
def whole(folder):
    """The bytes of a small checkpoint."""
    save(folder / "whole.ckpt", FIELDS, ARRAYS.items())
    return (folder / "whole.ckpt").read_bytes()


def assert_same(loaded, fields, arrays):
    # The representation tells types, -0.0, and NaN, which == does not.
    assert repr(loaded.fields) == repr(fields)
    assert list(loaded.arrays) == list(arrays)
    for name, array in arrays.items():
        assert loaded.arrays[name].dtype == array.dtype
        assert loaded.arrays[name].shape == array.shape
        assert loaded.arrays[name].flags.c_contiguous
        assert loaded.arrays[name].tobytes() == array.tobytes()


def refusal(path):
    """Returns what ``load`` says of a file that it refuses, without the path."""
    with pytest.raises(CheckpointError) as caught:
        load(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message.replace(str(path), "").removeprefix(": ")


# As it was


def floats(dtype):
    """Any bits: NaNs with a payload, and signalling ones, among them."""
    return st.binary(min_size=0, max_size=96).map(
        lambda content: np.frombuffer(content[: len(content) // 8 * 8], dtype)
    )


@st.composite
def any_array(draw):
    """Any bits in any shape, with any strides."""
    array = draw(st.sampled_from(DTYPES).flatmap(floats))
    splits = [length for length in range(1, array.size + 1) if array.size % length == 0]
    if splits and draw(st.booleans()):
        array = array.reshape(draw(st.sampled_from(splits)), 1, -1)
    if array.size and draw(st.booleans()):
        array = array[:: draw(st.sampled_from([1, 2, -1, -2]))]
    return draw(st.sampled_from([array, array.T, array.reshape(-1, order="F")[::-1]]))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
names = st.from_regex(r"[a-z0-9_.-]{1,20}", fullmatch=True)


@bounded
@given(
    fields=st.dictionaries(st.text(), plain, max_size=4),
    arrays=st.dictionaries(names, any_array(), max_size=4),
)
def test_everything_comes_back_bit_for_bit(folder, fields, arrays):
    save(folder / "any.ckpt", fields, arrays.items())
    assert_same(load(folder / "any.ckpt"), fields, arrays)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1, "\udce9.png"])
def test_unusual_fields_come_back(tmp_path, value):
    save(tmp_path / "run.ckpt", {"value": [value]}, [])
    assert repr(load(tmp_path / "run.ckpt").fields) == repr({"value": [value]})


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,) * 32, (2**20 + 1,)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_shape_and_dtype_comes_back(tmp_path, shape, dtype):
    array = np.ones(shape, dtype)
    save(tmp_path / "run.ckpt", {}, [("x", array)])
    assert_same(load(tmp_path / "run.ckpt"), {}, {"x": array})


def test_a_large_array_comes_back_whatever_its_strides(tmp_path):
    array = np.random.default_rng(0).standard_normal((700, 3, 500)).astype(np.float32)
    arrays = {"c": array, "t": array.transpose(2, 0, 1), "back": array[::-2, :, ::3]}
    save(tmp_path / "run.ckpt", {}, arrays.items())
    assert_same(load(tmp_path / "run.ckpt"), {}, arrays)


def test_what_comes_back_can_be_changed(tmp_path):
    save(tmp_path / "run.ckpt", {}, ARRAYS.items())
    image = load(tmp_path / "run.ckpt").arrays["image"]
    image += 1
    assert image[0, 0] == 1


def test_it_is_a_zip_that_numpy_reads(tmp_path):
    save(tmp_path / "run.ckpt", FIELDS, ARRAYS.items())
    with np.load(tmp_path / "run.ckpt") as archive:
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(archive[name], array)
    with zipfile.ZipFile(tmp_path / "run.ckpt") as archive:
        assert archive.testzip() is None
        content = json.loads(archive.read("fields.json"))
    assert content == {
        "kind": "texsynth checkpoint",
        "format": 1,
        "fields": FIELDS,
        "arrays": {
            "image": {"dtype": "<f4", "shape": [2, 3]},
            "mask": {"dtype": "|u1", "shape": [3]},
        },
    }


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in "ab":
        save(tmp_path / name, FIELDS, ARRAYS.items())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_arrays_beyond_four_gigabytes_have_room_in_the_format(tmp_path, monkeypatch):
    """zipfile takes its other branch for all sizes and offsets, as it does for large ones."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    save(tmp_path / "run.ckpt", FIELDS, ARRAYS.items())
    assert b"PK\6\6" in (tmp_path / "run.ckpt").read_bytes()  # zip64's end record
    monkeypatch.undo()
    assert_same(load(tmp_path / "run.ckpt"), FIELDS, ARRAYS)


# The memory that it takes


def test_an_array_is_let_go_before_the_next_is_made(tmp_path):
    def gathered():
        for name in "abc":
            array = np.ones(10)
            alive.append(weakref.ref(array))
            yield name, array
            del array
            assert alive[-1]() is None

    alive = []
    save(tmp_path / "run.ckpt", {}, gathered())
    assert len(alive) == 3


@contextlib.contextmanager
def allocating_at_most(size):
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        yield
        assert tracemalloc.get_traced_memory()[1] - before <= size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("turn", [np.asarray, np.transpose], ids=["as it is", "transposed"])
def test_saving_copies_a_piece_at_a_time(tmp_path, turn):
    array = turn(np.ones((2000, 2000)))  # 32 MB
    with allocating_at_most(4 * 2**20):
        save(tmp_path / "run.ckpt", {}, [("x", array)])


def test_loading_takes_the_arrays_and_a_piece(tmp_path):
    save(tmp_path / "run.ckpt", {}, [("x", np.ones((2000, 2000)))])
    with allocating_at_most(36 * 2**20):
        load(tmp_path / "run.ckpt")


# What cannot be saved


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {1: 2},
        {None: None},
        {1, 2},
        b"bytes",
        1j,
        np.float32(1),
        np.arange(3),
        "\ud83d\ude00",  # JSON makes one character of the two
        10**5000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_fields_that_would_not_come_back_are_refused(tmp_path, value):
    with pytest.raises(ValueError, match="the field 'x'"):
        save(tmp_path / "run.ckpt", {"good": 1, "x": [value]}, [])
    assert list(tmp_path.iterdir()) == []


def test_fields_without_end_are_refused(tmp_path):
    endless, deep = [], []
    endless.append(endless)
    for _ in range(100_000):
        deep = [deep]
    for value in (endless, deep):
        with pytest.raises(ValueError, match="the field 'x'"):
            save(tmp_path / "run.ckpt", {"x": value}, [])


@pytest.mark.parametrize("name", [1, None])
def test_fields_must_have_names(tmp_path, name):
    with pytest.raises(ValueError, match="would not come back"):
        save(tmp_path / "run.ckpt", {name: None}, [])


@pytest.mark.parametrize("name", ["", "A", "a/b", "../a", "a\\b", "a b", "é", "a\n", "a" * 101])
def test_arrays_must_have_simple_names(tmp_path, name):
    with pytest.raises(ValueError, match="cannot be called"):
        save(tmp_path / "run.ckpt", {}, [(name, np.ones(3))])
    assert list(tmp_path.iterdir()) == []


def test_two_arrays_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match="two arrays are called 'a'"):
        save(tmp_path / "run.ckpt", {}, [("a", np.ones(3)), ("a", np.ones(3))])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.array([object()]), id="an object"),
        np.ones(3, ">f4"),
        np.ones(3, np.float16),
        np.ones(3, bool),
        np.ones(3, [("a", "<f4")]),
        np.array(["text"]),
        np.ones((1,) * 33),
    ],
    ids=str,
)
def test_other_arrays_are_refused(tmp_path, array):
    with pytest.raises(ValueError, match="the array 'x'"):
        save(tmp_path / "run.ckpt", {}, [("x", array)])
    assert list(tmp_path.iterdir()) == []


def test_more_fields_than_are_read_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="are the most"):
        save(tmp_path / "run.ckpt", {"x": "x" * 2**24}, [])
    assert list(tmp_path.iterdir()) == []


# What cannot be loaded


@contextlib.contextmanager
def within(seconds):
    """Ends what hangs."""

    def end(number, frame):
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("absent.ckpt", "no such checkpoint"),
        ("dangling", "no such checkpoint"),
        ("file/run.ckpt", "no such checkpoint"),
        ("circle", "cannot be read"),
        ("n" * 300, "cannot be read"),
        ("pipe", "not a file"),
        ("folder", "not a file"),
        ("/dev/zero", "not a file"),
        ("\0", "embedded null"),
    ],
)
def test_what_is_no_file_is_told_at_once(tmp_path, path, message):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    with within(5):
        assert message in refusal(tmp_path / path)


def craft(path, members=None, head=None, **extra):
    """Writes a checkpoint of zipfile and numpy alone; what is given replaces what is right."""
    array = np.arange(3, dtype="<f4")
    content = {
        "kind": "texsynth checkpoint",
        "format": 1,
        "fields": {"a": 1},
        "arrays": {"x": {"dtype": "<f4", "shape": [3]}},
    }
    content |= head or {}
    everything = {
        "x.npy": checkpoint_format.npy_header("<f4", (3,)) + array.tobytes(),
        "fields.json": json.dumps(content),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (everything | (members or {})).items():
            if data is not None:
                archive.writestr(zipfile.ZipInfo(name), data, extra.get(name.replace(".", "_")))
    return path


def test_what_is_crafted_is_a_checkpoint_but_for_what_is_wrong(tmp_path):
    loaded = load(craft(tmp_path / "run.ckpt"))
    assert_same(loaded, {"a": 1}, {"x": np.arange(3, dtype=np.float32)})


def test_the_header_is_numpys(tmp_path):
    for dtype, shape in itertools.product(DTYPES, [(), (3,), (0, 5), (2,) * 32]):
        with (tmp_path / "x.npy").open("wb") as file:
            file.write(checkpoint_format.npy_header(dtype, shape))
        with (tmp_path / "x.npy").open("rb") as file:
            assert np.lib.format.read_magic(file) == (1, 0)
            read = np.lib.format.read_array_header_1_0(file)
            assert read == (shape, False, np.dtype(dtype))
            assert file.tell() % 64 == 0 and not file.read()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"P", "not a checkpoint"),
        (b"no checkpoint" * 100, "not a checkpoint"),
        (b"PK\5\6" + bytes(18), "not a checkpoint"),  # an empty ZIP file
        (b"PK\3\4" + bytes(100), "damaged or cut off"),
    ],
)
def test_other_files_are_no_checkpoints(tmp_path, content, message):
    path = tmp_path / "run.ckpt"
    path.write_bytes(content)
    assert refusal(path).startswith(message)


def test_other_zip_files_are_no_checkpoints(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    assert refusal(tmp_path / "other.npz") == "not a checkpoint (a ZIP file without fields.json)"


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"kind": "another"}, "not a checkpoint"),
        ({"kind": None}, "not a checkpoint"),
        ({"format": 2}, "format 2 is newer than this version of texsynth can read (1)"),
        ({"format": 0}, "has an unknown format"),
        ({"format": 1.0}, "has an unknown format"),
        ({"format": True}, "has an unknown format"),
        ({"format": "1"}, "has an unknown format"),
        ({"format": None}, "has an unknown format"),
        ({"fields": None}, "lacks fields or arrays"),
        ({"fields": []}, "lacks fields or arrays"),
        ({"arrays": None}, "lacks fields or arrays"),
        ({"arrays": []}, "lacks fields or arrays"),
        ({"arrays": {}}, "'x.npy' is not declared"),
    ],
)
def test_a_head_that_is_wrong_is_told(tmp_path, head, message):
    assert message in refusal(craft(tmp_path / "run.ckpt", head=head))


@pytest.mark.parametrize(
    "declared",
    [
        None,
        [],
        "x",
        {},
        {"dtype": "<f4"},
        {"shape": [3]},
        {"dtype": 4, "shape": [3]},
        {"dtype": "|O", "shape": [3]},
        {"dtype": "<f2", "shape": [6]},
        {"dtype": ">f4", "shape": [3]},
        {"dtype": "<f4", "shape": 3},
        {"dtype": "<f4", "shape": None},
        {"dtype": "<f4", "shape": "3"},
        {"dtype": "<f4", "shape": [3.0]},
        {"dtype": "<f4", "shape": ["3"]},
        {"dtype": "<f4", "shape": [True]},
        {"dtype": "<f4", "shape": [-3]},
        {"dtype": "<f4", "shape": [-1, -3]},
        {"dtype": "<f4", "shape": [2**63]},
        {"dtype": "<f4", "shape": [10**4000]},
        {"dtype": "<f4", "shape": [1] * 33},
        {"dtype": "<f4", "shape": [[3]]},
    ],
    ids=lambda declared: repr(declared)[:40],
)
def test_a_dtype_or_shape_that_cannot_be_is_told(tmp_path, declared):
    path = craft(tmp_path / "run.ckpt", head={"arrays": {"x": declared}})
    assert refusal(path) == "damaged (invalid dtype or shape of x)"


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        ("<f4", [2**62]),
        ("<f4", [2**40, 2**40]),
        ("<f4", [2**62, 4, 3]),  # 3 in arithmetic of 64 bits
        ("<f4", [4]),
        ("<f4", [2]),
        ("<f4", [0]),
        ("<f8", [3]),
        ("|u1", [3]),
    ],
)
def test_a_shape_of_another_size_is_told_before_memory_is_taken(tmp_path, dtype, shape):
    path = craft(tmp_path / "run.ckpt", head={"arrays": {"x": {"dtype": dtype, "shape": shape}}})
    with allocating_at_most(2**20):
        assert refusal(path) == "damaged (x.npy does not have the size of its shape)"


def test_a_product_of_huge_numbers_is_not_computed(tmp_path):
    shape = [10**4200] * 800
    path = craft(tmp_path / "run.ckpt", head={"arrays": {"x": {"dtype": "<f4", "shape": shape}}})
    with within(5):
        assert "invalid dtype or shape of x" in refusal(path)


@pytest.mark.parametrize("shape", [[0, 2**62, 2**62], [2**63 - 1, 0]])
def test_an_empty_array_of_an_absurd_shape_is_told(tmp_path, shape):
    head = {"arrays": {"x": {"dtype": "<f4", "shape": shape}}}
    member = checkpoint_format.npy_header("<f4", tuple(shape))
    path = craft(tmp_path / "run.ckpt", {"x.npy": member}, head)
    assert refusal(path).startswith("damaged")


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (checkpoint_format.npy_header("<f4", (2**40,)), True),
        (checkpoint_format.npy_header("<i8", (3,)), True),
        (checkpoint_format.npy_header("|O", (3,)), True),
        (checkpoint_format.npy_header("<f4", (1, 3)), True),
        (checkpoint_format.npy_header("<f4", (3,)).replace(b"False", b"True "), True),
        (checkpoint_format.npy_header("<f4", (3,)).replace(b"\1\0", b"\2\0"), True),
        (bytes(128), True),
        (checkpoint_format.npy_header("<f4", (3,)), False),
    ],
)
def test_a_header_that_lies_is_told(tmp_path, head, told):
    path = craft(tmp_path / "run.ckpt", {"x.npy": head + bytes(12)})
    if told:
        assert refusal(path) == "damaged (x.npy is not as declared)"
    else:
        assert not load(path).arrays["x"].any()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"x.npy": None}, "x.npy is declared but missing"),
        ({"y.npy": b"y"}, "'y.npy' is not declared"),
        ({"../../x.npy": b"y"}, "'../../x.npy' is not declared"),
        ({"/x.npy": b"y"}, "'/x.npy' is not declared"),
        ({"x/": b""}, "'x/' is not declared"),
        ({"fields.json": None}, "not a checkpoint (a ZIP file without fields.json)"),
        ({"fields.json": b""}, "damaged"),
        ({"fields.json": b"{"}, "damaged"),
        ({"fields.json": b"\xff"}, "damaged"),
        ({"fields.json": b"[]"}, "not a checkpoint"),
        ({"fields.json": b"[" * 2**20}, "damaged"),
        ({"fields.json": b"9" * 10_000}, "damaged"),
        ({"fields.json": b" " * (2**24 + 1)}, "fields.json would take 16777217 bytes"),
        ({"x.npy": b""}, "does not have the size of its shape"),
        ({"x.npy": b"x" * 10_000}, "does not have the size of its shape"),
    ],
)
def test_wrong_members_are_told(tmp_path, members, message):
    assert message in refusal(craft(tmp_path / "run.ckpt", members))


@pytest.mark.parametrize("name", ["../x", "/x", "X", "", "x\n", "y" * 1000])
def test_arrays_of_other_names_are_told(tmp_path, name):
    arrays = {name: {"dtype": "<f4", "shape": [3]}}
    data = checkpoint_format.npy_header("<f4", (3,)) + bytes(12)
    path = craft(tmp_path / "run.ckpt", {"x.npy": None, f"{name}.npy": data}, {"arrays": arrays})
    message = refusal(path)
    assert message.startswith("damaged (invalid array name ") and len(message) < 300


@pytest.mark.parametrize("name", ["x.npy", "fields.json"])
def test_members_of_one_name_are_told(tmp_path, name):
    path = craft(tmp_path / "run.ckpt")
    with (
        zipfile.ZipFile(path, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate"),
    ):
        archive.writestr(name, archive.read(name))
    assert refusal(path) == f"contains '{name}' twice"


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("name", ["x.npy", "fields.json"])
def test_compressed_members_are_not_unpacked(tmp_path, name, method):
    bomb = {name: bytes(2**23)}
    path = craft(tmp_path / "run.ckpt", bomb, **{name.replace(".", "_"): method})
    assert path.stat().st_size < 2**15
    with allocating_at_most(2**20):
        assert refusal(path) == f"damaged ({name} is compressed)"


def patch(path, name, offset, layout, *values):
    """Overwrites numbers in a member's entry of the central directory."""
    content = bytearray(path.read_bytes())
    entry = content.rindex(name.encode()) - 46
    assert content[entry : entry + 4] == b"PK\1\2"
    struct.pack_into(layout, content, entry + offset, *values)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["x.npy", "fields.json"])
def test_encrypted_members_are_told(tmp_path, name):
    path = patch(craft(tmp_path / "run.ckpt"), name, 8, "<H", 1)
    assert refusal(path) == f"damaged ({name} is encrypted)"


@pytest.mark.parametrize("name", ["x.npy", "fields.json"])
@pytest.mark.parametrize(
    ("offset", "layout", "number"), [(10, "<H", zipfile.ZIP_DEFLATED), (20, "<L", 5)]
)
def test_members_that_say_they_are_compressed_are_told(tmp_path, name, offset, layout, number):
    path = patch(craft(tmp_path / "run.ckpt"), name, offset, layout, number)
    assert refusal(path) == f"damaged ({name} is compressed)"


def test_a_member_larger_than_the_file_is_told_before_memory_is_taken(tmp_path):
    head = {"arrays": {"x": {"dtype": "|u1", "shape": [2**30]}}}
    size = len(checkpoint_format.npy_header("|u1", (2**30,))) + 2**30
    path = patch(craft(tmp_path / "run.ckpt", head=head), "x.npy", 20, "<LL", size, size)
    with allocating_at_most(2**20):
        assert refusal(path) == "damaged (its members are larger than the file)"


def test_members_that_share_their_bytes_are_told(tmp_path):
    """Each fits into the file, but not all of them do."""
    arrays = {name: {"dtype": "|u1", "shape": [1000]} for name in "abc"}
    data = checkpoint_format.npy_header("|u1", (1000,)) + bytes(1000)
    path = craft(tmp_path / "run.ckpt", {"x.npy": None, "a.npy": data}, {"arrays": arrays})
    content = path.read_bytes()
    start = content.index(b"PK\1\2")
    first = content[content.index(b"a.npy", start) - 46 :][:51]
    others = first.replace(b"a.npy", b"b.npy") + first.replace(b"a.npy", b"c.npy")
    end = bytearray(content[-22:])
    size = len(content) - 22 - start + len(others)
    struct.pack_into("<L", end, 12, size)
    path.write_bytes(content[:-22] + others + end)
    assert refusal(path) == "damaged (its members are larger than the file)"


def test_a_member_beyond_the_end_of_the_file_is_told(tmp_path):
    path = patch(craft(tmp_path / "run.ckpt"), "x.npy", 42, "<L", 10**6)
    assert refusal(path).startswith("damaged")


def test_a_member_that_ends_too_soon_is_told(tmp_path):
    """Its size is right, but it begins a thousand bytes later."""
    path = craft(tmp_path / "run.ckpt")
    content = bytearray(path.read_bytes())
    struct.pack_into("<H", content, content.rindex(b"PK\3\4") + 28, 1000)  # of fields.json
    path.write_bytes(content)
    # The zipfile of some versions of Python says why; that of others knows no words for it.
    assert refusal(path).partition("cut off ")[2] > "()"


def test_members_that_were_exchanged_are_told(tmp_path):
    arrays = {name: {"dtype": "|u1", "shape": [3]} for name in "ab"}
    header = checkpoint_format.npy_header("|u1", (3,))
    members = {"x.npy": None, "a.npy": header + b"aaa", "b.npy": header + b"bbb"}
    path = craft(tmp_path / "run.ckpt", members, {"arrays": arrays})
    with zipfile.ZipFile(path) as archive:
        a, b = (archive.getinfo(f"{name}.npy").header_offset for name in "ab")
    patch(patch(path, "a.npy", 42, "<L", b), "b.npy", 42, "<L", a)
    assert refusal(path).startswith("damaged")


@pytest.mark.parametrize("name", ["a file of 2**17 values", "nothing but a header"])
def test_a_wrong_checksum_is_told(tmp_path, name):
    shape = (2**17,) if "values" in name else (0,)
    path = tmp_path / "run.ckpt"
    save(path, {}, [("x", np.zeros(shape))])
    patch(path, "x.npy", 16, "<L", 1)
    assert refusal(path) == "damaged or cut off (Bad CRC-32 for file 'x.npy')"


def test_lack_of_memory_is_no_damage(tmp_path, monkeypatch):
    def refuse(*_):
        raise MemoryError

    path = craft(tmp_path / "run.ckpt")
    monkeypatch.setattr(checkpoint_format.np, "empty", refuse)
    with pytest.raises(MemoryError):
        load(path)


def test_a_disk_that_fails_is_told(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(5, "Input/output error")

    path = craft(tmp_path / "run.ckpt")
    monkeypatch.setattr(zipfile.ZipExtFile, "read", refuse)
    assert refusal(path) == "cannot be read: Input/output error"


# Damage, wherever it is


def refused_or_same(folder, content):
    path = folder / "damaged.ckpt"
    path.unlink(missing_ok=True)  # to overwrite a file can take ten times as long
    path.write_bytes(content)
    try:
        loaded = load(path)
    except CheckpointError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
        return True
    assert_same(loaded, FIELDS, ARRAYS)
    return False


def test_every_wrong_byte_is_told_or_does_not_matter(folder, whole):
    """What does not matter is the archive's: dates, versions, permissions."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        contents = [archive.read(info) for info in archive.infolist()]
    starts = [whole.index(content) for content in contents]
    for position in range(len(whole)):
        wrong = bytearray(whole)
        wrong[position] ^= 1 << position % 8
        within_content = any(
            0 <= position - start < len(content)
            for start, content in zip(starts, contents, strict=True)
        )
        assert refused_or_same(folder, wrong) or not within_content


def test_every_truncation_is_told(folder, whole):
    for length in range(len(whole)):
        assert refused_or_same(folder, whole[:length])


def test_every_lost_byte_is_told_but_of_the_end(folder, whole):
    for position in range(len(whole) - 22):
        assert refused_or_same(folder, whole[:position] + whole[position + 1 :])


positions = st.integers(0, 2**20)
damages = st.lists(
    st.tuples(st.just("flip"), positions, st.integers(1, 255))
    | st.tuples(st.just("cut"), positions, st.just(None))
    | st.tuples(st.just("insert"), positions, st.binary(min_size=1, max_size=40))
    | st.tuples(st.just("overwrite"), positions, st.binary(min_size=1, max_size=40))
    | st.tuples(st.just("lose"), positions, st.integers(1, 200))
    | st.tuples(st.just("repeat"), positions, st.integers(1, 200)),
    min_size=1,
    max_size=4,
)


def damaged(content, damage):
    kind, position, value = damage
    position %= len(content) + 1
    before, after = content[:position], content[position:]
    if kind == "flip":
        return before + bytes([byte ^ value for byte in after[:1]]) + after[1:]
    if kind == "cut":
        return before
    if kind == "insert":
        return before + value + after
    if kind == "overwrite":
        return before + value + after[len(value) :]
    if kind == "lose":
        return before + after[value:]
    return before + after[:value] + after


@settings(bounded, max_examples=200)
@given(damages)
def test_any_damage_is_told_or_does_not_matter(folder, whole, several):
    content = whole
    for damage in several:
        content = damaged(content, damage)
    refused_or_same(folder, content)


@bounded
@given(st.binary(max_size=300), st.sampled_from([b"", b"PK\3\4"]), st.sampled_from([0, 22, 120]))
def test_random_bytes_are_refused(folder, whole, content, start, end):
    assert refused_or_same(folder, start + content + whole[len(whole) - end :])


lengths = st.integers(-3, 6) | st.sampled_from([2**31, 2**62, 2**63, 2**64, 10**30]) | plain
declarations = (
    st.fixed_dictionaries(
        {"dtype": st.sampled_from([*DTYPES, "|O", ">f4", 4]), "shape": st.lists(lengths) | plain}
    )
    | plain
)


@bounded
@given(st.dictionaries(st.just("x") | names | st.text(), declarations, max_size=3) | plain)
@example({"x": {"dtype": "<f4", "shape": [3]}})
@example({"x": {"dtype": "|u1", "shape": [12, 1]}})
def test_any_declaration_is_refused_but_the_true_one(folder, arrays):
    path = craft(folder / "declared.ckpt", head={"arrays": arrays})
    with allocating_at_most(2**20):
        if arrays == {"x": {"dtype": "<f4", "shape": [3]}}:
            assert load(path).arrays["x"].tolist() == [0, 1, 2]
        else:
            assert refusal(path).startswith("damaged")


# The last two


def numbered(number, size=300):
    """Arguments of ``save`` that all tell a number."""
    arrays = (
        (name, np.full(size, number, dtype)) for name, dtype in zip("ab", DTYPES, strict=False)
    )
    return {"n": number}, arrays


def number_of(path):
    """The number that all of a checkpoint tells, or ``None`` where there is no file."""
    if not path.exists():
        return None
    loaded = load(path)
    for array in loaded.arrays.values():
        assert array.size and (array == loaded.fields["n"]).all()
    assert list(loaded.arrays) == ["a", "b"]
    return loaded.fields["n"]


def numbers_in(folder):
    """The last and the previous number; nothing else is in the folder."""
    path = folder / "run.ckpt"
    assert {each.name for each in folder.iterdir()} <= {path.name, previous_of(path).name}
    return number_of(path), number_of(previous_of(path))


@pytest.fixture
def two(tmp_path):
    """A folder with checkpoint 2, of which 1 is the previous one."""
    for number in (1, 2):
        save(tmp_path / "run.ckpt", *numbered(number))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "previous"),
    [
        ("run.ckpt", "run.previous.ckpt"),
        ("run", "run.previous"),
        ("a.b.ckpt", "a.b.previous.ckpt"),
        (".run", ".run.previous"),
    ],
)
def test_the_previous_one_is_beside_the_last(name, previous):
    assert previous_of(f"folder/{name}") == Path("folder", previous)


def without_links(monkeypatch, how):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    def unknown(*_):
        raise NotImplementedError  # as pathlib does where there is no os.link

    if how == "refused":
        monkeypatch.setattr(os, "link", refuse)
    elif how == "unknown":
        monkeypatch.setattr(Path, "hardlink_to", unknown)


@pytest.mark.parametrize("links", ["there", "refused", "unknown"])
def test_the_last_two_are_kept(tmp_path, monkeypatch, links):
    without_links(monkeypatch, links)
    kept = []
    for number in range(1, 5):
        save(tmp_path / "run.ckpt", *numbered(number))
        kept.append(numbers_in(tmp_path))
    assert kept == [(1, None), (2, 1), (3, 2), (4, 3)]


def test_what_a_killed_process_left_is_gone_before_more_is_written(two):
    left = two / ".texsynth-run.ckpt.part"
    left.write_bytes(b"left")

    def arrays():
        assert not left.exists()
        yield from numbered(3)[1]

    save(two / "run.ckpt", {"n": 3}, arrays())
    assert numbers_in(two) == (3, 2)


def test_what_a_link_led_to_stays_and_the_link_is_the_previous_one(tmp_path):
    save(tmp_path / "target.ckpt", *numbered(1))
    (tmp_path / "run.ckpt").symlink_to("target.ckpt")
    save(tmp_path / "run.ckpt", *numbered(2))
    assert number_of(tmp_path / "target.ckpt") == 1
    assert number_of(tmp_path / "run.ckpt") == 2
    assert number_of(tmp_path / "run.previous.ckpt") == 1


def test_a_link_that_leads_nowhere_is_replaced(tmp_path):
    (tmp_path / "run.ckpt").symlink_to("nowhere")
    save(tmp_path / "run.ckpt", *numbered(1))
    assert numbers_in(tmp_path) == (1, None)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_not_replaced(tmp_path, kind):
    path = tmp_path / "run.ckpt"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(CheckpointError) as caught:
        save(path, *numbered(1))
    assert str(caught.value) == f"{path}: not a file"
    assert list(tmp_path.iterdir()) == [path] and not path.is_file()


def test_a_folder_that_is_not_there_is_told(tmp_path):
    path = tmp_path / "nowhere" / "run.ckpt"
    with pytest.raises(CheckpointError) as caught:
        save(path, *numbered(1))
    assert str(caught.value) == f"{path}: cannot be written: No such file or directory"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_arrays_that_cannot_be_made_leave_everything_as_it_was(two, error):
    def failing():
        yield "a", np.ones(3)
        raise error

    with pytest.raises(error):
        save(two / "run.ckpt", {}, failing())
    assert numbers_in(two) == (2, 1)


@contextlib.contextmanager
def files_of_at_most(size):
    """The system refuses to make files larger, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_everything_as_it_was(two):
    needed = (two / "run.ckpt").stat().st_size
    for size in [0, 10, *range(100, needed, 500), needed - 1]:
        with pytest.raises(CheckpointError) as caught, files_of_at_most(size):
            save(two / "run.ckpt", *numbered(3))
        assert str(caught.value) == f"{two / 'run.ckpt'}: cannot be written: File too large"
        assert numbers_in(two) == (2, 1)


def at_call(monkeypatch, name, number, error, after=False):
    """Lets the call of that number of a function of ``os`` fail: undone, or done already."""
    real, calls = getattr(os, name), itertools.count(1)

    def function(*arguments, **options):
        failing = next(calls) == number
        if failing and not after:
            raise error
        try:
            return real(*arguments, **options)
        finally:
            if failing:
                raise error

    monkeypatch.setattr(os, name, function)


CALLS = [("fsync", 1), ("fsync", 2), ("chmod", 1), ("replace", 1), ("replace", 2)]


@pytest.mark.parametrize("links", ["there", "refused", "unknown"])
@pytest.mark.parametrize(("name", "number"), CALLS)
def test_a_call_that_fails_leaves_everything_as_it_was(two, monkeypatch, name, number, links):
    error = OSError(28, "No space left on device")
    without_links(monkeypatch, links)
    at_call(monkeypatch, name, number, error)
    with pytest.raises(CheckpointError) as caught:
        save(two / "run.ckpt", *numbered(3))
    assert str(caught.value) == f"{two / 'run.ckpt'}: cannot be written: No space left on device"
    monkeypatch.undo()
    last, previous = numbers_in(two)
    if links != "there" and (name, number) not in [("fsync", 1), ("replace", 1)]:
        # What was 2 had become the previous one, and could only go back.
        assert (last, previous) == (2, None)
    else:
        assert (last, previous) == (2, 1)
    save(two / "run.ckpt", *numbered(3))
    assert numbers_in(two) == (3, 2)


def test_a_folder_that_takes_no_more_names_leaves_everything_as_it_was(two, monkeypatch):
    """Every rename fails, that of the way back too."""

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(CheckpointError, match="Read-only file system"):
        save(two / "run.ckpt", *numbered(3))
    assert numbers_in(two) == (2, 1)


def test_a_previous_one_that_cannot_be_replaced_leaves_everything_as_it_was(two):
    (two / "run.previous.ckpt").unlink()
    (two / "run.previous.ckpt").mkdir()
    with pytest.raises(CheckpointError, match="Is a directory"):
        save(two / "run.ckpt", *numbered(3))
    assert number_of(two / "run.ckpt") == 2
    assert len(list(two.iterdir())) == 2


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("links", ["there", "refused"])
@pytest.mark.parametrize(("name", "number"), [*CALLS, ("link", 1)])
def test_an_interruption_leaves_whole_files(two, monkeypatch, name, number, links, after):
    without_links(monkeypatch, links)
    at_call(monkeypatch, name, number, KeyboardInterrupt(), after)
    with pytest.raises(KeyboardInterrupt):
        save(two / "run.ckpt", *numbered(3))
    monkeypatch.undo()
    last, previous = numbers_in(two)
    assert last in (2, 3)
    assert previous in ((1, 2) if links == "there" else (1, 2, None))


# Killed

KILLED_AT_CALLS = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.files.test_checkpoint import number_of, numbered, previous_of, save

def counted(function):
    def call(*arguments, **options):
        global left
        for step in (lambda: function(*arguments, **options), lambda: result):
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            result = step()
        return result
    return call

def refused(*_):
    raise PermissionError

folder, linked = Path(sys.argv[2]), sys.argv[3] == "linked"
path = folder / "run.ckpt"
found = []
for moment in range(1000):
    for each in folder.iterdir():
        each.unlink()
    for number in (1, 2):
        save(path, *numbered(number))
    child = os.fork()
    if not child:
        left = moment
        if not linked:
            os.link = refused
        for name in ("fsync", "chmod", "link", "replace", "unlink"):
            setattr(os, name, counted(getattr(os, name)))
        save(path, *numbered(3))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    found.append((number_of(path), number_of(previous_of(path))))
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert all(each.suffix in (".ckpt", ".part") for each in folder.iterdir())
    # What is left over is in nobody's way.
    save(path, *numbered(4))
    assert (number_of(path), number_of(previous_of(path))) in ((4, found[-1][0]), (4, 2))
    assert not (folder / ".texsynth-run.ckpt.part").exists()
print(found)
"""


def run_program(program, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parents[2]), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.replace("(", "[").replace(")", "]").replace("None", "null"))


@pytest.mark.slow
def test_killed_at_any_call_both_are_whole(tmp_path):
    found = run_program(KILLED_AT_CALLS, tmp_path, "linked")
    assert len(found) > 12 and found[-1] == [3, 2]
    assert all(each in ([2, 1], [3, 1], [3, 2]) for each in found)


@pytest.mark.slow
def test_killed_at_any_call_without_links_what_is_away_is_the_previous_one(tmp_path):
    found = run_program(KILLED_AT_CALLS, tmp_path, "unlinked")
    assert len(found) > 10 and found[-1] == [3, 2]
    assert all(each in ([2, 1], [None, 2], [3, 2]) for each in found)


KILLED_AT_RANDOM = """
import itertools, os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.files.test_checkpoint import number_of, numbered, previous_of, save

path = Path(sys.argv[2]) / "run.ckpt"
began = time.monotonic()
for last in (1, 2, 3):
    save(path, *numbered(last, 50_000))
longest = max(0.05, 5 * (time.monotonic() - began))  # on a busy machine a save takes its time
waits = random.Random(0)
found = []
for _ in range(25):
    child = os.fork()
    if not child:
        for number in itertools.count(last + 1):
            save(path, *numbered(number, 50_000))
    time.sleep(waits.uniform(0, longest))
    os.kill(child, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    numbers = (number_of(path) or 0, number_of(previous_of(path)) or 0)
    assert numbers[0] >= last
    last = numbers[0]
    found.append(numbers)
print(found)
"""


@pytest.mark.slow
def test_killed_at_any_time_both_are_whole(tmp_path):
    found = run_program(KILLED_AT_RANDOM, tmp_path)
    assert len(found) == 25 and found[-1][0] > 10
    assert all(last - previous in (0, 1, 2) for last, previous in found)
