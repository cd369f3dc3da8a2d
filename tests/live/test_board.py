"""The board: who is told what, when a frame is taken, and that nobody is waited for."""

import itertools
import json
import threading

import pytest

from tests.live.conftest import picture, step
from texsynth.live import Exemplar, Status
from texsynth.live import board as module


def refuse():
    raise AssertionError("nobody looks")


def test_a_page_is_told_of_all_first_and_then_of_what_changes(board):
    seen = {}
    first, second = board.entry("a", "one"), board.entry("b", "two")
    assert [told["name"] for told in board.changes(seen)] == ["one", "two"]
    assert board.changes(seen) == []
    second.begin([Exemplar("x.png")])
    (told,) = board.changes(seen)
    assert (told["number"], told["status"], told["exemplars"]) == (1, "running", 1)
    for number in (1, 2, 3):
        first.step(step(number), {"gram": number}, refuse)
    (told,) = board.changes(seen)
    assert told["points_from"] == 0 and [p["terms"]["gram"] for p in told["points"]] == [1, 2, 3]
    first.step(step(4), {"gram": 4}, refuse)
    (told,) = board.changes(seen)
    assert told["points_from"] == 3 and [p["terms"]["gram"] for p in told["points"]] == [4]
    assert len(board.changes({})) == 2  # another page


def test_the_same_key_is_the_same_texture(board):
    assert board.entry("a", "one") is board.entry("a", "another name")
    assert board[0].name == "one"
    for number in (-1, 1):
        with pytest.raises(KeyError):
            board[number]


def test_frames_are_taken_only_while_somebody_looks_and_not_too_often(board, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    entry, taken = board.entry("a", "one"), []

    def pixels():
        taken.append(now[0])
        now[0] += 0.02  # seconds that it takes
        return picture()

    entry.step(step(1), {}, refuse)
    assert entry.frame is None
    board.watch(1)
    for number in range(2, 400):
        now[0] += 0.01
        entry.step(step(number), {}, pixels)
    between = [later - earlier for earlier, later in itertools.pairwise(taken)]
    assert len(taken) >= 4
    assert all(0.02 / pause <= module._SHARE + 1e-9 and pause >= 0.5 for pause in between)
    board.seconds_of_frame = 0.1
    before = len(taken)
    now[0] += 2
    entry.step(step(1), {}, pixels)
    now[0] += 0.12 / module._SHARE - 0.1
    entry.step(step(2), {}, pixels)
    assert len(taken) == before + 1
    board.watch(-1)
    now[0] += 60
    entry.step(step(3), {}, refuse)


def test_numbers_that_are_none_are_told_as_json_has_it(board):
    entry = board.entry("a", "one")
    entry.step(step(loss=float("nan"), seconds_left=float("inf")), {}, refuse)
    (told,) = board.changes({})
    json.dumps(told, allow_nan=False)
    assert told["step"]["loss"] is None and told["points"][0]["loss"] is None


def test_an_end_has_files_and_lets_go_of_the_pixels(board, tmp_path):
    entry = board.entry("a", "one")
    board.watch(1)
    entry.step(step(), {}, picture)
    assert entry.frame.pixels is not None
    entry.end(Status.STOPPED, [tmp_path / "a.png", tmp_path / "b.png"], "1.0 s", (16, 12))
    assert entry.frame.pixels is None and entry.frame.path == tmp_path / "a.png"
    (told,) = board.changes({})
    assert told["files"] == ["a.png", "b.png"] and told["step"]["size"] == (16, 12)


def test_readers_see_every_point_once_while_it_is_written(board):
    entry, got = board.entry("a", "one"), []

    def read():
        seen = {}
        while len(got) < 3000:
            for told in board.changes(seen):
                assert told["points_from"] == len(got)
                got.extend(point["loss"] for point in told["points"])

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(3000):
        entry.step(step(loss=number), {}, refuse)
    thread.join(20)
    assert got == list(range(3000))
