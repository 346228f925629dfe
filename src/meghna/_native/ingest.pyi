"""Rows in: columns of bytes in memory (numpy, Arrow, Python objects) into record batches and a log.

A `Column` borrows buffers and keeps them alive; a `Rows` puts columns side by side; `append` makes
batches of them and appends these, `encode` only makes them. Everything runs without the GIL but
`Column.items`, `Headers.items` and compression. The bytes may change meanwhile (then what is
appended is one or the other), but buffers are never read past their end, whatever they hold.

Errors are those of `meghna.errors`: `OutOfRangeError` (offsets or views that point outside of
their data, buffers too short), `TooLargeError` (a row over the limit), both name the row.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from typing_extensions import Buffer

from meghna._native.log import Log

PRODUCER_NAMED: Final[int]
"""The bit that makes a producer id that of a named producer; see `append`."""
POSITION_END: Final[int]
"""Positions of named producers are below it."""

_Item: TypeAlias = bytes | bytearray | memoryview | str | None
_Headers: TypeAlias = Mapping[str, bytes | None] | Sequence[tuple[str | bytes, bytes | None]] | None

class Column:
    """A column of byte strings or nulls, in one of the forms that numpy and Arrow have.

    `validity` is Arrow's bitmap (the bit of row 0 is `validity_offset`); without it there are no
    nulls. `None` for a buffer is an empty one. Buffers are contiguous; offsets and views are
    native-endian and need not be aligned. Raises OutOfRangeError where they contradict themselves.
    """

    count: int
    """How many items it has."""
    item_size_max: int
    """Bytes of the longest item when it was made."""

    @classmethod
    def fixed(
        cls,
        data: Buffer | None,
        width: int,
        *,
        count: int,
        trim: bool = False,
        validity: Buffer | None = None,
        validity_offset: int = 0,
    ) -> Column:
        """`count` items of `width` bytes each; `trim`: trailing NULs do not count (numpy's S)."""

    @classmethod
    def offsets(
        cls,
        data: Buffer | None,
        offsets: Buffer | None,
        *,
        wide: bool,
        start: int = 0,
        count: int,
        validity: Buffer | None = None,
        validity_offset: int = 0,
    ) -> Column:
        """Item i lies between offsets i and i + 1, counted from `start`: int32, int64 if `wide`."""

    @classmethod
    def views(
        cls,
        views: Buffer | None,
        buffers: Sequence[Buffer],
        *,
        start: int = 0,
        count: int,
        validity: Buffer | None = None,
        validity_offset: int = 0,
    ) -> Column:
        """Arrow's binary views; `start` is the index of the first view."""

    @classmethod
    def items(cls, sequence: Sequence[_Item], /) -> Column:
        """Python objects; str is encoded as UTF-8. References to them are held.

        Raises TypeError for an item that is none of these; its index is in the message.
        """

    def __len__(self) -> int: ...

class Headers:
    """The record headers of each row: those of row i stand at offsets[i] .. offsets[i + 1]."""

    count: int
    """Of how many rows."""

    def __init__(self, offsets: Buffer, keys: Column, values: Column, *, count: int) -> None:
        """`offsets` are `count` + 1 int32. Raises OutOfRangeError where they point outside."""

    @classmethod
    def items(cls, sequence: Sequence[_Headers], /) -> Headers:
        """One mapping or sequence of pairs a row; None: that row has none."""

class Rows:
    """Columns of equal length; a column that is None is null in every row.

    `timestamps` are int64 milliseconds, one a row; without them every row has `timestamp`.
    Raises OutOfRangeError when lengths differ, TypeError when there is neither a column nor times.
    """

    count: int

    def __init__(
        self,
        *,
        values: Column | None,
        keys: Column | None = None,
        timestamps: Buffer | None = None,
        timestamp: int = -1,
        headers: Headers | None = None,
    ) -> None: ...
    def __len__(self) -> int: ...

class Selection:
    """Some rows, ascending; or all of them, which costs nothing."""

    count: int
    is_all: bool

    def __len__(self) -> int: ...
    def to_list(self) -> list[int]:
        """The row numbers."""

def murmur2(key: Buffer, /) -> int:
    """Return Kafka's hash of a key, a signed 32-bit number."""

def assign(rows: Rows, partition_count: int, *, sticky: int) -> list[Selection | None]:
    """Return the rows of each partition as Kafka's clients choose it; None: there are none.

    Rows without a key go to `sticky`. Raises OutOfRangeError for a partition that there is not.
    """

def find_keyless(rows: Rows) -> int | None:
    """Return the first row without a key; None: all have one."""

class Ingested(NamedTuple):
    """What was appended."""

    base_offset: int
    """-1 where nothing was."""
    last_offset: int
    count: int  # type: ignore[assignment]  # tuple has a method of that name
    skipped: int
    """Rows that the named producer had appended before."""

def append(
    log: Log,
    rows: Rows,
    selection: Selection | None = None,
    *,
    codec: int = 0,
    compress: Callable[[bytes], bytes] | None = None,
    batch_size_max: int = ...,
    batch_count_max: int = ...,
    lone_size_max: int = ...,
    leader_epoch: int = 0,
    now_ms: int,
    producer: tuple[int, int] | None = None,
) -> Ingested:
    """Append rows to `log` in batches; the caller holds the append turn of that log.

    A batch holds at most `batch_count_max` records and `batch_size_max` bytes before compression;
    a record that is larger than that alone gets a batch of its own of up to `lone_size_max`.
    `compress` is the codec that `codec` names.

    `producer` is (a producer id with PRODUCER_NAMED, the position of row 0): row i has the
    position of row 0 + i, whatever the selection is. Rows up to the last position that the
    producer has in this log are skipped. Positions may have gaps, so that the rows of one call may
    go to several logs.

    Raises TooLargeError for a row over the limit, before anything was appended. After any other
    failure the message says how many rows were appended before it.
    """

def encode(
    rows: Rows,
    selection: Selection | None = None,
    *,
    codec: int = 0,
    compress: Callable[[bytes], bytes] | None = None,
    batch_size_max: int = ...,
    batch_count_max: int = ...,
    lone_size_max: int = ...,
    leader_epoch: int = -1,
) -> bytes:
    """Return the batches that `append` would append, each with base offset 0."""
