"""Fixtures of the library's tests."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import meghna

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEMORY = Path("/dev/shm")


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, where the system has such: the disk's fdatasync would be most of what
    a test waits for that opens and closes often."""
    if not os.access(_MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=_MEMORY) as path:
        yield Path(path)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[meghna.Log]:
    """An open log in a directory of the test's own."""
    with meghna.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def topic(log: meghna.Log) -> meghna.Topic:
    """An empty topic of one partition, called `t`."""
    return log.topic("t", create=True)
