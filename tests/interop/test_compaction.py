"""What a consumer of Kafka's own kind sees of a topic that was compacted."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from support.broker import BrokerProcess

if TYPE_CHECKING:
    from pathlib import Path

confluent_kafka = pytest.importorskip("confluent_kafka")
admin = pytest.importorskip("confluent_kafka.admin")

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

TOPIC = "latest"
KEYS = 50
OPTIONS = [
    argument
    for setting in (
        "log.cleaner.backoff.ms=50",
        "log.cleaner.min.cleanable.ratio=0.01",
        "log.cleaner.delete.retention.ms=0",
        "offsets.topic.num.partitions=1",
    )
    for argument in ("--set", setting)
]


def create(bootstrap: str) -> None:
    config = {"cleanup.policy": "compact", "segment.bytes": "1048576"}
    client = admin.AdminClient({"bootstrap.servers": bootstrap})
    made = client.create_topics([admin.NewTopic(TOPIC, 1, 1, config=config)])
    made[TOPIC].result(30)


def produce(bootstrap: str, codec: str) -> dict[bytes, bytes | None]:
    """Five megabytes that no codec makes less; every seventh key ends with a null value."""
    last: dict[bytes, bytes | None] = {}
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": bootstrap,
            "compression.type": codec,
            "enable.idempotence": True,
            "batch.num.messages": 20,
        }
    )
    for turn in range(100):
        for number in range(KEYS):
            key = b"key-%d" % number
            is_null = turn == 60 and number % 7 == 0
            if turn > 60 and number % 7 == 0:
                continue
            value = None if is_null else b"%d-%d-" % (turn, number) + os.urandom(1000)
            producer.produce(TOPIC, value, key)
            last[key] = value
        producer.flush(30)
    return last


def consume(bootstrap: str, group: str) -> list[tuple[int, bytes, bytes | None]]:
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    consumer.subscribe([TOPIC])
    found = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF
            break
        found.append((message.offset(), message.key(), message.value()))
    if found:
        consumer.commit(asynchronous=False)
    consumer.close()
    return found


@pytest.mark.parametrize("codec", ["none", "lz4"])
def test_a_consumer_sees_the_last_value_of_each_key(tmp_path: Path, codec: str) -> None:
    with BrokerProcess(tmp_path, options=OPTIONS) as broker:
        create(broker.bootstrap)
        last = produce(broker.bootstrap, codec)
        deadline = time.monotonic() + 60
        # The active segment is not compacted, so a few keys are there more often.
        while len(found := consume(broker.bootstrap, f"g-{time.time_ns()}")) > 1500:
            assert time.monotonic() < deadline, broker.log
        assert len(found) < 1500
        offsets = [offset for offset, _, _ in found]
        assert offsets == sorted(set(offsets))
        seen = {key: value for _, key, value in found}
        assert {k: v for k, v in seen.items() if v} == {k: v for k, v in last.items() if v}
        assert all(last[key] is None for key in last.keys() - seen.keys())

        assert consume(broker.bootstrap, "resuming")
        broker.restart(kill=False)
        assert consume(broker.bootstrap, "resuming") == []
        again = {key: value for _, key, value in consume(broker.bootstrap, "anew")}
        assert {k: v for k, v in again.items() if v} == {k: v for k, v in last.items() if v}
