"""The binding of compaction: every codec, what the callables raise, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from meghna import codecs
from meghna._native import batch
from meghna._native.compact import CompactReport, cleanable, compact
from meghna._native.log import Log, LogConfig
from meghna.errors import CorruptDataError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW_MS = 1_000_000
KEYS = 10


def compressed(codec: int) -> Callable[[bytes], bytes]:
    return lambda data: codecs.compress(codec, data)


def fill(log: Log, codec: int, rounds: int = 60) -> None:
    """Batches of every key, of which the last round counts."""
    for turn in range(rounds):
        values = {b"k%d" % key: b"v%d-%d" % (turn, key) * 20 for key in range(KEYS)}
        del values[b"k%d" % (turn % KEYS)]  # So that what is left is of several batches.
        records = [(key, value, (), NOW_MS + turn) for key, value in values.items()]
        compress = compressed(codec) if codec else None
        log.append(batch.build(records, attributes=codec, compress=compress), now_ms=NOW_MS)
    log.roll()
    log.flush()


def run(log: Log, first: int = 0, **changes: object) -> CompactReport:
    arguments: dict[str, object] = {
        "limit_offset": log.end_offset,
        "min_lag_ms": 0,
        "delete_retention_ms": 1000,
        "now_ms": NOW_MS,
        "map_size_max": 1 << 20,
        "seed": bytes(16),
        "compress": codecs.compress,
        "decompress": codecs.decompress,
        "pace": lambda _size: None,
        **changes,
    }
    return compact(log, first, **arguments)  # type: ignore[arg-type]


def contents(log: Log) -> list[batch.Record]:
    found: list[batch.Record] = []
    offset = log.start_offset
    while data := log.read(offset):
        for each in batch.split(data):
            found += batch.records(each, decompress=codecs.decompress)
            header = batch.header(each)
            offset = header.base_offset + header.last_offset_delta + 1
    return found


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    config = LogConfig(segment_size_max=4000)
    with Log.open(str(tmp_path / "t-0"), config, now_ms=NOW_MS) as opened:
        yield opened


@pytest.mark.parametrize("codec", list(codecs.Codec))
def test_the_last_record_of_each_key_is_left_in_its_codec(log: Log, codec: codecs.Codec) -> None:
    fill(log, codec)
    last = {record.key: record for record in contents(log)}
    found = cleanable(log, 0, limit_offset=log.end_offset, min_lag_ms=0, now_ms=NOW_MS)
    assert (found.clean_size, found.cleanable_size) == (0, log.size)
    assert found.first_uncleanable_offset == log.end_offset
    assert not found.waits_for_flush
    report = run(log)
    assert contents(log) == sorted(last.values(), key=lambda record: record.offset)
    assert report.end_offset == log.end_offset
    assert report.keys == KEYS
    assert (report.records_read, report.records_kept) == (540, KEYS)
    assert report.read_size > report.written_size > 0
    data = log.read(0)
    kept = [batch.header(each) for each in batch.split(data)]
    assert {header.codec for header in kept if header.record_count} == {int(codec)}


def test_what_a_callable_raises_ends_the_pass_and_changes_nothing(log: Log) -> None:
    log.configure(LogConfig(segment_size_max=1 << 20))  # Of one segment it is all or nothing.
    fill(log, codecs.Codec.LZ4)
    before = contents(log)

    def refuse(*_: object) -> bytes:
        raise ZeroDivisionError

    for changes in ({"pace": refuse}, {"decompress": refuse}, {"compress": refuse}):
        with pytest.raises(ZeroDivisionError):
            run(log, 0, **changes)
        assert contents(log) == before
    with pytest.raises(TypeError, match="bytes"):
        run(log, decompress=lambda _codec, _data: "text")
    with pytest.raises(CorruptDataError):
        run(log, decompress=lambda _codec, _data: b"rubbish")
    with pytest.raises(ValueError, match="16 bytes"):
        run(log, seed=b"short")
    assert contents(log) == before
    assert run(log).records_kept == KEYS


def test_what_is_not_durable_waits_for_a_flush(tmp_path: Path) -> None:
    config = LogConfig(segment_size_max=4000)
    with Log.open(str(tmp_path / "t-0"), config, now_ms=NOW_MS) as log:
        records = [(b"k", b"v" * 1000, (), NOW_MS)]
        for _ in range(10):
            log.append(batch.build(records), now_ms=NOW_MS)
        found = cleanable(log, 0, limit_offset=log.end_offset, min_lag_ms=0, now_ms=NOW_MS)
        assert found.cleanable_size == 0
        assert found.waits_for_flush
        assert run(log).end_offset == 0
        log.flush()
        found = cleanable(log, 0, limit_offset=log.end_offset, min_lag_ms=0, now_ms=NOW_MS)
        assert found.cleanable_size > 0
        assert not found.waits_for_flush


def test_a_damaged_batch_is_told_and_reading_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "t-0"
    config = LogConfig(segment_size_max=4000)
    with Log.open(str(path), config, now_ms=NOW_MS) as log:
        fill(log, 0)
    first = path / f"{0:020}.log"
    data = bytearray(first.read_bytes())
    data[100] ^= 1
    first.write_bytes(data)
    with Log.open(str(path), config, now_ms=NOW_MS, clean=True) as log:
        with pytest.raises(CorruptDataError, match="position 0"):
            run(log)
        assert log.failure is None
        assert log.read(0)


def test_a_log_that_is_only_read_is_not_compacted(tmp_path: Path) -> None:
    with Log.open(str(tmp_path / "t-0"), now_ms=NOW_MS) as log:
        fill(log, 0)
    with (
        Log.open(str(tmp_path / "t-0"), now_ms=NOW_MS, read_only=True) as log,
        pytest.raises(UnsupportedError),
    ):
        run(log)
