"""Plots as inline SVG: lines on logarithmic axes, coloured by the page's style sheet."""

import math
from html import escape

import numpy as np

_WIDTH, _HEIGHT = 440, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 26, 46
_LEAST_SPAN = 0.02  # of the logarithms: what differs by less than 5 % is drawn as flat
_TINY = 1e-300  # what is smaller has no round values beside it, and is drawn as this
_MOST = 308.25  # the logarithm of about the largest number
_LABEL, _NUMBER = 48, 9  # pixels that "level 1" takes, and "1"
_MOST_POINTS = 600


def loss_curves(history):
    """Returns an SVG of the loss over all steps, one line for each level.

    Args:
        history: Loss after each step, one list of floats for each level.

    Returns:
        str: The SVG; ``None`` if no loss is above 0.
    """
    lines, start = [], 0
    for losses in history:
        steps = np.arange(start + 1, start + len(losses) + 1)
        lines.append((steps, np.array(losses, dtype=float)))
        start += len(losses)
    lines = [_thinned(x[y > 0], np.maximum(y[y > 0], _TINY)) for x, y in lines]
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
    if len(history) > 1:
        drawn += _level_labels(x_axis, [len(losses) for losses in history])
    levels = f" in {len(history)} levels" if len(history) > 1 else ""
    label = (
        f"Loss over {start} steps{levels}, from {lines[0][1][:1].sum():.3g} "
        f"to {values[-1]:.3g}, logarithmic"
    )
    return _plot(label, x_axis, y_axis, "step", "loss", dividers + drawn)


def _level_labels(x_axis, lengths):
    """Numbers of the levels above what is theirs, as far as there is room."""
    texts, start = [], 0
    for number, length in enumerate(lengths, 1):
        left, right = (float(x_axis.place(start + at + 0.5)) for at in (0, length))
        start += length
        room = right - left
        if room >= _NUMBER:
            text = f"level {number}" if room >= _LABEL else str(number)
            place = f'x="{(left + right) / 2:.1f}" y="{_TOP - 9}"'
            texts.append(f'<text class="middle level" {place}>{text}</text>')
    return "".join(texts)


def spectra(frequency, output, exemplar):
    """Returns an SVG of two radial power spectra, log-log.

    Args:
        frequency: ``(bands,)``, cycles per pixel.
        output: ``(bands,)``, squared grey levels.
        exemplar: ``(bands,)``, squared grey levels.

    Returns:
        str: The SVG; ``None`` if no band has a power.
    """
    values = np.concatenate((output, exemplar))
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    x_axis = _Axis(frequency[0], 0.5, _LEFT, _WIDTH - _RIGHT, logarithmic=True)
    y_axis = _Axis(values.min(), values.max(), _HEIGHT - _BOTTOM, _TOP, logarithmic=True)
    drawn = "".join(
        _line(x_axis, y_axis, frequency[np.isfinite(y)], y[np.isfinite(y)], kind)
        for y, kind in ((exemplar, "exemplar"), (output, "output"))
        if np.isfinite(y).any()
    )
    label = "Radial power spectra of exemplar and output, log-log, the same where they agree"
    return _plot(label, x_axis, y_axis, "cycles per pixel", "power, grey levels²", drawn)


class _Axis:
    """A range of values laid on a range of pixels.

    Args:
        low: The least value; above 0 if the axis is logarithmic.
        high: The largest value.
        start: Pixels of the least.
        end: Pixels of the largest.
        logarithmic: Whether ratios are of equal length, not differences.
    """

    def __init__(self, low, high, start, end, logarithmic):
        self.logarithmic = logarithmic
        low, high = float(self._scaled(low)), float(self._scaled(high))
        if high - low < _LEAST_SPAN:
            middle = (low + high) / 2
            low, high = middle - _LEAST_SPAN / 2, middle + _LEAST_SPAN / 2
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
        if not self.logarithmic:
            return _round_values(max(0, self.low), self.high, least_step=1)
        ticks = self._logarithmic_ticks()
        # Between 1.1 and 1.3 there is no power of ten, nor one times 2, 3 or 5.
        return ticks if len(ticks) > 1 else _round_values(10**self.low, 10 ** min(self.high, _MOST))

    def _logarithmic_ticks(self):
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        for factors in ((1,), (1, 3), (1, 2, 5), range(1, 10)):
            # As text: powers of ten beyond what a number holds are left out by themselves.
            values = [float(f"{k}e{d}") for d in decades for k in factors]
            inside = [v for v in values if 0 < v < math.inf]
            inside = [v for v in inside if self.low <= math.log10(v) <= self.high]
            if len(inside) >= 3:
                break
        every = max(1, -(-len(inside) // 8))
        return _labelled(inside[::every], digits=0)


def _round_values(low, high, least_step=0.0):
    """``(value, label)`` of two to six multiples of a round step, from low to high."""
    step = 10.0 ** math.floor(math.log10(high - low))
    steps = (step * k for k in (0.2, 0.5, 1, 2))
    step = max(least_step, next(step for step in steps if (high - low) / step <= 6))
    first, last = math.ceil(low / step), math.floor(high / step)
    values = [k * step for k in range(first, last + 1)]
    largest = max(map(abs, values))
    digits = math.floor(math.log10(largest)) - math.floor(math.log10(step)) if largest else 0
    return _labelled(values, digits)


def _labelled(values, digits):
    """``(value, label)``, in plain numbers, or in powers of ten with so many digits behind one."""
    sizes = [abs(value) for value in values if value]
    is_plain = not sizes or (min(sizes) >= 1e-3 and max(sizes) < 1e5)
    text = f"{{:.{max(6, digits + 1)}g}}".format if is_plain else _power_of_ten
    return [(value, text(value) if is_plain else text(value, digits)) for value in values]


def _power_of_ten(value, digits):
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    power = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{power}" if mantissa == "1" else f"{mantissa}·10{power}"


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
