"""What is measured: one row each, with the jobs of Meghna and of its peers.

A job is a generator: it prepares, yields, works, yields, and then checks that what it kept or read
is what it was given. Only the work between the two is timed. Files are new in each run, so that
every page of them is new to the page cache within the timing.

A virtual machine may give free memory back to its host within seconds; then each new page costs a
fault there, many times what a write costs, and it is the host that is measured. So memory for a
run's files is touched just before it.
"""

from __future__ import annotations

import gc
import mmap
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.library import meghna_jobs, peers
from benchmarks.library.inputs import Inputs, make_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping

MADV_POPULATE_WRITE = 23  # <linux/mman.h>; not in the mmap module
SMALL_CALLS = 3

Job = Callable[[Inputs, Path], Iterator[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    what: str
    count: int
    """Records of a run."""
    per_call: int
    jobs: Mapping[str, Job]
    """By the name of the store; Meghna's first, and what its name begins with is Meghna's."""
    target: float | None = None
    """Records a second."""


@dataclass(frozen=True, slots=True)
class Sample:
    rate: float
    """Records a second."""
    cpu: float
    """CPU seconds of the process for a million records."""


@dataclass(slots=True)
class Inventory:
    """Inputs, made once for all rows of the same shape; in `small` runs a few calls of them."""

    small: bool = False
    _made: dict[tuple[int, int], Inputs] = field(default_factory=dict)

    def of(self, row: Row) -> Inputs:
        count, per_call = row.count, row.per_call
        if self.small:
            per_call = min(per_call, 1_000)
            count = per_call * SMALL_CALLS - 1
        if (count, per_call) not in self._made:
            self._made.clear()  # hundreds of megabytes
            self._made[count, per_call] = make_inputs(count, per_call)
        return self._made[count, per_call]


class Run:
    """One run of a job in a folder of its own, in steps: open, work, check."""

    def __init__(self, job: Job, inputs: Inputs, folder: Path) -> None:
        """Prepare."""
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.steps = job(inputs, folder)
        next(self.steps)

    def work(self) -> None:
        next(self.steps)

    def check(self) -> None:
        """What was kept, or read, is right; removes the files."""
        for _ in self.steps:
            raise RuntimeError("a job yields twice")
        shutil.rmtree(self.folder)


def settle(size: int) -> None:
    """Memory for `size` bytes is really there. What earlier runs left dirty went with its files."""
    gc.collect()
    with mmap.mmap(-1, size) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        memory.madvise(MADV_POPULATE_WRITE)


def measure(job: Job, inputs: Inputs, folder: Path) -> Sample:
    run = Run(job, inputs, folder)
    settle(2 * 100 * inputs.count + (64 << 20))
    cpu, begin = time.process_time(), time.perf_counter()
    run.work()
    took, used = time.perf_counter() - begin, time.process_time() - cpu
    run.check()
    return Sample(inputs.count / took, used / inputs.count * 1e6)


ROWS = (
    Row(
        name="list",
        what="append lists of bytes, 10,000 a call",
        count=500_000,
        per_call=10_000,
        target=6e6,
        jobs={
            "Meghna": meghna_jobs.append_list,
            "plain file": peers.plain,
            "Arrow IPC file": peers.ipc_list,
            "aiokafka's codec": peers.kafka_list,
            "lmdb": peers.lmdb_list,
            "rocksdict": peers.rocks_list,
            "sqlite3 WAL": peers.sqlite_list,
        },
    ),
    Row(
        name="list-1000",
        what="the same, 1,000 a call",
        count=500_000,
        per_call=1_000,
        target=6e6,
        jobs={
            "Meghna": meghna_jobs.append_list,
            "plain file": peers.plain,
            "Arrow IPC file": peers.ipc_list,
            "aiokafka's codec": peers.kafka_list,
            "lmdb": peers.lmdb_list,
            "rocksdict": peers.rocks_list,
            "sqlite3 WAL": peers.sqlite_list,
        },
    ),
    Row(
        name="arrow",
        what="append Arrow record batches of 65,536",
        count=983_040,
        per_call=65_536,
        target=20e6,
        jobs={
            "Meghna": meghna_jobs.append_arrow,
            "Arrow IPC file": peers.ipc_arrow,
            "lmdb": peers.lmdb_arrow,
            "DuckDB": peers.duckdb_arrow,
        },
    ),
    Row(
        name="numpy",
        what="append numpy arrays (S100) of 65,536",
        count=983_040,
        per_call=65_536,
        target=20e6,
        jobs={
            "Meghna": meghna_jobs.append_numpy,
            "plain file": peers.plain_numpy,
            "Arrow IPC file": peers.ipc_numpy,
            "lmdb": peers.lmdb_numpy,
        },
    ),
    Row(
        name="single",
        what="append one record a call",
        count=50_000,
        per_call=50_000,
        jobs={
            "Meghna": meghna_jobs.append_single,
            "plain file": peers.plain_single,
            "lmdb": peers.lmdb_single,
            "rocksdict": peers.rocks_single,
            "sqlite3 WAL": peers.sqlite_single,
        },
    ),
    Row(
        name="durable-list",
        what="append lists of 1,000, fdatasync each",
        count=200_000,
        per_call=1_000,
        target=2.5e6,
        jobs={
            "Meghna": meghna_jobs.append_list_durable,
            "plain file": peers.plain_durable,
            "Arrow IPC file": peers.ipc_list_durable,
            "aiokafka's codec": peers.kafka_list_durable,
            "lmdb": peers.lmdb_list_durable,
            "rocksdict": peers.rocks_list_durable,
            "sqlite3 WAL": peers.sqlite_list_durable,
        },
    ),
    Row(
        name="durable-arrow",
        what="append Arrow record batches of 1,000, fdatasync each",
        count=200_000,
        per_call=1_000,
        target=2.5e6,
        jobs={
            "Meghna": meghna_jobs.append_arrow_durable,
            "Arrow IPC file": peers.ipc_arrow_durable,
        },
    ),
    Row(
        name="iterate",
        what="read every value in Python",
        count=500_000,
        per_call=10_000,
        jobs={
            "Meghna, read()": meghna_jobs.iterate,
            "Meghna, batches": meghna_jobs.iterate_values,
            "Arrow IPC file": peers.ipc_iterate,
            "aiokafka's codec": peers.kafka_iterate,
            "lmdb": peers.lmdb_iterate,
            "rocksdict": peers.rocks_iterate,
            "plain file": peers.plain_iterate,
            "sqlite3 WAL": peers.sqlite_iterate,
        },
    ),
    Row(
        name="scan",
        what="scan to polars, which hashes every value",
        count=983_040,
        per_call=65_536,
        target=60e6,
        jobs={
            "Meghna": meghna_jobs.scan,
            "Arrow IPC file": peers.ipc_scan,
            "polars.scan_ipc": peers.polars_ipc_scan,
        },
    ),
    Row(
        name="scan-frames",
        what="scan to polars frames, every byte read once (CRC; the peer's by numpy)",
        count=983_040,
        per_call=65_536,
        target=60e6,
        jobs={"Meghna": meghna_jobs.scan_frames, "Arrow IPC file": peers.ipc_scan_summed},
    ),
    Row(
        name="encode",
        what="batches of 1,000 from a column, in memory",
        count=1_000_000,
        per_call=1_000,
        target=40e6,
        jobs={"Meghna": meghna_jobs.encode_columns, "aiokafka's codec": peers.kafka_encode},
    ),
    Row(
        name="decode",
        what="batches in memory to columns, CRCs checked",
        count=1_000_000,
        per_call=1_000,
        target=60e6,
        jobs={
            "Meghna, all columns": meghna_jobs.decode_columns,
            "Meghna, values": meghna_jobs.decode_values,
            "aiokafka's codec": peers.kafka_decode,
        },
    ),
)
