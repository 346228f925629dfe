"""The records that every store is given: 100 random bytes each, in the forms that programs have.

They are made once, outside of every timing, and cut into calls beforehand, so that what is timed is
the store's work alone. A checksum over all of them in order is what each store is checked against.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

VALUE_SIZE = 100


class WrongContentError(AssertionError):
    """A store did not keep what it was given."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """`count` records, `per_call` in one call."""

    count: int
    per_call: int
    lists: list[list[bytes]]
    arrays: list[np.ndarray[Any, Any]]
    """Of dtype S100."""
    batches: list[pa.RecordBatch]
    """Of one column, binary."""
    checksum: int

    @property
    def schema(self) -> pa.Schema:
        return self.batches[0].schema

    def check(self, values: Iterable[bytes]) -> None:
        """Every record is there, whole and in order.

        Raises:
            WrongContentError: or else it is not.
        """
        count = checksum = 0
        for value in values:
            if len(value) != VALUE_SIZE:
                raise WrongContentError(f"record {count} has {len(value)} bytes")
            checksum = zlib.crc32(value, checksum)
            count += 1
        if (count, checksum) != (self.count, self.checksum):
            raise WrongContentError(f"{count} records instead of {self.count}, or other bytes")

    def check_columns(self, columns: Iterable[pa.Array]) -> None:
        """The same of columns of binary, of fixed size or not."""
        count = checksum = 0
        for column in columns:
            values = column.cast(pa.binary(VALUE_SIZE))  # refuses every other size
            data = values.buffers()[1]
            begin = values.offset * VALUE_SIZE
            checksum = zlib.crc32(data[begin : begin + len(values) * VALUE_SIZE], checksum)
            count += len(values)
        if (count, checksum) != (self.count, self.checksum):
            raise WrongContentError(f"{count} records instead of {self.count}, or other bytes")

    def check_block(self, block: bytes) -> None:
        """The same of records without anything between them."""
        if len(block) != self.count * VALUE_SIZE or zlib.crc32(block) != self.checksum:
            raise WrongContentError(f"{len(block)} bytes instead of {self.count * VALUE_SIZE}")


def make_inputs(count: int, per_call: int) -> Inputs:
    rng = np.random.default_rng(20261122)
    block = rng.integers(33, 127, size=(count, VALUE_SIZE), dtype=np.uint8)
    rows = block.view(f"S{VALUE_SIZE}").ravel()
    offsets = np.arange(count + 1, dtype=np.int32) * VALUE_SIZE
    column = pa.Array.from_buffers(
        pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(block)]
    )
    whole = pa.record_batch([column], ["value"])
    starts = range(0, count, per_call)
    return Inputs(
        count=count,
        per_call=per_call,
        lists=[rows[start : start + per_call].tolist() for start in starts],
        arrays=[rows[start : start + per_call] for start in starts],
        batches=[whole.slice(start, per_call) for start in starts],
        checksum=zlib.crc32(block.data),
    )
