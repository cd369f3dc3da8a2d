"""Values one by one: read from texts, checked, and told."""

import math
import numbers
import re
from collections.abc import Sequence
from typing import Any

from texsynth.errors import ConfigError

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d{1,3})?"
_UNITS = {"k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("kmgt", 1)}


def parse_range(text: str) -> tuple[float, float]:
    """Reads ``"0,1"`` as ``(0.0, 1.0)``: black, white.

    Raises:
        texsynth.errors.ConfigError: The text has another form, or the first is not the lower one.
    """
    match = re.fullmatch(rf" *({_NUMBER}) *, *({_NUMBER}) *", text, re.ASCII | re.IGNORECASE)
    if match is None:
        raise ConfigError(f"input range must look like 0,1 (black, white), not {text!r}")
    return check_range("input range", (float(match[1]), float(match[2])))


def check_range(name: str, ends: Any) -> tuple[float, float]:
    """Returns two numbers as a tuple, once it is sure that they are a range.

    Args:
        name (str): What to call it in messages.
        ends: What should be two finite numbers, the lower first.

    Raises:
        texsynth.errors.ConfigError: It is something else.
    """
    is_pair = isinstance(ends, tuple | list) and len(ends) == 2
    if not is_pair or not all(isinstance(each, numbers.Real) for each in ends):
        raise ConfigError(f"{name} must be two numbers, (black, white), not {ends!r}")
    low, high = map(float, ends)
    if not -math.inf < low < high < math.inf:
        raise ConfigError(
            f"{name} must be two finite numbers, the lower first, not {low:g},{high:g}"
        )
    return low, high


def parse_shares(text: str) -> tuple[float, ...]:
    """Reads ``"0.5,0.5"`` as ``(0.5, 0.5)``: the share of each exemplar in a mixture.

    Raises:
        texsynth.errors.ConfigError: The text has another form, or a share is below 0.
    """
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"shares must look like 0.5,0.5, not {text!r}") from None
    return check_shares(shares)


def check_shares(shares: Sequence[float], number: int | None = None) -> tuple[float, ...]:
    """Returns shares that sum to 1, in proportion to those given.

    Args:
        shares: Finite numbers of at least 0, not all 0.
        number: How many there must be; ``None`` takes any number.

    Raises:
        texsynth.errors.ConfigError: They are something else.
    """
    given = tuple(shares)
    for share in given:
        check_not_negative("share", share)
    if number is not None and len(given) != number:
        raise ConfigError(f"{number} exemplars need {number} shares, not {len(given)}")
    total = math.fsum(given)
    if not 0 < total < math.inf:
        raise ConfigError("at least one share must be above 0")
    return tuple(float(share) / total for share in given)


def parse_memory(text: str) -> int:
    """Reads ``"4GB"``, ``"500MB"`` or ``"1.5GiB"`` as a number of bytes.

    Args:
        text (str): A number and a unit: k, M, G or T, powers of 1000, or with an i, of 1024; the B
            may be left out, and case does not matter.

    Returns:
        int: Bytes.

    Raises:
        texsynth.errors.ConfigError: It has another form, or is zero.
    """
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+) *([kmgt]i?)b?", text.strip(), re.ASCII | re.IGNORECASE)
    amount = float(match[1]) * _UNITS[match[2].lower()] if match else 0
    if not 1 <= amount < math.inf:
        raise ConfigError(f"memory must look like 4GB, 500MB or 1.5GiB, not {text!r}")
    return int(amount)


def format_memory(amount: float) -> str:
    """Returns ``"1.3 GB"`` or ``"640 MB"``.

    Args:
        amount: Bytes.
    """
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{math.ceil(amount / 1e6)} MB"


def format_time(seconds: float) -> str:
    """Returns ``"95 s"``, ``"14 min"`` or ``"3.2 h"``.

    Args:
        seconds: A duration.
    """
    if seconds < 100:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def parse_size(text: str) -> tuple[int, int]:
    """Reads ``"384x192"`` as ``(384, 192)``: width, height; and ``"384"`` as a square.

    Raises:
        texsynth.errors.ConfigError: The text has another form.
    """
    match = re.fullmatch(r"(\d{1,9})(?:x(\d{1,9}))?", text, re.ASCII | re.IGNORECASE)
    if match is None:
        raise ConfigError(
            f"output size must look like 384x192 (width x height) or 384 (a square), not {text!r}"
        )
    return int(match[1]), int(match[2] or match[1])


def check_integer(name: str, value: int, lowest: int, highest: int | None = None) -> None:
    """Raises a ConfigError unless a value is a whole number within bounds, which are among them."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ConfigError(f"{name} must be a whole number, not {value!r}")
    if value < lowest:
        raise ConfigError(f"{name} must be at least {lowest}, not {value}")
    if highest is not None and value > highest:
        raise ConfigError(f"{name} must be at most {highest}, not {value}")


def check_positive(name: str, value: float) -> None:
    """Raises a ConfigError unless a value is a positive number."""
    if not (isinstance(value, numbers.Real) and value > 0 and math.isfinite(value)):
        raise ConfigError(f"{name} must be a positive number, not {value!r}")


def check_not_negative(name: str, value: float) -> None:
    """Raises a ConfigError unless a value is a number of at least 0."""
    check_at_least(name, value, 0)


def check_at_least(name: str, value: float, lowest: int) -> None:
    """Raises a ConfigError unless a value is a number of at least that, and finite."""
    if not (isinstance(value, numbers.Real) and value >= lowest and math.isfinite(value)):
        raise ConfigError(f"{name} must be a number of at least {lowest}, not {value!r}")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raises a ConfigError unless a value is one of several."""
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
