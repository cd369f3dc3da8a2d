import os
import stat
from pathlib import Path

import pytest

from texsynth import files
from texsynth.errors import ConfigError, TexsynthError
from texsynth.files import written_whole


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "file"
    with written_whole(path) as file:
        file.write(b"new")
        file.flush()
        assert not path.exists()
        # Beside it: from another disk it could not be renamed.
        assert [each.suffix for each in tmp_path.iterdir()] == [".part"]
    assert path.read_bytes() == b"new"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_what_was_there_stays_when_writing_fails(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), written_whole(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_what_was_there_stays_when_the_disk_does_not_take_it(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def refuse(number):
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="no space"), written_whole(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_link_is_replaced_and_its_target_left(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with written_whole(link) as file:
        file.write(b"new")
    assert target.read_bytes() == b"old"
    assert link.read_bytes() == b"new" and not link.is_symlink()


def test_permissions_are_what_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        with written_whole(tmp_path / "file"):
            pass
    finally:
        left = os.umask(before)
    assert left == 0o027  # it was looked at, and put back
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
def test_a_folder_that_takes_no_files_is_found_before_the_work():
    with pytest.raises(TexsynthError, match="cannot write /proc/page: No such file or directory"):
        files.check_target("--html", Path("/proc/page"), [])


def test_what_is_read_is_not_written_over_whatever_it_is_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "read").touch()
    (tmp_path / "link").symlink_to("read")
    for path in ("read", "link", tmp_path / "read"):
        with pytest.raises(
            ConfigError, match=r"--json: .* would overwrite read, which is an input"
        ):
            files.check_target("--json", Path(path), [Path("other"), Path("read")])
    files.check_target("--json", Path("new"), [Path("other"), Path("read")])
