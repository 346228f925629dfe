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


class MalformedCheckpointError(ValueError):
    """A checkpoint file that does not follow the format."""


def encode(offsets: Mapping[TopicPartition, int]) -> bytes:
    lines = [f"{topic} {index} {offset}\n" for (topic, index), offset in sorted(offsets.items())]
    return "".join([f"{_VERSION}\n{len(lines)}\n", *lines]).encode()


def decode(data: bytes) -> dict[TopicPartition, int]:
    """The offsets in a checkpoint's bytes; none in an empty file.

    Raises:
        MalformedCheckpointError: another version, a line of another form, a wrong count.
    """
    if not data:
        return {}
    try:
        version, count, *lines = data.decode().splitlines()
        offsets = {
            (topic, int(index)): int(offset)
            for topic, index, offset in (line.split() for line in lines)
        }
        is_whole = version == _VERSION and int(count) == len(lines)
    except ValueError as error:
        raise MalformedCheckpointError(str(error)) from error
    if not is_whole:
        raise MalformedCheckpointError(f"version {version}, {count} entries, {len(lines)} lines")
    return offsets


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
