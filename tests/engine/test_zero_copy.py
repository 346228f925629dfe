"""Views into the mapped segments: nothing is copied, and what was handed out stays as it was."""

from __future__ import annotations

import ctypes
import gc
import re
import struct
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest

import meghna

COUNT = 20_000
INLINED_MAX = 12
NEW_BYTES_MAX = 64
"""Bytes of new memory that a record may cost."""

SEGMENT_SIZE = 1024 * 1024


class Mapping(NamedTuple):
    start: int
    end: int
    rights: str
    path: str


def mappings() -> list[Mapping]:
    """What this process has mapped, by /proc/self/maps."""
    pattern = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+ *(.*)")
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        match = pattern.fullmatch(line)
        assert match is not None, line
        found.append(Mapping(int(match[1], 16), int(match[2], 16), match[3], match[4]))
    return found


def segments_mapped(directory: Path) -> list[Mapping]:
    return [
        each for each in mappings() if each.path.startswith(str(directory)) and ".log" in each.path
    ]


class View(NamedTuple):
    size: int
    address: int
    """Of the bytes, 0 where they are in the view itself."""
    row: int


def views_of(column: pa.Array) -> list[View]:
    """The views of an array, as Arrow lays them out; nulls are left out."""
    _, views, *buffers = column.buffers()
    raw = ctypes.string_at(views.address, views.size)
    found = []
    for row in range(len(column)):
        size, _, buffer, place = struct.unpack_from("<iiii", raw, 16 * (column.offset + row))
        if column[row].is_valid:
            address = 0 if size <= INLINED_MAX else buffers[buffer].address + place
            found.append(View(size, address, row))
    return found


def rows_of(
    count: int,
) -> list[tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...], int]]:
    return [
        (
            b"key number %d of many" % i if i % 3 else None,
            b"%d" % i * (i % 40) if i % 11 else None,
            (("a header with a long name", b"and %d long content" % i),) if i % 4 == 0 else (),
            1_700_000_000_000 + i,
        )
        for i in range(count)
    ]


def filled(log: meghna.Log, *, compression: str = "none") -> meghna.Topic:
    topic = log.topic(
        "t", create=True, compression=compression, settings={"segment.bytes": SEGMENT_SIZE}
    )
    topic.append_many(rows_of(COUNT))
    assert topic.partitions[0].log.segment_count > 1 or compression != "none"
    return topic


def columns_of_bytes(batch: pa.RecordBatch) -> list[pa.Array]:
    pairs = batch["headers"].values
    return [batch["key"], batch["value"], pairs.field("key"), pairs.field("value")]


def test_every_long_value_points_into_a_mapping_of_its_segment(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        topic = filled(log)
        seen = 0
        for batch in topic.batches():
            maps = segments_mapped(tmp_path / "t-0")
            assert maps
            assert all(each.rights == "r--s" for each in maps)
            for column in columns_of_bytes(batch):
                for view in views_of(column):
                    if view.size > INLINED_MAX:
                        seen += 1
                        assert any(
                            each.start <= view.address and view.address + view.size <= each.end
                            for each in maps
                        )
        assert seen > COUNT
        # And they are the very bytes of the file: some of the values, looked up there.
        (first, *_) = topic.batches()
        found = views_of(first["value"])[50]
        (mapping,) = [
            each
            for each in segments_mapped(tmp_path / "t-0")
            if each.start <= found.address < each.end
        ]
        whole = Path(mapping.path).read_bytes()
        value = first["value"][found.row].as_py()
        assert value in whole
        assert ctypes.string_at(found.address, found.size) == value


def buffers_of(array: pa.Array) -> dict[int, int]:
    """Address and size of every buffer of an array, its children's as well."""
    return {each.address: each.size for each in array.buffers() if each is not None}


@pytest.mark.parametrize("copy", [False, True], ids=["views", "copies"])
def test_a_scan_takes_at_most_64_bytes_a_record(tmp_path: Path, *, copy: bool) -> None:
    """With all columns but those of headers, which are as many as somebody wrote."""
    with meghna.open(tmp_path) as log:
        topic = log.topic("t", create=True)
        topic.append_many([(b"a key that is long enough", b"v" * 100)] * COUNT)
        columns = ["offset", "timestamp", "key", "value", "partition"]
        for batch in topic.scan(columns=columns, copy=copy):
            maps = segments_mapped(tmp_path / "t-0")
            sizes: dict[int, int] = {}
            for name in columns:
                sizes |= buffers_of(batch[name])
            new = sum(
                size
                for address, size in sizes.items()
                if not any(each.start <= address < each.end for each in maps)
            )
            if copy:
                assert new > 100 * batch.num_rows
            else:
                assert new <= NEW_BYTES_MAX * batch.num_rows


def compared(tables: list[pa.Table]) -> None:
    """Every byte of every row, against what was appended."""
    expected = rows_of(COUNT)
    for table in tables:
        table.validate(full=True)
        assert table.num_rows == COUNT
        assert table["key"].to_pylist() == [row[0] for row in expected]
        assert table["value"].to_pylist() == [row[1] for row in expected]
        assert [
            tuple((pair["key"], pair["value"]) for pair in pairs)
            for pairs in table["headers"].to_pylist()
        ] == [row[2] for row in expected]
        assert table["timestamp"].cast(pa.int64()).to_pylist() == [row[3] for row in expected]


@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("end", ["retention", "delete_topic", "close", "truncation", "gc"])
def test_tables_outlive(tmp_path: Path, end: str, compression: str) -> None:
    """Whatever becomes of the log, a table that was read has the bytes that it had."""
    log = meghna.open(tmp_path)
    topic = filled(log, compression=compression)
    tables = [topic.scan().to_arrow(), topic.scan(max_rows=100).to_arrow()]
    half = iter(topic.scan(max_rows=100))
    first = [next(half) for _ in range(5)]
    records = list(topic.read(0, 100))
    files = sorted((tmp_path / "t-0").glob("*.log"))
    match end:
        case "retention":
            log.configure("t", retention="1s")
            log.apply_retention()
            assert topic.partitions[0].start == topic.partitions[0].end == COUNT
            assert not any(path.exists() for path in files)
        case "delete_topic":
            log.delete_topic("t")
            assert not (tmp_path / "t-0").exists()
        case "close":
            log.close()
        case "truncation":
            topic.partitions[0].log.truncate(10)
            assert len(topic) <= 10
        case "gc":
            log.close()
    del half  # it holds the segment that it was reading
    if end == "gc":
        del topic, log
    gc.collect()
    # What the allocator hands out again is written over.
    waste = [bytes([n % 256]) * 100_000 for n in range(100)]
    compared(tables)
    assert [record.value for record in records] == [row[1] for row in rows_of(100)]
    assert pa.Table.from_batches(first)["value"].to_pylist() == [
        row[1] for row in rows_of(first[0].num_rows * 5)
    ]
    del waste
    if end != "gc":
        log.close()
    compared(tables)
    del tables, first
    gc.collect()
    assert not [each for each in mappings() if str(tmp_path) in each.path]


def test_a_slice_of_one_value_keeps_its_segment(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        batch = next(filled(log).batches())
        one = batch["value"].slice(39, 1)
        buffer = batch["key"].buffers()[2]
        log.delete_topic("t")
    expected = rows_of(40)
    del batch
    gc.collect()
    assert one.to_pylist() == [expected[39][1]]
    assert expected[1][0] in buffer.to_pybytes()
    del one
    gc.collect()
    assert expected[1][0] in buffer.to_pybytes()
    del buffer
    gc.collect()
    assert not segments_mapped(tmp_path)


def test_other_libraries_share_the_views(tmp_path: Path) -> None:
    """They hold what they were given after the log is gone."""
    import polars as pl  # noqa: PLC0415

    with meghna.open(tmp_path) as log:
        frame = pl.DataFrame(filled(log).scan(columns=["key", "value"]))
        log.delete_topic("t")
    gc.collect()
    expected = rows_of(COUNT)
    assert frame["value"].to_list() == [row[1] for row in expected]
    assert frame["key"].to_list() == [row[0] for row in expected]


def test_what_is_mapped_cannot_be_written(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        (batch, *_) = filled(log).batches()
        buffers = [each for each in batch["value"].buffers()[2:] if each is not None]
        assert buffers
        assert not any(each.is_mutable for each in buffers)
