"""What batches cost: checksum, validation, building and decoding, beside aiokafka's C codec.

Run with `pytest benchmarks/bench_batch.py`. Every group runs in one process, so compare within a
group; the rows of `crc32c` state their rate in GB/s as `extra_info`.
"""

from collections.abc import Callable

import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from pytest_benchmark.fixture import BenchmarkFixture

from meghna._native import batch

RECORD_COUNT = 1000
VALUE = b"v" * 100
RECORDS: list[tuple[None, bytes, list[tuple[str, bytes]], int]] = [
    (None, VALUE, [], 1_700_000_000_000 + index) for index in range(RECORD_COUNT)
]
BATCH = batch.build(RECORDS)


@pytest.mark.benchmark(group="crc32c")
@pytest.mark.parametrize("size", [100, 1024, 16 * 1024, 1024 * 1024])
def test_crc32c(benchmark: BenchmarkFixture, size: int) -> None:
    data = bytes(size)
    benchmark(batch.crc32c, data)
    if benchmark.stats is not None:
        benchmark.extra_info["GB/s"] = round(size / benchmark.stats.stats.min / 1e9, 1)


@pytest.mark.benchmark(group="check 1,000 x 100 bytes")
def test_validate_a_produced_batch(benchmark: BenchmarkFixture) -> None:
    assert benchmark(lambda: batch.validate(BATCH, now_ms=0)).fault == 0


@pytest.mark.benchmark(group="check 1,000 x 100 bytes")
def test_check_the_checksum_alone(benchmark: BenchmarkFixture) -> None:
    benchmark(batch.check, BATCH)


@pytest.mark.benchmark(group="check 1,000 x 100 bytes")
def test_aiokafka_checks_the_checksum_alone(benchmark: BenchmarkFixture) -> None:
    assert benchmark(lambda: DefaultRecordBatch(BATCH).validate_crc())


def aiokafka_build() -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 20)
    for offset, (key, value, headers, timestamp) in enumerate(RECORDS):
        builder.append(offset, timestamp, key, value, headers)
    return bytes(builder.build())


@pytest.mark.benchmark(group="build 1,000 x 100 bytes")
@pytest.mark.parametrize(
    "build", [lambda: batch.build(RECORDS), aiokafka_build], ids=["meghna", "aiokafka"]
)
def test_build(benchmark: BenchmarkFixture, build: Callable[[], bytes]) -> None:
    assert len(benchmark(build)) == len(BATCH)


def aiokafka_decode() -> list[object]:
    theirs = DefaultRecordBatch(BATCH)
    assert theirs.validate_crc()
    return [(r.offset, r.timestamp, r.key, r.value, r.headers) for r in theirs]


@pytest.mark.benchmark(group="decode 1,000 x 100 bytes to Python objects")
@pytest.mark.parametrize(
    "decode", [lambda: batch.records(BATCH), aiokafka_decode], ids=["meghna", "aiokafka"]
)
def test_decode(benchmark: BenchmarkFixture, decode: Callable[[], list[object]]) -> None:
    assert len(benchmark(decode)) == RECORD_COUNT
