"""What rows of columns cost on their way into batches and into a log on a real disk.

    python benchmarks/bench_ingest.py [DIRECTORY]

DIRECTORY should lie on the disk in question (default: a temporary one here). One thread, values of
100 bytes, nothing is synced; the best of several turns, since the kernel writes back meanwhile.
Prints a line a case, in million records a second.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from meghna._native import batch
from meghna._native.ingest import Column, Rows, append, assign, encode
from meghna._native.log import Log, LogConfig
from meghna.codecs import Codec, compress

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 1_000_000
SIZE = 100
TURNS = 7
NOW_MS = 1_800_000_000_000


def shown(name: str, seconds: float, count: int = COUNT) -> None:
    print(f"{name:52} {count / seconds / 1e6:8.1f} M records/s")


def best_of(call: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(TURNS):
        begin = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - begin)
        del result
    return best


def best_append(directory: Path, call: Callable[[Log], object]) -> float:
    """A fresh log a turn; opening and removing it is not counted."""
    best = float("inf")
    for _ in range(TURNS):
        path = directory / "topic-0"
        with Log.open(str(path), LogConfig(), now_ms=NOW_MS) as log:
            begin = time.perf_counter()
            call(log)
            best = min(best, time.perf_counter() - begin)
            log.abandon()
        shutil.rmtree(path)
    return best


def arrow_column(array: pa.Array) -> Column:
    validity, offsets, data = array.buffers()
    return Column.offsets(data, offsets, wide=False, count=len(array), validity=validity)


def view_column(array: pa.Array) -> Column:
    validity, views, *buffers = array.buffers()
    return Column.views(views, buffers, count=len(array), validity=validity)


def rows_of_every_kind(items: list[bytes]) -> dict[str, Rows]:
    strings = np.array(items, dtype=f"S{SIZE}")
    times = np.arange(COUNT, dtype=np.int64)
    array = pa.array(items, pa.binary())
    keys = Column.items([b"%08d" % (i % 100_000) for i in range(COUNT)])
    return {
        "Arrow binary": Rows(values=arrow_column(array), timestamp=NOW_MS),
        "Arrow binary, timestamps": Rows(values=arrow_column(array), timestamps=times),
        "Arrow binary, timestamps, keys of 8 bytes": Rows(
            values=arrow_column(array), keys=keys, timestamps=times
        ),
        "Arrow binary_view": Rows(
            values=view_column(array.cast(pa.binary_view())), timestamp=NOW_MS
        ),
        "numpy S100": Rows(
            values=Column.fixed(strings, SIZE, count=COUNT, trim=True), timestamp=NOW_MS
        ),
    }


def run_threads(directory: Path, rows: Rows, count: int) -> float:
    """Seconds that `count` threads take, each with its own log."""
    logs = [
        Log.open(str(directory / f"topic-{i}"), LogConfig(), now_ms=NOW_MS) for i in range(count)
    ]
    threads = [
        threading.Thread(target=append, args=(log, rows), kwargs={"now_ms": 1}) for log in logs
    ]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - begin
    for number, log in enumerate(logs):
        log.abandon()
        shutil.rmtree(directory / f"topic-{number}")
    return took


def run(directory: Path) -> None:
    some = [os.urandom(SIZE) for _ in range(1000)]
    items = [some[i % 1000] for i in range(COUNT)]
    parts = [(None, item, (), NOW_MS) for item in items[:10_000]]
    shown("batch.build of 10,000 tuples", best_of(lambda: batch.build(parts)), 10_000)
    kinds = rows_of_every_kind(items)
    for name, rows in kinds.items():
        shown(f"encode to bytes, {name}", best_of(partial(encode, rows)))
    for name, rows in kinds.items():
        call = partial(append, rows=rows, now_ms=NOW_MS)
        shown(f"append, {name}", best_append(directory, call))

    def append_items(log: Log) -> None:
        append(log, Rows(values=Column.items(items), timestamp=NOW_MS), now_ms=NOW_MS)

    shown("append, list of bytes", best_append(directory, append_items))
    keyed = kinds["Arrow binary, timestamps, keys of 8 bytes"]
    shown("assign to 16 partitions", best_of(partial(assign, keyed, 16, sticky=0)))
    packing = partial(compress, Codec.LZ4)
    lz4 = partial(append, rows=kinds["Arrow binary"], codec=3, compress=packing, now_ms=NOW_MS)
    shown("append, Arrow binary, lz4 (bytes that do not shrink)", best_append(directory, lz4))
    for count in (1, 2):
        took = min(run_threads(directory, kinds["Arrow binary"], count) for _ in range(TURNS))
        shown(f"append, Arrow binary, {count} threads and logs", took, count * COUNT)


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=place or Path(__file__).parent) as folder:
        run(Path(folder))
