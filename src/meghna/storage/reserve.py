"""Disk space that is kept for the moment in which there is none: to stop, and to delete.

Two things keep it. Logs take in no record that would leave less than SIZE free (`keep_free` of
native/log/log.h), so nobody fills the disk with records to the last byte. And since others may, a
broker holds a file of that size in each data directory, which it gives up when the disk is nearly
full and makes again when there is room. On a disk of less than SIZE * SHARE it is less.

The file's name begins with a dot: Kafka passes over it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading

logger = logging.getLogger(__name__)

SIZE = 32 << 20
# At most one part in so many of the disk; MG_KEEP_FREE_SHARE of native/log/state.h.
SHARE = 64

NAME = ".meghna-reserve"


class Reserve:
    """The file in each data directory. Any thread."""

    __slots__ = ("_directories", "_turn")

    def __init__(self, *directories: str) -> None:
        self._directories = directories
        self._turn = threading.Lock()

    def look(self) -> None:
        """Give the space up where little is left, take it back where there is enough. A disk that
        fails is not this one's to tell."""
        with self._turn:
            for directory in self._directories:
                with contextlib.suppress(OSError):
                    _look(directory)


def _look(directory: str) -> None:
    path = os.path.join(directory, NAME)
    disk = os.statvfs(directory)
    size = min(SIZE, disk.f_blocks * disk.f_frsize // SHARE)
    free = disk.f_bavail * disk.f_frsize
    is_held = os.path.exists(path)
    if free < size and is_held:
        os.unlink(path)
        logger.warning("%s: the disk is nearly full, %d bytes of reserve are freed", path, size)
    elif free >= 3 * size and not is_held:
        _hold(path, size)


def _hold(path: str, size: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        os.unlink(path)
    finally:
        os.close(descriptor)
