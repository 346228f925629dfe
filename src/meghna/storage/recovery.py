"""Opening many logs: the largest first, on several threads, and a word while it takes long.

After an unclean stop what lies above the recovery points is checked. How much that is shows in the
sizes of the files, so whoever waits is told how far it is, how fast and how long it will take.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, NamedTuple

from meghna._native.log import Log, Progress
from meghna.errors import Error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from meghna._native.log import LogConfig
    from meghna.clock import Clock
    from meghna.storage.checkpoint import TopicPartition

logger = logging.getLogger(__name__)

_TELL_SECONDS = 1.0
_GIGABYTE = 1e9
_THREADS_WORTHWHILE = 4  # logs that need no check: opening a few takes less than a thread does


class Job(NamedTuple):
    """A log to be opened."""

    partition: TopicPartition
    path: str
    config: LogConfig
    clean: bool
    recovery_point: int
    start_offset: int


def size_to_check(job: Job) -> int:
    """Bytes of the segments that have to be checked: from the one with the recovery point on."""
    if job.clean:
        return 0
    sizes = {}
    try:
        with os.scandir(job.path) as entries:
            for entry in entries:
                stem, dot, ending = entry.name.partition(".")
                if dot and ending == "log" and stem.isdecimal():
                    sizes[int(stem)] = entry.stat().st_size
    except OSError:
        return 0  # opening it will tell
    first = max((base for base in sizes if base < job.recovery_point), default=0)
    return sum(size for base, size in sizes.items() if base >= first)


def open_logs(
    jobs: Sequence[Job], *, threads: int, clock: Clock
) -> Iterator[tuple[TopicPartition, Log | Error]]:
    """Open each; one that cannot be opened gives its error."""
    sizes = [size_to_check(job) for job in jobs]
    total = sum(sizes)
    progress = Progress()
    now_ms = clock.now_ms()

    def opened(job: Job, size: int) -> tuple[TopicPartition, Log | Error]:
        # A log that is most of the work gets most of the threads.
        share = max(1, round(threads * size / total)) if total else 1
        try:
            return job.partition, Log.open(
                job.path,
                job.config,
                clean=job.clean,
                recovery_point=job.recovery_point,
                start_offset=job.start_offset,
                now_ms=now_ms,
                threads=share,
                progress=progress,
            )
        except Error as error:
            return job.partition, error

    if not total and (threads < 2 or len(jobs) < _THREADS_WORTHWHILE):
        yield from (opened(job, 0) for job in jobs)
        return
    started_ms = clock.monotonic_ms()
    order = sorted(range(len(jobs)), key=sizes.__getitem__, reverse=True)
    with ThreadPoolExecutor(max(threads, 1), thread_name_prefix="meghna-logs") as pool:
        done = [pool.submit(opened, jobs[index], sizes[index]) for index in order]
        left = set(done)
        while left:
            _, left = wait(left, _TELL_SECONDS)
            if left and total:
                _tell(progress.size, total, clock.monotonic_ms() - started_ms)
    logger.info(
        "opened %d logs in %d ms, %.2f GB of them checked",
        len(jobs),
        clock.monotonic_ms() - started_ms,
        total / _GIGABYTE,
    )
    yield from (each.result() for each in done)


def _tell(size: int, total: int, elapsed_ms: int) -> None:
    """A warning: whoever waits should see it, and what led to it was no clean stop."""
    size = min(size, total)
    rate = size / max(elapsed_ms, 1) * 1000
    rest = f", {(total - size) / rate:.0f} s left" if rate and size < total else ""
    logger.warning(
        "checking logs after an unclean stop: %.2f of %.2f GB, %.2f GB/s%s",
        size / _GIGABYTE,
        total / _GIGABYTE,
        rate / _GIGABYTE,
        rest,
    )
