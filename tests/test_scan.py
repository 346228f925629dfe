from __future__ import annotations

import ctypes
import gc
import os
import random
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pytest

from meghna import codecs
from meghna._native import scan
from meghna._native.batch import build
from meghna._native.log import Log, LogConfig
from meghna._native.scan import Scanner
from meghna.errors import (
    BusyError,
    ClosedError,
    CorruptDataError,
    OutOfRangeError,
    StorageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

NOW_MS = 1_800_000_000_000
INLINE_MAX = 12
Headers = tuple[tuple[str, bytes | None], ...]


class Row(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def row(offset: int, *, late: int = 0) -> Row:
    """A record that its offset tells: sizes around every border, nulls, some headers."""
    headers: Headers = ()
    if offset % 5 == 0:
        headers = (("name", b"h" * (offset % 30)), ("a name that is not short", None))
    return Row(
        offset,
        NOW_MS + 10 * offset - (700 if offset % 13 == 0 else 0) + late,
        b"k%d" % offset if offset % 3 else None,
        b"%d " % offset * (offset % 40) if offset % 7 else None,
        headers,
    )


def fill(log: Log, count: int, *, codec: int | None = 0, batch: int = 0) -> list[Row]:
    """Appends `count` rows; codec None: every codec by turns. batch 0: of every size."""
    begin = log.end_offset
    rows = [row(offset) for offset in range(begin, begin + count)]
    at = number = 0
    while at < count:
        part = rows[at : at + (batch or number % 17 + 1)]
        kind = number % 5 if codec is None else codec
        compress = None if kind == 0 else lambda data, kind=kind: codecs.compress(kind, data)
        records = [(r.key, r.value, r.headers, r.timestamp) for r in part]
        log.append(build(records, attributes=kind, compress=compress), now_ms=NOW_MS)
        at += len(part)
        number += 1
    return rows


def open_log(path: Path, segment_size_max: int = 30_000) -> Log:
    config = LogConfig(segment_size_max=segment_size_max, index_interval_size=512)
    return Log.open(str(path), config, now_ms=NOW_MS)


def chunks_of(scanner: Scanner) -> Iterator[scan.Chunk]:
    while (chunk := scanner.next()) is not None:
        yield chunk


def numbers(data: Buffer | None, kind: str) -> list[int]:
    assert data is not None
    return [value for (value,) in struct.iter_unpack(kind, memoryview(data))]


def strings(column: scan.Column | None, chunk: scan.Chunk) -> list[bytes | None]:
    """The column as pyarrow reads it, validated."""
    assert column is not None
    validity = None if column.validity is None else pa.py_buffer(column.validity)
    if column.views is not None:
        parts = [validity, *map(pa.py_buffer, [column.views, *chunk.buffers])]
        array = pa.Array.from_buffers(
            pa.binary_view(), column.count, parts, null_count=column.null_count
        )
    else:
        assert chunk.buffers == []
        parts = [validity, pa.py_buffer(column.offsets), pa.py_buffer(column.data)]
        array = pa.Array.from_buffers(
            pa.binary(), column.count, parts, null_count=column.null_count
        )
    array.validate(full=True)
    found: list[bytes | None] = array.to_pylist()
    return found


def rows_of(chunk: scan.Chunk) -> list[Row]:
    names = [(name or b"").decode() for name in strings(chunk.header_keys, chunk)]
    pairs = list(zip(names, strings(chunk.header_values, chunk), strict=True))
    bounds = numbers(chunk.header_offsets, "i")
    return [
        Row(*fields, tuple(pairs[bounds[i] : bounds[i + 1]]))
        for i, fields in enumerate(
            zip(
                numbers(chunk.offsets, "q"),
                numbers(chunk.timestamps, "q"),
                strings(chunk.keys, chunk),
                strings(chunk.values, chunk),
                strict=True,
            )
        )
    ]


def scanned(log: Log, start: int, end: int, **options: object) -> list[Row]:
    options["decompress"] = codecs.decompress
    scanner = Scanner(log, start, end, **options)  # type: ignore[arg-type]
    found = []
    for chunk in chunks_of(scanner):
        rows = rows_of(chunk)
        assert len(rows) == chunk.count
        assert chunk.first_offset == rows[0].offset
        assert chunk.next_offset > rows[-1].offset
        found += rows
    assert scanner.next() is None
    return found


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with open_log(tmp_path / "t-0") as opened:
        yield opened


# --- rows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("codec", [0, 4, None])
def test_every_row_comes_once_in_order(log: Log, codec: int | None, copy: bool) -> None:
    assert scanned(log, 0, 0, copy=copy) == []
    rows = fill(log, 1500, codec=codec)
    assert log.segment_count > 1
    for rows_max in (1, 7, 64, 100, 65536):
        assert scanned(log, 0, log.end_offset, rows_max=rows_max, copy=copy) == rows


def test_ends_in_the_middle_of_batches_are_exact(log: Log) -> None:
    rows = fill(log, 400, codec=None)
    chance = random.Random(1)
    for _ in range(200):
        start, end = sorted((chance.randrange(401), chance.randrange(401)))
        assert scanned(log, start, end, rows_max=50) == rows[start:end]
    assert scanned(log, 390, 10**9) == rows[390:]


def test_times_are_exact_records_apart(log: Log) -> None:
    rows = fill(log, 900, codec=None)
    chance = random.Random(2)
    for _ in range(100):
        low, high = sorted(NOW_MS + chance.randrange(-1000, 10_000) for _ in range(2))
        start = chance.randrange(0, 900) if chance.random() < 0.5 else 0
        wanted = [r for r in rows[start:] if low <= r.timestamp < high]
        assert scanned(log, start, 900, start_time=low, end_time=high) == wanted
        wanted = [r for r in rows[start:] if low <= r.timestamp]
        assert scanned(log, start, 900, start_time=low) == wanted


def test_columns_that_were_not_asked_for_are_none(log: Log) -> None:
    rows = fill(log, 50)
    chunk = Scanner(log, 0, 50, columns=scan.VALUES | scan.OFFSETS).next()
    assert chunk is not None
    assert (chunk.timestamps, chunk.keys, chunk.header_offsets) == (None, None, None)
    assert (chunk.header_keys, chunk.header_values) == (None, None)
    assert strings(chunk.values, chunk) == [r.value for r in rows]
    with pytest.raises(ValueError, match="all columns"):
        scan.records(chunk)
    for wrong in ({"columns": 32}, {"rows_max": 0}):
        with pytest.raises(ValueError, match=r"column|positive"):
            Scanner(log, 0, 50, **wrong)  # type: ignore[arg-type]


def test_a_column_without_nulls_has_no_validity(log: Log) -> None:
    log.append(build([(b"k", b"v", (), NOW_MS), (b"", b"", (), NOW_MS)]), now_ms=NOW_MS)
    chunk = Scanner(log, 0, 2).next()
    assert chunk is not None
    assert chunk.keys is not None
    assert (chunk.keys.validity, chunk.keys.null_count) == (None, 0)
    assert strings(chunk.values, chunk) == [b"v", b""]


def test_records_are_objects_of_the_same_rows(log: Log) -> None:
    rows = fill(log, 300, codec=None)
    scanner = Scanner(log, 0, 300, decompress=codecs.decompress, rows_max=70)
    found = [r for chunk in chunks_of(scanner) for r in scan.records(chunk, partition=3)]
    assert [(r.offset, r.timestamp, r.key, r.value, r.headers) for r in found] == rows
    assert {r.partition for r in found} == {3}
    again = Scanner(log, 0, 1, decompress=codecs.decompress).next()
    assert again is not None
    [first] = scan.records(again, partition=3)
    assert first == found[0]
    assert first != found[1]
    assert hash(first) == hash(found[0])
    assert "offset=0" in repr(first)
    with pytest.raises(AttributeError):
        first.offset = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        scan.Record()


# --- no copies, and memory that stays -----------------------------------------------------------


def addresses(log_path: Path) -> list[tuple[int, int]]:
    """Where the process has the segments of a log mapped."""
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, *_, name = line.split(maxsplit=5)
        if name.startswith(str(log_path)):
            begin, end = place.split("-")
            found.append((int(begin, 16), int(end, 16)))
    return found


def address_of(data: Buffer) -> int:
    return int(pa.py_buffer(data).address)


def test_values_lie_in_the_mapping_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t-0"
    with open_log(path) as log:
        rows = fill(log, 30)
        chunk = Scanner(log, 0, 30).next()
        assert chunk is not None
        assert chunk.values is not None
        assert chunk.values.views is not None
        [(begin, end)] = addresses(path)
        [window] = chunk.buffers
        assert begin <= address_of(window) < end
        views = memoryview(chunk.values.views).cast("B")
        content = next(path.glob("*.log")).read_bytes()
        for i, wanted in enumerate(rows):
            size, _, buffer, at = struct.unpack("<i4sii", views[16 * i : 16 * i + 16])
            if size <= INLINE_MAX:
                continue
            assert buffer == 0
            address = address_of(window) + at
            assert begin <= address < end
            assert ctypes.string_at(address, size) == wanted.value
            position = address - begin  # the mapping begins where the file does
            assert content[position : position + size] == wanted.value
        with pytest.raises(TypeError):
            memoryview(window)[0] = 1


def test_a_segment_is_mapped_once_and_not_without_readers(tmp_path: Path) -> None:
    path = tmp_path / "t-0"
    with open_log(path, segment_size_max=1 << 20) as log:
        fill(log, 20)
        first, second = Scanner(log, 0, 20, rows_max=5), Scanner(log, 0, 20, rows_max=5)
        held = [first.next(), second.next()]
        fill(log, 20)
        held += [chunk for _ in range(2) for chunk in chunks_of(Scanner(log, 0, 40))]
        assert len(addresses(path)) == 1
        del held, first, second
        assert addresses(path) == []


@pytest.mark.parametrize("codec", [0, None])
def test_chunks_outlive_log_and_segments(tmp_path: Path, codec: int | None) -> None:
    path = tmp_path / "t-0"
    log = open_log(path)
    rows = fill(log, 2000, codec=codec)
    scanner = Scanner(log, 0, 2000, decompress=codecs.decompress, rows_max=90)
    held = list(chunks_of(scanner))
    log.roll()
    fill(log, 10)
    assert log.delete_old(retention_ms=-1, retention_size=0, limit_offset=1 << 40, now_ms=NOW_MS)
    assert log.start_offset == 2000
    log.close()
    with pytest.raises(ClosedError):
        scanner.next()
    del log, scanner
    for segment in path.glob("*"):
        segment.unlink()
    gc.collect()
    assert [r for chunk in held for r in rows_of(chunk)] == rows
    # A buffer alone is enough.
    last = held[-1]
    wanted = [bytes(memoryview(each)) for each in last.buffers]
    kept = last.buffers
    del held, last
    gc.collect()
    assert [bytes(memoryview(each)) for each in kept] == wanted
    del kept
    assert addresses(path) == []


def test_columns_are_used_again_only_when_nobody_has_them(log: Log) -> None:
    rows = fill(log, 3000, batch=100)
    scanner = Scanner(log, 0, 3000, rows_max=64)
    chance = random.Random(3)
    held: list[scan.Chunk] = []
    found: dict[int, list[Row]] = {}
    for chunk in chunks_of(scanner):
        held.append(chunk)
        chance.shuffle(held)
        while len(held) > chance.randrange(6):
            done = held.pop()
            found[done.first_offset] = rows_of(done)
    found |= {chunk.first_offset: rows_of(chunk) for chunk in held}
    assert [r for first in sorted(found) for r in found[first]] == rows


def anonymous_size() -> int:
    [line] = [
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("RssAnon")
    ]
    return int(line.split()[1]) * 1024


def test_a_scan_takes_no_memory_for_what_it_passed(tmp_path: Path) -> None:
    value = os.urandom(1000)
    batch = build([(None, value, (), NOW_MS)] * 1000)
    with open_log(tmp_path / "t-0", segment_size_max=16 << 20) as log:
        for _ in range(64):
            log.append(batch, now_ms=NOW_MS)
        before = anonymous_size()
        most = count = 0
        for chunk in chunks_of(Scanner(log, 0, log.end_offset, rows_max=4096)):
            count += chunk.count
            most = max(most, anonymous_size() - before)
        assert count == 64_000
        assert most < 8 << 20  # of 64 MB that were scanned


# --- what can go wrong --------------------------------------------------------------------------


def test_rows_before_damage_come_first_and_then_its_place(tmp_path: Path) -> None:
    path = tmp_path / "t-0"
    with open_log(path, segment_size_max=1 << 20) as log:
        rows = fill(log, 100, batch=10)
        [segment] = path.glob("*.log")
        content = segment.read_bytes()
        at = content.index(rows[55].value or b"")
        with segment.open("r+b") as file:
            file.seek(at)
            file.write(b"?")
        for copy in (False, True):
            scanner = Scanner(log, 0, 100, copy=copy)
            chunk = scanner.next()
            assert chunk is not None
            assert rows_of(chunk) == rows[:50]
            assert scanner.offset == chunk.next_offset == 50
            for _ in range(2):
                with pytest.raises(CorruptDataError, match=r"offset 50: .*t-0/0{20}\.log"):
                    scanner.next()
            assert scanned(log, 60, 100, copy=copy) == rows[60:]


def test_a_compressed_batch_that_does_not_open_comes_after_the_rows_before_it(log: Log) -> None:
    rows = fill(log, 10, batch=10)
    fill(log, 10, codec=4, batch=10)
    scanner = Scanner(log, 0, 20)
    chunk = scanner.next()
    assert chunk is not None
    assert rows_of(chunk) == rows
    for _ in range(2):
        with pytest.raises(ValueError, match="compressed"):
            scanner.next()

    opened: list[int] = []

    def fail_once(codec: int, packed: memoryview) -> bytes:
        opened.append(codec)
        if len(opened) == 1:
            raise CorruptDataError("no")
        return codecs.decompress(codec, packed)

    scanner = Scanner(log, 10, 20, decompress=fail_once)
    with pytest.raises(CorruptDataError, match="no"):
        scanner.next()
    chunk = scanner.next()
    assert chunk is not None
    assert chunk.count == 10
    scanner = Scanner(log, 10, 20, decompress=lambda codec, packed: b"rubbish")
    with pytest.raises(CorruptDataError, match="offset 10"):
        scanner.next()
    not_bytes: Any = lambda codec, packed: bytearray(1)  # noqa: E731
    scanner = Scanner(log, 10, 20, decompress=not_bytes)
    with pytest.raises(TypeError):
        scanner.next()


def test_a_file_cut_from_outside_is_an_error_of_the_scan(tmp_path: Path) -> None:
    path = tmp_path / "t-0"
    log = open_log(path, segment_size_max=1 << 20)
    fill(log, 400)
    [segment] = path.glob("*.log")
    os.truncate(segment, 4096)
    for copy in (False, True):
        with pytest.raises(StorageError):
            Scanner(log, 0, 400, copy=copy).next()
    log.abandon()


def test_what_retention_took_is_out_of_range(log: Log) -> None:
    fill(log, 100)
    log.raise_start(50)
    with pytest.raises(OutOfRangeError):
        Scanner(log, 0, 100).next()
    assert len(scanned(log, 50, 100)) == 50


def test_a_second_thread_in_a_scanner_is_refused(log: Log) -> None:
    fill(log, 10, codec=4)
    inside, leave = threading.Event(), threading.Event()

    def wait(codec: int, packed: memoryview) -> bytes:
        inside.set()
        assert leave.wait(30)
        return codecs.decompress(codec, packed)

    scanner = Scanner(log, 0, 10, decompress=wait)
    thread = threading.Thread(target=scanner.next)
    thread.start()
    assert inside.wait(30)
    with pytest.raises(BusyError):
        scanner.next()
    leave.set()
    thread.join()
    assert scanner.next() is None


def test_scans_beside_an_appender(tmp_path: Path) -> None:
    with open_log(tmp_path / "t-0") as log:
        wanted = fill(log, 300)
        done = threading.Event()
        failures: list[str] = []

        def read() -> None:
            while not done.is_set():
                end = log.end_offset
                found = scanned(log, 0, end, rows_max=100)
                if found != [row(offset) for offset in range(end)]:
                    failures.append(f"{len(found)} of {end}")

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            wanted += fill(log, 50)
        done.set()
        for thread in threads:
            thread.join()
        assert failures == []
        assert scanned(log, 0, log.end_offset) == wanted
