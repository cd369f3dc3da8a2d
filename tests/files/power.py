"""What a disk may hold after a loss of power, from a journal of what was done to it.

Of a file there is what was last synced, all that was written since, or half of it and zeros in the
place of the rest. Of names there is what was last synced, and any beginning of what was done to
them since, or one of these deeds alone: file systems keep to no order that nobody asked for.
"""

import subprocess
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("journal.c")


def build(folder):
    """Compiles what writes the journal; returns its path."""
    library = folder / "journal.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SOURCE, "-ldl"]
    subprocess.run(command, check=True)
    return library


class Entry(NamedTuple):
    kind: str
    words: list
    data: bytes


def read(path):
    """The entries of a journal."""
    content, place = path.read_bytes(), 0
    while place < len(content):
        end = content.index(b"\n", place)
        kind, *words = content[place:end].decode().split(" ")
        place = end + 1
        length = int(words[2]) if kind == "W" else 0
        yield Entry(kind, words, content[place : place + length])
        place += length


class Disk:
    """Files and names of one folder, as they are and as they were synced."""

    def __init__(self):
        self.marks = []
        self._now, self._synced = {}, {}  # contents by file
        self._files = {}  # by inode, which another may have once the name of the first is gone
        self._names, self._synced_names = {}, {}  # files by path
        self._since = []  # what was done to names: those removed, and those set

    def do(self, entry):
        """Does what an entry says."""
        words = entry.words
        match entry.kind:
            case "C":
                self._make(*words)
            case "W":
                self._write(words[0], int(words[1]), entry.data)
            case "T":
                self._truncate(words[0], int(words[1]))
            case "S":
                file = self._files[words[0]]
                self._synced[file] = bytes(self._now[file])
            case "R":
                self._alter(words[:1], {words[1]: self._names[words[0]]})
            case "L":
                self._alter((), {words[1]: self._names[words[0]]})
            case "U":
                self._alter(words, {})
            case "D":
                self._synced_names, self._since = dict(self._names), []
            case "M":
                self.marks.append(*words)

    def after_a_loss_of_power(self):
        """Yields ``{path: content}``, each that may be, once."""
        seen = set()
        beginnings = [self._since[:n] for n in range(len(self._since) + 1)]
        for deeds in [*beginnings, *([deed] for deed in self._since)]:
            names = dict(self._synced_names)
            for deed in deeds:
                _rename(names, *deed)
            for content_of in (self._what_was_synced, self._what_was_written, self._half):
                files = {path: content_of(file) for path, file in names.items()}
                key = tuple(sorted(files.items()))
                if key not in seen:
                    seen.add(key)
                    yield files

    def _what_was_synced(self, file):
        return self._synced.get(file, b"")

    def _what_was_written(self, file):
        return bytes(self._now[file])

    def _half(self, file):
        now, synced = self._now[file], self._what_was_synced(file)
        if bytes(now) == synced:
            return synced
        return bytes(now[: len(now) // 2]).ljust(len(now), b"\0")

    def _alter(self, removed, made):
        _rename(self._names, removed, made)
        self._since.append((removed, made))

    def _make(self, inode, path):
        file = self._files[inode] = len(self._now)
        self._now[file] = bytearray()
        self._alter((), {path: file})

    def _write(self, inode, offset, data):
        content = self._now[self._files[inode]]
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(data)] = data

    def _truncate(self, inode, length):
        content = self._now[self._files[inode]]
        del content[length:]
        content.extend(bytes(length - len(content)))


def _rename(names, removed, made):
    for path in removed:
        names.pop(path, None)
    names.update(made)
