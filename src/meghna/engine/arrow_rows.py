"""Arrow data as rows to append: its buffers are lent to the core as they lie.

A table of the column value, and of no others than key, headers, timestamp, offset and partition, is
records. (Where they lay, offset and partition, does not matter here.) A table with one column of
bytes or text is values. Any other is rows, and each becomes a JSON object (json_rows.py) of all
columns, so that nothing is left out in silence, unless `value` names a column.

pyarrow is imported when it is first used: it takes longer than everything else here together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from meghna._native.ingest import Column, Headers, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from typing_extensions import Buffer

RECORD_COLUMNS: Final = frozenset({"key", "value", "headers", "timestamp", "offset", "partition"})
"""What a table of records may have."""
_PANDAS_INDEX: Final = "__index_level_"


def batches(data: object) -> Iterator[pa.RecordBatch]:
    """The record batches of a table, a batch, a reader, or anything of the PyCapsule protocol.

    Raises:
        TypeError: a single array, which has no columns.
    """
    import pyarrow as pa  # noqa: PLC0415

    if isinstance(data, pa.RecordBatch):
        yield data
    elif isinstance(data, (pa.Table, pa.RecordBatchReader)):
        yield from data.to_batches() if isinstance(data, pa.Table) else data
    elif isinstance(data, (pa.Array, pa.ChunkedArray)):
        for chunk in data.chunks if isinstance(data, pa.ChunkedArray) else [data]:
            yield pa.RecordBatch.from_arrays([chunk], ["value"])
    elif hasattr(data, "__arrow_c_stream__"):
        try:
            yield from pa.RecordBatchReader.from_stream(data)
        except pa.ArrowInvalid:  # a column by itself, not a table
            yield from batches(pa.chunked_array(data))
    else:
        found = pa.array(data)
        is_table = pa.types.is_struct(found.type)  # the protocol gives a batch as an array of rows
        yield from batches(pa.RecordBatch.from_struct_array(found) if is_table else found)


def pieces(
    data: object,
    *,
    key: object,
    value: object,
    headers: object,
    timestamp: object,
    now_ms: int,
    piece_rows: int,
) -> Iterator[Rows]:
    """Rows to append; key, value, headers and timestamp are names of columns, or None.

    Raises:
        ValueError: no such column.
        TypeError: a column of a type that cannot be that.
    """
    for batch in batches(data):
        names = {name for name in batch.schema.names if not name.startswith(_PANDAS_INDEX)}
        is_records = value is None and "value" in names and names <= RECORD_COLUMNS
        for start in range(0, batch.num_rows, piece_rows):
            part = batch.slice(start, piece_rows)
            taken = {
                "key": _named(part, key, "key" if is_records else None),
                "headers": _named(part, headers, "headers" if is_records else None),
                "timestamp": _named(part, timestamp, "timestamp" if is_records else None),
            }
            values = part.column("value") if is_records else _values(part, value)
            yield _rows(values, taken, now_ms=now_ms)


def _rows(values: pa.Array, taken: dict[str, pa.Array | None], *, now_ms: int) -> Rows:
    keys, headers, stamps = (_unless_null(taken[name]) for name in ("key", "headers", "timestamp"))
    return Rows(
        values=column(values),
        keys=None if keys is None else column(keys),
        headers=None if headers is None else headers_of(headers),
        timestamps=None if stamps is None else times(stamps, now_ms=now_ms),
        timestamp=now_ms,
    )


def _unless_null(array: pa.Array | None) -> pa.Array | None:
    return None if array is None or array.null_count == len(array) else array


def _named(batch: pa.RecordBatch, name: object, otherwise: str | None) -> pa.Array | None:
    if name is None:
        name = otherwise if otherwise in batch.schema.names else None
    return None if name is None else _column_of(batch, name)


def _column_of(batch: pa.RecordBatch, name: object) -> pa.Array:
    if not isinstance(name, str):
        raise TypeError(f"{name!r} names no column; with a table, name one of its columns")
    if name not in batch.schema.names:
        raise ValueError(f"the table has no column {name!r}, but {batch.schema.names}")
    return batch.column(name)


def _values(batch: pa.RecordBatch, value: object) -> pa.Array:
    names = batch.schema.names
    if isinstance(value, (list, tuple)):
        return _json(batch.select([*value]))
    if value is not None:
        return _column_of(batch, value)
    if len(names) == 1 and _has_bytes(batch.column(0)):
        return batch.column(0)
    return _json(batch)


def _json(batch: pa.RecordBatch) -> pa.Array:
    from meghna.engine.json_rows import json_rows  # noqa: PLC0415 - needs pyarrow

    return json_rows(batch)


# ---- Columns ----


def one_array(data: object) -> pa.Array:
    """A column of any library as one Arrow array."""
    import pyarrow as pa  # noqa: PLC0415

    if isinstance(data, pa.Array):
        return data
    if isinstance(data, pa.ChunkedArray) or hasattr(data, "__arrow_c_stream__"):
        whole = data if isinstance(data, pa.ChunkedArray) else pa.chunked_array(data)
        return whole.combine_chunks()
    return pa.array(data)


def _has_bytes(array: pa.Array) -> bool:
    import pyarrow.types as t  # noqa: PLC0415

    kind = array.type
    if t.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        t.is_binary(kind)
        or t.is_string(kind)
        or t.is_large_binary(kind)
        or t.is_large_string(kind)
        or t.is_fixed_size_binary(kind)
        or _is_view(kind)
    )


def _is_view(kind: pa.DataType) -> bool:
    import pyarrow as pa  # noqa: PLC0415

    return kind in (pa.binary_view(), pa.string_view())


def column(array: pa.Array) -> Column:
    """An array of bytes or text as a column; of numbers, times and so on: their text.

    Raises:
        TypeError: an array of lists, structs and other things without a text.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.types as t  # noqa: PLC0415

    if t.is_dictionary(array.type):
        array = _without_dictionary(array)
    kind, count = array.type, len(array)
    if t.is_null(kind):
        return column(array.cast(pa.binary()))
    if isinstance(array, pa.ExtensionArray):
        return column(array.storage)
    if t.is_fixed_size_binary(kind):
        validity, data = array.buffers()
        width = kind.byte_width
        return Column.fixed(
            _from(data, array.offset * width),
            width,
            count=count,
            validity=validity,
            validity_offset=array.offset,
        )
    if _is_view(kind):
        validity, views, *data = array.buffers()
        return Column.views(
            views,
            data,
            start=array.offset,
            count=count,
            validity=validity,
            validity_offset=array.offset,
        )
    if _has_bytes(array):
        validity, offsets, data = array.buffers()
        return Column.offsets(
            data,
            offsets,
            wide=t.is_large_binary(kind) or t.is_large_string(kind),
            start=array.offset,
            count=count,
            validity=validity,
            validity_offset=array.offset,
        )
    try:
        return column(array.cast(pa.string()))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise TypeError(f"a column of {kind} is no bytes and has no text; cast it first") from None


def _without_dictionary(array: pa.DictionaryArray) -> pa.Array:
    import pyarrow as pa  # noqa: PLC0415

    words = array.dictionary
    if _is_view(words.type):  # pyarrow has no kernel that takes views
        words = words.cast(pa.large_binary())
        array = pa.DictionaryArray.from_arrays(array.indices, words)
    return array.dictionary_decode()


def _from(data: pa.Buffer | None, start: int) -> pa.Buffer | None:
    return data if data is None or start == 0 else data.slice(start)


def headers_of(array: pa.Array) -> Headers:
    """A list of structs (key, value), or a map from text to bytes, as record headers.

    Raises:
        TypeError: an array of something else.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.types as t  # noqa: PLC0415

    kind = array.type
    if t.is_large_list(kind):  # polars has no other
        array = array.cast(pa.list_(kind.value_field))
        kind = array.type
    is_pairs = (
        t.is_list(kind) and t.is_struct(kind.value_type)
    ) and kind.value_type.num_fields == 2
    if not (is_pairs or t.is_map(kind)):
        raise TypeError(f"headers are a list of structs (key, value) or a map, not {kind}")
    names, contents = (array.keys, array.items) if t.is_map(kind) else array.values.flatten()
    if array.null_count:
        array = array.fill_null([])
        return headers_of(array)
    offsets = array.offsets  # int32, of this slice
    return Headers(
        offsets.buffers()[1].slice(offsets.offset * 4),
        column(names),
        column(contents),
        count=len(array),
    )


def times(array: pa.Array, *, now_ms: int) -> Buffer:
    """Timestamps as int64 milliseconds; nulls are now.

    Raises:
        TypeError: an array of something else.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.types as t  # noqa: PLC0415

    if t.is_timestamp(array.type) or t.is_date(array.type):
        moments = array.cast(pa.timestamp("ms"), safe=False)
        array = moments.cast(pa.int64())
    if not t.is_integer(array.type):
        raise TypeError(f"timestamps are times or milliseconds, not {array.type}")
    if array.null_count:
        array = pc.fill_null(array, now_ms)
    array = array.cast(pa.int64())
    whole: Buffer = array.buffers()[1].slice(array.offset * 8, len(array) * 8)
    return whole
