"""meghna log verify: everything is read, every fault is named.

Segments are looked at several at a time; a partition is finished when the last of its segments is.
`survey` is the look itself, which `stats` and `repair` take as well.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from meghna.cli import log_partition, log_root, log_segment
from meghna.cli.log_finding import ERROR, FAULT, Finding, unread
from meghna.cli.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meghna.cli.log_paths import LogPath, PartitionPath

_LOOK_INTERVAL: Final = 0.2  # seconds


@dataclass(slots=True)
class Survey:
    """All that was looked at."""

    root: log_root.Root | None
    partitions: list[log_partition.Partition] = field(default_factory=list)
    seconds: float = 0.0

    def findings(self) -> Iterator[Finding]:
        if self.root is not None:
            yield from self.root.findings
        for partition in self.partitions:
            for segment in partition.segments:
                yield from segment.findings
            yield from partition.findings

    def faults(self) -> list[Finding]:
        return [finding for finding in self.findings() if finding.severity == FAULT]

    def errors(self) -> list[Finding]:
        """What could not be read."""
        return [finding for finding in self.findings() if finding.severity == ERROR]

    def count(self, name: str) -> int:
        """The sum of one of the totals over all segments."""
        return sum(
            getattr(segment.totals, name)
            for partition in self.partitions
            for segment in partition.segments
            if segment.totals is not None
        )

    @property
    def size(self) -> int:
        return sum(segment.size for p in self.partitions for segment in p.segments)


class _Bytes:
    """Bytes that the workers have looked at so far."""

    __slots__ = ("_lock", "done")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.done = 0

    def add(self, size: int) -> None:
        with self._lock:
            self.done += size


def survey(found: LogPath, *, deep: bool, threads: int | None = None, quiet: bool = True) -> Survey:
    """Look at everything that lies at a path. Raises OSError."""
    began = time.monotonic()
    root = log_root.look(found)
    made = Survey(root)
    for path in found.partitions:
        if not path.is_deleted:
            known = log_partition.Known(is_clean=found.was_clean)
            if root is not None:
                known = root.known(path.topic, path.index)
            made.partitions.append(_listed(path, known))
    _look_at_segments(made, deep=deep, threads=threads, quiet=quiet)
    for partition in made.partitions:
        _check(partition)
        if root is not None and not partition.path.only and not partition.is_unread:
            log_root.check_offsets(root, partition)
    if root is not None and found.is_root:
        log_root.check_presence(root, made.partitions)
    if root is not None and not found.is_root:
        # Of the directory around it, only what speaks of what was named.
        names = {partition.path.name for partition in made.partitions}
        root.findings = [
            f for f in root.findings if f.severity == ERROR or f.message.split(" ")[0] in names
        ]
    made.seconds = time.monotonic() - began
    return made


def _listed(path: PartitionPath, known: log_partition.Known) -> log_partition.Partition:
    try:
        return log_partition.Partition(path, known, _segments(path))
    except OSError as error:
        where = error.filename or path.path
        return log_partition.Partition(path, known, [], [unread(where, error)])


def _check(partition: log_partition.Partition) -> None:
    """Hold the files against each other, unless one of them could not be read."""
    if partition.is_unread:
        return
    try:
        log_partition.check(partition)
    except OSError as error:
        partition.findings = [unread(error.filename or partition.path.path, error)]


def _segments(path: PartitionPath) -> list[log_segment.Segment]:
    bases = path.bases()
    nexts = [*bases[1:], None][: len(bases)]
    return [
        log_segment.Segment(base, next_base, os.path.getsize(path.file(base, ".log")))
        for base, next_base in zip(bases, nexts, strict=True)
        if not path.only or base in path.only
    ]


def _look_at_segments(made: Survey, *, deep: bool, threads: int | None, quiet: bool) -> None:
    seen = _Bytes()
    work = [(partition, segment) for partition in made.partitions for segment in partition.segments]
    work.sort(key=lambda item: -item[1].size)

    def look(item: tuple[log_partition.Partition, log_segment.Segment]) -> None:
        log_segment.look(item[0].path, item[1], deep=deep, on_bytes=seen.add)

    workers = min(threads or os.cpu_count() or 1, len(work))
    if workers <= 1:
        for item in work:
            look(item)
        return
    progress = Progress(quiet=quiet, unit="MB", delay=1.0)
    progress.what = "verify"
    whole = made.size
    with ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(look, item) for item in work]
        try:
            for future in waiting:
                while not future.done():
                    progress.rows = seen.done // 1_000_000
                    progress.draw(seen.done / whole if whole else None)
                    time.sleep(_LOOK_INTERVAL if whole > (1 << 28) else 0.001)
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            progress.clear()
