"""What an append answers: where the rows went, and a way to wait until they are on disk."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from concurrent.futures import Future

    from meghna._native.ingest import Ingested
    from meghna.engine.partition import Partition


class Flush(StrEnum):
    """What is promised when an append returns.

    none: the rows are in the page cache, and survive the death of the process (as acks=1 does).
        `Appended.wait` makes them durable later.
    group: they are durable, and survive a power cut (as acks=all does here). One fdatasync at the
        end of the call, shared by all threads that wait at that time.
    each: durable piece by piece: an fdatasync every 10,000 rows, before the next are looked at.
    """

    NONE = "none"
    GROUP = "group"
    EACH = "each"


@dataclass(frozen=True, slots=True)
class Span:
    """The rows of one call in one partition: their first and last offset, and how many.

    Where several threads append to the partition at once, offsets between may be others'.
    """

    partition: int
    first_offset: int
    last_offset: int
    count: int


class Appended:
    """Where rows were appended.

    The promise when an append returns is that of its `flush`; `wait` makes all of it durable,
    whatever that was. Who waits, flushes: no thread is started for it.
    """

    # One is made for every append, and few are looked at: spans are made when asked for.
    __slots__ = ("_parts", "_skipped")

    def __init__(self, parts: tuple[tuple[Partition, Ingested], ...], skipped: int) -> None:
        self._parts = parts
        self._skipped = skipped

    def __repr__(self) -> str:
        return f"Appended(spans={self.spans}, skipped={self.skipped})"

    @property
    def spans(self) -> tuple[Span, ...]:
        """By partition; empty where nothing was appended."""
        return tuple(
            Span(partition.index, done.base_offset, done.last_offset, done.count)
            for partition, done in self._parts
        )

    @property
    def skipped(self) -> int:
        """Rows that the same producer had appended before, and that were left out."""
        return self._skipped

    @property
    def count(self) -> int:
        return sum(done.count for _, done in self._parts)

    @property
    def partition(self) -> int:
        """The partition, where it was one.

        Raises:
            ValueError: rows went to several partitions, or to none.
        """
        return self._only()[0].index

    @property
    def offset(self) -> int:
        """The offset of the first row, where all went to one partition.

        Raises:
            ValueError: rows went to several partitions, or to none.
        """
        return self._only()[1].base_offset

    def _only(self) -> tuple[Partition, Ingested]:
        if len(self._parts) != 1:
            raise ValueError(f"rows went to {len(self._parts)} partitions; look at .spans")
        return self._parts[0]

    @property
    def is_durable(self) -> bool:
        """Whether a power cut would leave it, as far as is known without waiting."""
        return all(partition.durable_end > done.last_offset for partition, done in self._parts)

    def wait(self) -> Appended:
        """Wait until every row is durable. One fdatasync serves all threads that wait.

        Raises:
            StorageError: the disk failed; the rows may or may not survive a power cut, and the
                partition takes no more.
        """
        for partition, done in self._parts:
            partition.wait_durable(done.last_offset)
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
    whole: dict[Partition, Ingested] = {}
    for part in parts:
        for partition, done in part._parts:
            before = whole.get(partition)
            whole[partition] = (
                done
                if before is None
                else done._replace(base_offset=before.base_offset, count=before.count + done.count)
            )
    return Appended(
        tuple(sorted(whole.items(), key=lambda item: item[0].index)),
        sum(part.skipped for part in parts),
    )
