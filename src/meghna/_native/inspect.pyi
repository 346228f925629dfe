"""Everything that is wrong with one segment: its batches, records, times, and both index files.

An `Inspection` reads a segment once, without the GIL, and changes nothing. One thread at a time.
"""

from enum import IntEnum
from typing import NamedTuple, Self

from typing_extensions import Buffer

class Kind(IntEnum):
    """What was found; from DAMAGED on it is a fault."""

    COMPRESSED = ...
    EPOCH_BEGINS = ...
    ABORT = ...
    GAP = ...
    DAMAGED = ...
    TORN = ...
    OLD_FORMAT = ...
    OFFSET = ...
    CODEC = ...
    RECORDS = ...
    RECORD_OFFSET = ...
    TIMESTAMP = ...
    EPOCH = ...
    INDEX_ORDER = ...
    INDEX_ENTRY = ...
    TIMES_ORDER = ...
    TIMES_ENTRY = ...
    TIMES_SHORT = ...

class Damage(IntEnum):
    """Why bytes are no batch."""

    BAD_CHECKSUM = ...
    NO_HEADER = ...
    TOO_LONG = ...
    ZEROS = ...

class Find(NamedTuple):
    """Something at a place; `kind`, `a` and `b` as native/log/inspect.h tells them."""

    kind: int
    position: int
    size: int
    offset: int
    a: int
    b: int

class Totals(NamedTuple):
    """What was counted so far. Of records: those not compressed, and those given to `records`."""

    batches: int
    batch_bytes: int
    records: int
    control_batches: int
    transactional_batches: int
    first_offset: int
    """Of the first batch; -1: none."""
    end_offset: int
    min_timestamp: int
    max_timestamp: int
    null_keys: int
    key_bytes: int
    null_values: int
    value_bytes: int
    values: tuple[int, ...]
    """Records by the size of their value: 0, 1, 2-3, 4-7, … bytes."""
    codec_batches: tuple[int, ...]
    codec_bytes: tuple[int, ...]
    opened_bytes: tuple[int, ...]
    index_entries: int
    time_entries: int
    bad_index_entries: int
    bad_time_entries: int

class Inspection:
    """A look at one segment; `close` it."""

    @classmethod
    def open(
        cls,
        directory: str,
        base_offset: int,
        *,
        next_base: int | None = None,
        checks_indexes: bool = True,
    ) -> Self:
        """Open `directory`/<base_offset>.log; `next_base` is that of the segment behind it.

        Raises NotFoundError, StorageError.
        """
    @property
    def is_done(self) -> bool: ...
    @property
    def position(self) -> int: ...
    @property
    def totals(self) -> Totals: ...
    def step(self, size_max: int, /) -> list[Find]:
        """Go on for about `size_max` bytes; what was found there. Raises StorageError."""
    def records(self, position: int, batch: Buffer, opened: Buffer, /) -> list[Find]:
        """Look at the records of a compressed batch, opened; what is wrong with them."""
    def close(self) -> None:
        """Close the files. May be called twice."""
