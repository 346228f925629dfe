"""Every form in which rows can be given to `append_many`, and what each makes of given rows.

A form takes rows and returns what to append, the arguments beside it, and the rows that must come
out. Not every form can say everything: numpy's `S` has no nulls and no NULs at the end, text no
bytes that are not UTF-8. A form then changes the rows, and what it returns is what it said.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

Headers = tuple[tuple[str, bytes | None], ...]


class Row(NamedTuple):
    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = ()
    timestamp: int | None = None
    """Milliseconds; None is the time of the append."""


class Given(NamedTuple):
    rows: object
    beside: dict[str, Any]
    expected: list[Row]


Form = Callable[[list[Row]], Given]


def by_name(form: Form) -> str:
    """For parametrized tests."""
    return form.__name__


def values_of(rows: list[Row]) -> list[bytes | None]:
    return [row.value for row in rows]


def with_values(rows: list[Row], values: Sequence[bytes | None]) -> list[Row]:
    return [row._replace(value=value) for row, value in zip(rows, values, strict=True)]


def only_values(values: Sequence[bytes | None]) -> list[Row]:
    return [Row(value=value) for value in values]


def text(data: bytes | None) -> str:
    return (data or b"").decode("latin-1")


def as_text(values: Sequence[bytes | None]) -> list[bytes]:
    return [text(value).encode() for value in values]


# --- lists ------------------------------------------------------------------------------------


def list_of_bytes(rows: list[Row]) -> Given:
    return Given(values_of(rows), {}, only_values(values_of(rows)))


def list_of_text(rows: list[Row]) -> Given:
    given = [text(row.value) for row in rows]
    return Given(given, {}, only_values([each.encode() for each in given]))


def list_of_buffers(rows: list[Row]) -> Given:
    kinds: list[Callable[[bytes], object]] = [bytes, bytearray, memoryview]
    given = [
        None if row.value is None else kinds[number % 3](row.value)
        for number, row in enumerate(rows)
    ]
    return Given(tuple(given), {}, only_values(values_of(rows)))


def list_with_lists_beside(rows: list[Row]) -> Given:
    beside = {
        "key": [row.key for row in rows],
        "headers": [row.headers for row in rows],
        "timestamp": [row.timestamp for row in rows],
    }
    return Given(values_of(rows), beside, rows)


def list_at_one_time(rows: list[Row]) -> Given:
    stamp = rows[0].timestamp
    return Given(
        values_of(rows),
        {"timestamp": stamp},
        [Row(value=v, timestamp=stamp) for v in values_of(rows)],
    )


def pairs(rows: list[Row]) -> Given:
    return Given([(row.key, row.value) for row in rows], {}, [Row(*row[:2]) for row in rows])


def triples(rows: list[Row]) -> Given:
    given = [(row.key, row.value, dict(row.headers)) for row in rows]
    return Given(given, {}, [Row(r.key, r.value, tuple(dict(r.headers).items())) for r in rows])


def quadruples(rows: list[Row]) -> Given:
    return Given([tuple(row)[:4] for row in rows], {}, rows)


def tuples_of_all_sizes(rows: list[Row]) -> Given:
    given = [tuple(row)[: 2 + number % 3] for number, row in enumerate(rows)]
    kept = [row._replace(timestamp=None) if n % 3 < 2 else row for n, row in enumerate(rows)]
    return Given(
        given, {}, [r._replace(headers=()) if n % 3 == 0 else r for n, r in enumerate(kept)]
    )


def iterable_of_values(rows: list[Row]) -> Given:
    return Given(iter(values_of(rows)), {}, only_values(values_of(rows)))


def iterable_of_tuples(rows: list[Row]) -> Given:
    return Given((tuple(row) for row in rows), {}, rows)


def lines_of_a_file(rows: list[Row]) -> Given:
    data = b"".join((row.value or b"").replace(b"\n", b"") + b"\n" for row in rows)
    lines = [line + b"\n" for line in data.split(b"\n")[:-1]]
    return Given(io.BytesIO(data), {}, only_values(lines))


# --- numpy ------------------------------------------------------------------------------------


def beside_arrays(rows: list[Row]) -> dict[str, Any]:
    """Keys and times as arrays; a null among the times cannot be said but by NaT."""
    stamps = [
        np.datetime64("NaT", "ms") if row.timestamp is None else np.datetime64(row.timestamp, "ms")
        for row in rows
    ]
    return {
        "key": np.array([row.key for row in rows], dtype=object),
        "headers": [row.headers for row in rows],
        "timestamp": np.array(stamps, dtype="datetime64[ms]"),
    }


def numpy_bytes(rows: list[Row]) -> Given:
    values = [row.value or b"" for row in rows]
    array = np.array(values, dtype=f"S{max(1, *map(len, values), 1)}")
    return Given(array, beside_arrays(rows), with_values(rows, [v.rstrip(b"\0") for v in values]))


def padded(rows: list[Row]) -> list[bytes]:
    width = max(1, *(len(row.value or b"") for row in rows), 1)
    return [(row.value or b"").ljust(width, b"\0") for row in rows]


def numpy_void(rows: list[Row]) -> Given:
    values = padded(rows)
    array = np.frombuffer(b"".join(values), dtype=f"V{len(values[0])}")
    return Given(array, beside_arrays(rows), with_values(rows, values))


def numpy_matrix(rows: list[Row]) -> Given:
    values = padded(rows)
    matrix = np.frombuffer(b"".join(values), np.uint8).reshape(len(values), -1)
    return Given(matrix, {}, only_values(values))


def numpy_matrix_with_strides(rows: list[Row]) -> Given:
    values = padded(rows)
    matrix = np.frombuffer(b"".join(values), np.uint8).reshape(len(values), -1)
    wide = np.zeros((2 * len(values), 2 * matrix.shape[1]), np.uint8)
    wide[::-2, ::2] = matrix
    return Given(wide[::-2, ::2], {}, only_values(values))


def numpy_bytes_with_strides(rows: list[Row]) -> Given:
    values = [row.value or b"" for row in rows]
    array = np.array([each for v in values for each in (v, b"other")])
    return Given(array[::2], {}, only_values([v.rstrip(b"\0") for v in values]))


def numpy_objects(rows: list[Row]) -> Given:
    array = np.array([None, *values_of(rows)], dtype=object)[1:]
    return Given(array, beside_arrays(rows), rows)


def numpy_text(rows: list[Row]) -> Given:
    array = np.array([text(row.value) for row in rows])
    return Given(array, {}, only_values([each.encode() for each in array.tolist()]))


def numpy_variable_text(rows: list[Row]) -> Given:
    array = np.array([text(row.value) for row in rows], dtype=np.dtypes.StringDType())
    return Given(array, {}, only_values(as_text(values_of(rows))))


def numpy_with_arrow_beside(rows: list[Row]) -> Given:
    values = padded(rows)
    array = np.frombuffer(b"".join(values), dtype=f"V{len(values[0])}")
    table = records_table(rows)
    beside = {name: table[name] for name in ("key", "headers", "timestamp")}
    return Given(array, beside, with_values(rows, values))


# --- Arrow ------------------------------------------------------------------------------------

PAIRS = pa.list_(pa.struct([pa.field("key", pa.string(), nullable=False), ("value", pa.binary())]))


def header_column(rows: list[Row], kind: pa.DataType = PAIRS) -> pa.Array:
    if pa.types.is_map(kind):
        return pa.array([list(row.headers) for row in rows], kind)
    return pa.array([[{"key": k, "value": v} for k, v in row.headers] for row in rows], kind)


def records_table(
    rows: list[Row],
    kind: pa.DataType | None = None,
    headers: pa.DataType = PAIRS,
    times: pa.DataType | None = None,
) -> pa.Table:
    kind = pa.binary() if kind is None else kind
    stamps = pa.array([row.timestamp for row in rows], pa.int64())
    return pa.table(
        {
            "timestamp": stamps if times is None else stamps.cast(pa.timestamp("ms")).cast(times),
            "value": pa.array(values_of(rows), pa.binary()).cast(kind),
            "partition": pa.array(range(len(rows))),
            "key": pa.array([row.key for row in rows], pa.binary()).cast(kind),
            "headers": header_column(rows, headers),
        }
    )


def latin(rows: list[Row]) -> list[Row]:
    """Rows whose keys and values are UTF-8."""
    return [
        row._replace(
            key=None if row.key is None else text(row.key).encode(),
            value=None if row.value is None else text(row.value).encode(),
        )
        for row in rows
    ]


def sliced(table: pa.Table, rows: list[Row]) -> pa.Table:
    """The same rows in the middle of more, so that every buffer has an offset."""
    more = records_table([*rows[:3], *rows, *rows[:5]], headers=table.schema.field("headers").type)
    more = more.cast(table.schema)
    return more.slice(len(rows[:3]), len(rows))


def arrow_table(rows: list[Row]) -> Given:
    return Given(records_table(rows), {}, rows)


def arrow_large(rows: list[Row]) -> Given:
    return Given(records_table(rows, pa.large_binary(), times=pa.timestamp("us")), {}, rows)


def arrow_text(rows: list[Row]) -> Given:
    rows = latin(rows)
    return Given(records_table(rows, pa.string(), times=pa.timestamp("ms", "UTC")), {}, rows)


def arrow_large_text(rows: list[Row]) -> Given:
    rows = latin(rows)
    return Given(
        records_table(rows, pa.large_string(), times=pa.timestamp("ns", "Asia/Kolkata")), {}, rows
    )


def arrow_views(rows: list[Row]) -> Given:
    return Given(records_table(rows, pa.binary_view()), {}, rows)


def arrow_text_views(rows: list[Row]) -> Given:
    rows = latin(rows)
    return Given(records_table(rows, pa.string_view()), {}, rows)


def arrow_slice(rows: list[Row]) -> Given:
    return Given(sliced(records_table(rows), rows), {}, rows)


def arrow_slice_of_views(rows: list[Row]) -> Given:
    return Given(sliced(records_table(rows, pa.binary_view()), rows), {}, rows)


def arrow_slice_of_large(rows: list[Row]) -> Given:
    return Given(sliced(records_table(rows, pa.large_binary()), rows), {}, rows)


def arrow_maps(rows: list[Row]) -> Given:
    kind = pa.map_(pa.string(), pa.binary())
    return Given(records_table(rows, headers=kind), {}, rows)


def arrow_slice_of_maps(rows: list[Row]) -> Given:
    kind = pa.map_(pa.string(), pa.binary())
    return Given(sliced(records_table(rows, headers=kind), rows), {}, rows)


def arrow_large_lists(rows: list[Row]) -> Given:
    return Given(records_table(rows, headers=pa.large_list(PAIRS.value_type)), {}, rows)


def arrow_null_headers(rows: list[Row]) -> Given:
    """A null list of headers is none; below it there may be anything."""
    if len(rows) < 2:
        return arrow_table(rows)
    rows = [row._replace(headers=row.headers or (("x", b"y"),)) for row in rows]
    full = header_column(rows)
    bits = pa.array([bool(number % 2) for number in range(len(rows))]).buffers()[1]
    column = pa.Array.from_buffers(
        full.type, len(full), [bits, full.buffers()[1]], children=[full.values]
    )
    table = records_table(rows)
    table = table.set_column(table.schema.names.index("headers"), "headers", column)
    rows = [row if number % 2 else row._replace(headers=()) for number, row in enumerate(rows)]
    return Given(table, {}, rows)


def arrow_batch(rows: list[Row]) -> Given:
    return Given(records_table(rows).to_batches()[0], {}, rows)


def arrow_reader(rows: list[Row]) -> Given:
    table = records_table(rows)
    return Given(
        pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=3)), {}, rows
    )


def arrow_chunked_table(rows: list[Row]) -> Given:
    table = records_table(rows)
    halves = [table.slice(0, len(rows) // 2), table.slice(len(rows) // 2)]
    return Given(pa.concat_tables([halves[0], table.slice(0, 0), halves[1]]), {}, rows)


def arrow_fixed(rows: list[Row]) -> Given:
    values = padded(rows)
    kind = pa.binary(len(values[0]))
    column = pa.array(
        [
            values[0],
            *(v if r.value is not None else None for v, r in zip(values, rows, strict=True)),
        ],
        kind,
    )[1:]
    expected = [
        Row(value=value if row.value is not None else None)
        for value, row in zip(values, rows, strict=True)
    ]
    return Given(pa.table({"anything": column}), {}, expected)


def arrow_dictionary(rows: list[Row]) -> Given:
    table = records_table(rows)
    column = table["value"].dictionary_encode()
    return Given(
        pa.table({"body": column, "id": table["key"]}),
        {"value": "body", "key": "id"},
        [Row(row.key, row.value) for row in rows],
    )


def arrow_array(rows: list[Row]) -> Given:
    array = pa.array([b"before", *values_of(rows)], pa.binary())[1:]
    return Given(array, {}, only_values(values_of(rows)))


def arrow_chunked_array(rows: list[Row]) -> Given:
    values = values_of(rows)
    chunks = pa.chunked_array([values[:2], [], values[2:]], pa.large_binary())
    return Given(chunks, {}, only_values(values))


def arrow_run_of_one_name(rows: list[Row]) -> Given:
    table = records_table(rows).select(["value"]).rename_columns(["line"])
    return Given(table, {}, only_values(values_of(rows)))


def arrow_dates(rows: list[Row]) -> Given:
    day_ms = 86_400_000
    rows = [
        row._replace(timestamp=None if row.timestamp is None else row.timestamp // day_ms * day_ms)
        for row in rows
    ]
    table = records_table(rows)
    dates = table["timestamp"].cast(pa.timestamp("ms")).cast(pa.date32())
    place = table.schema.names.index("timestamp")
    return Given(table.set_column(place, "timestamp", dates), {}, rows)


class Foreign:
    """Somebody's table of whom nothing is known but that it speaks the PyCapsule protocol."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        stream: object = self._table.__arrow_c_stream__(requested_schema)
        return stream


class ForeignBatch:
    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        array: object = self._batch.__arrow_c_array__(requested_schema)
        return array


def foreign_stream(rows: list[Row]) -> Given:
    return Given(Foreign(sliced(records_table(rows), rows)), {}, rows)


def foreign_batch(rows: list[Row]) -> Given:
    return Given(ForeignBatch(records_table(rows).to_batches()[0]), {}, rows)


# --- polars, pandas ---------------------------------------------------------------------------


def moment(timestamp: int | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp / 1000, UTC)


def polars_frame(rows: list[Row]) -> Given:
    frame = pl.DataFrame(
        {
            "value": values_of(rows),
            "key": [row.key for row in rows],
            "timestamp": [moment(row.timestamp) for row in rows],
            "headers": [[{"key": k, "value": v} for k, v in row.headers] for row in rows],
        },
        schema={
            "value": pl.Binary,
            "key": pl.Binary,
            "timestamp": pl.Datetime("us", "UTC"),
            "headers": pl.List(pl.Struct({"key": pl.String, "value": pl.Binary})),
        },
    )
    return Given(frame, {}, rows)


def polars_slice(rows: list[Row]) -> Given:
    given = polars_frame([*rows[:2], *rows])
    assert isinstance(given.rows, pl.DataFrame)
    return Given(given.rows[len(rows[:2]) :], {}, rows)


def polars_series(rows: list[Row]) -> Given:
    return Given(pl.Series("s", values_of(rows), pl.Binary), {}, only_values(values_of(rows)))


def polars_categories(rows: list[Row]) -> Given:
    rows = latin(rows)
    frame = pl.DataFrame(
        {"value": [text_or_none(row.value) for row in rows]}, schema={"value": pl.Categorical}
    )
    return Given(frame, {}, only_values(values_of(rows)))


def text_or_none(data: bytes | None) -> str | None:
    return None if data is None else data.decode()


def pandas_frame(rows: list[Row]) -> Given:
    frame = pd.DataFrame(
        {
            "value": pd.Series(values_of(rows), dtype=pd.ArrowDtype(pa.large_binary())),
            "key": pd.Series([row.key for row in rows], dtype=object),
            "timestamp": pd.Series([moment(row.timestamp) for row in rows]).astype(
                "datetime64[ms, UTC]"
            ),
        }
    )
    return Given(frame, {}, [row._replace(headers=()) for row in rows])


def pandas_text(rows: list[Row]) -> Given:
    rows = latin(rows)
    frame = pd.DataFrame(
        {"line": pd.Series([text_or_none(row.value) for row in rows], dtype="str")}
    )
    return Given(frame, {}, only_values(values_of(rows)))


def pandas_series(rows: list[Row]) -> Given:
    rows = latin(rows)
    series = pd.Series([text_or_none(row.value) for row in rows], dtype="str")
    return Given(series, {}, only_values(values_of(rows)))


FORMS: list[Form] = [
    list_of_bytes, list_of_text, list_of_buffers, list_with_lists_beside, list_at_one_time, pairs,
    triples, quadruples, tuples_of_all_sizes, iterable_of_values, iterable_of_tuples,
    lines_of_a_file, numpy_bytes, numpy_void, numpy_matrix, numpy_matrix_with_strides,
    numpy_bytes_with_strides, numpy_objects, numpy_text, numpy_variable_text,
    numpy_with_arrow_beside, arrow_table, arrow_large, arrow_text, arrow_large_text, arrow_views,
    arrow_text_views, arrow_slice, arrow_slice_of_views, arrow_slice_of_large, arrow_maps,
    arrow_slice_of_maps, arrow_large_lists, arrow_null_headers, arrow_batch, arrow_reader,
    arrow_chunked_table, arrow_fixed, arrow_dictionary, arrow_array, arrow_chunked_array,
    arrow_run_of_one_name, arrow_dates, foreign_stream, foreign_batch, polars_frame, polars_slice,
    polars_series, polars_categories, pandas_frame, pandas_text, pandas_series,
]  # fmt: skip
