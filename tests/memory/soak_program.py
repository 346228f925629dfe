"""Takes in rows of every kind for some time, and says every so often what it holds.

    soak_program.py DIRECTORY SECONDS

Lists, Arrow tables and numpy arrays are appended by a thread each, with retention deleting behind
them; beside these topics are scanned (and the tables kept for a while), followed, read, made,
deleted, and the directory opened read-only again and again. Each sample is a line on stdout.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

import meghna
from meghna.errors import OutOfRangeError
from memory.process_memory import (
    MIB,
    anonymous_size,
    descriptor_count,
    limit_data,
    mapping_count,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 5_000
VALUE_SIZE = 100
SEGMENT_SIZE = 8 * MIB
KEPT_SIZE = 40 * MIB
DATA_MAX = 1024 * MIB
"""What may be allocated beyond what the imports took."""
PAUSE_S = 0.005  # between calls, so that the machine is good for something else
SAMPLES = 60


class Soak:
    """The threads, and what they counted."""

    def __init__(self, log: meghna.Log) -> None:
        self.log = log
        self.stopping = threading.Event()
        self.counts = {"appended": 0, "scanned": 0, "followed": 0, "overtaken": 0, "turns": 0}

    def topic(self, name: str, compression: str = "none") -> meghna.Topic:
        return self.log.topic(
            name,
            create=True,
            partitions=2,
            retention_size=KEPT_SIZE,
            compression=compression,
            settings={"segment.bytes": SEGMENT_SIZE},
        )

    def repeated(self, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                while not self.stopping.wait(PAUSE_S):
                    work()
            except BaseException:
                faulthandler.dump_traceback()
                self.stopping.set()
                raise

        return threading.Thread(target=run)

    def appending(self, rows: object, topic: meghna.Topic, *, named: bool = False) -> None:
        if named:
            position = (topic.position_of("soak") or -1) + 1
            done = topic.append_many(rows, producer="soak", position=position)
        else:
            done = topic.append_many(rows)
        self.counts["appended"] += done.count

    def scanning(self, topic: meghna.Topic, kept: deque[pa.Table]) -> None:
        """Half of the topic at a time; the tables of the last turns are held."""
        try:
            for partition in topic.partitions:
                start = {partition.index: (partition.start + partition.end) // 2}
                table = topic.scan(start, partition=partition.index).to_arrow()
                self.counts["scanned"] += table.num_rows
                kept.append(table)
            for batch in topic.scan(columns=["value"], copy=True):
                self.counts["scanned"] += batch.num_rows
        except OutOfRangeError:  # retention was faster
            self.counts["overtaken"] += 1
        self.stopping.wait(0.05)

    def following(self, topic: meghna.Topic) -> None:
        try:
            for _ in topic.tail(timeout=0.2):
                self.counts["followed"] += 1
                if self.stopping.is_set():
                    return
        except OutOfRangeError:
            self.counts["overtaken"] += 1

    def turning(self) -> None:
        """What is done now and then in a program, a hundred times as often."""
        name = f"passing-{self.counts['turns'] % 3}"
        topic = self.log.topic(name, create=True, compression="zstd")
        topic.append_many([(b"k", b"v" * 50, {"h": b"x"})] * 100, flush="group")
        table = topic.scan().to_arrow()
        assert topic[-1].value == topic[len(topic) - 1].value
        with meghna.open(self.log.path, read_only=True) as beside:
            assert len(list(beside[name].read(-10))) == 10
        self.log.delete_topic(name)
        assert table.num_rows == 100
        self.counts["turns"] += 1
        self.stopping.wait(0.05)


def main(path: str, seconds: float) -> None:
    values = [os.urandom(VALUE_SIZE // 2) * 2 for _ in range(ROWS)]
    pairs = [(value[:8], value, {"name": value[:20]}) for value in values]
    table = pa.table({"key": pa.array([v[:8] for v in values]), "value": pa.array(values)})
    array = np.array(values, dtype=f"V{VALUE_SIZE}")
    with meghna.open(path) as log:
        soak = Soak(log)
        limit_data(DATA_MAX)
        lists, arrow, packed = soak.topic("lists"), soak.topic("arrow"), soak.topic("packed", "lz4")
        kept: deque[pa.Table] = deque(maxlen=4)
        threads = [
            soak.repeated(lambda: soak.appending(values, lists)),
            soak.repeated(lambda: soak.appending(pairs, lists)),
            soak.repeated(lambda: soak.appending(iter(values), lists)),
            soak.repeated(lambda: soak.appending(table, arrow)),
            soak.repeated(lambda: soak.appending(array, packed, named=True)),
            soak.repeated(lambda: soak.scanning(arrow, kept)),
            soak.repeated(lambda: soak.scanning(packed, deque(maxlen=1))),
            soak.repeated(lambda: soak.following(lists)),
            soak.repeated(soak.turning),
        ]
        for thread in threads:
            thread.start()
        begun = time.monotonic()
        for sample in range(SAMPLES):
            soak.stopping.wait(max(begun + seconds * (sample + 1) / SAMPLES - time.monotonic(), 0))
            if soak.stopping.is_set():
                break
            said = {
                "seconds": round(time.monotonic() - begun, 1),
                "anonymous": anonymous_size(),
                "descriptors": descriptor_count(),
                "mappings": mapping_count(),
                "disk": sum(log.topic(name).size for name in ("lists", "arrow", "packed")),
                **soak.counts,
            }
            print(json.dumps(said), flush=True)
        failed = soak.stopping.is_set()
        soak.stopping.set()
        for thread in threads:
            thread.join(60)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
