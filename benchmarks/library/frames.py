"""What polars does with a scan: reads every byte of every value, so that nothing is put off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
from benchmarks.library.inputs import WrongContentError

if TYPE_CHECKING:
    from benchmarks.library.inputs import Inputs


def frame_of(data: pa.RecordBatch | pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(data)
    assert isinstance(frame, pl.DataFrame)
    return frame


def hashed(frame: pl.LazyFrame) -> pl.DataFrame:
    """How many values there are, and the sum of their hashes."""
    found = frame.select(pl.len(), pl.col("value").hash().sum().alias("hash"))
    return found.collect(engine="streaming")


def check_hashed(found: pl.DataFrame, inputs: Inputs) -> None:
    """The same came out as of the records that were given."""
    if not found.equals(hashed(frame_of(pa.Table.from_batches(inputs.batches)).lazy())):
        raise WrongContentError("polars saw other bytes")
