"""What `meghna log` was pointed at: a data directory, a partition's directory, files of a segment.

Nothing here opens a log, takes a lock or writes: names and sizes only.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
import sys
from dataclasses import dataclass
from typing import Final

from meghna.cli.outcome import CommandError, Exit

SEGMENT = re.compile(r"(?P<base>\d{20})\.log")
_PARTITION: Final = re.compile(
    r"(?P<topic>[a-zA-Z0-9._-]{1,249})-(?P<index>\d{1,10})(\.[0-9a-f]{32}-(delete|future|stray))?"
)
_META: Final = "meta.properties"
_LOCK: Final = ".lock"
_CLEAN_MARK: Final = ".kafka_cleanshutdown"

# struct flock of 64-bit Linux: type, whence, start, length, pid.
_FLOCK: Final = struct.Struct("hhqqi4x")
_F_OFD_GETLK: Final = 36


@dataclass(frozen=True, slots=True)
class PartitionPath:
    """One partition's directory, or some of its segments."""

    path: str
    topic: str
    index: int
    only: frozenset[int] = frozenset()
    """The bases of the segments that are meant; empty: all of them, and the files beside them."""

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    @property
    def is_deleted(self) -> bool:
        return self.name.endswith("-delete")

    def bases(self) -> list[int]:
        """The segments' base offsets, ascending; of all that lie there."""
        matches = (SEGMENT.fullmatch(name) for name in os.listdir(self.path))
        return sorted(int(match["base"]) for match in matches if match)

    def file(self, base: int, suffix: str) -> str:
        return os.path.join(self.path, f"{base:020}{suffix}")


@dataclass(frozen=True, slots=True)
class LogPath:
    """All that a command was pointed at."""

    root: str | None
    """The data directory, where it is one or lies in one."""
    is_root: bool
    """The data directory itself was named."""
    partitions: tuple[PartitionPath, ...]
    files: tuple[str, ...] = ()
    """Other files than segments that were named."""

    @property
    def was_clean(self) -> bool:
        return self.root is not None and os.path.exists(os.path.join(self.root, _CLEAN_MARK))


def find(paths: list[str]) -> LogPath:
    """Look at what the paths are. Raises CommandError: not there, or no log."""
    for path in paths:
        if not os.path.exists(path):
            raise CommandError(f"{path}: no such file or directory", Exit.NOT_FOUND)
    if len(paths) == 1 and os.path.isdir(paths[0]):
        return _directory(os.path.abspath(paths[0]))
    if any(map(os.path.isdir, paths)):
        raise CommandError("name one directory, or files of segments", Exit.USAGE)
    return _files([os.path.abspath(path) for path in paths])


def _directory(path: str) -> LogPath:
    names = os.listdir(path)
    if any(SEGMENT.fullmatch(name) for name in names):
        return LogPath(_root_of(path), False, (_partition(path),))
    found = tuple(
        _partition(os.path.join(path, name))
        for name in sorted(names)
        if _PARTITION.fullmatch(name) and os.path.isdir(os.path.join(path, name))
    )
    if _META not in names and not found:
        raise CommandError(f"{path}: neither a data directory nor a partition's", Exit.NOT_FOUND)
    return LogPath(path, True, found)


def _files(paths: list[str]) -> LogPath:
    bases: dict[str, set[int]] = {}
    others = []
    for path in paths:
        match = SEGMENT.fullmatch(os.path.basename(path))
        if match:
            bases.setdefault(os.path.dirname(path), set()).add(int(match["base"]))
        else:
            others.append(path)
    partitions = tuple(_partition(path, frozenset(only)) for path, only in bases.items())
    root = _root_of(os.path.dirname(paths[0]))
    return LogPath(root, False, partitions, tuple(others))


def _partition(path: str, only: frozenset[int] = frozenset()) -> PartitionPath:
    match = _PARTITION.fullmatch(os.path.basename(path))
    if match is None:
        return PartitionPath(path, os.path.basename(path), 0, only)
    return PartitionPath(path, match["topic"], int(match["index"]), only)


def _root_of(path: str) -> str | None:
    parent = os.path.dirname(path)
    return parent if os.path.exists(os.path.join(parent, _META)) else None


def is_partition_name(name: str) -> bool:
    return bool(_PARTITION.fullmatch(name))


def holder(root: str | None) -> str | None:
    """Who holds the data directory right now, as far as the system tells: "process 12"."""
    if root is None or sys.platform != "linux":
        return None
    try:
        descriptor = os.open(os.path.join(root, _LOCK), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        asked = _FLOCK.pack(fcntl.F_RDLCK, 0, 0, 0, 0)
        answer = _FLOCK.unpack(fcntl.fcntl(descriptor, _F_OFD_GETLK, asked))
        text = os.read(descriptor, 16).strip()
    finally:
        os.close(descriptor)
    if answer[0] == fcntl.F_UNLCK:
        return None
    if answer[4] > 0:
        return f"process {answer[4]}"
    return f"process {int(text)}" if text.isdigit() else "a process"
