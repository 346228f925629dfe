"""Kafka's checkpoint files: offsets of partitions, as text.

    0                      version
    2                      how many lines follow
    orders 0 1500          topic, partition, offset
    orders 1 1498

A file is replaced as a whole (`replace_file`), so a reader sees the old one or the new one.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

logger = logging.getLogger(__name__)

TopicPartition = tuple[str, int]

RECOVERY_POINTS = "recovery-point-offset-checkpoint"
START_OFFSETS = "log-start-offset-checkpoint"
HIGH_WATERMARKS = "replication-offset-checkpoint"
CLEANER_OFFSETS = "cleaner-offset-checkpoint"

_VERSION = "0"
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_ENTRY = re.compile(r"(?P<topic>\S+)\s+(?P<index>\d{1,10})\s+(?P<offset>-?\d{1,19})\s*", re.ASCII)
_SHOWN_MAX = 80


class MalformedCheckpointError(ValueError):
    """A checkpoint file that does not follow the format."""


def encode(offsets: Mapping[TopicPartition, int]) -> bytes:
    lines = [f"{topic} {index} {offset}\n" for (topic, index), offset in sorted(offsets.items())]
    return "".join([f"{_VERSION}\n{len(lines)}\n", *lines]).encode()


def decode(data: bytes) -> dict[TopicPartition, int]:
    """The offsets in a checkpoint's bytes; none in an empty file.

    Raises:
        MalformedCheckpointError: another version, a line of another form, a wrong count; tells
            the line.
    """
    if not data:
        return {}
    try:
        version, *rest = data.decode().splitlines()
    except UnicodeDecodeError as error:
        where = data.count(b"\n", 0, error.start) + 1
        raise MalformedCheckpointError(f"line {where}: bytes that are no text") from error
    if version != _VERSION:
        raise MalformedCheckpointError(f"line 1: {_shown(version)} is not version {_VERSION}")
    if not rest or not _NUMBER.fullmatch(rest[0]):
        told = _shown(rest[0]) if rest else "nothing"
        raise MalformedCheckpointError(f"line 2: {told} where the number of entries belongs")
    count, *lines = rest
    offsets: dict[TopicPartition, int] = {}
    for number, line in enumerate(lines, 3):
        match = _ENTRY.fullmatch(line)
        if match is None:
            raise MalformedCheckpointError(
                f"line {number}: {_shown(line)} is not a topic, a partition and an offset"
            )
        offsets[match["topic"], int(match["index"])] = int(match["offset"])
    if int(count) != len(lines):
        raise MalformedCheckpointError(f"line 2: {count} entries, and {len(lines)} lines follow")
    return offsets


def _shown(line: str) -> str:
    return repr(line if len(line) <= _SHOWN_MAX else f"{line[:_SHOWN_MAX]}…")


def read(path: str) -> dict[TopicPartition, int]:
    """The offsets in the file; none where there is no file.

    Raises:
        MalformedCheckpointError: as `decode`.
        OSError: the disk's.
    """
    try:
        with open(path, "rb") as file:
            return decode(file.read())
    except FileNotFoundError:
        return {}


class CheckpointFiles:
    """The checkpoint files of a directory, and what each was last told."""

    __slots__ = ("_directory", "_turn", "_written")

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._turn = threading.Lock()
        self._written: dict[str, dict[TopicPartition, int]] = {}

    def read(self, name: str) -> dict[TopicPartition, int]:
        """As on disk; a file that cannot be understood counts as empty: more is checked then."""
        try:
            self._written[name] = read(os.path.join(self._directory, name))
        except MalformedCheckpointError as error:
            logger.warning("%s is malformed and ignored: %s", name, error)
            return {}
        return dict(self._written[name])

    def known(self, name: str) -> dict[TopicPartition, int]:
        """What the file holds, read once."""
        with self._turn:
            return dict(self._written[name]) if name in self._written else self.read(name)

    def write(self, name: str, look: Callable[[], Mapping[TopicPartition, int]]) -> None:
        """Write what `look` sees. It looks in the turn, so that nobody's older look comes after
        a newer one and takes back what somebody was told is durable."""
        with self._turn:
            self._replace(name, look())

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Let no start believe what the files say of partitions that were there before."""
        gone = set(partitions)
        with self._turn:
            for name in (RECOVERY_POINTS, START_OFFSETS, CLEANER_OFFSETS):
                known = self._written.get(name, {})
                if not gone.isdisjoint(known):
                    self._replace(name, {p: known[p] for p in known if p not in gone})

    def _replace(self, name: str, offsets: Mapping[TopicPartition, int]) -> None:
        if self._written.get(name) != offsets:
            path = os.path.join(self._directory, name)
            replace_file(path, encode(offsets))
            self._written[name] = dict(offsets)


def replace_file(path: str, data: bytes) -> None:
    """Make `path` hold `data`, durably, and at no moment anything but the old or the new bytes.

    Raises:
        OSError: the disk's; the old file is as it was.
    """
    temporary = f"{path}.tmp"
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_directory(os.path.dirname(path))


def sync_directory(path: str) -> None:
    """Make names made, changed or removed in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
