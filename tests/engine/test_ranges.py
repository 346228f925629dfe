"""From what people ask for to offsets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from engine.reads import values
from meghna.errors import ConfigError, OutOfRangeError

if TYPE_CHECKING:
    import meghna


def test_ranges_are_offsets_ends_times_and_so_long_ago(topic: meghna.Topic) -> None:
    now = datetime.now(UTC)
    for hours in range(10, 0, -1):
        topic.append(b"%d" % hours, timestamp=now - timedelta(hours=hours))
    assert values(topic, 7) == [b"3", b"2", b"1"]
    assert values(topic, -2) == [b"2", b"1"]
    assert values(topic, -100, -8) == [b"10", b"9"]
    assert values(topic, "latest") == []
    assert values(topic, "earliest", 2) == [b"10", b"9"]
    assert values(topic, now - timedelta(hours=2, minutes=30)) == [b"2", b"1"]
    assert values(topic, timedelta(hours=1, minutes=1)) == [b"1"]
    assert values(topic, "-3h10m", "-90m") == [b"3", b"2"]
    assert values(topic, (now - timedelta(minutes=61)).isoformat()) == [b"1"]
    assert values(topic, {0: 9}) == [b"1"]
    with pytest.raises(OutOfRangeError, match="offsets 0 to 10, not 11"):
        topic.read(11)
    with pytest.raises(ConfigError, match="'yesterday' is no place in a topic"):
        topic.read("yesterday")
