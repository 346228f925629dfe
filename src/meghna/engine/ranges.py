"""Ranges of a partition: from what people ask for to offsets and times that the core looks up."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from meghna._native import scan
from meghna.codecs import decompress
from meghna.errors import OutOfRangeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meghna.engine.moments import Bound
    from meghna.engine.partition import Partition

# Rows that are made into records together: some hundred kilobytes of objects.
_CHUNK_ROWS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Range:
    """What to read of a partition: offsets from `start` to before `end`, and of these the records
    whose timestamps lie from `start_time` to before `end_time`."""

    partition: Partition
    start: int
    end: int
    start_time: int | None = None
    end_time: int | None = None


def resolve(partition: Partition, start: Bound, end: Bound) -> Range:
    """What lies between two bounds now.

    Raises:
        OutOfRangeError: an offset that is no more, or not yet.
    """
    first, last = partition.start, partition.end
    from_offset = last if start.at_end else _offset(partition, start, first, last)
    to_offset = last if end.at_end else _offset(partition, end, last, last)
    return Range(partition, from_offset, max(to_offset, from_offset), start.time_ms, end.time_ms)


def _offset(partition: Partition, bound: Bound, default: int, last: int) -> int:
    if bound.offset is None:
        return default
    if bound.offset < 0:
        return max(last + bound.offset, partition.start)
    if not partition.start <= bound.offset <= last:
        raise OutOfRangeError(
            f"{partition.topic}-{partition.index} has offsets {partition.start} to {last}, not "
            f"{bound.offset}"
        )
    return bound.offset


def chunks_of(
    part: Range, *, columns: int = scan.ALL, max_rows: int, copy: bool = False
) -> Iterator[scan.Chunk]:
    """The rows of a range, at most `max_rows` at a time."""
    source = scan.Scanner(
        part.partition.log,
        part.start,
        part.end,
        start_time=part.start_time,
        end_time=part.end_time,
        columns=columns,
        rows_max=max_rows,
        decompress=decompress,
        copy=copy,
    )
    while (chunk := part.partition.next_chunk(source)) is not None:
        yield chunk


def records_of(part: Range) -> Iterator[scan.Record]:
    """The records of a range, with their bytes copied."""
    return chain.from_iterable(_record_lists(part))  # no step of Python a record


def _record_lists(part: Range) -> Iterator[list[scan.Record]]:
    for chunk in chunks_of(part, max_rows=min(_CHUNK_ROWS, max(part.end - part.start, 1))):
        yield scan.records(chunk, partition=part.partition.index)
