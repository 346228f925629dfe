"""Foreign clients behind one small interface: produce records, consume them in a group.

Every client runs at its own defaults, but for what a call asks (compression, group, start at the
earliest record). What a client cannot express (kcat no timestamp, the console no null header) it
leaves out of its `sample`, and the others are compared with what it did send.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
TIMEOUT_SECONDS = 60.0
# Not the clients' own time, and not so old that the broker's retention deletes the records.
TIMESTAMP = int(time.time() * 1000) - 3_600_000
LIBRARIES = Path(os.environ.get("MEGHNA_KAFKA_LIBS", "build/kafka/libs"))


class Sent(NamedTuple):
    """A record as a test knows it. `timestamp` None: the client's own clock."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int | None = None


class Got(NamedTuple):
    partition: int
    offset: int
    timestamp: int
    record: Sent


class ForeignClient(Protocol):
    name: str

    def sample(self, codec: str) -> list[Sent]:
        """Records of every kind that this client can express, told apart by their values."""

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Sent], *, codec: str = "none"
    ) -> None:
        """Send and wait until every one is acknowledged."""

    def consume(self, bootstrap: str, topic: str, group: str, count: int) -> list[Got]:
        """Read `count` records as a member of a group, commit exactly them, leave."""


def full_sample(name: str, codec: str) -> list[Sent]:
    tag = f"{name}-{codec}".encode()
    return [
        Sent(tag + b"-plain", timestamp=TIMESTAMP),
        Sent(tag + b"-keyed", key=b"key-" + tag, timestamp=TIMESTAMP + 1),
        Sent(None, key=b"tombstone-" + tag, timestamp=TIMESTAMP + 2),
        Sent(b"", key=b"empty-" + tag, timestamp=TIMESTAMP + 3),
        Sent(
            tag + b"-headers",
            headers=(("trace", b"\x00\xff"), ("trace", b"again"), ("empty", b"")),
            timestamp=TIMESTAMP + 4,
        ),
        *(
            Sent(tag + b"-%03d" % i, key=b"%d" % (i % 7), timestamp=TIMESTAMP + i)
            for i in range(50)
        ),
    ]


def as_codec(codec: str) -> str | None:
    return None if codec == "none" else codec


class Confluent:
    name = "confluent"

    def sample(self, codec: str) -> list[Sent]:
        return full_sample(self.name, codec)

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Sent], *, codec: str = "none"
    ) -> None:
        from confluent_kafka import Producer  # noqa: PLC0415  (each client only where it is used)

        failures: list[str] = []
        producer = Producer({"bootstrap.servers": bootstrap, "compression.type": codec})
        for record in records:
            producer.produce(
                topic,
                value=record.value,
                key=record.key,
                headers=list(record.headers),
                timestamp=record.timestamp or 0,
                on_delivery=lambda error, _: failures.append(str(error)) if error else None,
            )
            producer.poll(0)
        left = producer.flush(TIMEOUT_SECONDS)
        assert not failures, failures[:3]
        assert left == 0

    def consume(self, bootstrap: str, topic: str, group: str, count: int) -> list[Got]:
        from confluent_kafka import Consumer  # noqa: PLC0415

        consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )
        consumer.subscribe([topic])
        got: list[Got] = []
        deadline = time.monotonic() + TIMEOUT_SECONDS
        try:
            while len(got) < count and time.monotonic() < deadline:
                message = consumer.poll(1.0)
                if message is None:
                    continue
                error = message.error()
                if error is not None:
                    # UNKNOWN_TOPIC_OR_PARTITION: metadata has not heard of a new topic yet.
                    assert error.retriable() or error.code() == 3, error
                    continue
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
                record = Sent(message.value(), message.key(), tuple(headers))
                got.append(Got(partition, offset, message.timestamp()[1], record))
                consumer.commit(message=message, asynchronous=False)
        finally:
            consumer.close()
        return got


class Aiokafka:
    name = "aiokafka"

    def sample(self, codec: str) -> list[Sent]:
        return full_sample(self.name, codec)

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Sent], *, codec: str = "none"
    ) -> None:
        async def send() -> None:
            from aiokafka import AIOKafkaProducer  # noqa: PLC0415

            producer = AIOKafkaProducer(
                bootstrap_servers=bootstrap, compression_type=as_codec(codec)
            )
            await producer.start()
            try:
                sent = [
                    await producer.send(
                        topic,
                        value=record.value,
                        key=record.key,
                        headers=list(record.headers),
                        timestamp_ms=record.timestamp,
                    )
                    for record in records
                ]
                await asyncio.wait_for(asyncio.gather(*sent), TIMEOUT_SECONDS)
            finally:
                await producer.stop()

        asyncio.run(send())

    def consume(self, bootstrap: str, topic: str, group: str, count: int) -> list[Got]:
        async def read() -> list[Got]:
            from aiokafka import AIOKafkaConsumer, TopicPartition  # noqa: PLC0415

            consumer = AIOKafkaConsumer(
                topic,
                bootstrap_servers=bootstrap,
                group_id=group,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
            )
            await consumer.start()
            got: list[Got] = []
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    while len(got) < count:
                        m = await consumer.getone()
                        headers = tuple((k, v) for k, v in m.headers)
                        got.append(
                            Got(m.partition, m.offset, m.timestamp, Sent(m.value, m.key, headers))
                        )
                        await consumer.commit({TopicPartition(topic, m.partition): m.offset + 1})
            except TimeoutError:
                pass
            finally:
                await consumer.stop()
            return got

        return asyncio.run(read())


class KafkaPython:
    name = "kafka-python"

    def sample(self, codec: str) -> list[Sent]:
        return full_sample(self.name, codec)

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Sent], *, codec: str = "none"
    ) -> None:
        from kafka import KafkaProducer  # noqa: PLC0415

        producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type=as_codec(codec))
        try:
            sent = [
                producer.send(
                    topic,
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                    timestamp_ms=record.timestamp,
                )
                for record in records
            ]
            producer.flush(TIMEOUT_SECONDS)
            for future in sent:
                future.get(TIMEOUT_SECONDS)
        finally:
            producer.close(5)

    def consume(self, bootstrap: str, topic: str, group: str, count: int) -> list[Got]:
        from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition  # noqa: PLC0415

        consumer = KafkaConsumer(
            topic,
            bootstrap_servers=bootstrap,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            consumer_timeout_ms=int(TIMEOUT_SECONDS * 1000),
        )
        got: list[Got] = []
        try:
            for m in consumer:
                headers = tuple((k, v) for k, v in m.headers)
                got.append(Got(m.partition, m.offset, m.timestamp, Sent(m.value, m.key, headers)))
                place = TopicPartition(topic, m.partition)
                consumer.commit({place: OffsetAndMetadata(m.offset + 1, "", -1)})
                if len(got) >= count:
                    break
        finally:
            consumer.close()
        return got


def run(command: Sequence[str], stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        command, input=stdin, capture_output=True, timeout=TIMEOUT_SECONDS, check=False
    )
    assert done.returncode == 0, (command, done.returncode, done.stderr.decode()[-2000:])
    return done.stdout


class Kcat:
    """Debian's kcat 1.7.1 on librdkafka 2.0: old enough to meet brokers in the old ways."""

    name = "kcat"

    def sample(self, codec: str) -> list[Sent]:
        tag = f"{self.name}-{codec}".encode()
        headers = (("trace", b"one"), ("trace", b"two"))
        return [
            Sent(tag + b"-keyed", key=b"key-" + tag, headers=headers),
            Sent(tag + b"-unkeyed", key=None, headers=headers),
            Sent(None, key=b"tombstone-" + tag, headers=headers),
            *(Sent(tag + b"-%03d" % i, key=b"%d" % (i % 7), headers=headers) for i in range(50)),
        ]

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Sent], *, codec: str = "none"
    ) -> None:
        headers = {record.headers for record in records}
        assert len(headers) == 1, "kcat has one set of headers a run"
        command = ["kcat", "-P", "-b", bootstrap, "-t", topic, "-z", codec, "-Z", "-K", "\t"]
        for key, value in next(iter(headers)):
            command += ["-H", f"{key}={(value or b'').decode()}"]
        lines = (b"%s\t%s\n" % (record.key or b"", record.value or b"") for record in records)
        run(command, b"".join(lines))

    def consume(self, bootstrap: str, topic: str, group: str, count: int) -> list[Got]:
        command = ["kcat", "-b", bootstrap, "-G", group, "-c", str(count), "-J", "-q"]
        command += ["-X", "auto.offset.reset=earliest", topic]
        got = []
        for line in run(command).splitlines():
            fields = json.loads(line)
            names = fields.get("headers", [])
            headers = tuple((names[i], names[i + 1].encode()) for i in range(0, len(names), 2))
            record = Sent(encoded(fields["payload"]), encoded(fields["key"]), headers)
            got.append(Got(fields["partition"], fields["offset"], fields["ts"], record))
        return got


def encoded(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogateescape")


class JavaConsole:
    """Apache's own console producer and consumer, from the Maven jars."""

    name = "java"
    null = "@null@"

    def sample(self, codec: str) -> list[Sent]:
        tag = f"{self.name}-{codec}".encode()
        return [
            Sent(tag + b"-keyed", key=b"key-" + tag, headers=(("trace", b"one"), ("two", b"2"))),
            Sent(tag + b"-unkeyed", key=None),
            Sent(None, key=b"tombstone-" + tag),
            Sent(b"", key=b"empty-" + tag),
            *(Sent(tag + b"-%03d" % i, key=b"%d" % (i % 7)) for i in range(50)),
        ]

    def command(self, program: str, *arguments: str) -> list[str]:
        return ["java", "-Xmx256m", "-cp", f"{LIBRARIES}/*", f"org.apache.kafka.tools.{program}",
                *arguments]  # fmt: skip

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Sent], *, codec: str = "none"
    ) -> None:
        command = self.command("ConsoleProducer", "--bootstrap-server", bootstrap, "--topic", topic)
        command += ["--compression-codec", codec]
        for setting in ("parse.key=true", "parse.headers=true", f"null.marker={self.null}"):
            command += ["--reader-property", setting]
        lines = []
        for record in records:
            headers = ",".join(f"{k}:{(v or b'').decode()}" for k, v in record.headers)
            fields = (headers or self.null, self.text(record.key), self.text(record.value))
            lines.append("\t".join(fields) + "\n")
        run(command, "".join(lines).encode())

    def text(self, data: bytes | None) -> str:
        return self.null if data is None else data.decode()

    def consume(self, bootstrap: str, topic: str, group: str, count: int) -> list[Got]:
        command = self.command("consumer.ConsoleConsumer", "--bootstrap-server", bootstrap)
        command += ["--topic", topic, "--group", group, "--max-messages", str(count)]
        command += ["--from-beginning", "--timeout-ms", str(int(TIMEOUT_SECONDS * 1000) // 2)]
        for name in ("timestamp", "partition", "offset", "headers", "key", "value"):
            command += ["--formatter-property", f"print.{name}=true"]
        command += ["--formatter-property", f"null.literal={self.null}"]
        got = []
        for line in run(command).decode("utf-8", "replace").splitlines():
            if line.startswith("Processed a total"):
                continue
            stamp, partition, offset, headers, key, value = line.split("\t", 5)
            pairs = [] if headers == "NO_HEADERS" else headers.split(",")
            record = Sent(
                None if value == self.null else value.encode(),
                None if key == self.null else key.encode(),
                tuple((pair.split(":")[0], pair.split(":", 1)[1].encode()) for pair in pairs),
            )
            number = int(stamp.split(":")[1])
            place = int(partition.split(":")[1]), int(offset.split(":")[1])
            got.append(Got(*place, number, record))
        return got


def missing(name: str) -> str | None:
    """Why a client cannot run here, or None."""
    if name == "kcat" and not shutil.which("kcat"):
        return "kcat is not installed (make interop)"
    if name == "java" and not (shutil.which("java") and any(LIBRARIES.glob("kafka-tools-*.jar"))):
        return "Kafka's jars are not fetched (make interop)"
    return None


CLIENTS: dict[str, ForeignClient] = {
    client.name: client
    for client in (Confluent(), Aiokafka(), KafkaPython(), Kcat(), JavaConsole())
}
