"""What the holder of a data directory does to its topics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from meghna.errors import OutOfRangeError

if TYPE_CHECKING:
    import meghna


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
