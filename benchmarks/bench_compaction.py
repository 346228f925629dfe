"""What compaction costs: bytes a second, memory, and what is left to whoever appends meanwhile.

`python benchmarks/bench_compaction.py [directory] [MB] [thousand keys] [codec]` writes a log of
records of 100 bytes with keys of 16 into a fresh directory there (default: the current one, 1,000
MB, 1,000 keys x 1,000, none), compacts it in one pass, then appends the same again, alone and
beside a second pass.

`… --kafka HOST:PORT DATA_DIRECTORY PID` gives the same records to a running Apache Kafka, turns its
cleaner on for them, and tells how long that took and what processor time the process used. Let it
have log.cleaner.backoff.ms=200.
"""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import meghna
from meghna import codecs
from meghna._native.batch import build
from meghna._native.compact import CompactReport, compact
from meghna._native.log import Log

ROWS = 250_000  # appended at once
VALUE_SIZE = 84
MAP_SIZE_MAX = 128 * 1024 * 1024
APPEND_SECONDS = 2.0


def fill(topic: meghna.Topic, size: int, keys: int) -> None:
    random = np.random.default_rng(1)
    values = random.integers(0, 255, (ROWS, VALUE_SIZE), dtype=np.uint8)
    values[:, VALUE_SIZE // 2 :] = 0
    while topic.partitions[0].size < size:
        numbers = random.integers(0, keys, ROWS)
        names = np.char.zfill(numbers.astype("S16"), 16)
        topic.append_many(values, key=names)


def run(log: Log) -> tuple[CompactReport, float, float]:
    began, used = time.perf_counter(), time.thread_time()
    report = compact(
        log,
        0,
        limit_offset=log.end_offset,
        min_lag_ms=0,
        delete_retention_ms=86_400_000,
        now_ms=time.time_ns() // 1_000_000,
        map_size_max=MAP_SIZE_MAX,
        seed=os.urandom(16),
        compress=codecs.compress,
        decompress=codecs.decompress,
        pace=lambda _size: None,
    )
    return report, time.perf_counter() - began, time.thread_time() - used


def memory_mb(name: str) -> float:
    text = Path("/proc/self/status").read_text()
    [line] = [x for x in text.splitlines() if x.startswith(name)]
    return int(line.split()[1]) / 1024


def append_for(log: Log, stop: threading.Event) -> float:
    """Megabytes a second, of batches of 16 KB."""
    now_ms = time.time_ns() // 1_000_000
    records = [(b"%016d" % key, bytes(VALUE_SIZE), (), now_ms) for key in range(160)]
    batches = build(records) * 16
    began, size = time.perf_counter(), 0
    while not stop.is_set():
        log.append(batches, now_ms=now_ms)
        size += len(batches)
    return size / (time.perf_counter() - began) / 1e6


def appended_alone(log: Log) -> float:
    stop = threading.Event()
    threading.Timer(APPEND_SECONDS, stop.set).start()
    return append_for(log, stop)


def appended_beside(log: Log) -> tuple[float, float]:
    """What was appended while a pass ran, and how fast that was, in MB/s."""
    stop = threading.Event()
    done: list[float] = []

    def compacted() -> None:
        report, seconds, _ = run(log)
        done.append(report.read_size / seconds / 1e6)
        stop.set()

    thread = threading.Thread(target=compacted)
    thread.start()
    rate = append_for(log, stop)
    thread.join()
    return rate, done[0]


def measure_kafka(bootstrap: str, directory: Path, pid: int) -> None:
    from confluent_kafka import Producer  # noqa: PLC0415 - for the peer alone
    from confluent_kafka.admin import (  # noqa: PLC0415
        AdminClient,
        AlterConfigOpType,
        ConfigEntry,
        ConfigResource,
        NewTopic,
    )

    name, rows, keys = f"compaction-{time.time_ns()}", 9_800_000, 1_000_000
    admin = AdminClient({"bootstrap.servers": bootstrap})
    config = {"segment.bytes": "104857600", "min.cleanable.dirty.ratio": "0.01"}
    made = admin.create_topics([NewTopic(name, 1, 1, config=config)])
    made[name].result()
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 20,
            "batch.num.messages": 10_000,
            "queue.buffering.max.messages": 2_000_000,
            "queue.buffering.max.kbytes": 500_000,
        }
    )
    random = np.random.default_rng(1)
    value = os.urandom(VALUE_SIZE // 2) + bytes(VALUE_SIZE // 2)
    for _ in range(rows // 10_000):
        for key in random.integers(0, keys, 10_000).tolist():
            producer.produce(name, value, b"%016d" % key)
        while len(producer) > 1_000_000:
            producer.poll(0.1)
    producer.flush()
    logs = sorted((directory / f"{name}-0").glob("*.log"))
    size = sum(log.stat().st_size for log in logs[:-1])
    time.sleep(5)

    def processor() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    began, used = time.perf_counter(), processor()
    change = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)
    kind = ConfigResource.Type.TOPIC
    admin.incremental_alter_configs([ConfigResource(kind, name, incremental_configs=[change])])
    checkpoint = directory / "cleaner-offset-checkpoint"
    line = f"{name} 0 {int(logs[-1].stem)}"
    while not checkpoint.exists() or line not in checkpoint.read_text():
        time.sleep(0.05)
    seconds, used = time.perf_counter() - began, processor() - used
    print(
        f"Kafka       {size / seconds / 1e6:8,.0f} MB/s of log ({size / used / 1e6:,.0f} by "
        f"processor time), {seconds:.2f} s, a map of 134 MB"
    )


def main() -> None:
    if "--kafka" in sys.argv:
        bootstrap, directory, pid = sys.argv[sys.argv.index("--kafka") + 1 :]
        measure_kafka(bootstrap, Path(directory), int(pid))
        return
    where = sys.argv[1] if len(sys.argv) > 1 else "."
    size = int(sys.argv[2] if len(sys.argv) > 2 else 1000) * 1_000_000
    keys = int(sys.argv[3] if len(sys.argv) > 3 else 1000) * 1000
    codec = sys.argv[4] if len(sys.argv) > 4 else "none"
    with tempfile.TemporaryDirectory(dir=where) as path, meghna.open(path) as opened:
        topic = opened.topic("c", create=True, compression=codec)
        fill(topic, size, keys)
        log = topic.partitions[0].log
        log.roll()
        log.flush()
        before, rows, anonymous = log.size, log.end_offset, memory_mb("RssAnon")
        peak_file = Path("/proc/self/clear_refs")
        peak_file.write_text("5")
        report, seconds, processor = run(log)
        print(f"{rows:,} records, {before / 1e6:,.0f} MB, {report.keys:,} keys, codec {codec}")
        print(
            f"compacted   {before / seconds / 1e6:8,.0f} MB/s of log "
            f"({before / processor / 1e6:,.0f} by processor time), {seconds:.2f} s, "
            f"{report.read_size / 1e6:,.0f} MB read, {report.written_size / 1e6:,.0f} MB written, "
            f"{log.size / 1e6:,.0f} MB left"
        )
        peak = memory_mb("VmHWM") - memory_mb("RssFile") - anonymous
        print(
            f"memory      {peak:8,.0f} MB at its peak, of which the map "
            f"{report.map_size / 1e6:.0f}: {report.map_size / max(report.keys, 1):.1f} bytes a key"
        )
        alone = appended_alone(log)
        log.roll()
        log.flush()
        beside, reading = appended_beside(log)
        print(
            f"appending   {alone:8,.0f} MB/s alone, {beside:,.0f} beside a pass of {reading:,.0f}"
        )


if __name__ == "__main__":
    main()
