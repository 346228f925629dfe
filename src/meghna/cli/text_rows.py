"""Rows of text, one a line: `lines` as they are, `ndjson` as JSON.

Lines end at a newline, which is no part of them; anything else is (a carriage return, too). What
stands after the last newline of a file is a line as well. They are split by numpy, a block at a
time, without a Python object a line.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from meghna.cli.input_file import LINE_SIZE_MAX
from meghna.cli.outcome import CommandError
from meghna.cli.record_text import from_json
from meghna.cli.row_form import Piece, RowForm, are_records, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from meghna.cli.input_file import InputFile

_NEWLINE: Final = ord("\n")
_RECORD_LINES: Final = 10_000  # that are taken apart together


class LineSource:
    """Every line is a value."""

    __slots__ = ("_file", "_skipped_lines", "is_keyed", "rows")

    def __init__(self, file: InputFile, *, skipped_lines: int = 0) -> None:
        self._file = file
        self._skipped_lines = skipped_lines
        self.is_keyed = False
        self.rows = 0

    def fraction(self) -> float | None:
        return self._file.fraction()

    def pieces(self, first: int) -> Iterator[Piece]:
        header = self._skipped_lines
        for block in whole_lines(self._file):
            lines = split(block)[header:]
            header = 0
            row, self.rows = self.rows, self.rows + len(lines)
            rest = rest_of(lines, row, first)
            if len(rest):
                yield Piece(_values(rest), self.rows - len(rest))


class JsonSource:
    """Every line is JSON and, as it stands, a value; or a record that `export` wrote.

    Which of both the first line says: an object with a value and nothing that records do not have
    is a record. Empty lines are passed over.
    """

    __slots__ = ("_are_records", "_file", "_form", "_kinds", "is_keyed", "rows")

    def __init__(self, file: InputFile, form: RowForm) -> None:
        self._file = file
        self._form = form
        first = _first_object(file.head())
        self._are_records = not form.named and are_records(first)
        self._kinds = {name: _kind(first.get(name)) for name in form.named}
        self.is_keyed = form.key is not None or self._are_records
        self.rows = 0

    def fraction(self) -> float | None:
        return self._file.fraction()

    def pieces(self, first: int) -> Iterator[Piece]:
        line = 0
        for block in whole_lines(self._file):
            lines, row = split(block), self.rows
            filled = _filled(lines)
            rows = lines.take(pa.array(filled)) if len(filled) < len(lines) else lines
            self.rows += len(rows)
            skipped = len(rows) - len(rest_of(rows, row, first))
            if skipped < len(rows):
                numbers = filled[skipped:] + line + 1
                for piece in self._made(block, rows[skipped:], numbers, is_whole=not skipped):
                    yield piece._replace(first=piece.first + row + skipped)
            line += len(lines)

    def _made(
        self, block: bytes, rows: pa.Array, numbers: NDArray[np.int64], *, is_whole: bool
    ) -> Iterator[Piece]:
        """Pieces numbered from 0. `numbers` are those of the lines, for people."""
        if self._are_records:
            yield from self._records(rows, numbers)
            return
        columns = self._columns(block, len(rows)) if is_whole else None
        if columns is not None:
            yield Piece(self._batch(rows, columns, numbers), 0)
        else:
            yield from self._slowly(rows, numbers)

    def _columns(self, block: bytes, rows: int) -> dict[str, pa.Array] | None:
        """The named columns of a block of JSON, which is checked by it; None where pyarrow does not
        take it: it may be fine all the same."""
        from pyarrow import json as arrow_json  # noqa: PLC0415 - only for JSON

        if None in self._kinds.values() or not _is_utf8(block):  # pyarrow does not look
            return None
        schema = pa.schema(list(self._kinds.items()) or [("", pa.null())])
        try:
            table = arrow_json.read_json(
                pa.BufferReader(block),
                parse_options=arrow_json.ParseOptions(
                    explicit_schema=schema, unexpected_field_behavior="ignore"
                ),
            )
        except (pa.ArrowException, OSError):
            return None
        if table.num_rows != rows:  # an object over several lines, or several in one
            return None
        return {name: table.column(name).combine_chunks() for name in self._kinds}

    def _slowly(self, rows: pa.Array, numbers: NDArray[np.int64]) -> Iterator[Piece]:
        """Line by line: any JSON, any type in any column, and the place of what is wrong."""
        cells: dict[str, list[object]] = {name: [] for name in self._form.named}
        good, wrong = len(rows), None
        for index, row in enumerate(rows):
            try:
                found = json.loads(row.as_py(), parse_constant=_refuse)
                if cells and not isinstance(found, dict):
                    raise ValueError("an object is needed")
            except ValueError as error:  # not UTF-8, too
                good, wrong = index, f"{self._file.name}, line {numbers[index]}: not JSON: {error}"
                break
            for name, column in cells.items():
                column.append(_text(found.get(name)))
        if good:
            columns = {name: pa.array(column, pa.string()) for name, column in cells.items()}
            yield Piece(self._batch(rows[:good], columns, numbers), 0)
        if wrong is not None:
            raise CommandError(wrong)

    def _batch(
        self, rows: pa.Array, columns: dict[str, pa.Array], numbers: NDArray[np.int64]
    ) -> pa.RecordBatch:
        form = self._form
        made = {"value": columns[form.values[0]] if form.values else rows}
        if form.key is not None:
            made["key"] = columns[form.key]
        if form.timestamp is not None:
            made["timestamp"] = times(
                columns[form.timestamp],
                lambda row: f"{self._file.name}, line {numbers[row]}, column {form.timestamp}",
            )
        return pa.RecordBatch.from_pydict(made)

    def _records(self, rows: pa.Array, numbers: NDArray[np.int64]) -> Iterator[Piece]:
        for start in range(0, len(rows), _RECORD_LINES):
            made: list[tuple[object, ...]] = []
            wrong = None
            for number, row in zip(
                numbers[start:], rows[start : start + _RECORD_LINES], strict=False
            ):
                try:
                    record = from_json(row.as_py())
                except CommandError as error:
                    wrong = f"{self._file.name}, line {number}: {error}"
                    break
                made.append((record.key, record.value, record.headers, record.timestamp))
            if made:
                yield Piece(made, start)
            if wrong is not None:
                raise CommandError(wrong)


def is_object(line: bytes) -> bool:
    """Whether it is a JSON object, which is whole by its last brace."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def whole_lines(file: InputFile) -> Iterator[bytes]:
    """Blocks that end with a line; the last of all may lack its newline. Raises CommandError."""
    rest = b""
    while block := file.read():
        end = block.rfind(b"\n") + 1
        if end:
            yield rest + block[:end] if rest else block[:end]
            rest = block[end:]
        else:
            rest += block
        if len(rest) > LINE_SIZE_MAX:
            raise CommandError(f"{file.name}: a line is longer than {LINE_SIZE_MAX} bytes")
    if rest:
        yield rest


def split(block: bytes) -> pa.Array:
    """The lines of a block as an array of bytes."""
    newlines = np.flatnonzero(np.frombuffer(block, np.uint8) == _NEWLINE)
    lines = len(newlines) + (not block.endswith(b"\n"))
    data = block.replace(b"\n", b"")  # a line begins as many bytes earlier as there are before it
    offsets = np.zeros(lines + 1, np.int32)
    offsets[1 : len(newlines) + 1] = newlines - np.arange(len(newlines))
    offsets[lines] = len(data)
    return pa.Array.from_buffers(
        pa.binary(), lines, [None, pa.py_buffer(offsets), pa.py_buffer(data)], null_count=0
    )


def rest_of(rows: pa.Array, row: int, first: int) -> pa.Array:
    """Those of `rows`, which begin with number `row`, that have `first` or a higher one."""
    return rows[min(max(first - row, 0), len(rows)) :]


def _values(lines: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([lines], ["value"])


def _filled(lines: pa.Array) -> NDArray[np.int64]:
    """The indexes of lines that are not empty."""
    offsets = np.frombuffer(lines.buffers()[1], np.int32)
    sizes = np.diff(offsets)
    if (sizes > 1).all():
        return np.arange(len(lines))
    data = np.frombuffer(lines.buffers()[2], np.uint8)
    single = np.flatnonzero(sizes == 1)
    is_filled = sizes > 0
    is_filled[single] = data[offsets[single]] != ord("\r")
    return np.flatnonzero(is_filled)


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _first_object(head: bytes) -> dict[str, object]:
    for line in head.split(b"\n", 100):
        if line.strip():
            try:
                found = json.loads(line)
            except ValueError:
                return {}  # said when it is read, or longer than what was looked at
            return found if isinstance(found, dict) else {}
    return {}


def _kind(cell: object) -> pa.DataType | None:
    """The type that lets pyarrow read a column as text or whole numbers; None: line by line."""
    if isinstance(cell, str):
        return pa.string()
    return pa.int64() if isinstance(cell, int) and not isinstance(cell, bool) else None


def _text(cell: object) -> str | None:
    """A cell as the bytes that it becomes: text as it is, anything else as its JSON."""
    if cell is None or isinstance(cell, str):
        return cell
    return json.dumps(cell, ensure_ascii=False)


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")
