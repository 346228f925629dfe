"""The same directory, now a program's, now a broker's: nothing is lost or changed on the way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AioTopicPartition
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

import meghna
from engine.forms import Row
from meghna.storage.directory import DirectoryLockedError
from support.broker import EXTERNAL, BrokerProcess

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(EXTERNAL is not None, reason="needs a broker of its own")

NOW_MS = time.time_ns() // 1_000_000
PARTITIONS = 2
COUNT = 5_000
WAIT_SECONDS = 30.0

Found = list[tuple[int, int, Row]]


def rows_of(count: int, name: str) -> list[Row]:
    return [
        Row(
            b"%d" % i if i % 3 else None,
            # aiokafka sends no record of nothing.
            b"%s value of record %d" % (name.encode(), i) if i % 7 or i % 3 == 0 else None,
            (("number", b"%d" % i), ("none", None)) if i % 5 == 0 else (),
            NOW_MS + i,
        )
        for i in range(count)
    ]


def read(topic: meghna.Topic) -> Found:
    return [
        (r.partition, r.offset, Row(r.key, r.value, r.headers, r.timestamp)) for r in topic.read()
    ]


def by_confluent(bootstrap: str, topic: str, count: int) -> Found:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "g", "check.crcs": True, "log_level": 0}
    )
    consumer.assign([TopicPartition(topic, i, 0) for i in range(PARTITIONS)])
    found: Found = []
    deadline = time.monotonic() + WAIT_SECONDS
    while len(found) < count and time.monotonic() < deadline:
        for message in consumer.consume(1000, 0.5):
            assert message.error() is None
            pairs: list[Any] = list(message.headers() or ())
            row = Row(message.key(), message.value(), tuple(pairs), message.timestamp()[1])
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            found.append((partition, offset, row))
    consumer.close()
    return sorted(found, key=lambda each: each[:2])


async def by_aiokafka(bootstrap: str, topic: str, count: int) -> Found:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([AioTopicPartition(topic, i) for i in range(PARTITIONS)])
        found: Found = []
        deadline = time.monotonic() + WAIT_SECONDS
        while len(found) < count and time.monotonic() < deadline:
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                found += [
                    (r.partition, r.offset, Row(r.key, r.value, tuple(r.headers), r.timestamp))
                    for r in batch
                ]
    finally:
        await consumer.stop()
    return sorted(found, key=lambda each: each[:2])


def produce_by_confluent(bootstrap: str, topic: str, rows: list[Row]) -> None:
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
        }
    )
    for row in rows:
        producer.produce(
            topic, row.value, row.key, headers=list(row.headers), timestamp=row.timestamp or 0
        )
        producer.poll(0)
    assert producer.flush(WAIT_SECONDS) == 0


async def produce_by_aiokafka(bootstrap: str, topic: str, rows: list[Row]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for row in rows:
            # aiokafka cannot write a header that is null.
            pairs = [(name, content or b"") for name, content in row.headers]
            await producer.send(
                topic, row.value, row.key, headers=pairs, timestamp_ms=row.timestamp
            )


@pytest.mark.parametrize("codec", ["none", "zstd"])
async def test_what_a_program_wrote_is_served_and_comes_back(tmp_path: Path, codec: str) -> None:
    data = tmp_path / "data"
    ours = rows_of(COUNT, "ours")
    with meghna.open(data) as log:
        topic = log.topic("t", create=True, partitions=PARTITIONS, compression=codec)
        done = topic.append_many([tuple(row) for row in ours], producer="job", position=0)
        assert done.count == COUNT
        written = read(topic)
    assert sorted(row for *_, row in written if row.key is not None) == sorted(
        row for row in ours if row.key is not None
    )
    with BrokerProcess(tmp_path) as broker:
        assert by_confluent(broker.bootstrap, "t", COUNT) == written
        assert await by_aiokafka(broker.bootstrap, "t", COUNT) == written

        produce_by_confluent(broker.bootstrap, "t", rows_of(300, "confluent"))
        await produce_by_aiokafka(broker.bootstrap, "t", rows_of(300, "aiokafka"))
        with pytest.raises(DirectoryLockedError, match=str(broker.pid)):
            meghna.open(data)
        served = by_confluent(broker.bootstrap, "t", COUNT + 600)
        assert broker.stop() == 0
    with meghna.open(data, create=False) as log:
        topic = log["t"]
        found = read(topic)
        assert found == served
        assert [each for each in found if each in written] == written
        # A key lies where it lay, whoever wrote it; and the job goes on where it was.
        homes = {(row.key, partition) for partition, _, row in found if row.key is not None}
        assert len(homes) == len({key for key, _ in homes})
        assert topic.position_of("job") == COUNT - 1
        again = topic.append_many([tuple(row) for row in ours], producer="job", position=0)
        assert (again.count, again.skipped) == (0, COUNT)


def test_a_reader_beside_a_broker_sees_what_is_produced(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with meghna.open(data) as log:
        log.topic("t", create=True, partitions=PARTITIONS).append_many([b"before"])
    with BrokerProcess(tmp_path) as broker, meghna.open(data, read_only=True) as log:
        topic = log["t"]
        assert [record.value for record in topic.read()] == [b"before"]
        for part in range(3):
            rows = rows_of(100, f"part {part}")
            produce_by_confluent(broker.bootstrap, "t", rows)
            found = read(topic)
            assert len(found) == 1 + 100 * (part + 1)
            assert found == by_confluent(broker.bootstrap, "t", len(found))
        scan = topic.scan()
        assert scan.to_arrow().num_rows == 301
        tail = iter(topic.tail(timeout=WAIT_SECONDS))
        produce_by_confluent(broker.bootstrap, "t", [Row(b"k", b"one more", (), NOW_MS)])
        assert next(tail).value == b"one more"
        tail.close()  # type: ignore[attr-defined]
        # The broker goes, of itself or not; what it left is read on.
        broker.restart(kill=True)
        produce_by_confluent(broker.bootstrap, "t", [Row(b"k", b"after its death", (), NOW_MS)])
        assert [record.value for record in topic.read()].count(b"after its death") == 1
        broker.stop()
        assert len(read(topic)) == 303


def test_topics_made_and_deleted_by_the_broker_are_seen_beside_it(tmp_path: Path) -> None:
    with BrokerProcess(tmp_path) as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        with meghna.open(broker.data, read_only=True) as log:
            assert log.topics() == []
            for made in admin.create_topics([NewTopic("new", 2)]).values():
                made.result(WAIT_SECONDS)
            produce_by_confluent(broker.bootstrap, "new", rows_of(10, "new"))
            log.refresh()
            assert log.topics() == ["new"]
            table = log["new"].scan().to_arrow()
            before = table.to_pylist()
            for gone in admin.delete_topics(["new"]).values():
                gone.result(WAIT_SECONDS)
            log.refresh()
            assert log.topics() == []
            assert len(before) == 10
            assert table.to_pylist() == before
