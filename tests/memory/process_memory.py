"""What a process of Linux holds: its anonymous memory, files and mappings, by /proc."""

from __future__ import annotations

import os
import re
import resource
from pathlib import Path

MIB = 1024 * 1024


def anonymous_size() -> int:
    """Bytes of RssAnon: what was allocated, without mapped files."""
    return _status("RssAnon")


def limit_data(more: int) -> None:
    """Let the process allocate at most `more` bytes beyond what it has; then MemoryError.

    The limit counts what is reserved, used or not, so it is the looser one of the two.
    """
    most = _status("VmData") + more
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def descriptor_count() -> int:
    return len(os.listdir("/proc/self/fd"))


def mapping_count() -> int:
    return len(Path("/proc/self/maps").read_text().splitlines())


def _status(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024
