"""Rows from numpy, Arrow and Python objects: the batches are those of `batch.build`, foreign
clients read them, keys go where Kafka's clients put them, a named producer appends each row once.
"""

import array
import gc
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import aiokafka.record.default_records as aiokafka_records
import kafka.record.default_records as kafka_records
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as kafka_murmur2

from meghna._native import batch, ingest
from meghna._native.ingest import Column, Headers, Ingested, Rows
from meghna._native.log import Log, LogConfig
from meghna.codecs import Codec, compress, decompress
from meghna.errors import ClosedError, OutOfRangeError, TooLargeError, UnsupportedError

Parts = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...], int]
OfRow = dict[str, bytes | None] | list[tuple[str | bytes, bytes | None]] | None

NOW_MS = 1_800_000_000_000
READER = ingest.PRODUCER_NAMED | 1234

FOREIGN = pytest.mark.parametrize(
    "foreign", [kafka_records, aiokafka_records], ids=["kafka-python", "aiokafka"]
)

blobs = st.none() | st.binary(max_size=200)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
row_lists = st.lists(
    st.tuples(blobs, blobs, st.lists(st.tuples(texts, blobs)).map(tuple), st.integers(0, 2**53)),
    min_size=1,
    max_size=30,
)


def times_of(times: list[int]) -> "array.array[int]":
    return array.array("q", times)


def records_of(data: bytes) -> list[batch.Record]:
    return [
        record
        for part in batch.split(data)
        for record in batch.records(part, decompress=decompress)
    ]


def values_of(rows: Rows) -> list[bytes | None]:
    return [record.value for record in records_of(ingest.encode(rows))]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with Log.open(str(tmp_path / "t-0"), LogConfig(), now_ms=NOW_MS) as opened:
        yield opened


def read_values(log: Log) -> list[bytes | None]:
    found: list[bytes | None] = []
    while len(found) < log.end_offset - log.start_offset:
        data = log.read(log.start_offset + len(found))
        found += [record.value for record in records_of(data)]
    return found


# --- columns ----------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(records=row_lists, codec=st.sampled_from(Codec))
def test_batches_are_those_of_build(records: list[Parts], codec: Codec) -> None:
    keys, values, headers, times = zip(*records, strict=True)
    rows = Rows(
        keys=Column.items(keys),
        values=Column.items(values),
        headers=Headers.items(headers),
        timestamps=times_of(list(times)),
    )
    packing = None if codec is Codec.NONE else partial(compress, codec)
    expected = batch.build(records, attributes=codec, compress=packing)
    assert ingest.encode(rows, codec=codec, compress=packing) == expected


@settings(max_examples=100, deadline=None)
@given(items=st.lists(blobs, max_size=40), cut=st.integers(0, 10))
def test_arrow_columns_of_every_kind_are_the_same(items: list[bytes | None], cut: int) -> None:
    expected = items[cut:]
    for kind in (pa.binary(), pa.large_binary()):
        sliced = pa.array(items, kind)[cut:]
        validity, offsets, data = sliced.buffers()
        column = Column.offsets(
            data,
            offsets,
            wide=kind == pa.large_binary(),
            start=sliced.offset,
            count=len(sliced),
            validity=validity,
            validity_offset=sliced.offset,
        )
        assert values_of(Rows(values=column)) == expected
    viewed = pa.array(items, pa.binary_view())[cut:]
    validity, views, *buffers = viewed.buffers()
    column = Column.views(
        views,
        buffers,
        start=viewed.offset,
        count=len(viewed),
        validity=validity,
        validity_offset=viewed.offset,
    )
    assert values_of(Rows(values=column)) == expected
    assert values_of(Rows(values=Column.items(expected))) == expected


def test_numpy_columns_are_read_as_numpy_reads_them() -> None:
    items = [b"a", b"", b"abcd", b"a\0b"]
    strings = np.array(items, dtype="S4")
    column = Column.fixed(strings.data, 4, count=4, trim=True)
    assert values_of(Rows(values=column)) == strings.tolist() == items
    voids = strings.view("V4")
    assert values_of(Rows(values=Column.fixed(voids.data, 4, count=4))) == [bytes(v) for v in voids]
    table = np.arange(12, dtype=np.uint8).reshape(4, 3)
    expected = [bytes(row) for row in table]
    assert values_of(Rows(values=Column.fixed(table.data, 3, count=4))) == expected
    assert values_of(Rows(values=Column.fixed(None, 0, count=3))) == [b"", b"", b""]
    sized = pa.array([b"abc", None, b"xyz"], pa.binary(3))
    validity, data = sized.buffers()
    column = Column.fixed(data, 3, count=3, validity=validity)
    assert values_of(Rows(values=column)) == [b"abc", None, b"xyz"]


def test_python_items_of_every_kind() -> None:
    items = [
        b"a",
        bytearray(b"bb"),
        memoryview(b"cxcx")[::2],
        "d",
        "Grüße",
        "\U0001f600",
        None,
        b"",
    ]
    expected = [b"a", b"bb", b"cc", b"d", "Grüße".encode(), "\U0001f600".encode(), None, b""]
    assert values_of(Rows(values=Column.items(items))) == expected
    assert values_of(Rows(values=Column.items(tuple(items)))) == expected
    column = Column.items(items)
    assert (len(column), column.count, column.item_size_max) == (8, 8, len("Grüße".encode()))


def test_an_item_of_another_type_is_named() -> None:
    with pytest.raises(TypeError, match=r"item 2: .* not int"):
        Column.items([b"a", None, 3])  # type: ignore[list-item]


def test_items_are_held_and_then_let_go() -> None:
    item = bytes(1000)
    spare = bytearray(b"abc")
    before = sys.getrefcount(item)
    items: list[bytes | bytearray] = [item] * 100 + [spare]
    rows = Rows(values=Column.items(items))
    items.clear()
    gc.collect()
    assert sys.getrefcount(item) > before
    with pytest.raises(BufferError):
        spare += b"more"
    assert values_of(rows) == [item] * 100 + [b"abc"]
    del rows
    assert sys.getrefcount(item) == before
    spare += b"more"


def test_offsets_that_point_outside_are_refused_with_the_row() -> None:
    for offsets in ([0, 1, 4], [0, 2, 1], [-1, 0, 1], [0, 2**31 - 1, 2**31 - 1]):
        with pytest.raises(OutOfRangeError, match=r"row \d"):
            Column.offsets(b"abc", array.array("i", offsets), wide=False, count=2)
        with pytest.raises(OutOfRangeError, match=r"row \d"):
            Column.offsets(b"abc", array.array("q", offsets), wide=True, count=2)
    with pytest.raises(OutOfRangeError, match="too short"):
        Column.offsets(b"abc", array.array("i", [0, 1]), wide=False, count=2)
    with pytest.raises(OutOfRangeError):
        Column.offsets(b"abc", array.array("i", [0, 1]), wide=False, start=3, count=0)
    with pytest.raises(OutOfRangeError):
        Column.offsets(b"abc", array.array("i", [0, 1]), wide=False, start=-1, count=1)
    with pytest.raises(OutOfRangeError, match="too short"):
        Column.fixed(b"abcde", 3, count=2)
    with pytest.raises(OutOfRangeError):
        Column.fixed(b"abcde", -3, count=2)
    with pytest.raises(OutOfRangeError, match="bitmap"):
        Column.fixed(bytes(9), 1, count=9, validity=b"\xff")


def test_views_that_point_outside_are_refused_with_the_row() -> None:
    data = bytes(100)
    fine = array.array("i", [20, 0, 0, 80])
    assert Column.views(fine, [data], count=1).item_size_max == 20
    for view in ([20, 0, 0, 81], [20, 0, 1, 0], [20, 0, -1, 0], [20, 0, 0, -1], [-1, 0, 0, 0]):
        with pytest.raises(OutOfRangeError, match="row 0"):
            Column.views(array.array("i", view), [data], count=1)
    with pytest.raises(OutOfRangeError, match="too short"):
        Column.views(fine, [data], count=2)


def test_columns_of_different_lengths_are_refused() -> None:
    two, three = Column.items([b"a", b"b"]), Column.items([b"a", b"b", b"c"])
    with pytest.raises(OutOfRangeError):
        Rows(values=two, keys=three)
    with pytest.raises(OutOfRangeError):
        Rows(values=two, timestamps=times_of([1, 2, 3]))
    with pytest.raises(OutOfRangeError):
        Rows(values=two, headers=Headers.items([None]))
    with pytest.raises(TypeError):
        Rows(values=None)
    assert len(Rows(values=None, keys=two)) == 2
    assert Rows(values=None, timestamps=times_of([1, 2, 3])).count == 3


def test_headers_are_mappings_or_pairs() -> None:
    headers: list[OfRow] = [{"a": b"1", "b": None}, None, [("c", b""), (b"c", b"2")], []]
    rows = Rows(values=Column.items([b"x"] * 4), headers=Headers.items(headers))
    assert [record.headers for record in records_of(ingest.encode(rows))] == [
        (("a", b"1"), ("b", None)), (), (("c", b""), ("c", b"2")), (),
    ]  # fmt: skip
    with pytest.raises(OutOfRangeError, match="no key"):
        Headers.items([[(None, b"")]])  # type: ignore[list-item]
    with pytest.raises(OutOfRangeError, match="row 0"):
        Headers(array.array("i", [0, 2]), Column.items([b"a"]), Column.items([b"a"]), count=1)


# --- batches ----------------------------------------------------------------------------------


@FOREIGN
@pytest.mark.parametrize("codec", Codec)
def test_foreign_clients_read_the_batches(foreign: object, codec: Codec) -> None:
    values = [b"%d" % i * (i % 50) for i in range(2000)]
    rows = Rows(
        values=Column.items(values),
        keys=Column.items([b"k%d" % i if i % 3 else None for i in range(2000)]),
        headers=Headers.items([{"n": b"%d" % i} if i % 7 == 0 else None for i in range(2000)]),
        timestamps=times_of(list(range(2000))),
    )
    packing = None if codec is Codec.NONE else partial(compress, codec)
    data = ingest.encode(rows, codec=codec, compress=packing, batch_size_max=16384)
    parts = batch.split(data)
    assert len(parts) > 3
    read = []
    for part in parts:
        theirs = foreign.DefaultRecordBatch(bytes(part))  # type: ignore[attr-defined]
        assert theirs.validate_crc()
        assert theirs.compression_type == codec
        read += [(r.key, r.value, len(r.headers), r.timestamp) for r in theirs]
    assert read == [(b"k%d" % i if i % 3 else None, values[i], i % 7 == 0, i) for i in range(2000)]


def test_batches_keep_the_limits() -> None:
    values = [bytes(100)] * 50 + [bytes(5000)] + [bytes(100)] * 50
    rows = Rows(values=Column.items(values))
    headers = [batch.check(p) for p in batch.split(ingest.encode(rows, batch_size_max=2000))]
    assert sum(header.record_count for header in headers) == 101
    assert [header.size for header in headers if header.size > 2000] == [5070]
    headers = [batch.check(p) for p in batch.split(ingest.encode(rows, batch_count_max=7))]
    assert [header.record_count for header in headers] == [7] * 14 + [3]
    assert ingest.encode(Rows(values=Column.items([]))) == b""


def test_a_row_over_the_limit_is_refused_before_anything_is_appended(log: Log) -> None:
    rows = Rows(values=Column.items([bytes(10)] * 5000 + [bytes(4000)]))
    with pytest.raises(TooLargeError, match="row 5000 "):
        ingest.append(log, rows, batch_size_max=1000, lone_size_max=4000, now_ms=NOW_MS)
    assert log.end_offset == 0
    with pytest.raises(OutOfRangeError):
        ingest.append(log, rows, batch_size_max=10, now_ms=NOW_MS)
    with pytest.raises(OutOfRangeError):
        ingest.append(log, rows, batch_count_max=0, now_ms=NOW_MS)
    with pytest.raises(UnsupportedError):
        ingest.append(log, rows, codec=7, compress=bytes, now_ms=NOW_MS)
    with pytest.raises(ValueError, match="go together"):
        ingest.append(log, rows, codec=1, now_ms=NOW_MS)
    assert log.end_offset == 0


def test_what_a_codec_raises_comes_out_and_nothing_half_is_left(log: Log) -> None:
    calls = []

    def failing(data: bytes) -> bytes:
        calls.append(len(data))
        if len(calls) > 3:
            raise RuntimeError("no more")
        return compress(Codec.ZSTD, data)

    rows = Rows(values=Column.items([bytes(100)] * 1000))
    for _ in range(3):
        with pytest.raises(RuntimeError, match="no more"):
            ingest.append(log, rows, codec=4, compress=failing, batch_size_max=5000, now_ms=NOW_MS)
        with pytest.raises(RuntimeError, match="no more"):
            ingest.encode(rows, codec=4, compress=failing, batch_size_max=5000)
    with pytest.raises(TypeError, match="must return bytes"):
        ingest.encode(rows, codec=4, compress=len)  # type: ignore[arg-type]
    with pytest.raises(TooLargeError):
        ingest.encode(rows, codec=4, compress=lambda data: data * 2)
    assert read_values(log) == []


# --- partitions -------------------------------------------------------------------------------


def test_murmur2_is_kafkas() -> None:
    known = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    assert {key: ingest.murmur2(key) for key in known} == known


@settings(deadline=None)
@given(key=st.binary(max_size=40), count=st.integers(1, 100))
def test_keys_go_where_kafka_python_puts_them(key: bytes, count: int) -> None:
    assert ingest.murmur2(key) & 0xFFFFFFFF == kafka_murmur2(key) & 0xFFFFFFFF
    chosen = ingest.assign(Rows(values=None, keys=Column.items([key])), count, sticky=0)
    assert [p for p, rows in enumerate(chosen) if rows] == [
        (kafka_murmur2(key) & 0x7FFFFFFF) % count
    ]


@settings(deadline=None)
@given(keys=st.lists(st.none() | st.binary(max_size=3), max_size=60), sticky=st.integers(0, 4))
def test_rows_are_shared_out_in_their_order(keys: list[bytes | None], sticky: int) -> None:
    rows = Rows(keys=Column.items(keys), values=Column.items(keys))
    chosen = ingest.assign(rows, 5, sticky=sticky)
    expected: list[list[int]] = [[] for _ in range(5)]
    for row, key in enumerate(keys):
        expected[sticky if key is None else (ingest.murmur2(key) & 0x7FFFFFFF) % 5].append(row)
    assert [[] if s is None else s.to_list() for s in chosen] == expected
    for selection, numbers in zip(chosen, expected, strict=True):
        assert (selection is None) == (not numbers)
        if selection is not None:
            assert selection.count == len(selection) == len(numbers)
            data = ingest.encode(rows, selection)
            assert [record.key for record in records_of(data)] == [keys[n] for n in numbers]


def test_all_rows_in_one_partition_cost_nothing() -> None:
    rows = Rows(values=Column.items([b"a", b"b"]))
    assert ingest.assign(rows, 3, sticky=1)[0] is None
    selection = ingest.assign(rows, 3, sticky=1)[1]
    assert selection is not None
    assert selection.is_all
    assert selection.to_list() == [0, 1]
    keyed = Rows(values=None, keys=Column.items([b"a", b"b", b"c"]))
    assert [s and s.is_all for s in ingest.assign(keyed, 1, sticky=0)] == [True]
    with pytest.raises(OutOfRangeError):
        ingest.assign(rows, 3, sticky=3)
    with pytest.raises(OutOfRangeError):
        ingest.assign(rows, 0, sticky=0)
    with pytest.raises(OutOfRangeError, match="selection is of 2 rows"):
        ingest.encode(keyed, selection)


# --- into a log -------------------------------------------------------------------------------


def test_rows_are_read_back_from_the_log(log: Log) -> None:
    values = [b"%d" % i for i in range(10_000)]
    done = ingest.append(
        log, Rows(values=Column.items(values)), now_ms=NOW_MS, leader_epoch=3, batch_size_max=4096
    )
    assert done == Ingested(0, 9999, 10_000, 0)
    done = ingest.append(log, Rows(values=Column.items([b"last"])), now_ms=NOW_MS, leader_epoch=3)
    assert done == Ingested(10_000, 10_000, 1, 0)
    assert read_values(log) == [*values, b"last"]
    assert log.latest_epoch == 3
    assert ingest.append(log, Rows(values=Column.items([])), now_ms=1) == Ingested(-1, -1, 0, 0)


def test_a_closed_log_is_not_appended_to(tmp_path: Path) -> None:
    log = Log.open(str(tmp_path / "t-0"), LogConfig(), now_ms=NOW_MS)
    log.close()
    with pytest.raises(ClosedError):
        ingest.append(log, Rows(values=Column.items([b"a"])), now_ms=NOW_MS)


def test_threads_append_to_their_own_logs(tmp_path: Path) -> None:
    rows = Rows(values=Column.items([b"%d" % i for i in range(1000)]))
    packing = partial(compress, Codec.LZ4)

    def fill(number: int) -> None:
        path = str(tmp_path / f"t-{number}")
        with Log.open(path, LogConfig(), now_ms=NOW_MS) as log:
            for turn in range(20):
                codec = Codec.LZ4 if turn % 2 else Codec.NONE
                ingest.append(
                    log, rows, codec=codec, compress=packing if codec else None, now_ms=NOW_MS
                )
            ends.append(log.end_offset)

    ends: list[int] = []
    threads = [threading.Thread(target=fill, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == [20_000] * 6


# --- named producers --------------------------------------------------------------------------


def position_of(log: Log) -> int:
    (view,) = log.producers()
    assert view.producer_id == READER
    return (view.epoch << 31) + view.last_sequence


def test_a_named_producer_appends_each_row_once(tmp_path: Path) -> None:
    path = str(tmp_path / "t-0")
    values = [b"%d" % i for i in range(3000)]
    rows = Rows(values=Column.items(values))
    first = 2**31 - 1000
    with Log.open(path, LogConfig(), now_ms=NOW_MS) as log:
        done = ingest.append(log, rows, now_ms=NOW_MS, producer=(READER, first))
        assert done == Ingested(0, 2999, 3000, 0)
    later = NOW_MS + 10**12
    with Log.open(path, LogConfig(), now_ms=later, clean=True) as log:
        assert position_of(log) == first + 2999
        done = ingest.append(log, rows, now_ms=later, producer=(READER, first))
        assert done == Ingested(-1, -1, 0, 3000)
        done = ingest.append(log, rows, now_ms=later, producer=(READER, first + 10))
        assert done == Ingested(3000, 3009, 10, 2990)
        assert read_values(log) == values + values[-10:]


def test_the_rows_of_a_named_producer_are_spread_and_resent(tmp_path: Path) -> None:
    """A call that ended halfway is repeated: what one partition has is skipped there alone."""
    keys = [b"%d" % (i % 23) for i in range(2000)]
    rows = Rows(keys=Column.items(keys), values=Column.items([b"%d" % i for i in range(2000)]))
    chosen = ingest.assign(rows, 4, sticky=0)
    logs = [Log.open(str(tmp_path / f"t-{i}"), LogConfig(), now_ms=NOW_MS) for i in range(4)]
    half = [s for s in chosen if s is not None][:2]
    for log, part in zip(logs, half, strict=False):
        assert ingest.append(log, rows, part, now_ms=1, producer=(READER, 50)).skipped == 0
    for log, selection in zip(logs, chosen, strict=True):
        assert selection is not None
        done = ingest.append(log, rows, selection, now_ms=1, producer=(READER, 50))
        assert done.count + done.skipped == len(selection)
        assert (done.skipped > 0) == (selection in half)
        assert position_of(log) == 50 + selection.to_list()[-1]
        assert len(read_values(log)) == len(selection)
    for log in logs:
        log.close()


def test_a_producer_that_is_not_named_or_has_no_such_position_is_refused(log: Log) -> None:
    rows = Rows(values=Column.items([b"a", b"b"]))
    for producer in ((5, 0), (-1 << 62, 0), (READER, -1), (READER, ingest.POSITION_END - 1)):
        with pytest.raises(OutOfRangeError):
            ingest.append(log, rows, now_ms=NOW_MS, producer=producer)
    assert log.end_offset == 0
    done = ingest.append(log, rows, now_ms=1, producer=(READER, ingest.POSITION_END - 2))
    assert done == Ingested(0, 1, 2, 0)
