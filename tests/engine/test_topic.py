"""Appending, reading, scanning and following a topic of the library."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

import meghna
from meghna._native.ingest import murmur2
from meghna.errors import ConfigError, OutOfRangeError, TooLargeError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path) -> Iterator[meghna.Log]:
    with meghna.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def topic(log: meghna.Log) -> meghna.Topic:
    return log.topic("t", create=True)


def values(topic: meghna.Topic, *args: object, **kwargs: object) -> list[bytes | None]:
    return [record.value for record in topic.read(*args, **kwargs)]  # type: ignore[arg-type]


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


@pytest.mark.parametrize("flush", ["group", "each"])
def test_a_flushed_append_is_durable_on_return(topic: meghna.Topic, flush: str) -> None:
    done = topic.append_many([b"v"] * 25_000, flush=flush)
    assert done.is_durable
    assert topic.partitions[0].durable_end == 25_000


def test_who_waits_flushes(topic: meghna.Topic) -> None:
    done = topic.append(b"v")
    assert not done.is_durable
    assert done.wait() is done
    assert done.is_durable
    with ThreadPoolExecutor(1) as pool:
        assert topic.append(b"w").future(pool.submit).result().is_durable


async def test_an_append_can_be_awaited(topic: meghna.Topic) -> None:
    done = await topic.append(b"v")
    assert done.is_durable


def test_the_topics_own_flush_mode_is_the_default(log: meghna.Log) -> None:
    topic = log.topic("durable", create=True, flush=meghna.Flush.GROUP)
    assert topic.append(b"v").is_durable
    assert not topic.append(b"v", flush="none").is_durable
    with pytest.raises(ConfigError, match="flush is 'none', 'group' or 'each', not 'always'"):
        topic.append(b"v", flush="always")


def test_a_record_over_the_limit_is_refused_and_nothing_of_its_call_is_there(
    topic: meghna.Topic,
) -> None:
    with pytest.raises(TooLargeError):
        topic.append_many([b"small", b"x" * (65 << 20)])
    assert len(topic) == 0
    topic.append(b"y" * (8 << 20))
    assert [len(value or b"") for value in values(topic)] == [8 << 20]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_reads_back(log: meghna.Log, codec: str) -> None:
    topic = log.topic(codec, create=True, compression=codec)
    topic.append_many([b"%d" % i * 50 for i in range(2000)])
    assert values(topic) == [b"%d" % i * 50 for i in range(2000)]
    assert [record.offset for record in topic.read(1990)] == list(range(1990, 2000))


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


def test_indexing_is_pythons(topic: meghna.Topic) -> None:
    topic.append_many([b"%d" % i for i in range(10)])
    assert topic[3].value == b"3"
    assert topic[-1].value == b"9"
    assert [record.value for record in topic[7:]] == [b"7", b"8", b"9"]
    assert [record.offset for record in topic[-3:100:2]] == [7, 9]
    assert topic[5:2] == []
    assert 9 in topic
    assert 10 not in topic
    assert len(topic) == 10
    with pytest.raises(IndexError):
        topic[10]
    with pytest.raises(OutOfRangeError):
        topic[-11]


def test_indexing_several_partitions_asks_for_one(log: meghna.Log) -> None:
    topic = log.topic("many", create=True, partitions=2)
    topic.append(b"v", partition=1)
    assert topic.partitions[1][0].value == b"v"
    assert len(topic.partitions[0]) == 0
    with pytest.raises(ConfigError, match=r"topic\.partitions\[i\]"):
        topic[0]


def test_a_read_ends_where_the_topic_ended_when_it_began(topic: meghna.Topic) -> None:
    topic.append(b"a")
    reading = topic.read()
    topic.append(b"b")
    assert [record.value for record in reading] == [b"a"]


# ---- Scans ----


def test_a_scan_is_a_table_of_known_columns(topic: meghna.Topic) -> None:
    topic.append(b"value that is longer than twelve", key="k", headers={"h": b"1"}, timestamp=5)
    topic.append(None)
    table = topic.scan().to_arrow()
    assert table.schema.names == ["offset", "timestamp", "key", "value", "headers", "partition"]
    first, second = table.to_pylist()
    assert first == {
        "offset": 0,
        "timestamp": datetime(1970, 1, 1, 0, 0, 0, 5000),
        "key": b"k",
        "value": b"value that is longer than twelve",
        "headers": [{"key": "h", "value": b"1"}],
        "partition": 0,
    }
    assert (second["value"], second["key"], second["headers"]) == (None, None, [])


@pytest.mark.parametrize("copy", [False, True])
def test_a_scan_can_be_used_twice_and_gives_what_was_asked_for(
    topic: meghna.Topic, copy: bool
) -> None:
    topic.append_many(np.array([b"%060d" % i for i in range(1000)]))
    scan = topic.scan(100, 900, columns=["value", "offset"], max_rows=300, copy=copy)
    assert [batch.num_rows for batch in scan] == [300, 300, 200]
    assert scan.schema.field("value").type == (pa.binary() if copy else pa.binary_view())
    for _ in range(2):
        table = pa.table(scan)
        assert table.column("offset").to_pylist() == list(range(100, 900))
        assert table.column("value").to_pylist() == [b"%060d" % i for i in range(100, 900)]
    with pytest.raises(ConfigError, match="no column 'size'"):
        topic.scan(columns=["size"])


def test_a_scan_of_nothing_still_has_its_columns(topic: meghna.Topic) -> None:
    table = topic.scan().to_arrow()
    assert (table.num_rows, table.num_columns) == (0, 6)


def test_a_scan_counts_without_columns_of_records(topic: meghna.Topic) -> None:
    topic.append_many([b"x"] * 10)
    assert topic.scan(columns=["partition"]).to_arrow().num_rows == 10


def test_polars_duckdb_and_pandas_read_a_scan(log: meghna.Log) -> None:
    duckdb = pytest.importorskip("duckdb")
    pl = pytest.importorskip("polars")
    pytest.importorskip("pandas")
    topic = log.topic("q", create=True, partitions=2)
    topic.append_many([(b"%d" % (i % 5), b"value number %d" % i) for i in range(1000)])
    scan = topic.scan()
    assert pl.DataFrame(scan).height == scan.to_polars().height == 1000
    lazy = scan.to_polars_lazy().filter(pl.col("key") == b"3").select("value").head(3)
    assert lazy.collect().height == 3
    query = "select count(*), count(distinct key) from scan where octet_length(value) > 5"
    assert duckdb.sql(query).fetchall() == [(1000, 5)]
    frame = scan.to_pandas()
    assert sorted(frame["value"])[0] == b"value number 0"


def test_a_scan_can_be_appended_to_another_topic(log: meghna.Log, topic: meghna.Topic) -> None:
    topic.append_many([(b"k%d" % i, b"v" * i, {"h": b"%d" % i}, i) for i in range(50)])
    copy = log.topic("copy", create=True, partitions=3, compression="lz4")
    assert copy.append_many(topic.scan()).count == 50
    copy.append_many(topic.read())

    def content(of: meghna.Topic) -> list[tuple[object, ...]]:
        return sorted((r.timestamp, r.key, r.value, r.headers) for r in of)

    assert content(copy) == sorted(content(topic) * 2)


# ---- Following ----


def test_a_tail_gives_what_comes(topic: meghna.Topic) -> None:
    topic.append(b"before")

    def append() -> None:
        for i in range(100):
            topic.append(b"%d" % i)

    tail = iter(topic.tail(timeout=10))
    thread = threading.Thread(target=append)
    thread.start()
    assert [next(tail).value for _ in range(100)] == [b"%d" % i for i in range(100)]
    thread.join()


def test_a_tail_ends_at_its_timeout_and_with_the_log(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        topic = log.topic("t", create=True)
        topic.append(b"v")
        assert [record.value for record in topic.tail("earliest", timeout=0.01)] == [b"v"]
        tail = topic.tail()
        threading.Timer(0.05, log.close).start()
        assert list(tail) == []


async def test_a_tail_waits_in_an_event_loop(topic: meghna.Topic) -> None:
    async def append() -> None:
        for i in range(10):
            await asyncio.sleep(0.001)
            topic.append(b"%d" % i)

    found = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(append())
        async for record in topic.tail("earliest", timeout=10):
            found.append(record.value)
            if len(found) == 10:
                break
    assert found == [b"%d" % i for i in range(10)]


# ---- Retention ----


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


def test_what_is_wrong_with_a_read_only_log_is_said(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        log.topic("t", create=True).append(b"v")
        with meghna.open(tmp_path, read_only=True) as beside:
            topic = beside.topic("t")
            assert values(topic) == [b"v"]
            log["t"].append(b"w")
            assert values(topic) == [b"v", b"w"]
            with pytest.raises(UnsupportedError, match="was opened read-only"):
                topic.append(b"")
            with pytest.raises(UnsupportedError, match="was opened read-only"):
                beside.topic("new", create=True)
            tail = iter(topic.tail("earliest", timeout=10))
            assert [next(tail).value, next(tail).value] == [b"v", b"w"]
            log["t"].append(b"x")
            assert next(tail).value == b"x"
            log.topic("later", create=True)
            beside.refresh()
            assert beside.topics() == ["later", "t"]
