"""Where an interrupted ingest goes on: the first row of a file that may still be missing.

A named producer's last position in a partition says that all rows of the file that belong there are
there up to it, and none above it. Rows with keys lie anywhere, so what is missing begins after the
lowest of these positions (a partition without any may lack rows from the first on). Rows without
keys are dealt out in stripes, so the next row of every partition is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from meghna.engine.topic import producer_id

if TYPE_CHECKING:
    from collections.abc import Sequence

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
