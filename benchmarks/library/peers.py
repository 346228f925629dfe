"""What the peers are timed at: each in the way that its own documentation calls fast.

A job prepares, yields, works, yields, and checks what it did. `sync` is durable after each call;
without it a store writes to the page cache, as Meghna's `flush="none"` does.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from contextlib import closing, contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from benchmarks.library.inputs import WrongContentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from benchmarks.library.inputs import Inputs

_SIZE = struct.Struct("<I")


def _count_bytes(inputs: Inputs, size: int) -> None:
    if size != 100 * inputs.count:
        raise WrongContentError(f"{size} bytes were read")


def _paired(calls: Iterable[list[bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    """With numbers as keys, in order: what an ordered store needs to be a log."""
    first = 0
    for values in calls:
        keys = [number.to_bytes(8, "big") for number in range(first, first + len(values))]
        first += len(values)
        yield list(zip(keys, values, strict=True))


# ---- A plain file: length, payload, length, payload ----


def plain_values(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while size := file.read(4):
            yield file.read(_SIZE.unpack(size)[0])


def _joined(values: list[bytes]) -> bytes:
    pack = _SIZE.pack
    return b"".join([part for value in values for part in (pack(len(value)), value)])


def _plain(inputs: Inputs, folder: Path, *, sync: bool) -> Iterator[None]:
    path = folder / "plain"
    with path.open("wb", buffering=0) as file:
        yield
        for values in inputs.lists:
            file.write(_joined(values))
            if sync:
                os.fdatasync(file.fileno())
        yield
    inputs.check(plain_values(path))


def plain(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _plain(inputs, folder, sync=False)


def plain_durable(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _plain(inputs, folder, sync=True)


def plain_numpy(inputs: Inputs, folder: Path) -> Iterator[None]:
    """No lengths: the bytes of the array as they lie."""
    path = folder / "plain"
    with path.open("wb", buffering=0) as file:
        yield
        for array in inputs.arrays:
            file.write(array.view("u1").data)
        yield
    inputs.check_block(path.read_bytes())


def plain_single(inputs: Inputs, folder: Path) -> Iterator[None]:
    """One write(2) a record."""
    values = [value for part in inputs.lists for value in part]
    path = folder / "plain"
    with path.open("wb", buffering=0) as file:
        yield
        for value in values:
            file.write(_SIZE.pack(len(value)) + value)
        yield
    inputs.check(plain_values(path))


def plain_iterate(inputs: Inputs, folder: Path) -> Iterator[None]:
    path = folder / "plain"
    with path.open("wb") as file:
        file.writelines(_joined(values) for values in inputs.lists)
    size = 0
    yield
    for value in plain_values(path):
        size += len(value)
    yield
    _count_bytes(inputs, size)


# ---- Arrow's IPC file ----


@contextmanager
def _ipc_writer(path: Path, schema: pa.Schema) -> Iterator[tuple[Any, BinaryIO]]:
    with path.open("wb") as file, pa.ipc.new_file(file, schema) as writer:
        yield writer, file


def _ipc_values(path: Path) -> Iterator[bytes]:
    with pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_file(file)
        for number in range(reader.num_record_batches):
            yield from reader.get_batch(number)["value"].to_pylist()


def _ipc(
    inputs: Inputs,
    folder: Path,
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    *,
    sync: bool,
) -> Iterator[None]:
    path = folder / "ipc"
    yield
    with _ipc_writer(path, schema) as (writer, file):
        for batch in batches:
            writer.write_batch(batch)
            if sync:
                file.flush()
                os.fdatasync(file.fileno())
    yield
    with pa.memory_map(str(path)) as file:
        inputs.check_columns(pa.ipc.open_file(file).read_all()["value"].chunks)


def _listed(inputs: Inputs) -> Iterator[pa.RecordBatch]:
    for values in inputs.lists:
        yield pa.record_batch([pa.array(values, pa.binary())], ["value"])


def _fixed(inputs: Inputs) -> Iterator[pa.RecordBatch]:
    for array in inputs.arrays:
        kind = pa.binary(array.dtype.itemsize)
        column = pa.Array.from_buffers(kind, len(array), [None, pa.py_buffer(array.view("u1"))])
        yield pa.record_batch([column], ["value"])


def ipc_list(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _ipc(inputs, folder, _listed(inputs), inputs.schema, sync=False)


def ipc_list_durable(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _ipc(inputs, folder, _listed(inputs), inputs.schema, sync=True)


def ipc_arrow(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _ipc(inputs, folder, inputs.batches, inputs.schema, sync=False)


def ipc_arrow_durable(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _ipc(inputs, folder, inputs.batches, inputs.schema, sync=True)


def ipc_numpy(inputs: Inputs, folder: Path) -> Iterator[None]:
    schema = pa.schema([("value", pa.binary(inputs.arrays[0].dtype.itemsize))])
    yield from _ipc(inputs, folder, _fixed(inputs), schema, sync=False)


def _ipc_filled(inputs: Inputs, folder: Path) -> Path:
    path = folder / "ipc"
    schema = pa.schema([("offset", pa.int64()), ("value", pa.binary())])
    first = 0
    with _ipc_writer(path, schema) as (writer, _):
        for batch in inputs.batches:
            numbers = pa.array(range(first, first + batch.num_rows), pa.int64())
            first += batch.num_rows
            writer.write_batch(pa.record_batch([numbers, batch["value"]], schema=schema))
    return path


def ipc_iterate(inputs: Inputs, folder: Path) -> Iterator[None]:
    path = _ipc_filled(inputs, folder)
    size = 0
    yield
    for value in _ipc_values(path):
        size += len(value)
    yield
    _count_bytes(inputs, size)


def ipc_scan(inputs: Inputs, folder: Path) -> Iterator[None]:
    """A file of offsets and values, mapped; polars converts its batches to views itself."""
    from benchmarks.library.frames import check_hashed, frame_of, hashed  # noqa: PLC0415

    path = _ipc_filled(inputs, folder)
    yield
    with pa.memory_map(str(path)) as file:
        found = hashed(frame_of(pa.ipc.open_file(file).read_all()).lazy())
    yield
    check_hashed(found, inputs)


def polars_ipc_scan(inputs: Inputs, folder: Path) -> Iterator[None]:
    """The same file by polars' own lazy reader."""
    import polars as pl  # noqa: PLC0415
    from benchmarks.library.frames import check_hashed, hashed  # noqa: PLC0415

    path = _ipc_filled(inputs, folder)
    yield
    found = hashed(pl.scan_ipc(path))
    yield
    check_hashed(found, inputs)


def ipc_scan_summed(inputs: Inputs, folder: Path) -> Iterator[None]:
    """No checksum is kept there; numpy adds up the data of each batch, so that it is read."""
    import numpy as np  # noqa: PLC0415
    from benchmarks.library.frames import frame_of  # noqa: PLC0415

    path = _ipc_filled(inputs, folder)
    count = total = payload = 0
    yield
    with pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_file(file)
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            data = np.frombuffer(batch["value"].buffers()[2], dtype=np.uint8)
            whole = len(data) // 8 * 8
            payload += int(data[:whole].view(np.uint64).sum(dtype=np.uint64))
            frame = frame_of(batch)
            count += len(frame)
            total += frame["offset"].sum()
    yield
    if (count, total) != (inputs.count, inputs.count * (inputs.count - 1) // 2) or payload == 0:
        raise WrongContentError(f"{count} records were scanned")


# ---- lmdb ----


@contextmanager
def _lmdb(folder: Path, *, sync: bool) -> Iterator[Any]:
    import lmdb  # noqa: PLC0415

    with lmdb.open(str(folder / "lmdb"), map_size=1 << 32, sync=sync) as environment:
        yield environment


def _lmdb_values(environment: Any) -> Iterator[bytes]:
    with environment.begin() as transaction:
        yield from transaction.cursor().iternext(keys=False)


def _lmdb_write(environment: Any, calls: Iterable[list[tuple[bytes, bytes]]]) -> None:
    """A transaction a call, appended in the order of the keys."""
    for pairs in calls:
        with environment.begin(write=True) as transaction:
            transaction.cursor().putmulti(pairs, append=True)


def _lmdb_list(inputs: Inputs, folder: Path, *, sync: bool) -> Iterator[None]:
    calls = list(_paired(inputs.lists))
    with _lmdb(folder, sync=sync) as environment:
        yield
        _lmdb_write(environment, calls)
        yield
        inputs.check(_lmdb_values(environment))


def _lmdb_columns(inputs: Inputs, folder: Path, calls: Iterable[list[bytes]]) -> Iterator[None]:
    """Columns become Python objects first, inside the timing: there is no other way in."""
    with _lmdb(folder, sync=False) as environment:
        yield
        _lmdb_write(environment, _paired(calls))
        yield
        inputs.check(_lmdb_values(environment))


def lmdb_list(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _lmdb_list(inputs, folder, sync=False)


def lmdb_list_durable(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _lmdb_list(inputs, folder, sync=True)


def lmdb_arrow(inputs: Inputs, folder: Path) -> Iterator[None]:
    calls = (batch["value"].to_pylist() for batch in inputs.batches)
    yield from _lmdb_columns(inputs, folder, calls)


def lmdb_numpy(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _lmdb_columns(inputs, folder, (array.tolist() for array in inputs.arrays))


def lmdb_single(inputs: Inputs, folder: Path) -> Iterator[None]:
    pairs = list(chain.from_iterable(_paired(inputs.lists)))
    with _lmdb(folder, sync=False) as environment:
        yield
        for key, value in pairs:
            with environment.begin(write=True) as transaction:
                transaction.put(key, value, append=True)
        yield
        inputs.check(_lmdb_values(environment))


def lmdb_iterate(inputs: Inputs, folder: Path) -> Iterator[None]:
    size = 0
    with _lmdb(folder, sync=False) as environment:
        _lmdb_write(environment, _paired(inputs.lists))
        yield
        for value in _lmdb_values(environment):
            size += len(value)
        yield
    _count_bytes(inputs, size)


# ---- sqlite3 ----


@contextmanager
def _sqlite(folder: Path, *, sync: bool) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={'FULL' if sync else 'OFF'}")
        connection.execute("CREATE TABLE records (offset INTEGER PRIMARY KEY, value BLOB)")
        yield connection


_INSERT = "INSERT INTO records (value) VALUES (?)"


def _sqlite_values(connection: sqlite3.Connection) -> Iterator[bytes]:
    for (value,) in connection.execute("SELECT value FROM records ORDER BY offset"):
        yield value


def _sqlite_insert(connection: sqlite3.Connection, calls: Iterable[list[bytes]]) -> None:
    for values in calls:
        connection.execute("BEGIN")
        connection.executemany(_INSERT, ((value,) for value in values))
        connection.execute("COMMIT")


def _sqlite_list(inputs: Inputs, folder: Path, *, sync: bool) -> Iterator[None]:
    with _sqlite(folder, sync=sync) as connection:
        yield
        _sqlite_insert(connection, inputs.lists)
        yield
        inputs.check(_sqlite_values(connection))


def sqlite_list(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _sqlite_list(inputs, folder, sync=False)


def sqlite_list_durable(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _sqlite_list(inputs, folder, sync=True)


def sqlite_single(inputs: Inputs, folder: Path) -> Iterator[None]:
    """A transaction a record."""
    rows = [(value,) for part in inputs.lists for value in part]
    with _sqlite(folder, sync=False) as connection:
        yield
        for row in rows:
            connection.execute(_INSERT, row)
        yield
        inputs.check(_sqlite_values(connection))


def sqlite_iterate(inputs: Inputs, folder: Path) -> Iterator[None]:
    size = 0
    with _sqlite(folder, sync=False) as connection:
        _sqlite_insert(connection, inputs.lists)
        yield
        for value in _sqlite_values(connection):
            size += len(value)
        yield
    _count_bytes(inputs, size)


# ---- RocksDB ----


@contextmanager
def _rocks(folder: Path) -> Iterator[Any]:
    from rocksdict import Options, Rdict  # noqa: PLC0415

    options = Options(raw_mode=True)
    options.create_if_missing(True)
    database = Rdict(str(folder / "rocks"), options)
    try:
        yield database
    finally:
        database.close()


def _rocks_values(database: Any) -> Iterator[bytes]:
    return iter(database.values())


def _rocks_write(database: Any, calls: Iterable[list[tuple[bytes, bytes]]], *, sync: bool) -> None:
    from rocksdict import WriteBatch, WriteOptions  # noqa: PLC0415

    options = WriteOptions()
    options.sync = sync
    for pairs in calls:
        batch = WriteBatch(raw_mode=True)
        for key, value in pairs:
            batch.put(key, value)
        database.write(batch, write_opt=options)


def _rocks_list(inputs: Inputs, folder: Path, *, sync: bool) -> Iterator[None]:
    calls = list(_paired(inputs.lists))
    with _rocks(folder) as database:
        yield
        _rocks_write(database, calls, sync=sync)
        yield
        inputs.check(_rocks_values(database))


def rocks_list(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _rocks_list(inputs, folder, sync=False)


def rocks_list_durable(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _rocks_list(inputs, folder, sync=True)


def rocks_single(inputs: Inputs, folder: Path) -> Iterator[None]:
    pairs = list(chain.from_iterable(_paired(inputs.lists)))
    with _rocks(folder) as database:
        yield
        for key, value in pairs:
            database[key] = value
        yield
        inputs.check(_rocks_values(database))


def rocks_iterate(inputs: Inputs, folder: Path) -> Iterator[None]:
    size = 0
    with _rocks(folder) as database:
        _rocks_write(database, _paired(inputs.lists), sync=False)
        yield
        for value in _rocks_values(database):
            size += len(value)
        yield
    _count_bytes(inputs, size)


# ---- DuckDB ----


def duckdb_arrow(inputs: Inputs, folder: Path) -> Iterator[None]:
    import duckdb  # noqa: PLC0415

    with duckdb.connect(str(folder / "duckdb"), config={"threads": 1}) as connection:
        connection.execute("CREATE TABLE records (value BLOB)")
        yield
        for batch in inputs.batches:
            connection.register("batch", batch)
            connection.execute("INSERT INTO records SELECT value FROM batch")
        yield
        found = connection.sql("SELECT value FROM records ORDER BY rowid").to_arrow_table()
        inputs.check_columns(found["value"].chunks)


# ---- aiokafka's codec ----


def _kafka_batch(values: list[bytes]) -> bytes:
    from aiokafka.record.default_records import DefaultRecordBatchBuilder  # noqa: PLC0415

    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 30,
    )
    for number, value in enumerate(values):
        builder.append(number, 1_800_000_000_000, None, value, [])
    return bytes(builder.build())


def kafka_values(batches: bytes) -> Iterator[bytes]:
    """The values of record batches, each with its CRC checked."""
    from aiokafka.record.memory_records import MemoryRecords  # noqa: PLC0415

    records = MemoryRecords(batches)
    while (batch := records.next_batch()) is not None:
        if not batch.validate_crc():
            raise WrongContentError("a batch has another CRC")
        for record in batch:
            yield record.value


def _kafka_list(inputs: Inputs, folder: Path, *, sync: bool) -> Iterator[None]:
    path = folder / "batches"
    with path.open("wb", buffering=0) as file:
        yield
        for values in inputs.lists:
            file.write(_kafka_batch(values))
            if sync:
                os.fdatasync(file.fileno())
        yield
    inputs.check(kafka_values(path.read_bytes()))


def kafka_list(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _kafka_list(inputs, folder, sync=False)


def kafka_list_durable(inputs: Inputs, folder: Path) -> Iterator[None]:
    yield from _kafka_list(inputs, folder, sync=True)


def kafka_iterate(inputs: Inputs, folder: Path) -> Iterator[None]:
    path = folder / "batches"
    path.write_bytes(b"".join(_kafka_batch(values) for values in inputs.lists))
    size = 0
    yield
    for value in kafka_values(path.read_bytes()):
        size += len(value)
    yield
    _count_bytes(inputs, size)


def kafka_encode(inputs: Inputs, folder: Path) -> Iterator[None]:
    del folder
    made = b""
    yield
    for values in inputs.lists:
        made = _kafka_batch(values)
    yield
    if list(kafka_values(made)) != inputs.lists[-1]:
        raise WrongContentError("the last batch reads otherwise")


def kafka_decode(inputs: Inputs, folder: Path) -> Iterator[None]:
    del folder
    batches = b"".join(_kafka_batch(values) for values in inputs.lists)
    size = 0
    yield
    for value in kafka_values(batches):
        size += len(value)
    yield
    _count_bytes(inputs, size)
