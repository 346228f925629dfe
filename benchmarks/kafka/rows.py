"""What is measured: one row each, with what Meghna has to reach against Kafka.

Every produce row writes to a topic of its own, made inside the run, and afterwards reads it whole:
each CRC, each offset, as many records as were acknowledged. A row's value is the best of its runs.

A virtual machine may give free memory back to its host within seconds; then every new page of the
page cache costs a fault there, many times what a write costs, and it is the host that is measured.
So memory for a run's files is touched just before it.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.kafka.loads import LoadError, Programs, run_load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.kafka.brokers import Broker

READ_TOPIC = "bench-read"
READ_RECORDS = 8_000_000
TOUCHED_SIZE = 1536 << 20
MADV_POPULATE_WRITE = 23  # <linux/mman.h>; not in the mmap module
IDLE_SETTLE_SECONDS = 3.0
IDLE_SECONDS = 10.0
KEPT_RESULTS = ("p50_us", "p99_us", "p99_9_us", "client_cpu_s_per_million", "broker_rss_mb")


@dataclass(frozen=True, slots=True)
class Sample:
    value: float
    cpu_per_million: float | None = None  # CPU seconds of the broker for a million records
    details: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Bench:
    """What rows share: the programs, and names for fresh topics."""

    programs: Programs
    topics_made: int = 0
    readable: set[str] = field(default_factory=set)  # brokers whose READ_TOPIC is filled

    def fresh_topic(self) -> str:
        self.topics_made += 1
        return f"bench-{self.topics_made}"


Measure = Callable[[Bench, "Broker"], Sample]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    what: str
    unit: str
    measure: Measure
    target: str
    held: Callable[[Sample, Sample], bool]  # (Kafka's best, Meghna's best)
    less_is_better: bool = False
    runs_max: int = 99


def _sample(numbers: Mapping[str, float], value: str) -> Sample:
    details = {name: numbers[name] for name in KEPT_RESULTS if name in numbers}
    return Sample(numbers[value], numbers.get("broker_cpu_s_per_million"), details)


def _check_kept(
    bench: Bench, broker: Broker, topic: str, partitions: int, acknowledged: float
) -> None:
    kept = run_load(bench.programs.load, "verify", broker, topic, {"partitions": partitions})
    if kept["records"] < acknowledged:
        raise LoadError(f"{acknowledged:.0f} records acknowledged, {kept['records']:.0f} kept")


def touch_memory() -> None:
    """Takes memory and frees it at once, so that what is free is really there."""
    with mmap.mmap(-1, TOUCHED_SIZE) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        memory.madvise(MADV_POPULATE_WRITE)


def produce_row(
    value: str, *, kafka_configs: str = "", rdkafka: bool = False, **options: object
) -> Measure:
    """`kafka_configs` are the topic's on Kafka alone, where its default promises less than ours."""

    def measure(bench: Bench, broker: Broker) -> Sample:
        given = {name.replace("_", "-"): option for name, option in options.items()}
        partitions = given.setdefault("partitions", 1)
        topic = bench.fresh_topic()
        create = {"partitions": partitions}
        if broker.name == "kafka" and kafka_configs:
            create["configs"] = kafka_configs
        run_load(bench.programs.load, "create", broker, topic, create)
        os.sync()  # what earlier loads left dirty is not this one's
        touch_memory()
        program = bench.programs.load
        if rdkafka:
            if bench.programs.rdkafka_load is None:
                raise LoadError("librdkafka-dev is not installed")
            program = bench.programs.rdkafka_load
        numbers = run_load(program, "produce", broker, topic, {**given, "pid": broker.pid})
        _check_kept(bench, broker, topic, int(str(partitions)), numbers["records"])
        run_load(bench.programs.load, "delete", broker, topic, {})
        return _sample(numbers, value)

    return measure


def _fill(bench: Bench, broker: Broker) -> None:
    if broker.name in bench.readable:
        return
    load = bench.programs.load
    run_load(load, "create", broker, READ_TOPIC, {"partitions": 1})
    run_load(load, "produce", broker, READ_TOPIC, {"count": READ_RECORDS})
    bench.readable.add(broker.name)


def measure_fetch(bench: Bench, broker: Broker) -> Sample:
    _fill(bench, broker)
    options = {"connections": 4, "in-flight": 1, "max-bytes": 1 << 20, "seconds": 3}
    numbers = run_load(
        bench.programs.load, "fetch", broker, READ_TOPIC, {**options, "pid": broker.pid}
    )
    return _sample(numbers, "mb_per_s")


def measure_rdkafka_consume(bench: Bench, broker: Broker) -> Sample:
    if bench.programs.rdkafka_load is None:
        raise LoadError("librdkafka-dev is not installed")
    _fill(bench, broker)
    options = {"count": READ_RECORDS, "pid": broker.pid}
    numbers = run_load(bench.programs.rdkafka_load, "consume", broker, READ_TOPIC, options)
    return _sample(numbers, "records_per_s")


def measure_first_ack(bench: Bench, broker: Broker) -> Sample:
    """A restart: the directory is formatted, and was closed in order."""
    broker.stop()
    broker.start()
    topic = bench.fresh_topic()
    numbers = run_load(
        bench.programs.load, "first-ack", broker, topic, {"since": broker.started_ns}
    )
    return Sample(numbers["ms"], None, {"accepted_ms": numbers["accepted_ms"]})


def measure_idle_memory(_: Bench, broker: Broker) -> Sample:
    return Sample(broker.resident_mb())


def measure_idle_cpu(_: Bench, broker: Broker) -> Sample:
    time.sleep(IDLE_SETTLE_SECONDS)
    before = broker.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    return Sample((broker.cpu_seconds() - before) / IDLE_SECONDS * 100)


def _times(factor: float) -> Callable[[Sample, Sample], bool]:
    return lambda kafka, meghna: meghna.value >= factor * kafka.value


def _at_most(limit: float) -> Callable[[Sample, Sample], bool]:
    return lambda _, meghna: meghna.value <= limit


def _below_kafka(kafka: Sample, meghna: Sample) -> bool:
    return meghna.value < kafka.value


def _rate_and_cpu(kafka: Sample, meghna: Sample) -> bool:
    cpu = meghna.cpu_per_million
    return meghna.value >= kafka.value and cpu is not None and cpu <= 0.06


def latency_row(rate: int) -> Measure:
    return produce_row(
        "p99_us",
        connections=16,
        in_flight=200,
        records_per_batch=1,
        rate=rate,
        acks=-1,
        seconds=4,
    )


# In this order: what restarts the brokers comes first, then Kafka is warmed.
START_ROWS = (
    Row(
        name="first-ack",
        what="restart to the first acknowledged record",
        unit="ms",
        measure=measure_first_ack,
        target="<= 150 ms",
        held=_at_most(150),
        less_is_better=True,
    ),
    Row(
        name="idle-cpu",
        what="idle for 10 s, of one core",
        unit="%",
        measure=measure_idle_cpu,
        target="<= 0.2 %",
        held=_at_most(0.2),
        less_is_better=True,
        runs_max=1,
    ),
    Row(
        name="idle-memory",
        what="resident after a start",
        unit="MB",
        measure=measure_idle_memory,
        target="<= 40 MB",
        held=_at_most(40),
        less_is_better=True,
        runs_max=1,
    ),
)

LOAD_ROWS = (
    Row(
        name="rdkafka-produce",
        what="librdkafka, 100-byte records, acks=1, 1 partition",
        unit="records/s",
        measure=produce_row("records_per_s", rdkafka=True, count=6_000_000, acks=1),
        target=">= 1 x, CPU <= 0.06 s/M",
        held=_rate_and_cpu,
    ),
    Row(
        name="batches",
        what="1,000 x 100 bytes a batch, 1 connection, 5 in flight, acks=1",
        unit="records/s",
        measure=produce_row("records_per_s", count=10_000_000, in_flight=5, acks=1),
        target=">= 3 x",
        held=_times(3),
    ),
    Row(
        name="singles-50",
        what="1 record a request, 16 connections, 50 in flight each, acks=1",
        unit="records/s",
        measure=produce_row(
            "records_per_s", connections=16, in_flight=50, records_per_batch=1, acks=1, seconds=3
        ),
        target=">= 10 x",
        held=_times(10),
    ),
    Row(
        name="singles-1",
        what="1 record a request, 16 connections, 1 in flight each, acks=1",
        unit="records/s",
        measure=produce_row(
            "records_per_s", connections=16, in_flight=1, records_per_batch=1, acks=1, seconds=3
        ),
        target=">= 1.5 x",
        held=_times(1.5),
    ),
    Row(
        name="synced",
        what="1 record a request, 16 connections, 50 in flight each, acks=all, fdatasync"
        " (Kafka: flush.messages=1)",
        unit="records/s",
        measure=produce_row(
            "records_per_s",
            kafka_configs="flush.messages=1",
            connections=16,
            in_flight=50,
            records_per_batch=1,
            acks=-1,
            seconds=3,
        ),
        target=">= 5 x",
        held=_times(5),
    ),
    Row(
        name="synced-1",
        what="the same, 1 in flight each",
        unit="records/s",
        measure=produce_row(
            "records_per_s",
            kafka_configs="flush.messages=1",
            connections=16,
            in_flight=1,
            records_per_batch=1,
            acks=-1,
            seconds=3,
        ),
        target=">= 5 x",
        held=_times(5),
    ),
    Row(
        name="fetch",
        what="Fetch of 1 MB, 4 connections, 1 in flight each",
        unit="MB/s",
        measure=measure_fetch,
        target=">= 1 x",
        held=_times(1),
    ),
    Row(
        name="rdkafka-consume",
        what="librdkafka's consumer, 100-byte records",
        unit="records/s",
        measure=measure_rdkafka_consume,
        target=">= 1 x",
        held=_times(1),
    ),
    Row(
        name="latency-20k",
        what="p99 at 20,000 records/s one by one, acks=all (fdatasync with Meghna only)",
        unit="us",
        measure=latency_row(20_000),
        target="below Kafka's",
        held=_below_kafka,
        less_is_better=True,
    ),
    Row(
        name="latency-100k",
        what="p99 at 100,000 records/s one by one, acks=all (fdatasync with Meghna only)",
        unit="us",
        measure=latency_row(100_000),
        target="below Kafka's",
        held=_below_kafka,
        less_is_better=True,
        runs_max=2,
    ),
)


def warm(bench: Bench, broker: Broker) -> None:
    """Kafka's compiler needs many requests of each shape before it is at its best."""
    for measure in (
        produce_row("records_per_s", seconds=6),
        produce_row("records_per_s", connections=16, in_flight=50, records_per_batch=1, seconds=5),
        produce_row(
            "records_per_s", connections=16, in_flight=1, records_per_batch=1, acks=-1, seconds=3
        ),
    ):
        measure(bench, broker)
