"""Rows of Parquet and Arrow files, batch by batch: memory holds one at a time.

What the columns mean is the library's rule (Topic.append_many): a column `value` beside nothing but
what records have makes a table records, a single column of bytes or text is values, and any other
row becomes a JSON object. Columns that options name do not count: they have their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from meghna.cli.input_file import STDIN, InputFile
from meghna.cli.outcome import CommandError, Exit
from meghna.cli.row_form import Piece, RowForm, check_names
from meghna.engine.arrow_rows import RECORD_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

_BATCH_ROWS: Final = 65_536
_FILE_MAGIC: Final = b"ARROW1"


class TableSource:
    """A table in a file: `opened` is a ParquetFile, or a reader of Arrow's file or stream."""

    __slots__ = ("_columns", "_done", "_file", "_form", "_opened", "_total", "is_keyed", "rows")

    def __init__(self, file: InputFile, form: RowForm) -> None:
        """Open the file and look at its columns. Raises CommandError."""
        self._file = file
        self._form = form
        self._done, self._total = 0, 0
        self.rows = 0
        try:
            self._opened = _opened(file, form.format)
        except (pa.ArrowException, OSError) as error:
            raise CommandError(f"{file.name} is no {form.format} file: {error}") from error
        names = self._schema().names
        check_names(form.named, names, file.name)
        self._columns = self._meanings(names)
        self.is_keyed = self._columns["key"] is not None

    def _meanings(self, names: list[str]) -> dict[str, object]:
        """Which columns are what."""
        form = self._form
        found: dict[str, object] = {
            "key": form.key,
            "value": _one_or_many(form.values),
            "timestamp": form.timestamp,
        }
        if form.values or "value" not in names:
            return found
        if not set(names) - RECORD_COLUMNS - set(form.named):
            for name in ("key", "timestamp", "headers"):
                if name in names and found.get(name) is None:
                    found[name] = name
            return {**found, "value": "value"}
        return {**found, "value": names}

    def _schema(self) -> pa.Schema:
        opened: Any = self._opened
        return opened.schema_arrow if self._form.format == "parquet" else opened.schema

    def fraction(self) -> float | None:
        return self._done / self._total if self._total else None

    def pieces(self, first: int) -> Iterator[Piece]:
        try:
            for start, batch in self._batches(first):
                self.rows = start + batch.num_rows
                skipped = max(first - start, 0)
                if skipped < batch.num_rows:
                    yield Piece(batch.slice(skipped), start + skipped, self._columns)
        except (pa.ArrowException, OSError) as error:
            what = f"{self._file.name}, after row {self.rows}"
            raise CommandError(f"{what}: not readable: {error}") from error

    def _batches(self, first: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Batches and the numbers of their first rows; what lies whole before `first` may lack."""
        opened: Any = self._opened
        if self._form.format == "parquet":
            yield from self._row_groups(first)
            return
        row = 0
        if isinstance(opened, pa.RecordBatchStreamReader):
            batches: Iterator[pa.RecordBatch] = iter(opened)
        else:
            self._total = opened.num_record_batches
            batches = (opened.get_batch(i) for i in range(self._total))
        for batch in batches:
            yield row, batch
            row += batch.num_rows
            self._done += 1

    def _row_groups(self, first: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        opened: Any = self._opened
        metadata = opened.metadata
        self._total = metadata.num_rows
        row = 0
        wanted: list[int] = []
        for index in range(metadata.num_row_groups):
            rows = metadata.row_group(index).num_rows
            if wanted or row + rows > first:
                wanted.append(index)
            else:
                row += rows
        self.rows = row
        columns = self._form.named if self._form.values else None
        for batch in opened.iter_batches(_BATCH_ROWS, row_groups=wanted, columns=columns):
            yield row, batch
            self._done = row = row + batch.num_rows


def _one_or_many(values: tuple[str, ...]) -> object:
    return (values[0] if len(values) == 1 else list(values)) if values else None


def _opened(file: InputFile, form: str) -> object:
    if form == "parquet":
        if file.path == STDIN or not file.is_regular:
            raise CommandError("Parquet is read from its end: name a file", Exit.USAGE)
        from pyarrow import parquet  # noqa: PLC0415 - only for parquet

        return parquet.ParquetFile(file.path, pre_buffer=False)
    # A file that is mapped is read where its rows are wanted.
    if file.is_regular and file.path != STDIN:
        mapped = pa.memory_map(file.path)
        if file.head().startswith(_FILE_MAGIC):
            return pa.ipc.open_file(mapped)
        return pa.ipc.open_stream(mapped)
    return pa.ipc.open_stream(pa.PythonFile(file, "r"))
