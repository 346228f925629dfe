"""What the holder of a data directory does to its topics."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

import meghna
from meghna.errors import OutOfRangeError

if TYPE_CHECKING:
    from pathlib import Path


def test_retention_deletes_by_time_and_size(log: meghna.Log) -> None:
    topic = log.topic("short", create=True, retention="1h", settings={"segment.bytes": 1 << 20})
    old = datetime.now(UTC) - timedelta(hours=2)
    for _ in range(10):
        topic.append_many([b"x" * 1000] * 500, timestamp=old)
    topic.append(b"new")
    log.apply_retention()
    assert 0 < topic.partitions[0].start < 5000
    assert topic[-1].value == b"new"
    with pytest.raises(OutOfRangeError):
        topic.read(0)


def test_a_partition_whose_directory_is_gone_is_told_and_begins_empty(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with meghna.open(tmp_path / "d") as log:
        log.topic("a", create=True).append_many([b"x"] * 4)
    shutil.rmtree(tmp_path / "d" / "a-0")
    with meghna.open(tmp_path / "d") as log:
        assert log.topic("a").partitions[0].end == 0
    (told,) = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert f"a-0: its directory {tmp_path}/d/a-0 is gone" in told
    assert "offset 4" in told
    assert "an empty one was made" in told
