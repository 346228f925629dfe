"""Where rows go: a topic's Arrow batches as Parquet, Arrow, ndjson, CSV or lines.

Every sink writes to an open file and holds a bounded number of rows; `close` writes what ends the
format. Columns are plain binary, not views, which other programs may not know.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from meghna._native.batch import Record
from meghna.cli.outcome import CommandError, Exit
from meghna.cli.record_text import Incoming, to_json
from meghna.engine.json_rows import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meghna.engine.scan import Scan

# Of a Parquet row group: what is held until it is written.
_GROUP_SIZE_MAX: Final = 64 * 1024 * 1024  # bytes
_GROUP_ROWS_MAX: Final = 1024 * 1024

CSV_COLUMNS: Final = ("partition", "offset", "timestamp", "key", "value")


class RowSink(Protocol):
    """Takes a scan's rows, a part after the other."""

    def write(self, scan: Scan) -> Iterator[int]:
        """Write all rows of a scan; how many were written since the last time it tells."""

    def close(self) -> None:
        """Write the end. The file stays open."""

    def abandon(self) -> None:
        """Let go of a file that will not be whole."""


class ParquetSink:
    """One Parquet file."""

    __slots__ = ("_batches", "_rows", "_size", "_writer")

    def __init__(self, file: IO[bytes], schema: pa.Schema, compression: str) -> None:
        from pyarrow import parquet  # noqa: PLC0415 - only for parquet

        self._writer = parquet.ParquetWriter(file, schema, compression=compression)
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._size = 0

    def write(self, scan: Scan) -> Iterator[int]:
        for batch in scan:
            self._batches.append(batch)
            self._rows += batch.num_rows
            self._size += batch.nbytes
            if self._size >= _GROUP_SIZE_MAX or self._rows >= _GROUP_ROWS_MAX:
                self._write_group()
            yield batch.num_rows

    def _write_group(self) -> None:
        if self._batches:
            table = pa.Table.from_batches(self._batches)
            self._writer.write_table(table, row_group_size=max(self._rows, 1))
        self._batches, self._rows, self._size = [], 0, 0

    def close(self) -> None:
        self._write_group()
        self._writer.close()

    def abandon(self) -> None:
        # pyarrow closes it when it is collected, and would complain of a file that is closed.
        with suppress(pa.ArrowException, OSError, ValueError):
            self._writer.close()
        self._writer.is_open = False


class ArrowSink:
    """Arrow's IPC format: a file, which can be read anywhere, or a stream."""

    __slots__ = ("_writer",)

    def __init__(
        self, file: IO[bytes], schema: pa.Schema, compression: str | None, *, stream: bool
    ) -> None:
        options = pa.ipc.IpcWriteOptions(compression=compression)
        make = pa.ipc.new_stream if stream else pa.ipc.new_file
        self._writer = make(file, schema, options=options)

    def write(self, scan: Scan) -> Iterator[int]:
        for batch in scan:
            self._writer.write_batch(batch)
            yield batch.num_rows

    def close(self) -> None:
        self._writer.close()

    def abandon(self) -> None:
        """Nothing: a stream without its end is known by that."""


class CsvSink:
    """CSV with a header; null is empty, text stands in quotes."""

    __slots__ = ("_writer",)

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        from pyarrow import csv  # noqa: PLC0415 - only for csv

        self._writer = csv.CSVWriter(file, _text_schema(schema))

    def write(self, scan: Scan) -> Iterator[int]:
        for batch in scan:
            try:
                self._writer.write_batch(batch.cast(_text_schema(batch.schema)))
            except pa.ArrowInvalid as error:
                raise CommandError(
                    f"csv holds text only ({error}); parquet, arrow and ndjson hold any bytes"
                ) from error
            yield batch.num_rows

    def close(self) -> None:
        self._writer.close()

    def abandon(self) -> None:
        """Nothing ends it."""


def _text_schema(schema: pa.Schema) -> pa.Schema:
    """Bytes as text, times as their numbers: what `ingest` and other programs read again."""
    kinds = {pa.binary(): pa.string(), pa.timestamp("ms"): pa.int64()}
    return pa.schema([(field.name, kinds.get(field.type, field.type)) for field in schema])


class LineSink:
    """Values, each with a newline; null is an empty line."""

    __slots__ = ("_file",)

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, scan: Scan) -> Iterator[int]:
        newline = pa.scalar(b"\n", pa.binary())
        for batch in scan:
            values = pc.fill_null(batch.column("value"), b"")
            lines = pc.binary_join_element_wise(values, newline, b"")
            write_texts(self._file, lines)
            yield len(lines)

    def close(self) -> None:
        """Nothing ends them."""

    def abandon(self) -> None:
        """As close."""


class JsonSink:
    """A JSON object a line, as `meghna consume -O ndjson` has them (record_text.to_json).

    Batches of text without headers are written column by column, with the same result.
    """

    __slots__ = ("_file", "_topic")

    def __init__(self, file: IO[bytes], topic: str) -> None:
        self._file = file
        self._topic = topic

    def write(self, scan: Scan) -> Iterator[int]:
        for batch in scan:
            try:
                write_texts(self._file, self._by_column(batch))
            except pa.ArrowInvalid:  # bytes that are not UTF-8
                self._write_each(batch)
            yield batch.num_rows

    def _by_column(self, batch: pa.RecordBatch) -> pa.Array:
        if len(batch.column("headers").flatten()):
            raise pa.ArrowInvalid("headers take the slower way")

        def number(name: str) -> pa.Array:
            return batch.column(name).cast(pa.int64()).cast(pa.string())

        def text(name: str) -> pa.Array:
            return pc.fill_null(quoted(batch.column(name).cast(pa.string())), "null")

        return pc.binary_join_element_wise(
            f'{{"topic": {json.dumps(self._topic)}, "partition": ', number("partition"),
            ', "offset": ', number("offset"), ', "timestamp": ', number("timestamp"),
            ', "key": ', text("key"), ', "value": ', text("value"), ', "headers": []}\n', "",
        )  # fmt: skip

    def _write_each(self, batch: pa.RecordBatch) -> None:
        for offset, time, key, value, headers, partition in zip(
            batch.column("offset").to_pylist(),
            batch.column("timestamp").cast(pa.int64()).to_pylist(),
            batch.column("key").to_pylist(),
            batch.column("value").to_pylist(),
            batch.column("headers").to_pylist(),
            batch.column("partition").to_pylist(),
            strict=True,
        ):
            pairs = tuple((header["key"], header["value"]) for header in headers)
            incoming = Incoming(self._topic, partition, Record(offset, time, key, value, pairs))
            self._file.write(to_json(incoming).encode() + b"\n")

    def close(self) -> None:
        """Nothing ends them."""

    def abandon(self) -> None:
        """As close."""


def write_texts(file: IO[bytes], texts: pa.Array) -> None:
    """Write an array of text or bytes, one after the other."""
    _, offsets, data = texts.buffers()
    assert texts.offset == 0
    if data is not None:
        end = memoryview(offsets).cast("i")[len(texts)]
        file.write(memoryview(data)[:end])


def columns_of(form: str, chosen: str | None) -> list[str] | None:
    """The columns to scan; None is all. Raises CommandError (usage)."""
    if form in ("lines", "ndjson"):
        if chosen is not None:
            raise CommandError(f"--columns is for tables, not for {form}", Exit.USAGE)
        return ["value"] if form == "lines" else None
    if chosen is None:
        return list(CSV_COLUMNS) if form == "csv" else None
    names = chosen.split(",")
    if form == "csv" and "headers" in names:
        raise CommandError("csv has no place for headers; ndjson, parquet and arrow do", Exit.USAGE)
    return names
