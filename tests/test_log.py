from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from aiokafka.record.memory_records import MemoryRecords as AioMemoryRecords
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from kafka.record import MemoryRecords

from meghna._native.batch import build
from meghna._native.log import (
    DONE,
    DUPLICATE,
    INVALID_PRODUCER_EPOCH,
    OUT_OF_ORDER_SEQUENCE,
    Log,
    LogConfig,
)
from meghna.errors import ClosedError, CorruptDataError, OutOfRangeError, StorageError
from model.partition import (
    LogModel,
    index_of,
    read_batches,
    read_epochs,
    read_index,
    read_segments,
    read_snapshot,
    read_time_index,
)

NOW_MS = 1_800_000_000_000
FOREVER_MS = 2**60
KAFKA_LOG = Path(__file__).parent / "fixtures" / "kafka_log"
KAFKA_INTERVAL = 512
"""index.interval.bytes of the broker classes that wrote the fixture."""


def batch(count: int = 1, size: int = 20, timestamp: int = NOW_MS) -> bytes:
    return build([(b"key", b"v" * size, (), timestamp + i) for i in range(count)])


def open_log(
    path: Path, config: LogConfig | None = None, *, clean: bool = False, start_offset: int = 0
) -> Log:
    return Log.open(
        str(path), config or LogConfig(), clean=clean, start_offset=start_offset, now_ms=NOW_MS
    )


# --- the class --------------------------------------------------------------------------------


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    with open_log(tmp_path / "t-0") as log:
        [first] = log.append(batch(3), now_ms=NOW_MS)
        second, third = log.append(batch(2) + batch(4), leader_epoch=1, now_ms=NOW_MS)
        assert (first.verdict, first.base_offset, first.last_offset) == (DONE, 0, 2)
        assert (second.base_offset, third.base_offset, third.append_time_ms) == (3, 5, -1)
        assert [b.base_offset for b in read_batches(log.read(0))] == [0, 3, 5]
        assert [b.base_offset for b in read_batches(log.read(4))] == [3, 5]
        assert [b.base_offset for b in read_batches(log.read_batch(4))] == [3]
        assert log.read(9) == b""
        assert log.read(0, size_max=1, at_least_one=False) == b""
        assert [b.base_offset for b in read_batches(log.read(0, end_offset=5))] == [0, 3]
        assert (log.durable_end, log.end_offset, log.latest_epoch) == (0, 9, 1)
        log.flush()
        assert log.durable_end == 9
        assert log.epoch_end(0) == (0, 3)
        assert log.failure is None
        assert log.size == sum(len(log.read_batch(o)) for o in (0, 3, 5))
        with pytest.raises(OutOfRangeError):
            log.read(10)


def test_a_closed_log_says_so(tmp_path: Path) -> None:
    log = open_log(tmp_path / "t-0")
    log.close()
    log.close()
    assert log.closed
    with pytest.raises(ClosedError):
        log.append(batch(), now_ms=NOW_MS)
    with pytest.raises(ClosedError):
        _ = log.end_offset


def test_a_forgotten_log_warns(tmp_path: Path) -> None:
    log = open_log(tmp_path / "t-0")
    with pytest.warns(ResourceWarning, match="unclosed log"):
        del log


def test_corrupt_batches_are_refused_before_anything_is_appended(tmp_path: Path) -> None:
    good = batch(2)
    with open_log(tmp_path / "t-0") as log:
        for at in range(8, len(good)):
            if 12 <= at < 16:
                continue  # the leader epoch is stamped, and outside the checksum
            bad = bytearray(good)
            bad[at] ^= 1
            with pytest.raises(CorruptDataError):
                log.append(good + bytes(bad), now_ms=NOW_MS)
        with pytest.raises(CorruptDataError):
            log.append(good[:-1], now_ms=NOW_MS)
        assert log.append(b"", now_ms=NOW_MS) == []
        assert log.end_offset == 0


def test_the_caller_keeps_its_bytes(tmp_path: Path) -> None:
    mine = bytearray(batch(2))
    before = bytes(mine)
    with open_log(tmp_path / "t-0", LogConfig(append_time=True)) as log:
        log.append(batch(), now_ms=NOW_MS)
        [done] = log.append(mine, leader_epoch=7, now_ms=NOW_MS + 5)
        assert done.append_time_ms == NOW_MS + 5
        assert bytes(mine) == before
        [stored] = read_batches(log.read(1))
        assert (stored.leader_epoch, stored.max_timestamp) == (7, NOW_MS + 5)


def test_producers_are_verdicts(tmp_path: Path) -> None:
    with open_log(tmp_path / "t-0") as log:

        def send(sequence: int, epoch: int = 0) -> tuple[int, int]:
            records = [(b"k", b"v", (), NOW_MS)] * 2
            data = build(records, producer_id=9, producer_epoch=epoch, base_sequence=sequence)
            [done] = log.append(data, now_ms=NOW_MS)
            return done.verdict, done.base_offset

        assert send(0) == (DONE, 0)
        assert send(0) == (DUPLICATE, 0)
        assert send(2) == (DONE, 2)
        assert send(5) == (OUT_OF_ORDER_SEQUENCE, -1)
        assert send(0, epoch=1) == (DONE, 4)
        assert send(4) == (INVALID_PRODUCER_EPOCH, -1)
        [view] = log.producers()
        assert (view.producer_id, view.epoch, view.last_sequence, view.last_offset) == (9, 1, 1, 5)


def test_an_unwritable_place_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError) as caught:
        open_log(tmp_path / "file" / "t-0")
    assert caught.value.os_error != 0


# --- Kafka's own directory --------------------------------------------------------------------


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def kafka_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(KAFKA_LOG, tmp_path / "golden-0"))


def test_a_directory_of_kafka_opens_and_closes_unchanged(tmp_path: Path) -> None:
    directory = kafka_copy(tmp_path)
    config = LogConfig(index_interval_size=KAFKA_INTERVAL, producer_expiry_ms=FOREVER_MS)
    with open_log(directory, config, clean=True) as log:
        assert (log.start_offset, log.end_offset, log.latest_epoch) == (0, 402, 4)
        assert [log.epoch_end(e) for e in (0, 1, 2, 4)] == [(0, 134), (0, 134), (2, 268), (4, 402)]
        snapshot = read_snapshot(KAFKA_LOG / f"{402:020}.snapshot")
        assert [(p.producer_id, p.last_sequence, p.last_offset) for p in log.producers()] == [
            (p.producer_id, p.last_sequence, p.last_offset) for p in snapshot
        ]
        assert log.report.segments_scanned == 0
    assert contents(directory) == contents(KAFKA_LOG)


def test_what_recovery_derives_is_byte_for_byte_what_kafka_wrote(tmp_path: Path) -> None:
    directory = kafka_copy(tmp_path)
    derived = [
        path
        for path in directory.iterdir()
        if path.suffix in (".index", ".timeindex", ".snapshot") or "epoch" in path.name
    ]
    assert len(derived) == 10
    for path in derived:
        path.unlink()
    config = LogConfig(index_interval_size=KAFKA_INTERVAL, producer_expiry_ms=FOREVER_MS)
    with open_log(directory, config, clean=False) as log:
        assert (log.end_offset, log.latest_epoch) == (402, 4)
        assert log.report.segments_scanned == 3
        assert (log.report.cut_size, log.report.set_aside_size) == (0, 0)
    assert contents(directory) == contents(KAFKA_LOG)


def test_the_same_batches_appended_make_the_same_index(tmp_path: Path) -> None:
    config = LogConfig(index_interval_size=KAFKA_INTERVAL, producer_expiry_ms=FOREVER_MS)
    with open_log(tmp_path / "t-0", config) as log:
        for one in read_segments(KAFKA_LOG)[0]:
            if one.base_sequence == 1000:
                break  # the writer jumps here, as a log may and a producer may not
            [done] = log.append(one.data, leader_epoch=one.leader_epoch, now_ms=NOW_MS)
            assert (done.verdict, done.base_offset) == (DONE, one.base_offset)
    ours = contents(tmp_path / "t-0")
    kafkas = contents(KAFKA_LOG)
    assert len(ours[f"{0:020}.index"]) > 24
    for suffix in ("log", "index"):
        assert kafkas[f"{0:020}.{suffix}"].startswith(ours[f"{0:020}.{suffix}"])
    entries = ours[f"{0:020}.timeindex"]
    assert kafkas[f"{0:020}.timeindex"].startswith(entries[:-12])  # all but the closing one


def test_preallocated_indexes_of_a_killed_broker_are_read(tmp_path: Path) -> None:
    directory = kafka_copy(tmp_path)
    for path in [*directory.glob("*.index"), *directory.glob("*.timeindex")]:
        with path.open("ab") as file:
            file.truncate(10485756)
    with open_log(directory, clean=True) as log:
        assert log.end_offset == 402
        for offset in range(402):
            [one] = read_batches(log.read_batch(offset))
            assert one.base_offset <= offset <= one.last_offset


# --- others read ours -------------------------------------------------------------------------


def test_other_clients_read_our_bytes(tmp_path: Path) -> None:
    with open_log(tmp_path / "t-0", LogConfig(segment_size_max=3000)) as log:
        for i in range(40):
            log.append(batch(3, size=i, timestamp=NOW_MS + i), leader_epoch=i // 9, now_ms=NOW_MS)
        assert log.segment_count > 1
    offsets: list[int] = []
    aio_offsets: list[int] = []
    for path in sorted((tmp_path / "t-0").glob("*.log")):
        data = path.read_bytes()
        records = MemoryRecords(data)
        while (one := records.next_batch()) is not None:
            assert one.validate_crc()
            offsets += [record.offset for record in one]
        aio_records = AioMemoryRecords(data)
        while (other := aio_records.next_batch()) is not None:
            assert other.validate_crc()
            aio_offsets += [record.offset for record in other]
    assert offsets == list(range(120))
    assert aio_offsets == offsets


def test_files_are_as_the_model_says(tmp_path: Path) -> None:
    config = LogConfig(segment_size_max=6000, index_interval_size=700)
    with open_log(tmp_path / "t-0", config) as log:
        for i in range(200):
            data = batch(1 + i % 3, size=i % 150, timestamp=NOW_MS + i * 7 % 90)
            log.append(data, leader_epoch=i // 50, now_ms=NOW_MS)
        ends = [log.epoch_end(epoch) for epoch in range(4)]
    directory = tmp_path / "t-0"
    segments = read_segments(directory)
    assert len(segments) > 3
    for base, batches in segments.items():
        offsets, times = index_of(base, batches, config.index_interval_size)
        assert read_index(directory / f"{base:020}.index") == offsets
        assert read_time_index(directory / f"{base:020}.timeindex") == times
    epochs = read_epochs(directory / "leader-epoch-checkpoint")
    assert [epoch for epoch, _ in epochs] == [0, 1, 2, 3]
    assert [end for _, end in ends] == [*(start for _, start in epochs[1:]), ends[-1][1]]


# --- against the model ------------------------------------------------------------------------


class LogMachine(RuleBasedStateMachine):
    """Any sequence of calls; the log answers as a list of batches would."""

    @initialize(segment_size=st.integers(200, 5000), interval=st.integers(0, 1000), tmp=st.uuids())
    def begin(self, segment_size: int, interval: int, tmp: object) -> None:
        self.root = ROOTS[0] / str(tmp)
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir()
        self.config = LogConfig(segment_size_max=segment_size, index_interval_size=interval)
        self.log = open_log(self.root / "t-0", self.config)
        self.model = LogModel([])

    @rule(
        counts=st.lists(st.integers(1, 4), min_size=1, max_size=5),
        size=st.integers(0, 300),
        timestamp=st.integers(0, 50),
    )
    def append(self, counts: list[int], size: int, timestamp: int) -> None:
        data = b"".join(batch(count, size, timestamp) for count in counts)
        done = self.log.append(data, now_ms=NOW_MS)
        expected = [self.model.append(count, timestamp + count - 1) for count in counts]
        assert [answer.base_offset for answer in done] == expected

    @rule()
    def roll(self) -> None:
        self.log.roll()

    @rule()
    def flush(self) -> None:
        self.log.flush()
        assert self.log.durable_end == self.model.end_offset

    @precondition(lambda self: self.model.batches)
    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        # Between batches: within one, the end after a crash would be that of the batch before.
        offsets = [b[0] for b in self.model.batches if b[0] >= self.model.start_offset]
        if offsets:
            offset = data.draw(st.sampled_from(offsets))
            self.log.truncate(offset)
            self.model.truncate(offset)

    @rule(part=st.floats(0, 1))
    def raise_start(self, part: float) -> None:
        span = self.model.end_offset - self.model.start_offset
        self.model.start_offset += int(span * part / 3)
        self.log.raise_start(self.model.start_offset)

    @rule()
    def delete(self) -> None:
        deleted = self.log.delete_old(
            retention_ms=-1, retention_size=-1, limit_offset=self.model.end_offset, now_ms=NOW_MS
        )
        assert deleted >= 0

    @rule(clean=st.booleans(), abandoned=st.booleans())
    def reopen(self, clean: bool, abandoned: bool) -> None:
        if abandoned:
            self.log.abandon()
            clean = False
        else:
            self.log.close()
        self.log = open_log(
            self.root / "t-0", self.config, clean=clean, start_offset=self.model.start_offset
        )
        assert self.log.report.cut_size == self.log.report.set_aside_size == 0

    @precondition(lambda self: self.model.end_offset > self.model.start_offset)
    @rule(data=st.data(), size_max=st.integers(1, 3000))
    def read(self, data: st.DataObject, size_max: int) -> None:
        offset = data.draw(st.integers(self.model.start_offset, self.model.end_offset - 1))
        expected = self.model.holding(offset)
        found = read_batches(self.log.read(offset, size_max=size_max))
        assert expected is not None
        first = self.model.batches.index(expected)
        assert found
        assert [(b.base_offset, b.last_offset, b.max_timestamp) for b in found] == (
            self.model.batches[first : first + len(found)]
        )
        assert sum(len(b.data) for b in found) <= max(size_max, len(found[0].data))

    @rule(timestamp=st.integers(0, 60))
    def find_timestamp(self, timestamp: int) -> None:
        expected = self.model.at_timestamp(timestamp)
        data = self.log.find_timestamp(timestamp)
        found = None if data is None else read_batches(data)[0].base_offset
        assert found == (None if expected is None else expected[0])

    @rule()
    def find_max_timestamp(self) -> None:
        readable = [b for b in self.model.batches if b[1] >= self.model.start_offset]
        data = self.log.find_max_timestamp()
        if not readable:
            assert data is None
        else:
            greatest = max(b[2] for b in readable)
            assert data is not None
            assert read_batches(data)[0].base_offset == next(
                b[0] for b in readable if b[2] == greatest
            )

    @invariant()
    def ends_agree(self) -> None:
        if hasattr(self, "log"):
            assert self.log.start_offset == self.model.start_offset
            assert self.log.end_offset == self.model.end_offset
            assert self.log.durable_end <= self.log.end_offset

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()
            shutil.rmtree(self.root)


ROOTS: list[Path] = []


def test_a_log_answers_as_its_model(tmp_path: Path) -> None:
    ROOTS[:] = [tmp_path]
    LogMachine.TestCase.settings = settings(
        max_examples=60,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    LogMachine.TestCase("runTest").runTest()
