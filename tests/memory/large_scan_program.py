"""Fills a topic with so many gigabytes, or scans it whole and says what that took.

large_scan_program.py fill DIRECTORY GB [COMPRESSION]
large_scan_program.py scan|count|duckdb DIRECTORY
"""

from __future__ import annotations

import json
import sys
import threading
import time

import pyarrow as pa
import pyarrow.compute as pc

import meghna
from memory.process_memory import anonymous_size

VALUE_SIZE = 100
ROWS = 500_000


class Peak(threading.Thread):
    """Looks every few milliseconds at what the process holds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.size = anonymous_size()
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(0.005):
            self.size = max(self.size, anonymous_size())

    def end(self) -> int:
        self._ended.set()
        self.join()
        return max(self.size, anonymous_size())


def fill(path: str, size: int, compression: str) -> None:
    values = [b"%0*d" % (VALUE_SIZE, number * 7919) for number in range(ROWS)]
    table = pa.table(
        {"key": pa.array([value[-12:] for value in values]), "value": pa.array(values, pa.binary())}
    )
    with meghna.open(path) as log:
        topic = log.topic("t", create=True, partitions=2, compression=compression)
        written = 0
        while written < size:
            topic.append_many(table)
            written += table.nbytes
            log.flush()  # or the kernel holds up everybody for it later


def by_batch(topic: meghna.Topic) -> tuple[int, int]:
    """Every payload is touched: its bytes are compared."""
    rows = size = 0
    for batch in topic.scan(columns=["offset", "key", "value"]):
        values = batch["value"].cast(pa.large_binary())
        assert pc.all(pc.ends_with(values, pattern=b"9")).as_py() is not None
        size += pc.sum(pc.binary_length(values)).as_py()
        rows += batch.num_rows
    return rows, size


def by_duckdb(topic: meghna.Topic) -> tuple[int, int]:
    import duckdb  # noqa: PLC0415 - only one of the ways

    connection = duckdb.connect(config={"threads": 2})
    rows = topic.scan(columns=["value"]).reader()  # noqa: F841 - found by its name
    answer = connection.execute("select count(*), sum(octet_length(value)) from rows")
    ((count, size),) = answer.fetchall()
    return int(count), int(size)


def by_count(topic: meghna.Topic) -> tuple[int, int]:
    rows = sum(1 for _ in topic.read())
    return rows, rows * VALUE_SIZE


def scan(path: str, way: str) -> None:
    peak = Peak()
    peak.start()
    begun = time.monotonic()
    with meghna.open(path, read_only=True) as log:
        topic = log["t"]
        rows, size = {"scan": by_batch, "duckdb": by_duckdb, "count": by_count}[way](topic)
        seconds = time.monotonic() - begun
        assert (rows, size) == (len(topic), len(topic) * VALUE_SIZE)
        said = {"way": way, "rows": rows, "disk": topic.size, "seconds": seconds}
    print(json.dumps(said | {"anonymous_peak": peak.end()}))


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        compression = sys.argv[4] if len(sys.argv) > 4 else "none"
        fill(sys.argv[2], int(float(sys.argv[3]) * 1e9), compression)
    else:
        scan(sys.argv[2], sys.argv[1])
