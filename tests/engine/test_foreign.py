"""Batches of ours are read by other people's decoders, and batches of theirs by us.

The decoders are those of kafka-python (plain Python) and aiokafka (C), which share no code with
ours; the bytes are a log's own, as a broker would send them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiokafka.record.default_records as aiokafka_records
import kafka.record.default_records as kafka_records
import pyarrow as pa
import pytest
from aiokafka.record.memory_records import MemoryRecords as AioMemoryRecords
from kafka.record import MemoryRecords

import meghna
from engine.forms import FORMS, Row, by_name
from meghna._native.log import Log as NativeLog
from meghna.errors import ConfigError
from model.partition import read_batches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.forms import Form, Headers

NOW_MS = 1_800_000_000_000
T_MS = 1_700_000_000_000
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
ROWS = [
    Row(b"key", b"a value longer than twelve bytes", (("name", b"content"),), T_MS),
    Row(None, None, (), None),
    Row(b"", b"", (("none", None), ("a longer name", b"a longer content of a header")), T_MS - 7),
    Row(b"k\xff\0", b"latin \xe9 and zeros\0\0", (), T_MS + 10**9),
    Row(b"k", b"x" * 5000, (("", b""),), T_MS),
    Row(b"last", b"y", (), T_MS + 1),
]
META = "version=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\nnode.id=1\n"
TABLE = {
    "kafka-python": (MemoryRecords, kafka_records.DefaultRecordBatchBuilder),
    "aiokafka": (AioMemoryRecords, aiokafka_records.DefaultRecordBatchBuilder),
}


@dataclass
class StandingClock:
    def now_ms(self) -> int:
        return NOW_MS

    def monotonic_ms(self) -> int:
        return 0


@pytest.fixture
def log(memory_path: Path) -> Iterator[meghna.Log]:
    with meghna.open(memory_path / "data", clock=StandingClock()) as opened:
        yield opened


def at(rows: list[Row]) -> list[tuple[int, Row]]:
    """Rows with their offsets; what has no time has that of the append."""
    return [
        (offset, row._replace(timestamp=NOW_MS if row.timestamp is None else row.timestamp))
        for offset, row in enumerate(rows)
    ]


def foreign_rows(decoder: Any, data: bytes) -> list[tuple[int, Row]]:
    records, found = decoder(data), []
    while (batch := records.next_batch()) is not None:
        assert batch.validate_crc()
        found += [(r.offset, Row(r.key, r.value, tuple(r.headers), r.timestamp)) for r in batch]
    return found


def raw(topic: meghna.Topic, index: int = 0) -> bytes:
    partition = topic.partitions[index]
    parts, offset = [], partition.start
    while offset < partition.end:
        parts.append(partition.log.read(offset, size_max=2000))
        offset = read_batches(parts[-1])[-1].last_offset + 1
    return b"".join(parts)


def our_rows(topic: meghna.Topic) -> list[tuple[int, Row]]:
    return [(r.offset, Row(r.key, r.value, r.headers, r.timestamp)) for r in topic.read()]


def scanned_rows(topic: meghna.Topic, *, copy: bool) -> list[tuple[int, Row]]:
    table = topic.scan(copy=copy).to_arrow()
    table.validate(full=True)
    times = table["timestamp"].cast(pa.int64()).to_pylist()
    return [
        (row["offset"], Row(row["key"], row["value"], pairs(row["headers"]), time))
        for row, time in zip(table.to_pylist(), times, strict=True)
    ]


def pairs(headers: list[dict[str, Any]]) -> Headers:
    return tuple((pair["key"], pair["value"]) for pair in headers)


@pytest.mark.parametrize("codec", ["none", "zstd"])
@pytest.mark.parametrize("form", FORMS, ids=by_name)
def test_batches_of_every_form_are_read_by_others(log: meghna.Log, form: Form, codec: str) -> None:
    topic = log.topic("t", create=True, compression=codec)
    given = form(ROWS)
    topic.append_many(given.rows, **given.beside)
    data = raw(topic)
    for decoder, _ in TABLE.values():
        assert foreign_rows(decoder, data) == at(given.expected)
    assert our_rows(topic) == at(given.expected)


@pytest.mark.parametrize("codec", CODECS)
def test_many_batches_of_every_codec_are_read_by_others(log: meghna.Log, codec: str) -> None:
    topic = log.topic("t", create=True, compression=codec)
    rows = [
        Row(b"%d" % i if i % 3 else None, b"%d" % i * (i % 97), (("n", b"%d" % i),), T_MS + i)
        for i in range(3000)
    ]
    topic.append_many([tuple(row) for row in rows])
    topic.append_many([row.value for row in rows[:10]], producer="job", position=2**31 - 5)
    batches = read_batches(raw(topic))
    assert len(batches) > 3
    assert [batch.records for batch in batches[-2:]] == [5, 5]  # none crosses 2^31
    for decoder, _ in TABLE.values():
        found = foreign_rows(decoder, raw(topic))
        assert found[:3000] == at(rows)
        assert [row.value for _, row in found[3000:]] == [row.value for row in rows[:10]]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("client", TABLE)
def test_batches_of_others_are_read(memory_path: Path, client: str, codec: str) -> None:
    """Laid into a directory that has never been ours, as one that Kafka left."""
    _, builder_of = TABLE[client]
    rows = [
        row._replace(timestamp=row.timestamp or NOW_MS, value=(row.value or b"") * (1 + i % 3))
        if i % 5
        else row._replace(timestamp=row.timestamp or NOW_MS)
        for i, row in enumerate(ROWS * 40)
    ]
    data = memory_path / "data"
    data.mkdir()
    (data / "meta.properties").write_text(META)
    with NativeLog.open(str(data / "theirs-0"), now_ms=NOW_MS) as native:
        for start in range(0, len(rows), 70):
            builder = builder_of(
                magic=2,
                compression_type=CODECS[codec],
                is_transactional=0,
                producer_id=-1,
                producer_epoch=-1,
                base_sequence=-1,
                batch_size=10**6,
            )
            for number, row in enumerate(rows[start : start + 70]):
                assert builder.append(
                    number, row.timestamp, row.key, row.value, headers=list(row.headers)
                )
            native.append(bytes(builder.build()), now_ms=NOW_MS)
    with meghna.open(data, clock=StandingClock()) as log:
        assert log.topics() == ["theirs"]
        topic = log["theirs"]
        assert our_rows(topic) == at(rows)
        assert scanned_rows(topic, copy=False) == at(rows)
        assert scanned_rows(topic, copy=True) == at(rows)
        assert [r.offset for r in topic.read(100, 140)] == list(range(100, 140))
        ours = log.topic("ours", create=True, compression=codec)
        ours.append_many(topic.scan())
        assert our_rows(ours) == at(rows)


@pytest.mark.parametrize(
    "name", ["__cluster_metadata", "__consumer_offsets", "__transaction_state"]
)
def test_kafkas_own_topics_are_not_made(log: meghna.Log, name: str) -> None:
    """The first one's directory would be that of the metadata."""
    with pytest.raises(ConfigError, match="internal"):
        log.topic(name, create=True)
    log.topic("t", create=True)
    assert log.topics() == ["t"]
