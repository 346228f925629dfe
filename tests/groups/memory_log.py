"""A log of `__consumer_offsets` in memory, whose disk is slow or broken when a test says so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from meghna.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from meghna.groups.journal import LogRecord


class MemoryLog:
    def __init__(self) -> None:
        self.batches: dict[int, list[list[LogRecord]]] = {}
        self.failures = 0
        self.turns = asyncio.Event()
        self.turns.set()
        """Cleared, appends wait."""

    async def append(self, partition: int, records: Sequence[LogRecord]) -> None:
        assert records, "an empty batch"
        await self.turns.wait()
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise StorageError("the disk is full")
        self.batches.setdefault(partition, []).append(list(records))

    def read(self, partition: int) -> Iterator[Sequence[LogRecord]]:
        return iter(list(self.batches.get(partition, ())))

    @property
    def append_count(self) -> int:
        return sum(map(len, self.batches.values()))


class FakeClock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.time_ms = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.time_ms

    def monotonic_ms(self) -> int:
        return self.time_ms - 1_000
