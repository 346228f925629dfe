"""Scans: the records of a log as columns of views, in Arrow's own layout.

A `Scanner` reads a log from one offset to another and gives `Chunk`s. Every batch is checked
whole, CRC included, before a row of it is given (what the time index passes over is not read at
all). Keys, values and headers longer than 12 bytes are not copied: their views point into a
read-only mapping of the segment's file, or into the bytes that a compressed batch opened to.

Every buffer here is an object with the buffer protocol that owns what it shows: it stays valid,
with the same bytes, after the chunk, the scanner and the log are gone and the segment was deleted.
The core never changes a byte below the end of a log in its file. What remains: whoever cuts a
segment's file short from outside (another program's truncate; never Meghna) or whose disk fails
while a page is read back makes the process that touches such a view end with SIGBUS. While a
scanner itself reads, both are a StorageError. `copy=True` maps nothing and so rules it out.
"""

from collections.abc import Callable

from typing_extensions import Buffer

from meghna._native.log import Log

OFFSETS: int
TIMESTAMPS: int
KEYS: int
VALUES: int
HEADERS: int
ALL: int
"""All of the above: what `Scanner(columns=)` may name, or-ed together."""

class Column:
    """A column of byte strings, as Arrow's binary_view, or (of `copy=True`) as its binary."""

    @property
    def count(self) -> int: ...
    @property
    def null_count(self) -> int: ...
    @property
    def validity(self) -> Buffer | None:
        """A bit a row, the lowest first; None where nothing is null."""
    @property
    def views(self) -> Buffer | None:
        """16 bytes a row: size, then the bytes (at most 12) or 4 bytes, buffer and place in it."""
    @property
    def offsets(self) -> Buffer | None:
        """int32, count + 1 of them; only of `copy=True`."""
    @property
    def data(self) -> Buffer | None:
        """Only of `copy=True`."""

class Chunk:
    """Some rows that follow one another. Columns that were not asked for are None."""

    @property
    def count(self) -> int: ...
    @property
    def first_offset(self) -> int:
        """Of the first row; offsets may have gaps where the log has."""
    @property
    def next_offset(self) -> int:
        """Where a scan that shall follow this chunk begins."""
    @property
    def offsets(self) -> Buffer | None:
        """int64."""
    @property
    def timestamps(self) -> Buffer | None:
        """int64, milliseconds."""
    @property
    def keys(self) -> Column | None: ...
    @property
    def values(self) -> Column | None: ...
    @property
    def header_offsets(self) -> Buffer | None:
        """int32, count + 1: row i has the headers [header_offsets[i], header_offsets[i + 1])."""
    @property
    def header_keys(self) -> Column | None: ...
    @property
    def header_values(self) -> Column | None: ...
    @property
    def buffers(self) -> list[Buffer]:
        """What the views of every column name, in order.

        The first is the part of the segment's file that the chunk is from (empty where its batches
        are compressed), the others are opened batches. Empty for `copy=True`.
        """

class Record:
    """One record. Immutable, made by `records` alone."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> tuple[tuple[str, bytes | None], ...]: ...
    @property
    def partition(self) -> int: ...

class Scanner:
    """Reads the rows of [start, end), of [start_time, end_time), of one log.

    `start` must not lie below the log's start when it is reached; `end` beyond the log's end (as it
    is now) is taken for that. The times are the records' own, in milliseconds; the time index finds
    where to begin, and whole segments are passed over where nothing is late enough. Nothing can be
    passed over by `end_time`: later records may be older ones.

    A chunk has at most `rows_max` rows, of one segment. Control batches are left out.
    `decompress(codec, payload)` opens a compressed batch; the memoryview must not be kept.

    One thread at a time. The log must stay open while `next` runs; between calls nothing of it is
    held but the mapping of the segment that is being read.
    """

    def __init__(
        self,
        log: Log,
        start: int,
        end: int,
        *,
        start_time: int | None = None,
        end_time: int | None = None,
        columns: int = ...,
        rows_max: int = 65536,
        decompress: Callable[[int, memoryview], bytes] | None = None,
        copy: bool = False,
    ) -> None: ...
    @property
    def offset(self) -> int:
        """Where the next chunk begins to look."""
    def next(self) -> Chunk | None:
        """Return the next rows, or None at the end. Runs without the GIL.

        Raises CorruptDataError for damaged bytes and for a gap that damage left, with offset and
        file; rows before the damage are returned first. OutOfRangeError: retention was faster.
        ValueError for a compressed batch without `decompress`. BusyError: another thread is in it.
        """

def records(chunk: Chunk, /, *, partition: int = 0) -> list[Record]:
    """Return the rows of a chunk that was scanned with all columns, copied."""
