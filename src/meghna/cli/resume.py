"""Where an interrupted ingest goes on: the first row of a file that may still be missing.

A named producer's last position in a partition says that all rows of the file that belong there are
there up to it, and none above it. Rows with keys lie anywhere, so what is missing begins after the
lowest of these positions (a partition without any may lack rows from the first on). Rows without
keys are dealt out in stripes, so the next row of every partition is known.

That a file is still the same its last rows show: what was appended of them is read back (`Taken`).
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from meghna._native import batch, ingest
from meghna.engine import rows as row_pieces
from meghna.engine.topic import producer_id
from meghna.errors import Error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meghna._native.scan import Record as ScannedRecord
    from meghna.cli.row_form import Piece
    from meghna.engine.partition import Partition

STRIPE_ROWS: Final = 8_192
"""Rows without a key that go to one partition before the next has its turn: some batches."""


def stripe_partition(row: int, *, turn: int, partitions: int) -> int:
    """The partition of a row without a key; files that differ in `turn` begin at different ones."""
    return (row // STRIPE_ROWS + turn) % partitions


def first_missing(lasts: Sequence[int | None], *, turn: int, is_keyed: bool) -> int:
    """The first row to look at, from the last position in each partition."""
    if is_keyed or len(lasts) == 1:
        return min(0 if last is None else last + 1 for last in lasts)
    return min(
        _next_row(last, partition, turn=turn, partitions=len(lasts))
        for partition, last in enumerate(lasts)
    )


def _next_row(last: int | None, partition: int, *, turn: int, partitions: int) -> int:
    """The next row of a partition after `last`."""
    if last is None:
        return (partition - turn) % partitions * STRIPE_ROWS
    row = last + 1
    if row % STRIPE_ROWS:
        return row
    return row + (partitions - 1) * STRIPE_ROWS


def turn_of(name: str) -> int:
    """The turn of a file's stripes."""
    return producer_id(name)


class Taken(NamedTuple):
    """The last row of a file that a partition has."""

    position: int
    """Its number in the file."""
    partition: int
    record: batch.Record | ScannedRecord | None
    """None: it was deleted since, or is damaged."""

    def is_row_of(self, piece: Piece) -> bool:
        """Whether the row is still what was appended; `piece` has it."""
        if self.record is None:
            return True
        found = record_of(piece, self.position - piece.first)
        return found.key == self.record.key and _are_same(found.value, self.record.value)


def last_taken(partition: Partition, number: int) -> Taken | None:
    """The last row that the producer with an id has in a partition; None: it has none."""
    for producer in partition.log.producers():
        if producer.producer_id == number:
            position = producer.epoch << 31 | producer.last_sequence
            with suppress(Error):
                return Taken(position, partition.index, partition[producer.last_offset])
            return Taken(position, partition.index, None)
    return None


def record_of(piece: Piece, index: int) -> batch.Record:
    """The record that a row is appended as; offset and headers do not count."""
    row = piece.rows[index : index + 1]
    (made,) = row_pieces.pieces(row, row_pieces.Source(**piece.columns), now_ms=0)
    return batch.records(ingest.encode(made))[0]


def partition_of(key: bytes | None, *, turn: int, partitions: int) -> int:
    """The partition of a row that may have a key, as `Topic.append_many` chooses it."""
    return (turn if key is None else ingest.murmur2(key) & 0x7FFF_FFFF) % partitions


def _are_same(row: bytes | None, taken: bytes | None) -> bool:
    """Whether values are; as JSON also where a column of CSV had numbers and is text by now."""
    if row == taken or row is None or taken is None:
        return row == taken
    try:
        return _spelled(row) == _spelled(taken)
    except ValueError:
        return False


def _spelled(value: bytes) -> object:
    """The cells of an object as they are written."""
    found = json.loads(value, parse_int=str, parse_float=str, parse_constant=str)
    if not isinstance(found, dict):
        raise ValueError("no row of cells")
    return {
        name: json.dumps(cell) if isinstance(cell, bool) else cell for name, cell in found.items()
    }
