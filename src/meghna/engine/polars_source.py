"""A scan as a source of polars' lazy engine: columns, row counts and filters are pushed down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from polars.io.plugins import register_io_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meghna.engine.scan import Scan


def lazy_frame(scan: Scan) -> pl.LazyFrame:
    """A LazyFrame that scans when it is collected."""

    def source(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        del batch_size  # ours are of the scan's own size
        left = n_rows
        for batch in scan if with_columns is None else scan.select(with_columns):
            frame = pl.DataFrame(batch)
            if left is not None:
                frame = frame.head(left)
                left -= len(frame)
            yield frame if predicate is None else frame.filter(predicate)
            if left == 0:
                return

    return register_io_source(source, schema=pl.Schema(scan.schema))
