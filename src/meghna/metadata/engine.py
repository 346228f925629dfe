"""The local engine: metadata of one process, as records in a log of its own.

Whoever changes something takes the turn, decides records from the image that is current then,
and commits them: one batch, appended and synced, then applied. So changes are in order and
durable before anybody can see them, and a start replays the same image.

    async with engine.turn:
        records = decide(engine.image)
        await engine.commit(records)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from meghna._native import batch
from meghna._native.log import Log, LogConfig
from meghna.errors import CorruptDataError, OutOfRangeError, StorageError
from meghna.metadata import records as wire
from meghna.metadata import snapshot as snapshots
from meghna.metadata.image import Image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor

    from meghna.clock import Clock
    from meghna.metadata.records import Record

logger = logging.getLogger(__name__)

_READ_SIZE = 1 << 20
# Of a replay: bytes that are none of ours, and records that contradict those before.
_DAMAGES = (
    wire.UnreadableRecordError,
    CorruptDataError,
    OutOfRangeError,
    AssertionError,
    KeyError,
    IndexError,
)
# The attribute of batches that KRaft writes for itself.
_CONTROL = 0x20
# Kafka's own metadata log keeps small segments, too: it is read as a whole at every start.
_CONFIG = LogConfig(segment_size_max=64 << 20)


class LocalEngine:
    """Owns the metadata log from `open` to `close`. Used by the event loop's thread."""

    __slots__ = (
        "_clock",
        "_executor",
        "_image",
        "_is_ahead",
        "_log",
        "_next",
        "is_new",
        "removed_topic_ids",
        "turn",
    )

    def __init__(self, log: Log, *, clock: Clock, executor: Executor | None) -> None:
        self._log = log
        self._clock = clock
        self._executor = executor
        self._image = Image()
        self._is_ahead = False
        self._next = 0  # offset of what was not replayed yet
        self.turn = asyncio.Lock()
        self.is_new = log.end_offset == 0
        self.removed_topic_ids: set[bytes] = set()
        """Topics that the log saw removed: what is left of them on disk may go."""

    @classmethod
    def open(
        cls,
        path: str,
        *,
        clean: bool,
        clock: Clock,
        executor: Executor | None = None,
        read_only: bool = False,
    ) -> LocalEngine:
        """Open or create the log at `path` and replay it. Waits for the disk; `commit` later does
        so on `executor`. `read_only`: beside the one who writes; see `refresh`.

        Raises:
            StorageError: the log cannot be read or does not hold metadata records.
            NotFoundError: `read_only`, and there is no log.
        """
        log = Log.open(path, _CONFIG, clean=clean, read_only=read_only, now_ms=clock.now_ms())
        engine = cls(log, clock=clock, executor=executor)
        try:
            engine._replay()
        except BaseException:
            log.abandon()
            raise
        return engine

    @property
    def image(self) -> Image:
        return self._image

    def refresh(self) -> Image:
        """Apply what somebody else committed since; of an engine that was opened read-only.

        Raises:
            StorageError: as `open`.
        """
        self._log.refresh()
        if self._log.end_offset > self._next:
            self._replay()
        return self._image

    def _replay(self) -> None:
        try:
            self._image = self._image.apply(self._stored_records())
        except _DAMAGES as error:
            raise self._damaged(f"is damaged at offset {self._next}: {error}") from error

    def _damaged(self, what: str) -> StorageError:
        path = self._log.path
        return StorageError(
            f"{path}: the metadata log {what}; look at it with `meghna log verify {path}`, bring "
            "it back from a copy, or, as the last resort, move this directory away: topics are "
            "then taken in again as they lie there, but their settings are lost and defaults hold, "
            "retention too"
        )

    def _stored_records(self) -> Iterator[Record]:
        if self._next < self._log.start_offset:
            yield from self._records_of_snapshot()
        while data := self._log.read(self._next, size_max=_READ_SIZE):
            for piece in batch.split(data):
                header = batch.header(piece)
                if not header.attributes & _CONTROL:
                    yield from self._records_of(piece)
                self._next = header.last_offset + 1

    def _records_of_snapshot(self) -> Iterator[Record]:
        start, end = self._log.start_offset, self._log.end_offset
        snapshot = snapshots.find(self._log.path, start_offset=start, end_offset=end)
        if snapshot is None:
            raise self._damaged(
                f"begins at offset {start}, and there is no snapshot of what was before"
            )
        try:
            for piece in snapshots.batches(snapshot):
                yield from self._records_of(piece)
        except OSError as error:
            raise StorageError(f"{snapshot.path}: {error}") from error
        except CorruptDataError as error:
            raise self._damaged(f"has a damaged snapshot, {snapshot.path}: {error}") from error
        self._next = snapshot.end_offset

    def _records_of(self, data: memoryview) -> Iterator[Record]:
        for stored in batch.records(data):
            record = wire.decode(stored.value or b"")
            if isinstance(record, wire.TopicRemoved):
                self.removed_topic_ids.add(record.topic_id)
            if record is not None:
                yield record

    async def commit(self, records: Sequence[Record]) -> Image:
        """Make `records` durable, apply them, and answer with the image after them.

        The caller holds the turn, or is the only one yet.

        Raises:
            StorageError: nothing was applied.
        """
        if records:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._executor, self._append, records)
            self._image = self._image.apply(records)
        return self._image

    def commit_now(self, records: Sequence[Record]) -> Image:
        """As `commit`, waiting for the disk: while a broker starts, and without a loop."""
        if records:
            self._append(records)
            self._image = self._image.apply(records)
        return self._image

    def _append(self, records: Sequence[Record]) -> None:
        if self._is_ahead:
            raise StorageError("the metadata log holds what was refused; restart the broker")
        now_ms = self._clock.now_ms()
        # One batch, however many records: a crash or a full disk leaves all of them or none.
        data = batch.build([(None, wire.encode(record), (), now_ms) for record in records])
        end = self._log.end_offset
        try:
            self._log.append(data, leader_epoch=max(self._log.latest_epoch, 0), now_ms=now_ms)
            self._log.flush()
        except BaseException:
            # The next start may find what nobody was promised. What would be decided meanwhile
            # without it could contradict it, and the log would be worth nothing.
            self._is_ahead = self._log.end_offset != end
            if self._is_ahead:
                logger.error("the metadata cannot change any more until the broker is restarted")
            raise
        # Room for what comes, while there is some: topics are deleted when a disk is full.
        with contextlib.suppress(StorageError):
            if self._log.wants_room():
                self._log.reserve_ahead()

    def close(self) -> None:
        """Close the log. Waits for the disk.

        Raises:
            StorageError: what was committed is durable all the same.
        """
        self._log.close()

    def abandon(self) -> None:
        """Close the log and write nothing, as a crash would."""
        self._log.abandon()

    def forget(self) -> None:
        """Be closed without a word to the disk or to the log: in the child of a fork."""
        self._log.forget()
