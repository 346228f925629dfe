"""A member of a consumer group as a process of its own, so that a test can kill it.

    member.py CLIENT BOOTSTRAP TOPIC GROUP

Prints `ASSIGNED p p …` at every change of its partitions and `RECORD partition value` for each
record; commits as it goes. Runs until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SESSION_TIMEOUT_MS = 6000  # Kafka's smallest, so that a dead member is noticed soon


def assigned(partitions: Iterable[int]) -> None:
    print("ASSIGNED", *sorted(partitions), flush=True)


def record(partition: int, value: bytes) -> None:
    print("RECORD", partition, value.decode(), flush=True)


def confluent(bootstrap: str, topic: str, group: str) -> None:
    from confluent_kafka import Consumer  # noqa: PLC0415

    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": SESSION_TIMEOUT_MS,
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic], on_assign=lambda _, places: assigned(p.partition for p in places))
    while True:
        message = consumer.poll(1.0)
        if message is not None and not message.error():
            partition, value = message.partition(), message.value()
            assert partition is not None
            assert value is not None
            record(partition, value)
            consumer.commit(message=message, asynchronous=False)


def aiokafka(bootstrap: str, topic: str, group: str) -> None:
    from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener  # noqa: PLC0415

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
        async def on_partitions_revoked(self, revoked: object) -> None:
            pass

        async def on_partitions_assigned(self, places: Iterable[tuple[str, int]]) -> None:
            assigned(partition for _, partition in places)

    async def main() -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=1000,
            enable_auto_commit=False,
        )
        consumer.subscribe([topic], listener=Listener())
        await consumer.start()
        async for message in consumer:
            record(message.partition, message.value)
            await consumer.commit()

    asyncio.run(main())


def kafka_python(bootstrap: str, topic: str, group: str) -> None:
    from kafka import ConsumerRebalanceListener, KafkaConsumer  # noqa: PLC0415

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
        def on_partitions_revoked(self, revoked: object) -> None:
            pass

        def on_partitions_assigned(self, places: Iterable[tuple[str, int]]) -> None:
            assigned(partition for _, partition in places)

    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=1000,
        enable_auto_commit=False,
    )
    consumer.subscribe([topic], listener=Listener())
    for message in consumer:
        record(message.partition, message.value)
        consumer.commit()


MEMBERS = {"confluent": confluent, "aiokafka": aiokafka, "kafka-python": kafka_python}

if __name__ == "__main__":
    MEMBERS[sys.argv[1]](*sys.argv[2:5])
