"""Plots as inline SVG: lines on logarithmic axes, coloured by the page's style sheet."""

import math
from html import escape

import numpy as np

_WIDTH, _HEIGHT = 440, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 14, 46
_MOST_POINTS = 600


def loss_curves(history):
    """Returns an SVG of the loss over all steps, one line for each level.

    Args:
        history: Loss after each step, one list of floats for each level.
    """
    lines, start = [], 0
    for losses in history:
        steps = np.arange(start + 1, start + len(losses) + 1)
        lines.append((steps, np.array(losses, dtype=float)))
        start += len(losses)
    lines = [_thinned(x[y > 0], y[y > 0]) for x, y in lines]
    values = np.concatenate([y for _, y in lines])
    if not len(values):
        return None
    x_axis = _Axis(1, max(start, 2), _LEFT, _WIDTH - _RIGHT, logarithmic=False)
    y_axis = _Axis(values.min(), values.max(), _HEIGHT - _BOTTOM, _TOP, logarithmic=True)
    ends = np.cumsum([len(losses) for losses in history])[:-1]
    dividers = "".join(
        f'<path class="divider" d="M{x_axis.place(end + 0.5):.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>'
        for end in ends
    )
    drawn = "".join(_line(x_axis, y_axis, x, y, "output") for x, y in lines if len(x))
    levels = f" in {len(history)} levels" if len(history) > 1 else ""
    label = (
        f"Loss over {start} steps{levels}, from {lines[0][1][:1].sum():.3g} "
        f"to {values[-1]:.3g}, logarithmic"
    )
    return _plot(label, x_axis, y_axis, "step", "loss", dividers + drawn)


def spectra(frequency, output, exemplar):
    """Returns an SVG of two radial power spectra, log-log.

    Args:
        frequency: ``(bands,)``, cycles per pixel.
        output: ``(bands,)``, squared grey levels.
        exemplar: ``(bands,)``, squared grey levels.
    """
    values = np.concatenate((output, exemplar))
    values = values[np.isfinite(values)]
    x_axis = _Axis(frequency[0], 0.5, _LEFT, _WIDTH - _RIGHT, logarithmic=True)
    y_axis = _Axis(values.min(), values.max(), _HEIGHT - _BOTTOM, _TOP, logarithmic=True)
    drawn = "".join(
        _line(x_axis, y_axis, frequency[np.isfinite(y)], y[np.isfinite(y)], kind)
        for y, kind in ((exemplar, "source"), (output, "output"))
    )
    label = "Radial power spectra of source and output, log-log, falling together where they agree"
    return _plot(label, x_axis, y_axis, "cycles per pixel", "power, grey levels²", drawn)


class _Axis:
    """A range of values laid on a range of pixels."""

    def __init__(self, low, high, start, end, logarithmic):
        self.logarithmic = logarithmic
        low, high = self._scaled(low), self._scaled(high)
        if high - low < 1e-9:
            low, high = low - 0.5, high + 0.5
        margin = 0.04 * (high - low)
        self.low, self.high = low - margin, high + margin
        self._start, self._end = start, end

    def _scaled(self, value):
        return np.log10(value) if self.logarithmic else np.asarray(value, dtype=float)

    def place(self, value):
        """Pixels of a value or an array of them."""
        share = (self._scaled(value) - self.low) / (self.high - self.low)
        return self._start + share * (self._end - self._start)

    def ticks(self):
        """``(value, label)`` of two to eight round values."""
        if self.logarithmic:
            return self._logarithmic_ticks()
        step = 10.0 ** math.floor(math.log10(self.high - self.low))
        step = next(step * k for k in (0.2, 0.5, 1, 2) if (self.high - self.low) / (step * k) <= 6)
        first, last = math.ceil(max(0, self.low) / step), math.floor(self.high / step)
        return [(k * step, f"{k * step:g}") for k in range(first, last + 1)]

    def _logarithmic_ticks(self):
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        for factors in ((1,), (1, 3), (1, 2, 5), range(1, 10)):
            values = [k * 10.0**d for d in decades for k in factors]
            inside = [v for v in values if self.low <= math.log10(v) <= self.high]
            if len(inside) >= 3:
                break
        every = -(-len(inside) // 8)
        is_plain = inside[0] >= 1e-3 and inside[-1] < 1e5
        text = "{:g}".format if is_plain else _power_of_ten
        return [(value, text(value)) for value in inside[::every]]


def _power_of_ten(value):
    mantissa, exponent = f"{value:.0e}".split("e")
    digits = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{digits}" if mantissa == "1" else f"{mantissa}·10{digits}"


def _thinned(x, y):
    if len(x) <= _MOST_POINTS:
        return x, y
    chosen = np.unique(np.linspace(0, len(x) - 1, _MOST_POINTS).astype(int))
    return x[chosen], y[chosen]


def _line(x_axis, y_axis, x, y, kind):
    places = zip(x_axis.place(x), y_axis.place(y), strict=True)
    path = "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
    # A level of one step is a dot: a line of no length with round ends.
    return f'<path class="line {kind}" d="M{path}{"h0" if len(x) == 1 else ""}"/>'


def _plot(label, x_axis, y_axis, x_label, y_label, drawn):
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    grid, texts = [], []
    for value, text in x_axis.ticks():
        x = float(x_axis.place(value))
        grid.append(f"M{x:.1f} {_TOP}V{bottom}")
        texts.append(f'<text class="middle" x="{x:.1f}" y="{bottom + 17}">{text}</text>')
    for value, text in y_axis.ticks():
        y = float(y_axis.place(value))
        grid.append(f"M{_LEFT} {y:.1f}H{right}")
        texts.append(f'<text class="end" x="{_LEFT - 7}" y="{y + 4:.1f}">{text}</text>')
    middle = (_TOP + bottom) / 2
    return (
        f'<svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(label)}"><path class="grid" d="{"".join(grid)}"/>'
        f"{''.join(texts)}{drawn}"
        f'<text class="middle axis" x="{(_LEFT + right) / 2}" y="{_HEIGHT - 8}">{x_label}</text>'
        f'<text class="middle axis" transform="translate(13 {middle}) rotate(-90)">{y_label}</text>'
        "</svg>"
    )
