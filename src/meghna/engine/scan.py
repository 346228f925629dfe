"""A part of a topic as an Arrow stream. Its columns' buffers are the core's own (scan.pyi)."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from meghna._native import scan as native
from meghna.engine.ranges import Range, chunks_of, records_of
from meghna.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd
    import polars as pl
    from typing_extensions import Buffer

# Bits of a scan's columns, in the order of the schema. A partition is a number of ours.
_COLUMNS: Final = {
    "offset": native.OFFSETS,
    "timestamp": native.TIMESTAMPS,
    "key": native.KEYS,
    "value": native.VALUES,
    "headers": native.HEADERS,
    "partition": 0,
}
_TIME: Final = pa.timestamp("ms")


class Scan:
    """Records of a topic as columns; made by `Topic.scan`, which says what they are.

    Anything that speaks Arrow's PyCapsule protocol reads it: `pyarrow.table(scan)`,
    `polars.from_arrow(scan)`, `duckdb.sql("select … from scan")`. It reads batch by batch, and anew
    each time.
    """

    __slots__ = ("_columns", "_copy", "_max_rows", "ranges", "schema")

    def __init__(
        self,
        ranges: list[Range],
        *,
        columns: Iterable[str] | None = None,
        max_rows: int,
        copy: bool = False,
    ) -> None:
        if isinstance(columns, str):
            raise ConfigError(f"columns are a list of names: write [{columns!r}]")
        names = list(_COLUMNS if columns is None else columns)
        for name in names:
            if name not in _COLUMNS:
                raise ConfigError(f"a topic has no column {name!r}; it has {', '.join(_COLUMNS)}")
        if max_rows < 1:
            raise ConfigError(f"max_rows is at least 1, not {max_rows}")
        self.ranges = ranges
        self._columns = names
        self._max_rows = max_rows
        self._copy = copy
        self.schema: pa.Schema = pa.schema([(name, _type_of(name, copy=copy)) for name in names])
        """The Arrow schema of every batch."""

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{part.partition.topic}-{part.partition.index} {part.start}..{part.end}"
            for part in self.ranges
        )
        return f"<meghna.Scan of {parts or 'nothing'}>"

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Batches of at most `max_rows` rows, each of one segment.

        Raises:
            CorruptDataError: damaged bytes; names the file and the offset.
            OutOfRangeError: retention was faster than the scan.
            ClosedError: the log was closed.
        """
        wanted = 0
        for name in self._columns:
            wanted |= _COLUMNS[name]
        for part in self.ranges:
            # Without a column of records, rows are only counted.
            for chunk in chunks_of(
                part,
                columns=wanted or native.OFFSETS,
                max_rows=self._max_rows,
                copy=self._copy,
            ):
                yield self._batch(chunk, part.partition.index)

    def _batch(self, chunk: native.Chunk, partition: int) -> pa.RecordBatch:
        if not self._columns:  # rows without columns, which are counted all the same
            rows = pa.Array.from_buffers(pa.struct([]), chunk.count, [None])
            return pa.RecordBatch.from_struct_array(rows)
        buffers = [pa.py_buffer(each) for each in chunk.buffers]
        arrays = [_array(name, chunk, partition, buffers) for name in self._columns]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    # ---- For other programs ----

    def reader(self) -> pa.RecordBatchReader:
        """A pyarrow reader of the batches, which are made as they are asked for."""
        return pa.RecordBatchReader.from_batches(self.schema, iter(self))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.reader().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def records(self) -> Iterator[native.Record]:
        """The records as Python objects, with their bytes copied."""
        return chain.from_iterable(map(records_of, self.ranges))

    def to_arrow(self) -> pa.Table:
        """A pyarrow table. Its keys and values are views, which most of pyarrow.compute does not
        know yet (no filter, no sort): scan with `copy=True` for that."""
        return self.reader().read_all()

    def to_polars(self) -> pl.DataFrame:
        """A polars DataFrame. Raises ModuleNotFoundError without polars."""
        import polars as pl  # noqa: PLC0415 - not ours to depend on

        return pl.DataFrame(self.reader())

    def to_polars_lazy(self) -> pl.LazyFrame:
        """A polars LazyFrame: reads when it is collected, the columns that are needed, and with
        polars' streaming engine no more at a time than fits."""
        from meghna.engine.polars_source import lazy_frame  # noqa: PLC0415

        return lazy_frame(self)

    def to_pandas(self) -> pd.DataFrame:
        """A pandas DataFrame; its bytes are Python objects."""
        plain = Scan(self.ranges, columns=self._columns, max_rows=self._max_rows, copy=True)
        frame: pd.DataFrame = plain.to_arrow().to_pandas()
        return frame

    def select(self, columns: Iterable[str]) -> Scan:
        """The same scan with some of the columns: a list of their names."""
        return Scan(self.ranges, columns=columns, max_rows=self._max_rows, copy=self._copy)


def _type_of(name: str, *, copy: bool) -> pa.DataType:
    text, data = (pa.string(), pa.binary()) if copy else (pa.string_view(), pa.binary_view())
    match name:
        case "offset":
            return pa.int64()
        case "timestamp":
            return _TIME
        case "partition":
            return pa.int32()
        case "headers":
            return pa.list_(pa.struct([pa.field("key", text, nullable=False), ("value", data)]))
        case _:
            return data


def _array(name: str, chunk: native.Chunk, partition: int, buffers: list[pa.Buffer]) -> pa.Array:
    count = chunk.count
    match name:
        case "offset":
            return _fixed(pa.int64(), chunk.offsets, count)
        case "timestamp":
            return _fixed(_TIME, chunk.timestamps, count)
        case "partition":
            return pa.repeat(pa.scalar(partition, pa.int32()), count)
        case "key":
            return _strings(chunk.keys, buffers, text=False)
        case "value":
            return _strings(chunk.values, buffers, text=False)
        case _:
            return _headers(chunk, buffers)


def _fixed(kind: pa.DataType, data: Buffer | None, count: int) -> pa.Array:
    return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(data)])


def _strings(column: native.Column | None, buffers: list[pa.Buffer], *, text: bool) -> pa.Array:
    assert column is not None
    validity = None if column.validity is None else pa.py_buffer(column.validity)
    if column.views is None:
        kind = pa.string() if text else pa.binary()
        parts = [validity, pa.py_buffer(column.offsets), pa.py_buffer(column.data)]
    else:
        kind = pa.string_view() if text else pa.binary_view()
        parts = [validity, pa.py_buffer(column.views), *buffers]
    return pa.Array.from_buffers(kind, column.count, parts, null_count=column.null_count)


def _headers(chunk: native.Chunk, buffers: list[pa.Buffer]) -> pa.Array:
    keys = _text(_strings(chunk.header_keys, buffers, text=True))
    values = _strings(chunk.header_values, buffers, text=False)
    fields = [pa.field("key", keys.type, nullable=False), pa.field("value", values.type)]
    pairs = pa.StructArray.from_arrays([keys, values], fields=fields)
    kind = pa.list_(pairs.type)
    offsets = pa.py_buffer(chunk.header_offsets)
    return pa.Array.from_buffers(kind, chunk.count, [None, offsets], children=[pairs])


def _text(names: pa.Array) -> pa.Array:
    """The names of headers, which a client may have written in any bytes."""
    try:
        names.validate(full=True)
    except pa.ArrowInvalid:
        data = names.view(pa.binary_view() if names.type == pa.string_view() else pa.binary())
        texts = [name.decode("utf-8", "replace") for name in data.to_pylist()]
        return pa.array(texts, names.type)
    return names
