"""Text that a terminal may be given."""

import pytest

from texsynth.files.printable import one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a  b.png", "a  b.png"),
        ("a\n\tb", "a\ufffd\ufffdb"),
        ("\x1b[2J\x07\x7f", "\ufffd[2J\ufffd\ufffd"),
        ("日本\u3000石.png", "日本 石.png"),
        ("caf\udce9", "caf\ufffd"),
        ("a\u202eb\x9bc", "a\ufffdb\ufffdc"),
    ],
    ids=repr,
)
def test_what_could_drive_a_terminal_is_replaced(text, shown):
    assert printable(text) == shown
    shown.encode()


@pytest.mark.parametrize(
    ("text", "line"),
    [(" a\n\tb\r\n", "a b"), ("\x1b[2J", "\ufffd[2J"), ("x" * 1000, "x" * 1000)],
    ids=repr,
)
def test_one_line_is_one_line(text, line):
    assert one_line(text) == line


def test_one_line_takes_so_much():
    assert one_line("a b c d", 3) == "a b"
