"""What this process may use of the machine: its memory and its processors.

Containers and job schedulers limit both by control groups, of which each may lie in another that
allows less. Nothing of the kind is there on other systems than Linux.
"""

import functools
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_PROC = Path("/proc")
_UNLIMITED = 1 << 60  # bytes, and more: how version 1 says that there is no limit
_SPACE = re.compile(r"\\(\d{3})")  # in mountinfo, a blank and the like


OFFLINE = "TEXSYNTH_OFFLINE"
"""Environment variable that forbids downloads, unless it is empty or says no, as 0 does."""

_NO = ("", "0", "f", "false", "n", "no", "off")  # as options have it too


def downloads_allowed() -> bool:
    """Returns whether weights may be downloaded."""
    return os.environ.get(OFFLINE, "").strip().lower() in _NO


def free_memory() -> int | None:
    """Returns how much memory can still be had, in bytes; ``None`` where nobody says.

    What the page cache has of files that nobody uses can be had.
    """
    amounts = [_of_machine(), *map(_left, _groups("memory"))]
    return min((amount for amount in amounts if amount is not None), default=None)


@functools.cache
def processors() -> int:
    """Returns how many processors' time can be had, at least 1; asked once."""
    if hasattr(os, "sched_getaffinity"):
        there = len(os.sched_getaffinity(0))
    else:
        there = os.cpu_count() or 1
    shares = [share for share in map(_share, _groups("cpu")) if share is not None]
    return max(1, min([there, *shares]))


class _Group(NamedTuple):
    """A control group: its folder, and whether it is of version 2."""

    folder: Path
    is_new: bool


def _of_machine() -> int | None:
    found = re.search(r"^MemAvailable: +(\d+) kB", _text(_PROC / "meminfo"), re.MULTILINE)
    return None if found is None else int(found[1]) * 1024


def _left(group: _Group) -> int | None:
    """What a group leaves of its limit of memory."""
    folder, is_new = group
    if is_new:
        # Beyond the second the kernel slows a process until it stands still.
        limits = [_number(folder / "memory.max"), _number(folder / "memory.high")]
        used, cached = _number(folder / "memory.current"), "inactive_file"
    else:
        limits = [_number(folder / "memory.limit_in_bytes")]
        used, cached = _number(folder / "memory.usage_in_bytes"), "total_inactive_file"
    limit = min((each for each in limits if each is not None), default=_UNLIMITED)
    if limit >= _UNLIMITED or used is None:
        return None
    found = re.search(rf"^{cached} (\d+)$", _text(folder / "memory.stat"), re.MULTILINE)
    return max(0, limit - used + (0 if found is None else min(used, int(found[1]))))


def _share(group: _Group) -> int | None:
    """How many processors' time a group may take."""
    folder, is_new = group
    if is_new:
        quota, _, period = _text(folder / "cpu.max").partition(" ")
    else:
        quota, period = (_text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    if not (quota.strip().isdecimal() and period.strip().isdecimal() and int(period)):
        return None  # no such file, or "max" or -1, which are no limit
    return math.ceil(int(quota) / int(period))


def _groups(controller: str) -> Iterator[_Group]:
    """Yields the groups that this process is in, and all those that they are in."""
    paths: dict[str, str] = {}  # by controller, "" for version 2
    for line in _text(_PROC / "self/cgroup").splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        paths |= dict.fromkeys(controllers.split(","), path)
    for mount in _text(_PROC / "self/mountinfo").splitlines():
        before, _, after = mount.partition(" - ")
        kind, _, options = [*after.split(" "), "", "", ""][:3]
        root, top = map(_unescaped, [*before.split(" "), *[""] * 5][3:5])
        if kind == "cgroup2" or (kind == "cgroup" and controller in options.split(",")):
            name = "" if kind == "cgroup2" else controller
            if name in paths:
                yield from _upwards(Path(top), _below(root, paths[name]), kind == "cgroup2")


def _upwards(top: Path, below: PurePosixPath, is_new: bool) -> Iterator[_Group]:
    for inner in (below, *below.parents):
        yield _Group(top / inner, is_new)


def _below(root: str, path: str) -> PurePosixPath:
    """Where a group is below what is mounted, which in a container is often the group itself."""
    group = PurePosixPath(path)
    if ".." in group.parts or not group.is_relative_to(root):
        return PurePosixPath()
    return group.relative_to(root)


def _unescaped(field: str) -> str:
    return _SPACE.sub(lambda found: chr(int(found[1], 8)), field)


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
