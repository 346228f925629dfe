"""Rows of CSV: a JSON object each, or its columns as key, value and timestamp.

The text of a cell is kept. In a column whose cells are all JSON numbers or booleans in the first
block, such cells stand in JSON as they are written; everything else is a string, so a code such as
007 stays one; with RowForm.text all are. An empty cell is null, an empty one in quotes is an empty
string.
"""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from meghna.cli.input_file import HEAD_SIZE, InputFile, suffixes
from meghna.cli.outcome import CommandError
from meghna.cli.read_ahead import ReadAhead
from meghna.cli.row_form import Piece, RowForm, are_records, check_names, times
from meghna.engine.json_rows import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Of what is parsed together; a row must fit.
_BLOCK_SIZE: Final = 2 * 1024 * 1024
_WITH_TABS: Final = (".tsv", ".tab")
_PLAIN: Final = r"^(?:true|false|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)$"


class CsvSource:
    """A CSV file, read in blocks."""

    __slots__ = (
        "_are_records",
        "_file",
        "_form",
        "_is_empty",
        "_names",
        "_plain",
        "is_keyed",
        "rows",
    )

    def __init__(self, file: InputFile, form: RowForm) -> None:
        """Look at the header. Raises CommandError."""
        self._file = file
        self._form = form
        first, *rest = file.head().split(b"\n", 1)
        if not rest and len(first) >= HEAD_SIZE:
            raise CommandError(f"{file.name}: the first line is longer than {HEAD_SIZE} bytes")
        self._is_empty = form.has_header and not rest
        try:
            cells = next(csv.reader([first.decode("utf-8-sig")], delimiter=self._delimiter), [])
        except UnicodeDecodeError as error:
            raise CommandError(f"{file.name}, line 1: {self._not_utf8}") from error
        except csv.Error as error:
            raise CommandError(f"{file.name}, line 1: not CSV: {error}") from error
        self._names = cells if form.has_header else [f"column{i + 1}" for i in range(len(cells))]
        if len(set(self._names)) < len(self._names):
            raise CommandError(f"{file.name}: two columns have the same name; say --no-header")
        if cells:
            check_names(form.named, self._names, file.name)
        self._are_records = not form.named and are_records(self._names)
        self._plain: set[str] | None = set() if form.text else None
        self.is_keyed = form.key is not None or (self._are_records and "key" in self._names)
        self.rows = 0

    @property
    def _delimiter(self) -> str:
        by_name = "\t" if suffixes(self._file.path)[0] in _WITH_TABS else ","
        return self._form.delimiter or by_name

    @property
    def _not_utf8(self) -> str:
        return f"it is not UTF-8; recode it, e.g. iconv -f latin1 -t utf-8 {self._file.path}"

    def fraction(self) -> float | None:
        return self._file.fraction()

    def pieces(self, first: int) -> Iterator[Piece]:
        if not self._names or self._is_empty:
            return
        try:
            # One thread parses, the next makes JSON.
            with ReadAhead(iter(self._batches())) as batches:
                yield from self._pieces(batches, first)
        except (pa.ArrowException, OSError) as error:
            raise CommandError(
                f"{self._file.name}, after row {self.rows}: {self._reason(error)}"
            ) from error

    def _pieces(self, batches: Iterable[pa.RecordBatch], first: int) -> Iterator[Piece]:
        for batch in batches:
            row, self.rows = self.rows, self.rows + batch.num_rows
            skipped = min(max(first - row, 0), batch.num_rows)
            if self._plain is None:
                self._plain = {name for name in self._names if _is_plain(batch.column(name))}
            if skipped < batch.num_rows:
                yield Piece(self._made(batch.slice(skipped), row + skipped), row + skipped)

    def _batches(self) -> arrow_csv.CSVStreamingReader | list[pa.RecordBatch]:
        try:
            return arrow_csv.open_csv(
                pa.PythonFile(self._file, "r"),
                # In one thread it knows the number of a bad row.
                read_options=arrow_csv.ReadOptions(
                    use_threads=False,
                    block_size=_BLOCK_SIZE,
                    column_names=self._names,
                    skip_rows=int(self._form.has_header),
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=True
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(self._names, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return []
            raise

    def _made(self, batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
        """What rows are appended as; `first` is the number of the first of them."""
        form = self._form
        key, value, timestamp = form.key, form.values, form.timestamp
        if self._are_records:
            key, timestamp = (
                name if name in self._names else None for name in ("key", "timestamp")
            )
            value = ("value",)
        one = len(value) == 1
        made = {"value": batch.column(value[0]) if one else self._json(batch, value or self._names)}
        if key is not None:
            made["key"] = batch.column(key)
        if timestamp is not None:
            number = first + 1 + self._form.has_header  # the header is row 1, also for pyarrow
            made["timestamp"] = times(
                batch.column(timestamp),
                lambda row: f"{self._file.name}, row {number + row}, column {timestamp}",
            )
        return pa.RecordBatch.from_pydict(made)

    def _reason(self, error: Exception) -> str:
        told = str(error).removeprefix("CSV parse error: ").removeprefix("In CSV ")
        bytes_of = re.match(r"column #(\d+): .*invalid UTF8", told)
        if bytes_of:
            return f"column {self._names[int(bytes_of[1])]}: {self._not_utf8}"
        return told

    def _json(self, batch: pa.RecordBatch, names: tuple[str, ...] | list[str]) -> pa.Array:
        assert self._plain is not None
        parts: list[object] = []
        opening = "{"
        for name in names:
            column = batch.column(name)
            parts += [f"{opening}{json.dumps(name)}:", _cells(column, plain=name in self._plain)]
            opening = ","
        return pc.binary_join_element_wise(*parts, "}", "")


def _is_plain(column: pa.Array) -> bool:
    """Whether there are cells, and all of them are numbers or booleans."""
    return bool(pc.all(pc.match_substring_regex(column, _PLAIN), min_count=1).as_py())


def _cells(column: pa.Array, *, plain: bool) -> pa.Array:
    if not plain:
        return pc.fill_null(quoted(column), "null")
    is_plain = pc.match_substring_regex(column, _PLAIN)
    if not pc.all(is_plain).as_py():
        column = pc.if_else(is_plain, column, quoted(column))
    return pc.fill_null(column, "null")
