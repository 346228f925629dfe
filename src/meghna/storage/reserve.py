"""Disk space that is kept for the moment in which there is none: to stop, and to delete.

Two things keep it. Logs take in no record that would leave less than SIZE free (`keep_free` of
native/log/log.h), so nobody fills the disk with records to the last byte. And since others may,
a broker holds a file of that size, which it gives up when the disk is nearly full and makes again
when there is room. On a disk of less than SIZE * SHARE it is less.

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

_NAME = ".meghna-reserve"


class Reserve:
    """The file in a data directory. Any thread."""

    __slots__ = ("_path", "_turn")

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, _NAME)
        self._turn = threading.Lock()

    @property
    def is_held(self) -> bool:
        return os.path.exists(self._path)

    def look(self) -> None:
        """Give the space up where little is left, take it back where there is enough. A disk that
        fails is not this one's to tell."""
        with self._turn, contextlib.suppress(OSError):
            disk = os.statvfs(os.path.dirname(self._path))
            size = min(SIZE, disk.f_blocks * disk.f_frsize // SHARE)
            free = disk.f_bavail * disk.f_frsize
            if free < size and self.is_held:
                os.unlink(self._path)
                logger.warning("the disk is nearly full: %d bytes of reserve are freed", size)
            elif free >= 3 * size and not self.is_held:
                self._hold(size)

    def _hold(self, size: int) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError:
            os.unlink(self._path)
        finally:
            os.close(descriptor)
