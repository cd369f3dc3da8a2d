import io
import itertools

import pytest

from texsynth.command import progress as display
from texsynth.synthesis.progress import Progress


def make_progress(step=1, steps=100, fraction=0.5):
    return Progress(
        level=2,
        levels=3,
        step=step,
        steps=steps,
        loss=0.012345,
        evaluations=step,
        fraction=fraction,
        seconds_left=61.4,
        scheme=None,
        size=(150, 75),
    )


def test_describe_tells_level_size_step_loss_and_time():
    expected = "level 2/3 (150x75)  step 7/100  loss 0.0123  61 s left"
    assert display.describe(make_progress(7)) == expected


def test_lines_come_every_ten_seconds_and_at_the_end_of_a_level(monkeypatch):
    stream, now = io.StringIO(), [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    lines = display.ProgressLines(stream)
    for step, now[0] in ((1, 5.0), (2, 14.9), (3, 15.0), (4, 20.0), (100, 21.0)):
        lines.show(make_progress(step))
    steps = [line.split("step ")[1].split("/")[0] for line in stream.getvalue().splitlines()]
    assert steps == ["1", "3", "100"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_goes_where_the_fraction_is_and_ends_its_line(monkeypatch):
    terminal, seconds = Terminal(), itertools.count(0, 2)
    monkeypatch.setattr("time.time", lambda: next(seconds))
    bar = display.ProgressBar(terminal)
    for fraction in (0.25, 0.5, 0.5, 0.75):
        bar.show(make_progress(fraction=fraction))
    assert bar._bar.pos == 750
    assert "loss 0.0123  61 s left" in terminal.getvalue()
    assert "0:00" not in terminal.getvalue()  # the time left is told once
    bar.close()
    assert terminal.getvalue().endswith("\n") or "\x1b[?25h" in terminal.getvalue()


@pytest.mark.parametrize(
    ("quiet", "stream", "kind"),
    [
        (True, Terminal(), display.NoProgress),
        (False, None, display.NoProgress),
        (False, Terminal(), display.ProgressBar),
        (False, io.StringIO(), display.ProgressLines),
    ],
)
def test_the_way_fits_the_stream(monkeypatch, quiet, stream, kind):
    monkeypatch.setattr(display.sys, "stderr", stream)
    assert type(display.make(quiet)) is kind
