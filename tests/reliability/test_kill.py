"""SIGKILL under load, again and again: what was acknowledged is there, once, in order.

Producers of three kinds write all the time, through every death of the broker, each to a partition
of its own and numbering its records:

    one        acks=1, sends nothing twice: an acknowledged record survives the process's death
    all        acks=all, sends nothing twice: so does one that was to survive a power cut
    idempotent acks=all, sends again until it is told: nothing is doubled, nothing is missing

MEGHNA_KILL_COUNT says how often to kill (make kill-test), MEGHNA_KILL_SEED repeats the moments.
"""

from __future__ import annotations

import os
import random
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from support.frames import Peer

if TYPE_CHECKING:
    from support.broker import BrokerProcess

COUNT = int(os.environ.get("MEGHNA_KILL_COUNT", "5"))
SEED = int(os.environ.get("MEGHNA_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
TOPIC = "killed"
BURST = 10
PAUSE_SECONDS = 0.005
OUTSTANDING_MAX = 2000
PROGRESS_SECONDS = 30.0

COMMON = {
    "log_level": 0,  # that the broker goes away is no news here
    "linger.ms": 1,
    "reconnect.backoff.ms": 10,
    "reconnect.backoff.max.ms": 100,
    "message.timeout.ms": 60_000,
    # Metadata of a broker that was away is asked for again at once.
    "topic.metadata.refresh.fast.interval.ms": 50,
}
ONCE = {"message.send.max.retries": 0, "enable.idempotence": False}
KINDS: list[tuple[str, dict[str, object]]] = [
    ("one", {"acks": 1, **ONCE}),
    ("one", {"acks": 1, "compression.type": "zstd", **ONCE}),
    ("all", {"acks": "all", **ONCE}),
    ("idempotent", {"enable.idempotence": True}),
    ("idempotent", {"enable.idempotence": True, "compression.type": "lz4"}),
]

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.timeout(120 + 10 * COUNT),
]


@dataclass
class Load:
    """One producer and what it was told about its records."""

    partition: int
    kind: str
    settings: dict[str, object]
    acknowledged: dict[int, int] = field(default_factory=dict)  # number → offset
    sent: int = 0
    refused: int = 0
    fatal: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, bootstrap: str) -> None:
        producer = Producer({"bootstrap.servers": bootstrap, **COMMON, **self.settings})
        outstanding = 0

        def delivered(number: int, error: KafkaError | None, message: Message) -> None:
            nonlocal outstanding
            outstanding -= 1
            if error is None:
                offset = message.offset()
                assert offset is not None
                self.acknowledged[number] = offset
            else:
                self.refused += 1
                if error.fatal() or self.kind == "idempotent":
                    self.fatal.append(f"record {number}: {error}")

        while not self.stopping.is_set() and not self.fatal:
            for _ in range(BURST if outstanding < OUTSTANDING_MAX else 0):
                number = self.sent
                self.sent += 1
                outstanding += 1
                producer.produce(
                    TOPIC,
                    b"%s-%d-%d" % (self.kind.encode(), self.partition, number),
                    partition=self.partition,
                    on_delivery=partial(delivered, number),
                )
            producer.poll(0)
            self.stopping.wait(PAUSE_SECONDS)
        left = producer.flush(90)
        if left:
            self.fatal.append(f"{left} records were never answered")


class Log:
    """What the broker holds, read again after every death, and held against what was said."""

    def __init__(self, loads: list[Load]) -> None:
        self._loads = loads
        self._checked = dict.fromkeys(range(len(loads)), 0)
        self._numbers: dict[int, dict[int, int]] = {p: {} for p in range(len(loads))}

    def check(self, bootstrap: str, *, whole: bool) -> None:
        told = [dict(load.acknowledged) for load in self._loads]
        consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": "check", "enable.auto.commit": False}
        )
        try:
            for load in self._loads:
                self._read(consumer, load.partition, whole=whole)
                self._compare(load, told[load.partition])
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, partition: int, *, whole: bool) -> None:
        place = TopicPartition(TOPIC, partition)
        _, end = consumer.get_watermark_offsets(place, timeout=20)
        start = 0 if whole else self._checked[partition]
        numbers = {} if whole else self._numbers[partition]
        consumer.assign([TopicPartition(TOPIC, partition, start)])
        position = start
        deadline = time.monotonic() + PROGRESS_SECONDS
        while position < end:
            assert time.monotonic() < deadline, f"partition {partition}: {position} of {end}"
            for message in consumer.consume(2_000, 0.05):
                error = message.error()
                if error is not None:
                    assert error.retriable(), error
                    continue
                offset, value = message.offset(), message.value()
                assert offset is not None
                assert value is not None
                assert offset == position, f"partition {partition}: {offset} after {position - 1}"
                numbers[offset] = int(value.rsplit(b"-", 1)[1])
                position = offset + 1
        # Records above the end that was there when we asked may still be lost by the next kill.
        self._numbers[partition] = {o: n for o, n in numbers.items() if o < end}
        self._checked[partition] = 0 if whole else self._safe_end(partition)

    def _safe_end(self, partition: int) -> int:
        """Below it everything was acknowledged; above, a kill may take what nobody was told of."""
        told = self._loads[partition].acknowledged.values()
        return min(max(told, default=-1) + 1, len(self._numbers[partition]))

    def _compare(self, load: Load, told: dict[int, int]) -> None:
        held = self._numbers[load.partition]
        what = f"{load.kind} producer, partition {load.partition}"
        for number, offset in told.items():
            if offset >= 0:
                assert held.get(offset) == number, f"{what}: {number} is not at {offset}"
        in_order = [held[offset] for offset in sorted(held)]
        assert len(set(in_order)) == len(in_order), f"{what}: a record is there twice"
        assert in_order == sorted(in_order), f"{what}: out of order"
        missing = told.keys() - set(in_order)
        assert not missing, f"{what}: {len(missing)} acknowledged records are lost: {min(missing)}"


def wait_for_progress(loads: list[Load]) -> None:
    """Every producer is told of something new: the load runs again."""
    before = [len(load.acknowledged) for load in loads]
    deadline = time.monotonic() + PROGRESS_SECONDS
    while any(len(load.acknowledged) <= b for load, b in zip(loads, before, strict=True)):
        failures = [text for load in loads for text in load.fatal]
        assert not failures, failures[:3]
        assert time.monotonic() < deadline, "a producer does not go on"
        time.sleep(0.002)


def test_what_was_acknowledged_is_there_once_and_in_order(broker: BrokerProcess) -> None:
    rng = random.Random(SEED)
    print(f"MEGHNA_KILL_SEED={SEED}")
    with Peer(broker.port) as peer:
        peer.create_topic(TOPIC, partitions=len(KINDS))
    loads = [Load(p, kind, settings) for p, (kind, settings) in enumerate(KINDS)]
    threads = [threading.Thread(target=load.run, args=[broker.bootstrap]) for load in loads]
    log = Log(loads)
    for thread in threads:
        thread.start()
    try:
        for _ in range(COUNT):
            wait_for_progress(loads)
            time.sleep(rng.uniform(0, 0.2))
            broker.restart(kill=True)
            log.check(broker.bootstrap, whole=False)
        wait_for_progress(loads)
    finally:
        for load in loads:
            load.stopping.set()
        for thread in threads:
            thread.join(120)
    assert not [text for load in loads for text in load.fatal]
    broker.restart(kill=True)
    log.check(broker.bootstrap, whole=True)
    for load in loads:
        if load.kind == "idempotent":
            assert len(load.acknowledged) == load.sent, "an idempotent producer gives up nothing"
    counted = sum(len(load.acknowledged) for load in loads)
    print(f"{COUNT} kills, {counted} records acknowledged, all there once and in order")


def test_the_check_itself_notices_a_lost_a_doubled_and_a_moved_record() -> None:
    load = Load(0, "one", {})
    log = Log([load])
    for held, told in (
        ({0: 0, 1: 2}, {0: 0, 1: 1, 2: 2}),  # 1 is lost, and 2 not where it was said to be
        ({0: 0, 1: 1, 2: 1}, {0: 0, 1: 1}),
        ({0: 1, 1: 0}, {}),
    ):
        log._numbers[0] = held
        with pytest.raises(AssertionError):
            log._compare(load, told)
    log._numbers[0] = {0: 0, 1: 2}
    log._compare(load, {0: 0, 2: 1})
