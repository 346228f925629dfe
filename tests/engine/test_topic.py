"""Appending, reading, scanning and following a topic of the library."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

import meghna
from engine.reads import values
from meghna._native.ingest import murmur2
from meghna.errors import ConfigError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# ---- Appending ----


def test_an_append_says_where_the_record_went(topic: meghna.Topic) -> None:
    first = topic.append(b"a")
    second = topic.append_many([b"b", "text", None])
    assert (first.partition, first.offset, first.count) == (0, 0, 1)
    assert second.spans == (meghna.Span(0, 1, 3, 3),)
    assert values(topic) == [b"a", b"b", b"text", None]


def test_nothing_appended_is_no_error(topic: meghna.Topic) -> None:
    done = topic.append_many([])
    assert (done.count, done.spans, done.wait().is_durable) == (0, (), True)


def test_keys_land_where_every_kafka_client_puts_them(log: meghna.Log) -> None:
    topic = log.topic("keyed", create=True, partitions=7)
    keys = [b"key-%d" % i for i in range(500)]
    done = topic.append_many([(key, b"v") for key in keys])
    assert done.count == 500
    for record in topic:
        assert record.key is not None
        assert record.partition == (murmur2(record.key) & 0x7FFFFFFF) % 7
    with pytest.raises(ValueError, match=r"look at \.spans"):
        _ = done.offset


def test_rows_without_keys_take_turns_a_call(log: meghna.Log) -> None:
    topic = log.topic("turns", create=True, partitions=3)
    assert [topic.append_many([b"x", b"y"]).partition for _ in range(4)] == [0, 1, 2, 0]


def test_a_partition_that_is_named_takes_all(log: meghna.Log) -> None:
    topic = log.topic("named", create=True, partitions=3)
    assert topic.append_many([(b"a", b"1"), (b"b", b"2")], partition=2).partition == 2
    with pytest.raises(ConfigError, match="no partition 3, 0 to 2"):
        topic.append(b"", partition=3)


def test_headers_and_timestamps_are_kept(topic: meghna.Topic) -> None:
    moment = datetime(2026, 11, 1, 12, 30, 0, 123000, tzinfo=UTC)
    topic.append(b"v", headers={"trace": b"1", "empty": None}, timestamp=moment)
    topic.append(b"w", headers=[("twice", b"1"), ("twice", b"2")], timestamp=7)
    first, second = topic[0:2]
    assert first.headers == (("trace", b"1"), ("empty", None))
    assert first.timestamp == int(moment.timestamp() * 1000)
    assert second.headers == (("twice", b"1"), ("twice", b"2"))
    assert second.timestamp == 7


def test_a_record_over_the_limit_is_refused_and_nothing_of_its_call_is_there(
    topic: meghna.Topic,
) -> None:
    with pytest.raises(TooLargeError):
        topic.append_many([b"small", b"x" * (65 << 20)])
    assert len(topic) == 0
    topic.append(b"y" * (8 << 20))
    assert [len(value or b"") for value in values(topic)] == [8 << 20]


# ---- Named producers ----


def test_appending_the_same_again_does_nothing_and_says_so(topic: meghna.Topic) -> None:
    assert topic.position_of("job") is None
    topic.append_many([b"a", b"b", b"c"], producer="job", position=0)
    again = topic.append_many([b"b", b"c", b"d"], producer="job", position=1)
    assert (again.count, again.skipped) == (1, 2)
    assert topic.append(b"d", producer="job", position=3).skipped == 1
    assert topic.position_of("job") == 3
    assert values(topic) == [b"a", b"b", b"c", b"d"]


def test_a_producer_is_known_after_a_reopening(tmp_path: Path) -> None:
    for _ in range(3):
        with meghna.open(tmp_path) as log:
            topic = log.topic("t", create=True, partitions=3)
            rows = [(b"%d" % i, b"v%d" % i) for i in range(100)]
            topic.append_many(rows, producer="job", position=0)
            assert topic.position_of("job") == 99
            assert len(topic) == 100


def test_positions_may_have_gaps_and_go_beyond_two_billion(topic: meghna.Topic) -> None:
    topic.append_many([b"a", b"b"], producer="job", position=(1 << 31) - 1)
    assert topic.append(b"b", producer="job", position=1 << 31).skipped == 1
    topic.append(b"c", producer="job", position=1 << 40)
    assert topic.position_of("job") == 1 << 40
    assert values(topic) == [b"a", b"b", b"c"]
    with pytest.raises(ConfigError, match="position is from 0"):
        topic.append(b"", producer="job", position=1 << 50)
    with pytest.raises(ConfigError, match="go together"):
        topic.append(b"", producer="job")


# ---- Reading ----


def test_a_read_ends_where_the_topic_ended_when_it_began(topic: meghna.Topic) -> None:
    topic.append(b"a")
    reading = topic.read()
    topic.append(b"b")
    assert [record.value for record in reading] == [b"a"]


def test_a_failure_says_what_was_appended_before(topic: meghna.Topic) -> None:
    def rows() -> Iterator[object]:
        yield from (b"fine" for _ in range(70_000))
        yield 5

    with pytest.raises(TypeError) as failure:
        topic.append_many(rows())
    assert failure.value.__notes__ == [
        f"{len(topic)} rows were appended before; a row is counted from there"
    ]
    assert 0 < len(topic) <= 70_000


def test_a_compacted_topic_takes_no_record_without_a_key(log: meghna.Log) -> None:
    topic = log.topic("c", create=True, settings={"cleanup.policy": "compact"})
    cases = (
        ([b"v"], None),
        ([b"v", b"w"], [b"k", None]),
        ([("k", "v"), (None, "w")], None),
    )
    for rows, key in cases:
        with pytest.raises(ValueError, match="has no key"):
            topic.append_many(rows, key=key)
    with pytest.raises(ValueError, match="row 0 has no key"):
        topic.append(b"v")
    assert topic.append_many([b"v", None], key=[b"k", b""]).count == 2
    assert topic.append(b"v", key=b"k").count == 1


def test_a_compacted_topic_keeps_the_last_record_of_each_key(log: meghna.Log) -> None:
    settings = {"cleanup.policy": "compact", "segment.bytes": "1048576"}
    topic = log.topic("c", create=True, settings=settings, partitions=2)
    for turn in range(30):
        keys = [b"k%d" % number for number in range(1000)]
        topic.append_many([b"%02d" % turn * 100] * 1000, key=keys)
    log.apply_retention()  # As appending did from time to time.
    written = 30 * 1000 * 200
    assert sum(partition.size for partition in topic.partitions) < written / 2
    last = {record.key: record.value for record in topic}
    assert last == {b"k%d" % number: b"29" * 100 for number in range(1000)}
    assert sum(partition.end for partition in topic.partitions) == 30_000
