"""What people have, as rows to append: lists, iterables, numpy arrays, Arrow data.

Bytes are not touched here: an array's buffers are lent to the core, which builds batches from them
without an object a record. Input of any length comes out in pieces of bounded size.

A table of nothing but `value`, `key`, `timestamp` and `headers` is records. One column of bytes or
text is values; any other table becomes JSON, an object a row. What `Scan` gives out can be appended
as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from meghna._native.ingest import Column, Headers, Rows
from meghna.engine import arrow_rows
from meghna.engine.moments import EARLIEST, bound

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from typing_extensions import Buffer

    NumpyArray = np.ndarray[tuple[int, ...], np.dtype[np.generic]]

PIECE_ROWS: Final = 65_536
"""Rows of a list or an iterable that are looked at together."""
ARRAY_ROWS: Final = 16 * PIECE_ROWS
"""Rows of an array or a table: only a view of them is made."""

_ROW_FIELDS: Final = ("key", "value", "headers", "timestamp")


@dataclass(frozen=True, slots=True)
class Source:
    """What goes with the rows: columns of a table by name, or arrays beside an array of values."""

    key: object = None
    value: object = None
    headers: object = None
    timestamp: object = None

    def part(self, start: int, count: int, whole: int) -> Source:
        """What goes with `count` rows from `start`, of `whole`.

        Raises:
            ValueError: not one for each row.
        """
        return Source(
            key=_part(self.key, start, count, whole),
            headers=_part(self.headers, start, count, whole),
            timestamp=_part(self.timestamp, start, count, whole),
        )


def pieces(
    data: object, source: Source, *, now_ms: int, rows_max: int = ARRAY_ROWS
) -> Iterator[Rows]:
    """`data` as rows to append, piece by piece; nothing of the next is looked at before.

    A piece has at most `rows_max` rows.

    Raises:
        TypeError: nothing that can be rows; says what can.
        ValueError: columns of different lengths, or that are not there.
    """
    if isinstance(data, (str, bytes, bytearray, memoryview, Mapping)):
        raise TypeError(
            f"append_many takes many rows, and this is one {type(data).__name__}; use append for "
            "one record"
        )
    piece_rows = min(rows_max, PIECE_ROWS)
    if isinstance(data, (list, tuple)):
        yield from _list_pieces(data, source, now_ms=now_ms, piece_rows=piece_rows)
    elif _is_numpy(data):
        array: NumpyArray = data  # type: ignore[assignment]
        yield from _array_pieces(array, source, now_ms=now_ms, piece_rows=rows_max)
    elif _is_arrow(data):
        yield from arrow_rows.pieces(
            data,
            key=source.key,
            value=source.value,
            headers=source.headers,
            timestamp=source.timestamp,
            now_ms=now_ms,
            piece_rows=rows_max,
        )
    elif isinstance(data, Iterable):
        if source != Source():
            raise TypeError("key, value, headers and timestamp go with tables and arrays only")
        rows = iter(data)
        while piece := list(islice(rows, piece_rows)):
            yield _listed(piece, Source(), now_ms=now_ms)
    else:
        raise TypeError(
            f"{type(data).__name__} is nothing that can be appended; append_many takes lists and "
            "iterables of bytes or tuples, numpy arrays, and Arrow tables, batches and streams"
        )


def _is_numpy(data: object) -> bool:
    return type(data).__module__ == "numpy" and hasattr(data, "dtype")


def _is_arrow(data: object) -> bool:
    """Whether it speaks Arrow's PyCapsule protocol: polars, pandas, duckdb, pyarrow, `Scan`."""
    return hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__")


# ---- Lists ----


def _list_pieces(
    data: Sequence[object], source: Source, *, now_ms: int, piece_rows: int
) -> Iterator[Rows]:
    if source.value is not None:
        raise TypeError("value= names a column of a table; a list is the values itself")
    for start in range(0, len(data), piece_rows):
        part = data if len(data) <= piece_rows else data[start : start + piece_rows]
        yield _listed(part, source.part(start, len(part), len(data)), now_ms=now_ms)


def _part(beside: object, start: int, count: int, whole: int) -> object:
    """The slice of an array that goes beside rows; scalars (a timestamp for all) stay."""
    if beside is None or isinstance(beside, (int, str, datetime)):
        return beside
    if not hasattr(beside, "__getitem__") or not hasattr(beside, "__len__"):
        raise TypeError(f"{type(beside).__name__} cannot go beside rows; use a list or an array")
    if len(beside) != whole:
        raise ValueError(f"{whole} values, but {len(beside)} of what goes beside them")
    part: object = beside[start : start + count]
    return part


def _listed(rows: Sequence[object], source: Source, *, now_ms: int) -> Rows:
    first = rows[0]
    if isinstance(first, Mapping):
        raise TypeError(
            "row 0 is a mapping: append json.dumps(row), or pyarrow.Table.from_pylist(rows), whose "
            "rows become JSON"
        )
    if isinstance(first, tuple) or hasattr(first, "value"):
        if source.key is not None or source.headers is not None:
            raise TypeError("rows that are tuples have their keys and headers in them")
        return _tuples(rows, source.timestamp, now_ms=now_ms)
    return _beside(Column.items(rows), source, now_ms=now_ms)  # type: ignore[arg-type]


def _tuples(rows: Sequence[object], timestamp: object, *, now_ms: int) -> Rows:
    """(key, value), (key, value, headers), (key, value, headers, timestamp), or records."""
    if isinstance(rows[0], tuple):
        full = [_filled(row, number) for number, row in enumerate(rows)]
    else:
        full = [tuple(getattr(row, name) for name in _ROW_FIELDS) for row in rows]
    keys, values, headers, times = zip(*full, strict=True)
    if any(time is not None for time in times):
        timestamp = [now_ms if time is None else time for time in times]
    return assembled(
        Column.items(values),
        Column.items(keys) if any(key is not None for key in keys) else None,
        Headers.items(headers) if any(headers) else None,
        times_of(timestamp, now_ms=now_ms),
    )


def _filled(row: object, number: int) -> tuple[object, ...]:
    if not isinstance(row, tuple) or not 2 <= len(row) <= len(_ROW_FIELDS):
        raise TypeError(
            f"row {number} is {row!r:.60}; write (key, value), (key, value, headers) or "
            "(key, value, headers, timestamp)"
        )
    return row + (None,) * (len(_ROW_FIELDS) - len(row))


# ---- Arrays ----


def _array_pieces(
    data: NumpyArray, source: Source, *, now_ms: int, piece_rows: int
) -> Iterator[Rows]:
    if source.value is not None:
        raise TypeError("value= names a column of a table; an array is the values itself")
    for start in range(0, len(data), piece_rows):
        part = data[start : start + piece_rows]
        yield _beside(_numpy_column(part), source.part(start, len(part), len(data)), now_ms=now_ms)


def _beside(values: Column, source: Source, *, now_ms: int) -> Rows:
    return assembled(
        values,
        None if source.key is None else column_of(source.key),
        None if source.headers is None else _headers_of(source.headers),
        times_of(source.timestamp, now_ms=now_ms),
    )


def column_of(data: object) -> Column:
    """An array or a list of byte strings, of any kind, as a column."""
    if _is_numpy(data):
        return _numpy_column(data)  # type: ignore[arg-type]
    if isinstance(data, (list, tuple)):
        return Column.items(data)
    if _is_arrow(data):
        return arrow_rows.column(arrow_rows.one_array(data))
    raise TypeError(f"{type(data).__name__} is no column of bytes; use a list or an array")


def _headers_of(data: object) -> Headers:
    if isinstance(data, (list, tuple)):
        return Headers.items(data)
    if _is_arrow(data):
        return arrow_rows.headers_of(arrow_rows.one_array(data))
    raise TypeError(f"{type(data).__name__} is no column of headers; use a list of mappings")


def _numpy_column(array: NumpyArray) -> Column:
    """`S`: bytes as numpy reads them, without NULs at the end. `V`, and uint8 of two dimensions:
    all bytes of each row. Arrays of objects and text: a list."""
    import numpy as np  # noqa: PLC0415 - slow to import

    kind, width = array.dtype.kind, array.dtype.itemsize
    if kind == "u" and width == 1 and array.ndim == 2:
        whole = np.ascontiguousarray(array)
        return Column.fixed(whole.data, whole.shape[1], count=len(whole))
    if array.ndim != 1:
        raise TypeError(f"an array of {array.ndim} dimensions and {array.dtype} is no column")
    if kind in "OUT" or width == 0:
        return Column.items(array.tolist())
    if kind in "SV" and array.dtype.names is None:
        whole = np.ascontiguousarray(array)
        return Column.fixed(whole.view("u1").data, width, count=len(whole), trim=kind == "S")
    raise TypeError(
        f"an array of {array.dtype} has no bytes of its own; view it as bytes "
        f"(array.view('V{width}')), or format it first"
    )


# ---- Times ----


def times_of(value: object, *, now_ms: int) -> Buffer | int:
    """Timestamps in milliseconds: one for all rows, or int64, one a row.

    Raises:
        TypeError: neither datetimes nor milliseconds.
    """
    if value is None:
        return now_ms
    if isinstance(value, (int, str, datetime)):
        return _time_ms(value, now_ms=now_ms)
    import numpy as np  # noqa: PLC0415 - slow to import

    if isinstance(value, (list, tuple)):
        stamps = [now_ms if each is None else _time_ms(each, now_ms=now_ms) for each in value]
        return np.array(stamps, dtype=np.int64).data
    if not _is_numpy(value):
        if not _is_arrow(value):
            raise TypeError(f"{type(value).__name__} is no column of timestamps")
        return arrow_rows.times(arrow_rows.one_array(value), now_ms=now_ms)
    array: NumpyArray = value  # type: ignore[assignment]
    if array.dtype.kind == "M":
        moments = array.astype("datetime64[ms]")
        array = np.where(np.isnat(moments), np.datetime64(now_ms, "ms"), moments).view(np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"timestamps are datetimes or milliseconds, not {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.int64).data


def _time_ms(value: object, *, now_ms: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = bound(value, now_ms=now_ms, default=EARLIEST)  # type: ignore[arg-type]
    if found.time_ms is None:
        raise TypeError(f"{value!r} is no timestamp; use milliseconds or a datetime")
    return found.time_ms


def assembled(
    values: Column | None, keys: Column | None, headers: Headers | None, times: Buffer | int
) -> Rows:
    """Columns side by side."""
    if isinstance(times, int):
        return Rows(values=values, keys=keys, headers=headers, timestamp=times)
    return Rows(values=values, keys=keys, headers=headers, timestamps=times)
