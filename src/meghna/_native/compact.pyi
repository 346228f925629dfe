"""Compaction of one partition's log: of each key the last record stays.

One thread at a time compacts a log; whoever appends, flushes, reads or applies retention goes on
meanwhile. The log stays open until the call is over. Errors are those of `meghna._native.log`.
"""

from collections.abc import Callable
from typing import NamedTuple

from meghna._native.log import Log

class Cleanable(NamedTuple):
    """What there would be to do; sizes in bytes."""

    first_dirty_offset: int
    """As asked, or the log's start where that cannot be."""
    first_uncleanable_offset: int
    clean_size: int
    cleanable_size: int
    earliest_timestamp: int
    """Of the first batches of the segments that are not clean; -1: none, or not asked for."""
    waits_for_flush: bool
    """There would be more if all that is sealed were durable."""

class CompactReport(NamedTuple):
    """What a pass did; sizes in bytes."""

    end_offset: int
    """The first dirty offset of the next pass."""
    read_size: int
    """What was dirty is read twice."""
    written_size: int
    records_read: int
    records_kept: int
    keys: int
    map_size: int
    segments_before: int
    segments_after: int

def cleanable(
    log: Log,
    first_dirty_offset: int,
    *,
    limit_offset: int,
    min_lag_ms: int,
    now_ms: int,
    asks_time: bool = False,
) -> Cleanable:
    """Look how much there is to compact between `first_dirty_offset` and `limit_offset`.

    Only sealed segments count, and of these none from the first on that has a record younger than
    `min_lag_ms`. `asks_time`: the earliest timestamp is wanted, for a read a segment.
    """

def compact(
    log: Log,
    first_dirty_offset: int,
    *,
    limit_offset: int,
    min_lag_ms: int,
    delete_retention_ms: int,
    now_ms: int,
    map_size_max: int,
    seed: bytes,
    compress: Callable[[int, bytes], bytes],
    decompress: Callable[[int, bytes], bytes],
    pace: Callable[[int], object],
) -> CompactReport:
    """Compact what is cleanable; as many keys as fit `map_size_max` bytes, the rest is for the
    next pass.

    `seed` is 16 random bytes. `compress` and `decompress` are called with a codec's number, in this
    thread, with the GIL only around them. `pace` is told each piece of bytes that was read or
    written; it may sleep, and what it raises ends the pass and is raised here. A failure leaves
    whole segments compacted or as they were.

    Raises CorruptDataError (a batch is damaged), BusyError (the log was truncated meanwhile),
    NoSpaceError, StorageError, and what the callables raise.
    """
