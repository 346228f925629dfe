"""What an append answers: where the rows went, and a way to wait until they are on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from concurrent.futures import Future

    from meghna.engine.partition import Partition


class Flush(StrEnum):
    """When an append returns; stated once, in docs/ARCHITECTURE.md under Durability."""

    NONE = "none"
    """In the page cache: survives the death of the process, as acks=1. `wait` makes it durable."""
    GROUP = "group"
    """Durable: survives a power cut, as acks=all. One fdatasync at the end of the call, shared by
    all threads that wait at that time."""
    EACH = "each"
    """Durable, batch by batch: an fdatasync before the next batch is begun."""


@dataclass(frozen=True, slots=True)
class Span:
    """The rows of one call in one partition: their first and last offset, and how many.

    Where several threads append to the partition at once, offsets between may be others'.
    """

    partition: int
    first_offset: int
    last_offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Appended:
    """Where rows were appended.

    The promise when an append returns is that of its `flush`; `wait` makes all of it durable,
    whatever that was. Who waits, flushes: no thread is started for it.
    """

    spans: tuple[Span, ...]
    """By partition; empty where nothing was appended."""
    skipped: int = 0
    """Rows that the same producer had appended before, and that were left out."""
    _partitions: tuple[Partition, ...] = field(default=(), repr=False, compare=False)

    @property
    def count(self) -> int:
        return sum(span.count for span in self.spans)

    @property
    def partition(self) -> int:
        """The partition, where it was one.

        Raises:
            ValueError: rows went to several partitions, or to none.
        """
        return self._only().partition

    @property
    def offset(self) -> int:
        """The offset of the first row, where all went to one partition.

        Raises:
            ValueError: rows went to several partitions, or to none.
        """
        return self._only().first_offset

    def _only(self) -> Span:
        if len(self.spans) != 1:
            raise ValueError(f"rows went to {len(self.spans)} partitions; look at .spans")
        return self.spans[0]

    @property
    def is_durable(self) -> bool:
        """Whether a power cut would leave it, as far as is known without waiting."""
        return all(
            partition.durable_end > span.last_offset
            for partition, span in zip(self._partitions, self.spans, strict=True)
        )

    def wait(self) -> Appended:
        """Wait until every row is durable. One fdatasync serves all threads that wait.

        Raises:
            StorageError: the disk failed; the rows may or may not survive a power cut, and the
                partition takes no more.
        """
        for partition, span in zip(self._partitions, self.spans, strict=True):
            partition.wait_durable(span.last_offset)
        return self

    def future(
        self, submit: Callable[[Callable[[], Appended]], Future[Appended]]
    ) -> Future[Appended]:
        """`wait` on the caller's executor: `append(…).future(executor.submit)`."""
        return submit(self.wait)

    def __await__(self) -> Generator[object, None, Appended]:
        """Wait without holding up the event loop, on its default executor."""
        import asyncio  # noqa: PLC0415 - only for programs that have it anyway

        return asyncio.get_running_loop().run_in_executor(None, self.wait).__await__()


def merged(parts: list[Appended]) -> Appended:
    """One answer for a call that appended in several pieces."""
    if len(parts) == 1:  # the usual case
        return parts[0]
    spans: dict[int, Span] = {}
    partitions: dict[int, Partition] = {}
    for part in parts:
        for partition, span in zip(part._partitions, part.spans, strict=True):
            first = spans.get(span.partition, span)
            spans[span.partition] = Span(
                span.partition,
                first.first_offset,
                span.last_offset,
                span.count + (first.count if first is not span else 0),
            )
            partitions[span.partition] = partition
    order = sorted(spans)
    return Appended(
        spans=tuple(spans[index] for index in order),
        skipped=sum(part.skipped for part in parts),
        _partitions=tuple(partitions[index] for index in order),
    )
