"""Many small appends to one partition, written as few large ones.

Each append waits for the disk. What is submitted while one append is under way, or in the same
turn of the event loop, goes into the next one together; so a hundred commits that arrive together
cost one wait. Order is kept, and `settled` is called in that order, with the error if there was
one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from meghna.errors import Error

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

BATCH_SIZE_MAX = 512 * 1024
"""Bytes of keys and values in one append, unless one submission alone has more: half of what a
partition accepts at its defaults, so the frame around the records never decides."""


class LogRecord(NamedTuple):
    key: bytes
    value: bytes | None
    timestamp_ms: int


class OffsetsLog(Protocol):
    """The port to the partitions of `__consumer_offsets`."""

    async def append(self, partition: int, records: Sequence[LogRecord]) -> None:
        """Append the records as one batch; returns once it is durable.

        Raises Error where it could not be made durable.
        """

    def read(self, partition: int) -> Iterator[Sequence[LogRecord]]:
        """What the log holds, from its start, a batch at a time. May wait for the disk: it is
        stepped in an executor. Control batches and aborted transactions are left out."""


Settled = Callable[[Error | None], None]


class Submission(NamedTuple):
    records: Sequence[LogRecord]
    settled: Settled


class Journal:
    """The writer of one partition. `tasks` owns the task that writes while there is something."""

    __slots__ = ("_is_writing", "_log", "_partition", "_tasks", "_waiting")

    def __init__(self, log: OffsetsLog, partition: int, tasks: asyncio.TaskGroup) -> None:
        self._log = log
        self._partition = partition
        self._tasks = tasks
        self._waiting: deque[Submission] = deque()
        self._is_writing = False

    @property
    def is_idle(self) -> bool:
        return not self._is_writing

    def submit(self, records: Sequence[LogRecord], settled: Settled) -> None:
        """Write `records` after all that was submitted before; no records make a barrier, which is
        settled in its turn."""
        self._waiting.append(Submission(records, settled))
        if not self._is_writing:
            self._is_writing = True
            # It runs after whatever is ready now, so that all of that goes into its first append.
            self._tasks.create_task(self._write(), name=f"offsets-{self._partition}")

    async def _write(self) -> None:
        try:
            while self._waiting:
                submissions = self._next_batch()
                records = [record for each in submissions for record in each.records]
                error: Error | None = None
                if records:
                    try:
                        await self._log.append(self._partition, records)
                    except Error as refused:
                        error = refused
                for submission in submissions:
                    submission.settled(error)
        finally:
            self._is_writing = False

    def _next_batch(self) -> list[Submission]:
        submissions = [self._waiting.popleft()]
        size = records_size(submissions[0].records)
        while self._waiting:
            size += records_size(self._waiting[0].records)
            if size > BATCH_SIZE_MAX:
                break
            submissions.append(self._waiting.popleft())
        return submissions


def records_size(records: Sequence[LogRecord]) -> int:
    return sum(len(record.key) + len(record.value or b"") for record in records)
