"""What a log can hold, written by clients through a broker or by our own log; and read back."""

from __future__ import annotations

import random
import struct
import time
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from meghna import codecs
from meghna._native import batch
from meghna._native.log import Log, LogConfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
TRANSACTIONAL, CONTROL = 0x10, 0x20
ABORT, COMMIT = 0, 1
TIMEOUT_SECONDS = 60.0
NOT_YET = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
}
# Longer than any test: what is left open is not aborted meanwhile.
TRANSACTION_TIMEOUT_MS = 900_000
NOW_MS = 1_790_000_000_000


# ---- Through a broker ----


class Seen(NamedTuple):
    """A record as a consumer sees it."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: tuple[int, int]
    headers: tuple[tuple[str, str | bytes | None], ...]


Settings = dict[str, str | int | float | bool]


def quiet(bootstrap: str, **settings: str | float | bool) -> Settings:
    """A client's settings; it says nothing of a broker that is ended under it."""
    found: Settings = {"bootstrap.servers": bootstrap, "log_level": 0}
    return found | {name.replace("_", "."): value for name, value in settings.items()}


def create_topics(bootstrap: str, wanted: dict[str, tuple[int, dict[str, str]]]) -> None:
    admin = AdminClient(quiet(bootstrap))
    topics = [NewTopic(name, count, 1, config=of) for name, (count, of) in wanted.items()]
    for made in admin.create_topics(topics).values():
        made.result(TIMEOUT_SECONDS)


def produce(bootstrap: str, topic: str, count: int, *, codec: str = "none", seed: int = 0) -> None:
    """`count` records of an idempotent producer; of compressed ones some compress, some do not."""
    rng = random.Random(f"{topic}-{codec}-{seed}")
    producer = Producer(
        quiet(bootstrap, compression_type=codec, enable_idempotence=True, linger_ms=5)
    )
    for i in range(count):
        noise = rng.randbytes(rng.randrange(200))
        value = b"%s-%d-%d-%s%s" % (codec.encode(), seed, i, noise, b"a" * 200)
        key = b"%d" % (i % 97)
        producer.produce(topic, value, key, headers=[("trace", noise[:4]), ("none", None)])
        producer.poll(0)
    assert producer.flush(TIMEOUT_SECONDS) == 0


def produce_transactions(bootstrap: str, topic: str, *, rounds: int, end: bool) -> None:
    """Two producers in turns, each of its transactions within those of the other: two of three
    are committed, the third is aborted. The last ones are committed, or left open."""
    producers = []
    for name in ("left", "right"):
        made = Producer(
            quiet(
                bootstrap,
                transactional_id=name,
                transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
                linger_ms=0,
            )
        )
        made.init_transactions(TIMEOUT_SECONDS)
        made.begin_transaction()
        producers.append(made)
    for i in range(rounds):
        for j in range(5):
            for producer in producers:
                producer.produce(topic, b"%d-%d" % (i, j), b"key-%d" % j)
                assert producer.flush(TIMEOUT_SECONDS) == 0
        ended = producers[i % 2]
        if i % 3 == 0:
            ended.abort_transaction(TIMEOUT_SECONDS)
        else:
            ended.commit_transaction(TIMEOUT_SECONDS)
        ended.begin_transaction()
    if end:
        for producer in producers:
            producer.commit_transaction(TIMEOUT_SECONDS)
    else:
        for i, producer in enumerate(producers):
            producer.produce(topic, b"open-%d" % i)
            assert producer.flush(TIMEOUT_SECONDS) == 0


def read(bootstrap: str, topic: str, index: int, *, committed: bool = False) -> list[Seen]:
    """Every record from the first to what is the end when it is reached."""
    consumer = Consumer(
        quiet(
            bootstrap,
            group_id="reader",
            enable_auto_commit=False,
            enable_partition_eof=True,
            auto_offset_reset="error",
            isolation_level="read_committed" if committed else "read_uncommitted",
        )
    )
    try:
        start, _ = watermarks(consumer, topic, index)
        consumer.assign([TopicPartition(topic, index, start)])
        return [seen_of(message) for message in messages(consumer)]
    finally:
        consumer.close()


def watermarks(consumer: Consumer, topic: str, index: int) -> tuple[int, int]:
    """Kafka answers before it has taken up what it leads: what it says then does not count."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            found = consumer.get_watermark_offsets(TopicPartition(topic, index), TIMEOUT_SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in NOT_YET or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            assert found is not None
            return found


def messages(consumer: Consumer) -> Iterator[Message]:
    while True:
        message = consumer.poll(TIMEOUT_SECONDS)
        assert message is not None, "the broker says nothing"
        error = message.error()
        if error is None:
            yield message
            continue
        assert error.code() == KafkaError._PARTITION_EOF, str(error)
        return


def seen_of(message: Message) -> Seen:
    offset, headers = message.offset(), message.headers() or []
    assert offset is not None
    assert isinstance(headers, list)
    pairs = tuple((str(name), value) for name, value in headers)
    return Seen(offset, message.key(), message.value(), message.timestamp(), pairs)


def ends_of(bootstrap: str, topic: str, index: int) -> tuple[int, int, int]:
    """The start, the last stable offset, and the end."""
    found = []
    for level in ("read_committed", "read_uncommitted"):
        consumer = Consumer(quiet(bootstrap, group_id="reader", isolation_level=level))
        try:
            low, high = watermarks(consumer, topic, index)
        finally:
            consumer.close()
        found.append(high)
    return low, found[0], found[1]


def commit(bootstrap: str, group: str, topic: str, offset: int) -> None:
    consumer = Consumer(quiet(bootstrap, group_id=group, enable_auto_commit=False))
    try:
        consumer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    finally:
        consumer.close()


def committed(bootstrap: str, group: str, topic: str) -> int:
    consumer = Consumer(quiet(bootstrap, group_id=group, enable_auto_commit=False))
    try:
        found: int = consumer.committed([TopicPartition(topic, 0)], TIMEOUT_SECONDS)[0].offset
    finally:
        consumer.close()
    return found


# ---- By our own log ----


class Written(NamedTuple):
    end_offset: int
    batches: list[tuple[int, int]]
    """Base and last offset of each."""


def marker(producer_id: int, kind: int, *, coordinator_epoch: int = 0) -> bytes:
    return batch.build(
        [(struct.pack(">hh", 0, kind), struct.pack(">hi", 0, coordinator_epoch), (), NOW_MS)],
        producer_id=producer_id,
        producer_epoch=0,
        attributes=TRANSACTIONAL | CONTROL,
    )


def data(
    rng: random.Random, *, codec: str, producer_id: int = -1, sequence: int = -1, flags: int = 0
) -> bytes:
    records = [
        (b"k%d" % rng.randrange(50), rng.randbytes(rng.randrange(300)), [("h", b"v")], NOW_MS + i)
        for i in range(rng.randrange(1, 30))
    ]
    number = CODECS[codec]
    return batch.build(
        records,
        producer_id=producer_id,
        producer_epoch=0 if producer_id >= 0 else -1,
        base_sequence=sequence,
        attributes=number | flags,
        compress=(lambda payload: codecs.compress(number, payload)) if number else None,
    )


def write_log(path: Path, *, seed: int = 1, batches: int = 1500) -> Written:
    """A partition's directory: every codec, idempotent producers, transactions of two more,
    committed, aborted and one left open, several segments and leader epochs."""
    rng = random.Random(seed)
    config = LogConfig(segment_size_max=300_000)
    sequences = dict.fromkeys(range(1, 7), 0)
    names = list(CODECS)
    written = []
    for epoch in range(3):
        with Log.open(str(path), config, clean=epoch > 0, now_ms=NOW_MS) as log:
            for i in range(batches // 3):
                producer_id = rng.choice((-1, 1, 2, 3, 4, 5, 6))
                if i % 40 == 39:
                    blob = marker(rng.choice((5, 6)), rng.choice((ABORT, COMMIT)))
                elif producer_id < 0:
                    blob = data(rng, codec=rng.choice(names))
                else:
                    blob = data(
                        rng,
                        codec=rng.choice(names),
                        producer_id=producer_id,
                        sequence=sequences[producer_id],
                        flags=TRANSACTIONAL if producer_id > 4 else 0,
                    )
                    sequences[producer_id] += batch.header(blob).record_count
                for done in log.append(blob, leader_epoch=epoch * 2, now_ms=NOW_MS):
                    assert done.verdict == 0
                    written.append((done.base_offset, done.last_offset))
            end_offset = log.end_offset
    return Written(end_offset, written)
