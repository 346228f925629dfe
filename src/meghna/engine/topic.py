"""A topic of an open data directory: append, read, scan, follow."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, overload

from meghna._native import ingest
from meghna.engine import rows as row_pieces
from meghna.engine.appended import Appended, Flush, merged
from meghna.engine.moments import EARLIEST, LATEST, Bound, bound
from meghna.engine.ranges import Range, resolve
from meghna.engine.rows import ARRAY_ROWS, PIECE_ROWS, Source
from meghna.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    import pyarrow as pa

    from meghna._native.ingest import Rows, Selection
    from meghna._native.scan import Record
    from meghna.engine.log import Log
    from meghna.engine.moments import Moment
    from meghna.engine.partition import Partition
    from meghna.engine.plan import Plan
    from meghna.engine.scan import Scan
    from meghna.engine.tail import Tail

_EACH_ROWS: Final = 10_000  # a piece of Flush.EACH


class Topic:
    """A topic of a `meghna.Log`, made by `Log.topic`.

    Any thread may use it. Rows of one call lie together in their partition, in order. Rows with a
    key go where every Kafka client puts that key (murmur2); rows without go to one partition,
    which changes from call to call.
    """

    __slots__ = ("_log", "_plan", "_turns", "flush_mode", "name", "partitions")

    def __init__(
        self, log: Log, name: str, partitions: tuple[Partition, ...], plan: Plan, flush: Flush
    ) -> None:
        self._log = log
        self._plan = plan
        self._turns = itertools.count()
        self.name = name
        self.partitions = partitions
        """By index; each has `start`, `end`, `size` and `len()`."""
        self.flush_mode = flush

    def __repr__(self) -> str:
        count = len(self.partitions)
        return f"<meghna.Topic {self.name!r}, {count} partition{'s'[: count != 1]}>"

    # ---- Appending ----

    def append(
        self,
        value: bytes | str | None,
        *,
        key: bytes | str | None = None,
        headers: Mapping[str, bytes | None] | Sequence[tuple[str, bytes | None]] | None = None,
        timestamp: datetime | int | None = None,
        partition: int | None = None,
        flush: Flush | str | None = None,
        producer: str | None = None,
        position: int | None = None,
    ) -> Appended:
        """Append one record; text is encoded as UTF-8.

        Many at a time are several times cheaper each: see `append_many`, which also says what the
        other arguments mean.

        Raises:
            ValueError: no key, in a compacted topic.
            NoSpaceError: the disk is full; nothing was appended, and it can be tried again.
            StorageError: the disk failed; the partition takes no more.
            TooLargeError: over 64 MiB.
            ClosedError, UnsupportedError: the log is closed, or was opened read-only.
        """
        now_ms = self._log.now_ms()
        record = row_pieces.assembled(
            ingest.Column.items((value,)),
            None if key is None else ingest.Column.items((key,)),
            None if headers is None else ingest.Headers.items((headers,)),
            now_ms if timestamp is None else row_pieces.times_of(timestamp, now_ms=now_ms),
        )
        mode = self._mode(flush)
        named = _named(producer, position)
        turn = self._turn(named)
        done = self._append_rows(record, partition, turn, now_ms=now_ms, producer=named)
        return done if mode is Flush.NONE else done.wait()

    def append_many(
        self,
        rows: object,
        *,
        key: object = None,
        value: object = None,
        headers: object = None,
        timestamp: object = None,
        partition: int | None = None,
        flush: Flush | str | None = None,
        producer: str | None = None,
        position: int | None = None,
    ) -> Appended:
        """Append many rows at once.

        They may be

        * a list or iterable of values: bytes, text (as UTF-8), None for a null;
        * a list or iterable of tuples (key, value), (key, value, headers) or (key, value, headers,
          timestamp), or of records that were read;
        * a numpy array: `S` and `V` of n rows, uint8 of shape (n, width), or objects;
        * anything that speaks Arrow's PyCapsule protocol: a pyarrow Table, RecordBatch or
          RecordBatchReader, a polars or pandas DataFrame, a DuckDB relation, a `Scan`. A table of
          a column `value` and no others than `key`, `timestamp` and `headers` is records. A table
          of one column of bytes or text is values. Any other becomes JSON, an object a row.

        `key`, `value`, `headers` and `timestamp` name columns of a table; beside a list or an array
        they are arrays of the same length. `timestamp` may be one for all; None is now.
        A datetime without a zone is local time, as in Python; times without a zone in a table or an
        array are UTC, as in Arrow.
        `value` may be a list of columns, of which the JSON is made then.

        `flush` says what is promised on return (see `Flush`); the topic's by default.

        `producer` and `position` make it safe to append the same again, also after a crash:
        `position` is a number of yours for the first row (its number in the source), row i has
        `position` + i, and it must grow by at least the number of rows from call to call. Rows up
        to the last position that the producer has in a partition are left out and counted in
        `Appended.skipped`. Where a job has to go on, `position_of` says. (Positions are kept by
        partition: partitions that are added between two runs take keys over without them.)

        Returns where the rows went. An iterable or a reader is taken piece by piece and may be
        longer than memory; what was appended before a failure stays.

        Raises:
            TypeError, ValueError: rows that are none, or without a key in a compacted topic;
                nothing of that piece was appended.
            and as `append`.
        """
        mode = self._mode(flush)
        named = _named(producer, position)
        turn = self._turn(named)
        done: list[Appended] = []
        pieces = row_pieces.pieces(
            rows,
            Source(key=key, value=value, headers=headers, timestamp=timestamp),
            now_ms=self._log.now_ms(),
            rows_max=_EACH_ROWS if mode is Flush.EACH else ARRAY_ROWS,
        )
        try:
            for piece in pieces:
                now_ms = self._log.now_ms()
                appended = self._append_rows(piece, partition, turn, now_ms=now_ms, producer=named)
                done.append(appended.wait() if mode is Flush.EACH else appended)
                if named is not None:
                    named = (named[0], named[1] + piece.count)
        except Exception as error:
            before = sum(each.count + each.skipped for each in done)
            if before:
                error.add_note(f"{before} rows were appended before; a row is counted from there")
            raise
        whole = merged(done)
        return whole.wait() if mode is Flush.GROUP else whole

    def _turn(self, producer: tuple[int, int] | None) -> int:
        """Says where rows without a key go: all of a call to one partition, and a producer's
        always to the same, where its positions are known."""
        return next(self._turns) if producer is None else producer[0]

    def _append_rows(
        self,
        rows: Rows,
        partition: int | None,
        turn: int,
        *,
        now_ms: int,
        producer: tuple[int, int] | None,
    ) -> Appended:
        """Append rows to the partitions that they belong to."""
        log = self._log
        log.check_writable()
        keyless = ingest.find_keyless(rows) if self._plan.requires_keys else None
        if keyless is not None:
            raise ValueError(
                f"row {keyless} has no key, and topic {self.name!r} is compacted: it keeps the "
                "last record of each key"
            )
        chosen: Iterable[tuple[Partition, Selection | None]]
        if partition is not None:
            chosen = ((self._partition(partition), None),)
        elif len(self.partitions) == 1:
            chosen = ((self.partitions[0], None),)
        else:
            sticky = turn % len(self.partitions)
            assigned = ingest.assign(rows, len(self.partitions), sticky=sticky)
            chosen = (
                (target, selection)
                for target, selection in zip(self.partitions, assigned, strict=True)
                if selection is not None
            )
        parts, skipped = [], 0
        for target, selection in chosen:
            done = target.append(rows, selection, self._plan, now_ms=now_ms, producer=producer)
            skipped += done.skipped
            if done.count:
                parts.append((target, done))
                log.appended(target, now_ms=now_ms)
        return Appended(tuple(parts), skipped)

    def _mode(self, flush: Flush | str | None) -> Flush:
        try:
            return self.flush_mode if flush is None else Flush(flush)
        except ValueError:
            raise ConfigError(f"flush is 'none', 'group' or 'each', not {flush!r}") from None

    def position_of(self, producer: str) -> int | None:
        """The last position that a named producer has in any partition; None: it never appended.

        In a topic of several partitions a crash may have come in the middle of the call that holds
        it: append that call's rows again, which leaves out those that are there.
        """
        found = (partition.last_position(producer_id(producer)) for partition in self.partitions)
        return max((position for position in found if position is not None), default=None)

    def flush(self) -> None:
        """Make durable what was appended before: an fdatasync a partition that has more."""
        for partition in self.partitions:
            partition.flush()

    # ---- Looking ----

    def __len__(self) -> int:
        """Offsets from start to end of all partitions: records, but for gaps of compaction."""
        self._log.refresh()
        return sum(len(partition) for partition in self.partitions)

    def __bool__(self) -> bool:
        return True

    @property
    def size(self) -> int:
        """Bytes of its segments."""
        return sum(partition.size for partition in self.partitions)

    @property
    def age_max_ms(self) -> int:
        """How old a record may be by its timestamp before retention deletes it, in milliseconds;
        -1: any age."""
        return self._plan.age_max_ms

    def _partition(self, index: int) -> Partition:
        count = len(self.partitions)
        if not isinstance(index, int) or not 0 <= index < count:
            last = f"0 to {count - 1}" if count > 1 else "only 0"
            raise ConfigError(f"topic {self.name} has no partition {index!r}, {last}")
        return self.partitions[index]

    def _only(self) -> Partition:
        self._log.refresh()
        if len(self.partitions) != 1:
            raise ConfigError(
                f"topic {self.name} has {len(self.partitions)} partitions, each with its own "
                "offsets; use topic.partitions[i][…]"
            )
        return self.partitions[0]

    @overload
    def __getitem__(self, offset: int, /) -> Record: ...
    @overload
    def __getitem__(self, offsets: slice, /) -> list[Record]: ...
    def __getitem__(self, offset: int | slice, /) -> Record | list[Record]:
        """The record at an offset, or the list of those in a range; of a topic of one partition.

        A negative offset counts from the end. Ranges are cut to what is there, as slices are.

        Raises:
            IndexError: no record has that offset.
        """
        return self._only()[offset]

    def __contains__(self, offset: object) -> bool:
        """Whether a topic of one partition has an offset."""
        return offset in self._only()

    def __iter__(self) -> Iterator[Record]:
        return self.read()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The whole topic as it is now, as `scan` gives it: `duckdb.sql("select … from topic")`."""
        return self.scan().__arrow_c_stream__(requested_schema)

    # ---- Reading ----

    def read(
        self,
        start: Moment | Mapping[int, Moment] | None = None,
        end: Moment | Mapping[int, Moment] | None = None,
        *,
        partition: int | None = None,
    ) -> Iterator[Record]:
        """Records from `start` to before `end`, one partition after the other, in order.

        Both are an offset (negative: from the end), "earliest", "latest", a datetime or its text, a
        timedelta or "-1h" for so long ago; or one of these by partition. What is appended after the
        call is not read: see `tail`.

        Raises:
            OutOfRangeError: an offset that retention deleted, or that is yet to come.
            CorruptDataError: damaged bytes; names the file and the offset.
        """
        return self.scan(start, end, partition=partition).records()

    def batches(
        self,
        start: Moment | Mapping[int, Moment] | None = None,
        end: Moment | Mapping[int, Moment] | None = None,
        *,
        partition: int | None = None,
        max_rows: int = PIECE_ROWS,
        copy: bool = False,
    ) -> Iterator[pa.RecordBatch]:
        """As `scan`, batch by batch."""
        return iter(self.scan(start, end, partition=partition, max_rows=max_rows, copy=copy))

    def scan(
        self,
        start: Moment | Mapping[int, Moment] | None = None,
        end: Moment | Mapping[int, Moment] | None = None,
        *,
        partition: int | None = None,
        columns: Iterable[str] | None = None,
        max_rows: int = PIECE_ROWS,
        copy: bool = False,
    ) -> Scan:
        """The topic as an Arrow stream, for pyarrow, polars, DuckDB, pandas and others.

        Columns: offset (int64), timestamp (ms, UTC without a zone), key and value (binary views),
        headers (a list of key and value), partition (int32). Payload is not copied: keys and values
        are views into the mapped segment files, which stay valid as long as anything refers to
        them, also after retention and `close`. Compressed batches are opened into memory. For
        programs that know no views, such as most of pyarrow.compute, `copy` gives plain columns.

        `start`, `end` and `partition` are as for `read`, and looked up in the indexes. The end is
        fixed by the call, and the scan can be used several times.

        A file that somebody else cuts while a view points into it ends the process with SIGBUS;
        `copy=True` reads instead of mapping, and gives an error.
        """
        from meghna.engine.scan import Scan  # noqa: PLC0415 - with pyarrow, slow to import

        return Scan(
            self._ranges(start, end, partition), columns=columns, max_rows=max_rows, copy=copy
        )

    def tail(
        self,
        start: Moment | Mapping[int, Moment] | None = "latest",
        *,
        partition: int | None = None,
        timeout: float | None = None,
    ) -> Tail:
        """Records from `start` on, waiting for those to come: `for` or `async for`.

        Ends after `timeout` seconds without a record, if given, and when the log is closed. In a
        log that was opened read-only it also sees what another process appends.
        """
        from meghna.engine.tail import Tail  # noqa: PLC0415

        return Tail(self._log, self._ranges(start, None, partition), timeout=timeout)

    def _ranges(
        self,
        start: Moment | Mapping[int, Moment] | None,
        end: Moment | Mapping[int, Moment] | None,
        partition: int | None,
    ) -> list[Range]:
        self._log.refresh()
        now_ms = self._log.now_ms()
        chosen = self.partitions if partition is None else [self._partition(partition)]

        def bound_of(
            given: Moment | Mapping[int, Moment] | None, index: int, default: Bound
        ) -> Bound:
            if isinstance(given, Mapping):
                given = given.get(index)
            return bound(given, now_ms=now_ms, default=default)

        return [
            resolve(each, bound_of(start, each.index, EARLIEST), bound_of(end, each.index, LATEST))
            for each in chosen
        ]


def producer_id(name: str) -> int:
    """The id that a producer's name stands for, the same in every process."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return ingest.PRODUCER_NAMED | int.from_bytes(digest, "big") % ingest.PRODUCER_NAMED


def _named(producer: str | None, position: int | None) -> tuple[int, int] | None:
    if (producer is None) != (position is None):
        raise ConfigError("producer= and position= go together")
    if producer is None or position is None:
        return None
    if not 0 <= position < ingest.POSITION_END:
        raise ConfigError(f"position is from 0 to {ingest.POSITION_END - 1}, not {position}")
    return producer_id(producer), position
