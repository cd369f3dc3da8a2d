"""What control groups leave of memory and processors, in folders as Linux lays them out."""

import os

import pytest

from texsynth import machine

MIB = 1 << 20


class Linux:
    """A machine's files: ``/proc`` and the mounted control groups."""

    def __init__(self, folder):
        self.folder = folder
        self.mounts = []
        self.write("proc/meminfo", f"MemTotal: 9 kB\nMemAvailable:  {800 * 1024} kB\n")

    def write(self, path, text):
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def mount(self, kind, top, options="rw", root="/"):
        place = str(self.folder / top).replace(" ", r"\040")
        self.mounts.append(f"30 23 0:28 {root} {place} rw - {kind} {kind} {options}")
        self.write("proc/self/mountinfo", "\n".join(["garbage", *self.mounts]) + "\n")

    def new(self, group, limit, used, cached=0, high="max"):
        """A group's memory, as version 2 tells it."""
        self.write(f"{group}/memory.max", f"{limit}\n")
        self.write(f"{group}/memory.high", f"{high}\n")
        self.write(f"{group}/memory.current", f"{used}\n")
        self.write(f"{group}/memory.stat", f"anon 5\ninactive_file {cached}\nactive_file 7\n")

    def old(self, group, limit, used, cached=0):
        """The same of version 1, whose own file cache is a part of the total."""
        self.write(f"{group}/memory.limit_in_bytes", f"{limit}\n")
        self.write(f"{group}/memory.usage_in_bytes", f"{used}\n")
        self.write(f"{group}/memory.stat", f"inactive_file 3\ntotal_inactive_file {cached}\n")


@pytest.fixture
def linux(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    machine.processors.cache_clear()
    yield Linux(tmp_path)
    machine.processors.cache_clear()


def test_without_groups_it_is_the_machines(linux):
    assert machine.free_memory() == 800 * MIB
    assert machine.processors() == 64


def test_where_nobody_says_it_is_not_known(linux):
    (linux.folder / "proc/meminfo").unlink()
    assert machine.free_memory() is None


def test_the_page_cache_can_be_had(linux):
    """A container that has read large files is not full."""
    linux.mount("cgroup2", "cg")
    linux.write("proc/self/cgroup", "0::/\n")
    linux.new("cg", 500 * MIB, 490 * MIB, cached=450 * MIB)
    assert machine.free_memory() == 460 * MIB
    linux.new("cg", 500 * MIB, 490 * MIB, cached=900 * MIB)  # told a moment later
    assert machine.free_memory() == 500 * MIB
    linux.new("cg", 500 * MIB, 600 * MIB)  # a limit that was lowered since
    assert machine.free_memory() == 0
    linux.new("cg", "max", 600 * MIB)
    assert machine.free_memory() == 800 * MIB
    linux.new("cg", "max", 10 * MIB, high=110 * MIB)
    assert machine.free_memory() == 100 * MIB


def test_the_page_cache_of_version_1_can_be_had(linux):
    linux.mount("cgroup", "cg/memory", "rw,memory")
    linux.write("proc/self/cgroup", "4:memory:/\n")
    linux.old("cg/memory", 500 * MIB, 490 * MIB, cached=450 * MIB)
    assert machine.free_memory() == 460 * MIB
    linux.old("cg/memory", 9223372036854771712, 490 * MIB)  # none
    assert machine.free_memory() == 800 * MIB


@pytest.mark.parametrize("tight", ["cg", "cg/a", "cg/a/b c"])
def test_the_tightest_of_groups_within_groups_counts(linux, tight):
    linux.mount("cgroup2", "cg")
    linux.write("proc/self/cgroup", "0::/a/b c\n")
    for group in ("cg", "cg/a", "cg/a/b c"):
        linux.new(group, 700 * MIB if group != tight else 300 * MIB, 100 * MIB)
        linux.write(f"{group}/cpu.max", "400000 100000\n" if group != tight else "150000 100000\n")
    assert machine.free_memory() == 200 * MIB
    assert machine.processors() == 2  # the time of one and a half


@pytest.mark.parametrize("tight", ["m", "m/a", "m/a/b"])
def test_so_does_that_of_version_1(linux, tight):
    linux.mount("cgroup", "m", "rw,memory")
    linux.mount("cgroup", "c", "rw,cpuacct,cpu")
    linux.write("proc/self/cgroup", "9:name=systemd:/x\n4:memory:/a/b\n3:cpu,cpuacct:/p\n0::/\n")
    for group in ("m", "m/a", "m/a/b"):
        linux.old(group, 700 * MIB if group != tight else 300 * MIB, 100 * MIB)
    linux.write("c/cpu.cfs_quota_us", "-1\n")
    linux.write("c/cpu.cfs_period_us", "100000\n")
    linux.write("c/p/cpu.cfs_quota_us", "300000\n")
    linux.write("c/p/cpu.cfs_period_us", "100000\n")
    assert machine.free_memory() == 200 * MIB
    assert machine.processors() == 3


@pytest.mark.parametrize("path", ["/docker/abc/inner", "/../../elsewhere", "/somewhere/else"])
def test_in_a_container_the_mount_is_the_group_itself(linux, path):
    """Its own path is that of the host, or leads out of what is mounted."""
    linux.mount("cgroup2", "a folder/cg", root="/docker/abc")
    linux.write("proc/self/cgroup", f"0::{path}\n")
    linux.new("a folder/cg", 300 * MIB, 100 * MIB)
    linux.new("a folder/cg/inner", 290 * MIB, 100 * MIB)
    assert machine.free_memory() == (190 if path.endswith("inner") else 200) * MIB


@pytest.mark.parametrize("quota", ["max 100000", "", "150000", "x y", "0 0", "100 0"])
def test_what_is_no_quota_limits_nothing(linux, quota):
    linux.mount("cgroup2", "cg")
    linux.write("proc/self/cgroup", "0::/\n")
    linux.write("cg/cpu.max", quota)
    assert machine.processors() == 64


def test_a_hundredth_of_a_processor_is_one_thread(linux):
    linux.mount("cgroup2", "cg")
    linux.write("proc/self/cgroup", "0::/\n")
    linux.write("cg/cpu.max", "1000 100000\n")
    assert machine.processors() == 1


def test_fewer_processors_than_the_quota_are_all_there_are(linux, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5})
    linux.mount("cgroup2", "cg")
    linux.write("proc/self/cgroup", "0::/\n")
    linux.write("cg/cpu.max", "800000 100000\n")
    assert machine.processors() == 2


def test_on_this_machine():
    amount = machine.free_memory()
    assert amount is None or 0 < amount < 1 << 50
    assert 1 <= machine.processors() <= (os.cpu_count() or 1)
