"""One partition's log in Kafka's own files: segments, indexes, producers, leader epochs.

A `Log` is used by one thread at a time for appending, one for `flush` and one for upkeep; reading
is free for any thread. Every call that touches a disk runs without the GIL. A failed write or
fsync poisons a log: appending and flushing raise that first error ever after, reading goes on.

Errors are those of `meghna.errors`: `CorruptDataError` (bytes that contradict their checksum),
`OutOfRangeError`, `NoSpaceError` (nothing changed, may be tried again), `StorageError` (the file
system said no), `UnsupportedError` (messages of the formats 0 and 1), `ClosedError`.
"""

from types import TracebackType
from typing import NamedTuple, Self

from typing_extensions import Buffer

class LogConfig(NamedTuple):
    """Kafka's topic settings that the log itself needs; sizes in bytes."""

    segment_size_max: int = 1073741824
    segment_age_max_ms: int = 604800000
    index_size_max: int = 10485760
    index_interval_size: int = 4096
    producer_expiry_ms: int = 86400000
    keep_free: int = 0
    """Of the disk, for what is no record; less on a small disk. 0: nothing."""
    append_time: bool = False

class LogReport(NamedTuple):
    """What recovery did; all zero after a clean start."""

    cut_size: int
    """Bytes of a torn tail, nothing intact behind it."""
    set_aside_size: int
    """Damaged bytes moved aside into `*.damaged` files; intact batches behind them were kept."""
    rewritten_size: int
    """Bytes written once more, because a fsync had failed when the log was open before."""
    scanned_size: int
    segments_scanned: int
    indexes_rebuilt: int

DONE: int
DUPLICATE: int
OUT_OF_ORDER_SEQUENCE: int
INVALID_PRODUCER_EPOCH: int
INVALID_TXN_STATE: int
COORDINATOR_FENCED: int

class Appended(NamedTuple):
    """What became of one batch."""

    verdict: int
    """DONE, DUPLICATE (base_offset is the original's), OUT_OF_ORDER_SEQUENCE, …"""
    base_offset: int
    last_offset: int
    append_time_ms: int
    """-1 unless the log stamps append time."""

class Aborted(NamedTuple):
    """A transaction that was aborted."""

    producer_id: int
    first_offset: int
    last_offset: int
    """Of the abort marker."""
    stable_offset: int
    """What lay open beside it when it ended."""

class ProducerView(NamedTuple):
    """The state of one idempotent producer."""

    producer_id: int
    epoch: int
    last_sequence: int
    last_offset: int
    last_timestamp: int
    coordinator_epoch: int
    transaction_first_offset: int
    """-1: no transaction open."""

class Progress:
    """How far the logs that were given it are with their checks; any thread may look."""

    @property
    def size(self) -> int:
        """Bytes checked so far, in all these logs. About as many as there are in the end: what is
        looked at twice is counted twice."""

class Log:
    """A partition's log. Use as a context manager, or `close` it."""

    @classmethod
    def open(
        cls,
        path: str,
        config: LogConfig = ...,
        *,
        clean: bool = False,
        recovery_point: int = 0,
        start_offset: int = 0,
        now_ms: int,
        threads: int = 1,
        progress: Progress | None = None,
        read_only: bool = False,
        check_all: bool = False,
        keep_tail: bool = False,
    ) -> Self:
        """Open or create the directory `path` (its parent must exist).

        `clean` says that the data directory had its clean-shutdown mark; without it everything
        from the segment of `recovery_point` on is checked. What that found is in `report`.
        Raises StorageError, also where a disk fails while recovering: nothing is changed then.
        Several segments are checked by as many `threads`; `progress` tells how far they are.

        `read_only` opens what another process of this host may be writing, and changes nothing on
        disk: no recovery, no files, no times of change. What is whole and has the right checksum
        is seen, what is still being written is not, until `refresh`. With `clean` the index files
        of the last segment are believed, otherwise all of it is read. Raises NotFoundError where
        there is no directory; every call that writes raises UnsupportedError.

        For a repair: `check_all` checks every segment, whatever `clean` and `recovery_point` say;
        with `keep_tail` nothing is cut, a tail that is no batch is moved aside like other damage.
        """
    @property
    def read_only(self) -> bool: ...
    @property
    def report(self) -> LogReport: ...
    @property
    def path(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    @property
    def start_offset(self) -> int: ...
    @property
    def end_offset(self) -> int: ...
    @property
    def durable_end(self) -> int:
        """Everything below it survives a power cut; 0 where a read-only log cannot know."""
    @property
    def unsynced_size(self) -> int:
        """Bytes appended since the open that a power cut could take."""
    @property
    def last_stable_offset(self) -> int:
        """As far as readers of committed records may see; the end where nothing is open."""
    @property
    def size(self) -> int:
        """Bytes in all segments."""
    @property
    def segment_count(self) -> int: ...
    @property
    def latest_epoch(self) -> int:
        """-1: none yet."""
    @property
    def failure(self) -> str | None:
        """Why the log is poisoned, or None."""
    def refresh(self, *, start_offset: int = 0) -> int:
        """Look at what another process appended, rolled, deleted or replaced since; the new end.

        For a read-only log, from any thread; a log that is written to knows by itself. Costs
        three questions to the file system where nothing happened. `start_offset` is what the
        checkpoint says by now; it never lowers. Raises NotFoundError when the directory is gone;
        what was read before stays readable.
        """
    def configure(self, config: LogConfig) -> None:
        """Take other settings from now on."""
    def append(self, batches: Buffer, *, leader_epoch: int = 0, now_ms: int) -> list[Appended]:
        """Append one or more whole batches, one after another in `batches`; makes room itself.

        The bytes are copied, checked (size, magic, CRC; records are not looked at) and stamped.
        A refusal of the producer state is a verdict, not an exception. Raises CorruptDataError
        before anything was appended, NoSpaceError, StorageError.
        """
    def roll(self) -> None:
        """Seal the active segment and begin another, unless it is empty."""
    def truncate(self, offset: int) -> None:
        """Cut the log so that `end_offset` becomes `offset`."""
    def flush(self) -> None:
        """fdatasync; everything appended before is then below `durable_end`."""
    def wants_room(self) -> bool: ...
    def reserve_ahead(self) -> None: ...
    def delete_old(
        self, *, retention_ms: int, retention_size: int, limit_offset: int, now_ms: int
    ) -> int:
        """Delete whole sealed segments that are too old or too many; returns how many.

        -1 means without limit; nothing at or above `limit_offset` goes.
        """
    def raise_start(self, offset: int) -> None:
        """Make everything below `offset` unreadable; never lowers."""
    def read(
        self,
        offset: int,
        *,
        size_max: int = 1048576,
        end_offset: int | None = None,
        at_least_one: bool = True,
    ) -> bytes:
        """Copy whole batches from the one that holds `offset` on; empty at the end of the log.

        At most `size_max` bytes but for the first batch when `at_least_one`, below `end_offset`
        (exclusive), from one segment. Raises OutOfRangeError, CorruptDataError (the offset
        lies in a gap that damage left, or the bytes are damaged), StorageError.
        """
    def read_batch(self, offset: int) -> bytes:
        """Copy the one batch that holds `offset` (or the next one, in a gap); empty at the end."""
    def find_timestamp(self, timestamp: int, *, start: int = 0) -> bytes | None:
        """Copy the first batch that ends at or above `start` and whose max_timestamp is at least
        `timestamp`. Gaps that damage left are passed over.
        """
    def find_max_timestamp(self) -> bytes | None:
        """Copy the first batch that holds the greatest timestamp."""
    def epoch_end(self, epoch: int) -> tuple[int, int]:
        """The largest epoch at most `epoch` and where it ends; (-1, -1) where unknown."""
    def aborted(self, start: int, end: int) -> list[Aborted]:
        """The aborted transactions that reach into [start, end); none where it is read-only."""
    def producers(self) -> list[ProducerView]:
        """The idempotent producers; none where the log is read-only."""
    def close(self) -> None:
        """Flush, write indexes and the producer snapshot, free. Nobody may be using the log.

        Raises the first error; the log is closed all the same.
        """
    def abandon(self) -> None:
        """Free without writing anything."""
    def forget(self) -> None:
        """Be closed without freeing anything: in the child of a fork, where threads that there are
        no more may have been inside."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
