"""A tmpfs of a given size: a disk that is soon full, or the too small ground under another disk."""

from __future__ import annotations

import ctypes
import os
import tempfile
from pathlib import Path
from typing import Self

_DETACH = 2  # MNT_DETACH
_libc = ctypes.CDLL(None, use_errno=True)


def missing() -> str:
    """Why there can be none; empty if there can."""
    if os.name != "posix" or os.geteuid() != 0:
        return "needs root"
    try:
        with SmallMemory(1 << 20):
            return ""
    except OSError as error:
        return f"cannot mount a tmpfs: {error}"


class SmallMemory:
    """A mounted tmpfs; use as a context manager."""

    def __init__(self, size: int) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="meghna-memory-"))
        self._is_mounted = False
        try:
            self._mount(size, 0)
        except BaseException:
            self.path.rmdir()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _mount(self, size: int, flags: int) -> None:
        options = f"size={size}".encode()
        if _libc.mount(b"tmpfs", os.fsencode(self.path), b"tmpfs", flags, options):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._is_mounted = True

    def resize(self, size: int) -> None:
        """Let it hold more, or less than it does now only if that is free."""
        self._mount(size, 32)  # MS_REMOUNT

    def close(self) -> None:
        if self._is_mounted:
            _libc.umount2(os.fsencode(self.path), _DETACH)
            self._is_mounted = False
        self.path.rmdir()
