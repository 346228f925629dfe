"""A file system of the test's own, on a loop device, whose power can be cut.

The image lies in memory, so what takes time is what is tested. `cut` is the file system's own
shutdown: from then on every call fails, and what it had not written is never written. After
`remount` there is what a machine would find that went dark at that moment; but for the cache of the
drive itself, which no loop device has.

Needs root, loop devices and mkfs; `missing` says what is not there.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from enum import IntEnum
from pathlib import Path
from typing import Self

KINDS = ("ext4", "xfs")
_SIZES = {"ext4": 320 << 20, "xfs": 400 << 20}
_MEMORY = Path("/dev/shm")
# EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are one number: _IOR('X', 125, __u32).
_SHUTDOWN = 0x8004587D
_DETACH = 2  # MNT_DETACH

_libc = ctypes.CDLL(None, use_errno=True)


class Cut(IntEnum):
    """What still reaches the disk."""

    WITH_LOG = 1
    """The journal of what was done to names and sizes, without the data."""
    AT_ONCE = 2
    """Nothing."""


def missing(kind: str) -> str:
    """Why there can be no such volume; empty if there can."""
    if os.name != "posix" or os.geteuid() != 0:
        return "needs root"
    if not shutil.which("losetup") or not Path("/dev/loop-control").exists():
        return "needs loop devices"
    if not shutil.which(f"mkfs.{kind}"):
        return f"needs mkfs.{kind}"
    try:
        with Volume(kind):
            return ""
    except (OSError, subprocess.CalledProcessError) as error:
        return f"cannot mount {kind} on a loop device: {error}"


class Volume:
    """A mounted file system; use as a context manager."""

    def __init__(
        self, kind: str, *, size: int = 0, backing: Path = _MEMORY, options: str = ""
    ) -> None:
        self.kind = kind
        self._options = options
        self.path = Path(tempfile.mkdtemp(prefix="meghna-volume-"))
        self._image = backing / f"{self.path.name}.{kind}"
        self._device = ""
        self._is_mounted = False
        try:
            with self._image.open("wb") as file:
                file.truncate(size or _SIZES[kind])
            self._device = _output("losetup", "--find", "--show", str(self._image)).strip()
            if options == "no journal":
                # The loop device calls a write that its file took in part a success. A page is
                # taken whole or not at all, so then it tells the truth.
                queue = Path("/sys/block") / os.path.basename(self._device) / "queue"
                (queue / "max_sectors_kb").write_text("4")
            self.format()
            self.mount()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def format(self) -> None:
        """Make it empty; it is not mounted."""
        assert not self._is_mounted
        options = {
            "ext4": ["-F", "-E", "nodiscard,lazy_itable_init=1", "-J", "size=8"],
            "xfs": ["-f", "-K"],
        }
        if self._options == "no journal":
            options["ext4"] = ["-F", "-O", "^has_journal", "-E", "nodiscard"]
        _output(f"mkfs.{self.kind}", "-q", *options[self.kind], self._device)

    def mount(self) -> None:
        assert not self._is_mounted
        data = b"errors=continue" if self._options == "no journal" else None
        if _libc.mount(self._device.encode(), os.fsencode(self.path), self.kind.encode(), 0, data):
            raise _failure(f"mount {self.kind}")
        self._is_mounted = True

    def unmount(self) -> None:
        if self._is_mounted:
            if _libc.umount2(os.fsencode(self.path), 0):
                raise _failure("unmount")
            self._is_mounted = False

    def remount(self) -> None:
        self.unmount()
        self.mount()

    def cut(self, how: Cut = Cut.AT_ONCE) -> None:
        """The power goes. Everything fails until `remount`, which needs the users gone."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", how))
        finally:
            os.close(descriptor)

    def tell_failure(self) -> None:
        """Print what the kernel said of it lately, and keep a copy of what lies there where
        MEGHNA_CUT_KEEP says."""
        name = os.path.basename(self._device)
        said = subprocess.run(["dmesg"], capture_output=True, text=True, check=False).stdout
        ours = [line for line in said.splitlines() if name in line and "shut" not in line]
        print(*ours[-8:], sep="\n", file=sys.stderr)
        keep = os.environ.get("MEGHNA_CUT_KEEP")
        if keep and self._is_mounted:
            shutil.copytree(self.path, Path(keep) / self.path.name, dirs_exist_ok=True)

    def close(self) -> None:
        if self._is_mounted:
            _libc.umount2(os.fsencode(self.path), _DETACH)
            self._is_mounted = False
        if self._device:
            subprocess.run(["losetup", "--detach", self._device], check=False)
            self._device = ""
        self._image.unlink(missing_ok=True)
        self.path.rmdir()


def _failure(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
