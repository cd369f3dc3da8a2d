import pytest

from texsynth.errors import ConfigError
from texsynth.values import format_memory, format_time, parse_memory


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("4GB", 4 * 10**9),
        ("500MB", 5 * 10**8),
        ("1.5GiB", 3 * 2**29),
        ("2g", 2 * 10**9),
        (" .5 tib ", 2**39),
        ("800000kB", 8 * 10**8),
    ],
)
def test_parse_memory(text, amount):
    assert parse_memory(text) == amount


@pytest.mark.parametrize("text", ["", "4", "GB", "-4GB", "4 G B", "4GB!", "1e3MB", "0GB", "٤GB"])
def test_parse_memory_refuses(text):
    with pytest.raises(ConfigError, match=r"memory must look like 4GB, 500MB or 1\.5GiB, not "):
        parse_memory(text)


def test_format_memory():
    assert format_memory(1.26e9) == "1.3 GB"
    assert format_memory(639.2e6) == "640 MB"


def test_format_time():
    assert [format_time(s) for s in (0.2, 95, 840, 11520)] == [
        "1 s",
        "95 s",
        "14 min",
        "3.2 h",
    ]
