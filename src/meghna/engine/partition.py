"""One partition of an open topic: its append turn, its flushes, and whoever waits for its end.

Threads: appending takes the turn, so rows of one call lie together; flushing has a turn of its own,
so that an append does not wait for a disk; reading takes neither.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, overload

from meghna._native import ingest
from meghna.engine.ranges import Range, records_of
from meghna.errors import ClosedError, OutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from meghna._native.ingest import Ingested, Rows, Selection
    from meghna._native.log import Log as NativeLog
    from meghna._native.scan import Chunk, Record, Scanner
    from meghna.engine.plan import Plan


# Without being asked to, appends flush when so much was not: who bounds recovery to a few seconds.
_SIZE_BEHIND_MAX = 1 << 30
_SEGMENTS_BEHIND_MAX = 16


class NoRecordError(OutOfRangeError, IndexError):
    """No record has that offset."""


class Partition:
    """A partition's log and its turns. Belongs to an open `meghna.Log`."""

    __slots__ = (
        "_append_turn",
        "_flush_turn",
        "_listeners",
        "_log",
        "_no_readers",
        "_readers",
        "_segments_flushed",
        "_segments_seen",
        "_why_closed",
        "has_new_segments",
        "index",
        "topic",
    )

    def __init__(self, topic: str, index: int, log: NativeLog) -> None:
        self.topic = topic
        self.index = index
        self._log: NativeLog | None = log
        self._segments_seen = log.segment_count
        self._segments_flushed = log.segment_count
        self.has_new_segments = False
        """Whether one was sealed by an append; whoever acts on it takes it back."""
        self._why_closed = ""
        self._append_turn = threading.Lock()
        self._flush_turn = threading.Lock()
        self._listeners: set[Callable[[], object]] = set()
        self._readers = 0
        self._no_readers = threading.Condition()

    def __repr__(self) -> str:
        if self._log is None:
            return f"<meghna.Partition {self.topic}-{self.index}, closed>"
        return f"<meghna.Partition {self.topic}-{self.index}, offsets {self.start} to {self.end}>"

    @property
    def log(self) -> NativeLog:
        """The native log.

        Raises:
            ClosedError: the data directory was closed, the topic deleted, or the process forked.
        """
        if self._log is None:
            raise ClosedError(f"{self.topic}-{self.index}: {self._why_closed}")
        return self._log

    def stands_on(self, log: NativeLog) -> bool:
        """Whether this is the partition of that log, still open."""
        return self._log is log

    @property
    def start(self) -> int:
        """The first offset that can be read."""
        return self.log.start_offset

    @property
    def end(self) -> int:
        """One past the last offset."""
        return self.log.end_offset

    @property
    def durable_end(self) -> int:
        """Everything below it survives a power cut."""
        return self.log.durable_end

    @property
    def size(self) -> int:
        """Bytes of its segments."""
        return self.log.size

    def __len__(self) -> int:
        """Offsets from start to end: records, but for gaps of compaction."""
        return self.end - self.start

    def __bool__(self) -> bool:
        return True

    def __contains__(self, offset: object) -> bool:
        """Whether `offset` lies between start and end."""
        return isinstance(offset, int) and self.start <= offset < self.end

    @overload
    def __getitem__(self, offset: int, /) -> Record: ...
    @overload
    def __getitem__(self, offsets: slice, /) -> list[Record]: ...
    def __getitem__(self, offset: int | slice, /) -> Record | list[Record]:
        """The record at an offset, or the list of those in a range; negative ones count from the
        end. Ranges are cut to what is there, as slices are.

        Raises:
            IndexError: no record has that offset.
            CorruptDataError: damaged bytes.
        """
        if isinstance(offset, slice):
            first, last, step = self._slice(offset)
            return list(records_of(Range(self, first, max(first, last))))[::step]
        wanted = self.end + offset if offset < 0 else offset
        if wanted in self:
            for record in records_of(Range(self, wanted, wanted + 1)):
                return record
        raise NoRecordError(
            f"{self.topic}-{self.index} has no record {offset}; its offsets are {self.start} to "
            f"{self.end - 1}"
        )

    def _slice(self, asked: slice) -> tuple[int, int, int | None]:
        start, end = self.start, self.end

        def place(offset: int | None, default: int) -> int:
            if offset is None:
                return default
            return min(max(end + offset if offset < 0 else offset, start), end)

        if asked.step is not None and asked.step < 1:
            raise ValueError("a slice of a log goes forward; reverse the list that it gives")
        return place(asked.start, start), place(asked.stop, end), asked.step

    def next_chunk(self, source: Scanner) -> Chunk | None:
        """The next rows of a scanner of this partition; the log stays open meanwhile."""
        with self._no_readers:
            _ = self.log
            self._readers += 1
        try:
            return source.next()
        finally:
            with self._no_readers:
                self._readers -= 1
                if not self._readers:
                    self._no_readers.notify_all()

    # ---- Appending ----

    def append(
        self,
        rows: Rows,
        selection: Selection | None,
        plan: Plan,
        *,
        now_ms: int,
        producer: tuple[int, int] | None,
    ) -> Ingested:
        """Append some of `rows`; they lie together. Without the GIL but for compression."""
        with self._append_turn:
            log = self.log  # it may have been closed while this thread waited for the turn
            done = ingest.append(
                log,
                rows,
                selection,
                codec=plan.codec,
                compress=plan.compress,
                batch_size_max=plan.batch_size_max,
                lone_size_max=plan.record_size_max,
                leader_epoch=plan.leader_epochs[self.index],
                now_ms=now_ms,
                producer=producer,
            )
            segments = log.segment_count
            if segments != self._segments_seen:
                self._segments_seen, self.has_new_segments = segments, True
        if done.count and self._listeners:
            for listener in tuple(self._listeners):
                listener()
        return done

    def last_position(self, producer_id: int) -> int | None:
        """The last position that a named producer has here; None where it never appended."""
        for producer in self.log.producers():
            if producer.producer_id == producer_id:
                return producer.epoch << 31 | producer.last_sequence
        return None

    def roll(self) -> None:
        """Seal the active segment, so that retention can delete it."""
        with self._append_turn:
            self.log.roll()

    # ---- Durability ----

    def wait_durable(self, offset: int) -> None:
        """Return when the record at `offset` survives a power cut. Who comes while another thread
        flushes waits for it, and often finds that it was served as well."""
        if self.log.durable_end > offset:
            return
        with self._flush_turn:
            log = self.log  # it may have been closed while this thread waited for the turn
            if log.durable_end <= offset:
                log.flush()

    def flush(self) -> None:
        """Make everything durable that was appended before."""
        self.wait_durable(self.log.end_offset - 1)

    def flush_behind(self) -> bool:
        """Called when a segment was sealed: flush if much was not; whether. A sealed segment keeps
        its descriptor until it is flushed, and after a crash all is checked that was not."""
        log = self.log
        behind = log.segment_count - self._segments_flushed
        if behind < _SEGMENTS_BEHIND_MAX and log.unsynced_size < _SIZE_BEHIND_MAX:
            return False
        self._segments_flushed = log.segment_count
        self.flush()
        return True

    # ---- Waiting for what comes ----

    def listen(self, listener: Callable[[], object]) -> None:
        """Call `listener` after each append, in the thread that appended. It must be quick."""
        self._listeners.add(listener)

    def unlisten(self, listener: Callable[[], object]) -> None:
        self._listeners.discard(listener)

    # ---- End ----

    def close(self, why: str) -> None:
        """Let go of the log, which its owner closes. Waits for who appends, flushes or reads."""
        with self._append_turn, self._flush_turn, self._no_readers:
            self.forget(why)
            self._no_readers.wait_for(lambda: not self._readers)

    def forget(self, why: str) -> None:
        """As `close`, where nobody can be inside: in the child of a fork."""
        self._log = None
        self._why_closed = why
        for listener in tuple(self._listeners):
            listener()
