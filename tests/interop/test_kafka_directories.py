"""Directories go from us to Apache Kafka and back, with every record and all that is known of them.

Kafka's tool finds no fault with what our log wrote; a directory that a killed Kafka left opens here
with the same contents; Kafka serves a data directory of ours, where it lies, and gives it back.
"""

from __future__ import annotations

import re
import shutil
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from interop.kafka_load import (
    CODECS,
    Seen,
    commit,
    committed,
    create_topics,
    ends_of,
    produce,
    produce_transactions,
    read,
    write_log,
)
from meghna._native import batch
from meghna._native.log import Log
from support.broker import BrokerProcess
from support.kafka import KafkaProcess, missing, run_tool

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]

SEGMENTS = {"segment.bytes": str(1 << 20)}  # as small as Kafka lets them be
TOPICS: dict[str, tuple[int, dict[str, str]]] = {
    "codecs": (1, SEGMENTS),
    "idempotent": (2, {}),
    "transactions": (1, {}),
    "compacted": (
        1,
        {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "segment.ms": "1000"},
    ),
}
PARTITIONS = [(name, index) for name, (count, _) in TOPICS.items() for index in range(count)]
KAFKA_SETTINGS = ["log.cleaner.backoff.ms=300", "log.initial.task.delay.ms=500"]
CLEANER_TIMEOUT_SECONDS = 60.0


# ---- What our log wrote, by Kafka's own tool ----


def dump(files: list[Path], *options: str) -> str:
    names = ",".join(str(file) for file in files)
    text = run_tool("org.apache.kafka.tools.DumpLogSegments", "--files", names, *options)
    return "\n".join(line for line in text.splitlines() if not line.startswith("SLF4J"))


def test_kafkas_tool_finds_no_fault_with_what_our_log_wrote(tmp_path: Path) -> None:
    path = tmp_path / "written-0"
    written = write_log(path)
    logs = sorted(path.glob("*.log"))
    assert len(logs) > 3
    assert any(path.glob("*.txnindex"))

    text = dump(logs, "--deep-iteration", "--print-data-log")
    assert not re.search(r"invalid|corrupt|mismatch|isvalid: false|exception", text, re.IGNORECASE)
    found = re.findall(r"baseOffset: (\d+) lastOffset: (\d+) ", text)
    assert [(int(base), int(last)) for base, last in found] == written.batches
    offsets = [int(offset) for offset in re.findall(r"^\| offset: (\d+) ", text, re.MULTILINE)]
    assert offsets == list(range(written.end_offset))

    indexes = [*sorted(path.glob("*.index")), *sorted(path.glob("*.timeindex"))]
    for option in ("--index-sanity-check", "--verify-index-only"):
        told = dump(indexes, option).splitlines()
        faults = [
            line for line in told if not re.match(r"Dumping |.* passed sanity check\.$", line)
        ]
        assert not [line for line in faults if line.strip()], option
    snapshots = dump(sorted(path.glob("*.snapshot")))
    assert not re.search(r"corrupt|exception", snapshots, re.IGNORECASE)


def test_kafkas_tool_reads_our_transaction_index(tmp_path: Path) -> None:
    path = tmp_path / "written-0"
    write_log(path)
    with Log.open(str(path), clean=True, now_ms=0) as log:
        aborted = log.aborted(0, log.end_offset)
    assert len(aborted) > 5
    text = dump(sorted(path.glob("*.txnindex")))
    found = re.findall(
        r"producerId: (\d+) firstOffset: (\d+) lastOffset: (\d+) lastStableOffset: (\d+)", text
    )
    assert [tuple(int(number) for number in entry) for entry in found] == [
        tuple(entry) for entry in aborted
    ]


# ---- What Kafka wrote, here ----


@dataclass
class Left:
    """A directory that a Kafka left when it was killed, and what Kafka says of it afterwards."""

    data: Path
    stopped: Path
    """The same directory after Kafka had recovered it and was stopped."""
    ends: dict[tuple[str, int], tuple[int, int, int]] = field(default_factory=dict)
    records: dict[tuple[str, int], list[Seen]] = field(default_factory=dict)
    committed: dict[tuple[str, int], list[Seen]] = field(default_factory=dict)
    producers: dict[tuple[str, int], list[str]] = field(default_factory=dict)


def describe_producers(bootstrap: str, topic: str, index: int) -> list[str]:
    text = run_tool(
        "org.apache.kafka.tools.TransactionsCommand", "--bootstrap-server", bootstrap,
        "describe-producers", "--topic", topic, "--partition", str(index),
    )  # fmt: skip
    return sorted(line.strip() for line in text.splitlines() if line[:1].isdigit())


def write_through(kafka: KafkaProcess) -> None:
    create_topics(kafka.bootstrap, TOPICS)
    for term in range(3):
        for codec in CODECS:
            produce(kafka.bootstrap, "codecs", 1000, codec=codec, seed=term)
        produce(kafka.bootstrap, "idempotent", 500, codec="lz4", seed=term)
        produce(kafka.bootstrap, "compacted", 1500, codec="zstd", seed=term)
        produce_transactions(kafka.bootstrap, "transactions", rounds=7, end=term < 2)
        commit(kafka.bootstrap, "workers", "codecs", 1000 + term)
        if term < 2:
            kafka.stop()
            kafka.start()
    deadline = time.monotonic() + CLEANER_TIMEOUT_SECONDS
    checkpoint = kafka.data / "cleaner-offset-checkpoint"
    while not (checkpoint.exists() and "compacted 0 " in checkpoint.read_text()):
        assert time.monotonic() < deadline, "the cleaner did not run"
        time.sleep(0.2)
    # What it leaves for half a minute: `.deleted` files.
    produce(kafka.bootstrap, "compacted", 10)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    root = tmp_path_factory.mktemp("kafka")
    with KafkaProcess(root / "kafka", settings=KAFKA_SETTINGS) as kafka:
        write_through(kafka)
        kafka.kill()
        shutil.copytree(kafka.data, root / "killed")
        found = Left(root / "killed", root / "stopped")
        kafka.configure([*KAFKA_SETTINGS, "log.cleaner.enable=false"])  # nothing changes from now
        kafka.start()
        for key in PARTITIONS:
            found.ends[key] = ends_of(kafka.bootstrap, *key)
            found.records[key] = read(kafka.bootstrap, *key)
            found.committed[key] = read(kafka.bootstrap, *key, committed=True)
        for key in (("transactions", 0), ("idempotent", 1)):
            found.producers[key] = describe_producers(kafka.bootstrap, *key)
        kafka.stop()
        shutil.copytree(kafka.data, found.stopped)
    return found


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target


def bytes_of(path: Path, ending: str) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.glob(f"*.{ending}")))


def whole(log: Log) -> bytes:
    """Everything that a log gives to who reads it."""
    found = b""
    offset = log.start_offset
    while data := log.read(offset, size_max=1 << 20):
        found += data
        offset = batch.header(batch.split(data)[-1]).last_offset + 1
    return found


@pytest.mark.parametrize("clean", [False, True])
def test_a_directory_of_kafkas_opens_with_all_that_was_in_it(
    left: Left, tmp_path: Path, *, clean: bool
) -> None:
    data = copied(left.stopped if clean else left.data, tmp_path / "data")
    for topic, index in PARTITIONS:
        path = data / f"{topic}-{index}"
        records, aborted = bytes_of(path, "log"), bytes_of(path, "txnindex")
        text = (path / "leader-epoch-checkpoint").read_text().splitlines()[2:]
        epochs = [(int(epoch), int(start)) for epoch, start in (line.split() for line in text)]
        with Log.open(str(path), clean=clean, now_ms=int(time.time() * 1000)) as log:
            report = log.report
            assert (report.cut_size, report.set_aside_size) == (0, 0)
            assert clean == (report.scanned_size == 0)
            if not clean:
                reach = (log.start_offset, log.last_stable_offset, log.end_offset)
                assert reach == left.ends[topic, index]
            assert whole(log) == records
            made = log.aborted(0, log.end_offset)
            assert b"".join(struct.pack(">hqqqq", 0, *entry) for entry in made) == aborted
            # Of a term without a record Kafka, too, knows nothing after a start.
            epochs = [(epoch, start) for epoch, start in epochs if start < log.end_offset]
            ends = [*(start for _, start in epochs[1:]), log.end_offset]
            assert len(epochs) >= 3
            assert [log.epoch_end(epoch) for epoch, _ in epochs] == [
                (epoch, end) for (epoch, _), end in zip(epochs, ends, strict=True)
            ]
            if topic == "transactions":
                assert log.last_stable_offset < log.end_offset
                assert len(made) >= 6
        assert not list(path.glob("*.deleted"))
        assert bytes_of(path, "log") == records


def check_served(bootstrap: str, left: Left) -> None:
    for key in PARTITIONS:
        assert ends_of(bootstrap, *key) == left.ends[key]
        assert read(bootstrap, *key) == left.records[key]
        assert read(bootstrap, *key, committed=True) == left.committed[key]
    for key, lines in left.producers.items():
        assert describe_producers(bootstrap, *key) == lines
    assert committed(bootstrap, "workers", "codecs") == 1002


def test_a_data_directory_of_kafkas_is_served_as_kafka_served_it(
    left: Left, tmp_path: Path
) -> None:
    data = copied(left.data, tmp_path / "data")
    assert len(left.committed["transactions", 0]) < len(left.records["transactions", 0])
    with BrokerProcess(tmp_path, data=data) as broker:
        check_served(broker.bootstrap, left)
        produce(broker.bootstrap, "codecs", 100, codec="gzip", seed=9)
        broker.restart(kill=True)
        more = read(broker.bootstrap, "codecs", 0)
        assert more[: len(left.records["codecs", 0])] == left.records["codecs", 0]
        assert len(more) == len(left.records["codecs", 0]) + 100


def test_kafka_takes_its_directory_back_from_us(left: Left, tmp_path: Path) -> None:
    """Each of the two goes on where the other was killed."""
    kafka = KafkaProcess(tmp_path / "kafka", settings=["log.cleaner.enable=false"])
    copied(left.data, kafka.data)
    with BrokerProcess(tmp_path, data=kafka.data) as broker:
        produce(broker.bootstrap, "codecs", 100, codec="snappy", seed=9)
        create_topics(broker.bootstrap, {"ours": (2, {})})
        produce(broker.bootstrap, "ours", 300, codec="lz4")
        commit(broker.bootstrap, "workers", "codecs", 1777)
        ours = {index: read(broker.bootstrap, "ours", index) for index in range(2)}
        codecs = read(broker.bootstrap, "codecs", 0)
        broker.kill()
    with kafka:
        assert read(kafka.bootstrap, "codecs", 0) == codecs
        for index in range(2):
            assert read(kafka.bootstrap, "ours", index) == ours[index]
        for key in (("transactions", 0), ("idempotent", 0), ("compacted", 0)):
            assert [r.value for r in read(kafka.bootstrap, *key)] == [
                r.value for r in left.records[key]
            ]
        assert committed(kafka.bootstrap, "workers", "codecs") == 1777
        produce(kafka.bootstrap, "ours", 50, codec="zstd", seed=2)
        last = {index: read(kafka.bootstrap, "ours", index) for index in range(2)}
        kafka.kill()
    with BrokerProcess(tmp_path, data=kafka.data) as broker:
        for index in range(2):
            assert read(broker.bootstrap, "ours", index) == last[index]


def test_a_metadata_log_whose_beginning_kafka_deleted_is_read_from_its_snapshot(
    tmp_path: Path,
) -> None:
    """As after weeks, in seconds: small segments, many records, snapshots every second."""
    settings = [
        "internal.metadata.log.segment.bytes=4000",
        "metadata.log.max.snapshot.interval.ms=1000",
        "metadata.max.idle.interval.ms=5",
    ]
    kafka = KafkaProcess(tmp_path / "kafka", settings=settings)
    log = kafka.data / "__cluster_metadata-0"
    with kafka:
        create_topics(kafka.bootstrap, {"orders": (1, {})})
        produce(kafka.bootstrap, "orders", 100)
        records = read(kafka.bootstrap, "orders", 0)
        deadline = time.monotonic() + 60
        made = snapshot_ends(log)
        while len(snapshot_ends(log)) < len(made) + 3:
            assert time.monotonic() < deadline, "no snapshots"
            time.sleep(0.2)
        kafka.kill()
    newest = max(snapshot_ends(log))
    bases = sorted(int(file.stem) for file in log.glob("*.log"))
    first = max(base for base in bases if base <= newest)
    assert first > 0
    for file in log.glob("0*.*"):
        if file.suffix != ".checkpoint" and int(file.stem) < first:
            file.unlink()
    with BrokerProcess(tmp_path, data=kafka.data) as broker:
        assert read(broker.bootstrap, "orders", 0) == records
        create_topics(broker.bootstrap, {"ours": (1, {})})
        produce(broker.bootstrap, "ours", 10)
    with kafka:
        assert read(kafka.bootstrap, "orders", 0) == records
        assert len(read(kafka.bootstrap, "ours", 0)) == 10


def latest(records: list[Seen]) -> dict[bytes | None, Seen]:
    return {record.key: record for record in records}


def test_kafka_agrees_with_what_we_compacted(tmp_path: Path) -> None:
    """Every codec, transactions and all: the same last records, and no fault for its tool."""
    kafka = KafkaProcess(tmp_path / "kafka", settings=["log.cleaner.enable=false"])
    path = kafka.data / "compacted-0"
    off = ["--set", "log.cleaner.enable=false"]
    settings = TOPICS["compacted"][1]
    with BrokerProcess(tmp_path, data=kafka.data, options=off) as broker:
        create_topics(broker.bootstrap, {"compacted": (1, settings)})
        broker.stop()
        for file in path.iterdir():
            if file.name != "partition.metadata":
                file.unlink()
        written = write_log(path)
        broker.start()
        everything = read(broker.bootstrap, "compacted", 0)
        before = read(broker.bootstrap, "compacted", 0, committed=True)
        broker.stop()
    size = sum(file.stat().st_size for file in path.glob("*.log"))
    on = ["--set", "log.cleaner.backoff.ms=100"]
    with BrokerProcess(tmp_path, data=kafka.data, options=on) as broker:
        checkpoint = kafka.data / "cleaner-offset-checkpoint"
        deadline = time.monotonic() + CLEANER_TIMEOUT_SECONDS
        while not (checkpoint.exists() and "compacted 0 " in checkpoint.read_text()):
            assert time.monotonic() < deadline, "nothing was compacted"
            time.sleep(0.1)
        broker.stop()
    with BrokerProcess(tmp_path, data=kafka.data, options=off) as broker:
        kept = read(broker.bootstrap, "compacted", 0)
        after = read(broker.bootstrap, "compacted", 0, committed=True)
        assert ends_of(broker.bootstrap, "compacted", 0)[2] == written.end_offset
        broker.stop()
    assert sum(file.stat().st_size for file in path.glob("*.log")) < size / 2
    assert set(kept) < set(everything)
    assert set(after) < set(before)
    assert latest(after) == latest(before)

    text = dump(sorted(path.glob("*.log")), "--deep-iteration", "--print-data-log")
    assert not re.search(r"invalid|corrupt|mismatch|isvalid: false|exception", text, re.IGNORECASE)
    told = dump([*sorted(path.glob("*.index")), *sorted(path.glob("*.timeindex"))],
                "--verify-index-only").splitlines()  # fmt: skip
    assert all(line.startswith("Dumping ") for line in told if line.strip())
    with kafka:
        assert ends_of(kafka.bootstrap, "compacted", 0)[2] == written.end_offset
        assert read(kafka.bootstrap, "compacted", 0) == kept
        assert read(kafka.bootstrap, "compacted", 0, committed=True) == after


def test_neither_takes_a_directory_that_the_other_holds(tmp_path: Path) -> None:
    kafka = KafkaProcess(tmp_path / "kafka")
    broker = BrokerProcess(tmp_path, data=kafka.data)
    with broker, pytest.raises(AssertionError, match="Kafka did not start"):
        kafka.start()
    with kafka, pytest.raises(AssertionError, match=r"is in use by another process"):
        broker.start()


def test_a_partition_that_our_log_wrote_is_put_into_a_topic_of_kafkas(tmp_path: Path) -> None:
    """Kafka's topic with its id, our files: how single topics move."""
    kafka = KafkaProcess(tmp_path / "kafka")
    with kafka:
        create_topics(kafka.bootstrap, {"moved": (1, {})})
        kafka.stop()
        path = kafka.data / "moved-0"
        for file in path.iterdir():
            if file.name != "partition.metadata":
                file.unlink()
        written = write_log(path)
        (kafka.data / "recovery-point-offset-checkpoint").unlink()
        (kafka.data / ".kafka_cleanshutdown").unlink()
        with Log.open(str(path), clean=True, now_ms=0) as log:
            stable = log.last_stable_offset
            aborted = log.aborted(0, log.end_offset)
        kafka.start()
        assert ends_of(kafka.bootstrap, "moved", 0) == (0, stable, written.end_offset)
        everything = read(kafka.bootstrap, "moved", 0)
        chosen = read(kafka.bootstrap, "moved", 0, committed=True)
    assert aborted
    assert len(chosen) < len(everything)
    with BrokerProcess(tmp_path, data=kafka.data) as broker:
        assert ends_of(broker.bootstrap, "moved", 0) == (0, stable, written.end_offset)
        assert read(broker.bootstrap, "moved", 0) == everything
        assert read(broker.bootstrap, "moved", 0, committed=True) == chosen


def snapshot_ends(log: Path) -> list[int]:
    return [int(file.name[:20]) for file in log.glob("*.checkpoint")]


def test_kafka_serves_a_data_directory_that_we_wrote(tmp_path: Path) -> None:
    kafka = KafkaProcess(tmp_path / "kafka")
    with BrokerProcess(tmp_path, data=kafka.data) as broker:
        create_topics(broker.bootstrap, {"orders": (2, SEGMENTS), "gone": (1, {})})
        for term in range(2):
            for codec in CODECS:
                produce(broker.bootstrap, "orders", 2500, codec=codec, seed=term)
            broker.restart(kill=term == 0)
        commit(broker.bootstrap, "workers", "orders", 4321)
        written = {index: read(broker.bootstrap, "orders", index) for index in range(2)}
        broker.stop()
    assert len(list((kafka.data / "orders-0").glob("*.log"))) > 1
    with kafka:
        for index in range(2):
            assert read(kafka.bootstrap, "orders", index) == written[index]
        assert committed(kafka.bootstrap, "workers", "orders") == 4321
