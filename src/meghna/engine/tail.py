"""Records as they come: an iterator that waits for the next one, in a thread or in an event loop.

An append of this process wakes it up at once. What another process appends is looked for from time
to time: at first every few milliseconds, and ever more seldom while nothing comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from meghna.engine.ranges import Range, records_of
from meghna.errors import ClosedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from meghna._native.scan import Record
    from meghna.engine.log import Log

_POLL_MIN_S: Final = 0.002
_POLL_MAX_S: Final = 0.1
_POLL_GROWTH: Final = 1.5
_PIECE: Final = 10_000  # offsets that are read together


class Tail:
    """Records from a place on, without an end; made by `Topic.tail`.

    Iterate it with `for` in a thread or with `async for` in an event loop. The log may be appended
    to by any thread meanwhile. Who breaks off and iterates it again goes on behind the last record
    that was handed out.
    """

    __slots__ = ("_log", "_ranges", "_starts", "_timeout")

    def __init__(self, log: Log, ranges: list[Range], *, timeout: float | None) -> None:
        self._log = log
        # Their starts and ends do not count, but the times that were asked for.
        self._ranges = ranges
        self._starts = [part.start for part in ranges]
        self._timeout = timeout

    def __iter__(self) -> Iterator[Record]:
        arrived = threading.Event()
        with self._listening(arrived.set):
            while True:
                for number, batch in self._arrived():
                    for record in batch:
                        self._starts[number] = record.offset + 1
                        yield record
                for pause in self._pauses():
                    if arrived.wait(pause):
                        arrived.clear()
                        break
                    if self._has_more():
                        break
                else:
                    return

    async def __aiter__(self) -> AsyncIterator[Record]:
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(arrived.set)

        with self._listening(tell):
            while True:
                for number, batch in self._arrived():
                    for record in batch:
                        self._starts[number] = record.offset + 1
                        yield record
                    await asyncio.sleep(0)  # a long backlog does not hold up the loop
                for pause in self._pauses():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(arrived.wait(), pause)
                        arrived.clear()
                        break
                    if self._has_more():
                        break
                else:
                    return

    def _pauses(self) -> Iterator[float | None]:
        """How long to wait, time after time, for an append to be told; ends when it is time to."""
        now = self._log.monotonic_ms
        deadline = None if self._timeout is None else now() + self._timeout * 1000
        poll = _POLL_MIN_S if self._log.read_only else None
        while not self._log.closed:
            left = None if deadline is None else (deadline - now()) / 1000
            if left is not None and left <= 0:
                return
            yield min((pause for pause in (left, poll) if pause is not None), default=None)
            poll = None if poll is None else min(poll * _POLL_GROWTH, _POLL_MAX_S)

    @contextlib.contextmanager
    def _listening(self, tell: Callable[[], object]) -> Iterator[None]:
        for part in self._ranges:
            part.partition.listen(tell)
        try:
            yield
        finally:
            for part in self._ranges:
                part.partition.unlisten(tell)

    def _has_more(self) -> bool:
        try:
            self._log.refresh()
            return any(
                part.partition.end > start
                for part, start in zip(self._ranges, self._starts, strict=True)
            )
        except ClosedError:
            return True  # `_arrived` says what it means

    def _arrived(self) -> Iterator[tuple[int, list[Record]]]:
        """What lies between where each partition was left and its end, piece by piece."""
        try:
            self._log.refresh()
            for number, part in enumerate(self._ranges):
                end = part.partition.end
                while (start := self._starts[number]) < end:
                    piece = replace(part, start=start, end=min(start + _PIECE, end))
                    found = list(records_of(piece))
                    if found:
                        yield number, found
                    self._starts[number] = piece.end  # the last of it may not have been records
        except ClosedError:
            if not self._log.closed:  # a topic that was deleted is no end to be silent about
                raise
