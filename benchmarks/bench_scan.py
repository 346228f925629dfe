"""What it costs to scan a log into columns, to touch every payload, and to make records of it.

`python benchmarks/bench_scan.py [directory] [million records]` writes a log of 100-byte payloads
into a fresh directory there (default: the current one, 20 million: 2.2 GB, which must fit in the
page cache twice) and the same payloads as an Arrow IPC file. Every rate is the best of several
rounds by the wall clock, and beside it by processor time, which says more on a busy machine.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from meghna import codecs
from meghna._native import scan
from meghna._native.batch import build
from meghna._native.log import Log, LogConfig

NOW_MS = 1_700_000_000_000
BATCH_ROWS = 1000
APPEND_BATCHES = 10  # at once
SMALL_ROWS = 50_000  # stay in the processor's cache
ROUNDS = 5


def fill(log: Log, rows: int, codec: int = 0) -> None:
    records = [(None, os.urandom(100), (), NOW_MS + i) for i in range(BATCH_ROWS)]
    compress = (lambda data: codecs.compress(codec, data)) if codec else None
    batches = build(records, attributes=codec, compress=compress) * APPEND_BATCHES
    for _ in range(rows // (BATCH_ROWS * APPEND_BATCHES)):
        log.append(batches, now_ms=NOW_MS)


def write_ipc(path: Path, rows: int) -> None:
    payloads = pa.array([os.urandom(100) for _ in range(BATCH_ROWS)] * 64, pa.binary())
    count = len(payloads)
    numbers = pa.array(np.arange(count))
    batch = pa.record_batch([numbers, numbers, payloads], ["offset", "timestamp", "value"])
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        for _ in range(rows // count):
            writer.write_batch(batch)


def anonymous_mb() -> float:
    [line] = [x for x in Path("/proc/self/status").read_text().splitlines() if "RssAnon" in x]
    return int(line.split()[1]) / 1024


def measure(name: str, work: Callable[[], int], rounds: int = ROUNDS) -> None:
    wall = processor = float("inf")
    rows = 0
    for _ in range(rounds):
        began, used = time.perf_counter(), time.process_time()
        rows = work()
        processor = min(processor, time.process_time() - used)
        wall = min(wall, time.perf_counter() - began)
    print(
        f"{name:52} {rows / wall / 1e6:7.1f} M rows/s, {rows / processor / 1e6:7.1f} by processor"
        f" time; anonymous memory {anonymous_mb():.0f} MB",
        flush=True,
    )


def scan_all(log: Log, *, columns: int = scan.ALL, copy: bool = False, touch: bool = False) -> int:
    scanner = scan.Scanner(
        log, 0, log.end_offset, columns=columns, copy=copy, decompress=codecs.decompress
    )
    rows = 0
    while (chunk := scanner.next()) is not None:
        rows += chunk.count
        if touch:
            views = np.frombuffer(chunk.values.views, np.int32).reshape(-1, 4)
            np.frombuffer(chunk.buffers[0], np.uint8)[views[:, 3]].sum()
    return rows


def scan_ipc(path: Path, *, touch: bool) -> int:
    rows = 0
    with pa.memory_map(str(path)) as source:
        reader = pa.ipc.open_file(source)
        for i in range(reader.num_record_batches):
            batch = reader.get_batch(i)
            rows += batch.num_rows
            if touch:
                _, offsets, data = batch.column(2).buffers()
                starts = np.frombuffer(offsets, np.int32)[:-1]
                np.frombuffer(data, np.uint8)[starts].sum()
    return rows


def loop(log: Log, rows: int) -> int:
    scanner = scan.Scanner(log, 0, rows, rows_max=4096)
    size = count = 0
    while (chunk := scanner.next()) is not None:
        for record in scan.records(chunk):
            size += len(record.value)
            count += 1
    return count


def again(log: Log, times: int) -> int:
    """A log that stays in the processor's cache and mapped: what checking and decoding cost."""
    keep = scan.Scanner(log, 0, log.end_offset, rows_max=1)
    keep.next()
    return sum(scan_all(log) for _ in range(times))


def main() -> None:
    where = sys.argv[1] if len(sys.argv) > 1 else "."
    rows = int(float(sys.argv[2]) * 1e6) if len(sys.argv) > 2 else 20_000_000
    with tempfile.TemporaryDirectory(dir=where) as name:
        place = Path(name)
        config = LogConfig(segment_size_max=1 << 30)
        with Log.open(str(place / "plain-0"), config, now_ms=NOW_MS) as log:
            fill(log, rows)
            print(f"{rows:,} rows, {log.size / 1e6:,.0f} MB, {log.segment_count} segments")
            measure("scan, all columns", lambda: scan_all(log))
            columns = scan.OFFSETS | scan.VALUES
            measure("scan, offsets and values", lambda: scan_all(log, columns=columns))
            measure("scan, then touch every payload", lambda: scan_all(log, touch=True))
            measure("scan, copied into plain columns", lambda: scan_all(log, copy=True), 2)
            measure("records, in a for loop", lambda: loop(log, rows // 10), 3)
        for codec in (codecs.Codec.LZ4, codecs.Codec.ZSTD):
            with Log.open(str(place / f"{codec.name}-0"), config, now_ms=NOW_MS) as log:
                fill(log, rows // 10, codec)
                measure(f"scan, {codec.name} of bytes that do not shrink", lambda: scan_all(log))
        with Log.open(str(place / "small-0"), config, now_ms=NOW_MS) as log:
            fill(log, SMALL_ROWS)
            measure("check and decode, in cache", lambda: again(log, 100))
        write_ipc(place / "payloads.arrow", rows)
        path = place / "payloads.arrow"
        measure("pyarrow IPC, mapped", lambda: scan_ipc(path, touch=False))
        measure("pyarrow IPC, mapped, every payload touched", lambda: scan_ipc(path, touch=True))


if __name__ == "__main__":
    main()
