"""Snapshots of the metadata log, as Kafka leaves them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from meghna._native import batch
from meghna.clock import SystemClock
from meghna.errors import CorruptDataError, StorageError
from meghna.metadata import records as wire
from meghna.metadata import snapshot
from meghna.metadata.engine import LocalEngine
from meghna.metadata.records import PartitionAdded, Record, TopicAdded

if TYPE_CHECKING:
    from pathlib import Path

ID, OTHER = b"i" * 16, b"o" * 16
HEADER = batch.build([(b"\0\0\0\3", b"", (), 1)], attributes=0x20)
FOOTER = batch.build([(b"\0\0\0\4", b"", (), 1)], attributes=0x20)


def topic(name: str, topic_id: bytes) -> list[Record]:
    return [TopicAdded(name, topic_id), PartitionAdded(topic_id, 0, (1,), (1,), 1)]


def stored(records: list[Record]) -> bytes:
    return batch.build([(None, wire.encode(record), (), 1) for record in records])


def write(path: Path, end: int, *, records: list[Record], epoch: int = 1) -> Path:
    path.mkdir(exist_ok=True)
    file = path / f"{end:020}-{epoch:010}.checkpoint"
    file.write_bytes(HEADER + stored(records) + FOOTER)
    return file


def engine_on(path: Path) -> LocalEngine:
    return LocalEngine.open(str(path), clean=True, clock=SystemClock())


def log_from(path: Path, start: int, records: list[Record]) -> None:
    """A log that begins at `start`, as after its oldest segments were deleted."""
    path.mkdir(exist_ok=True)
    data = bytearray(stored(records))
    data[:8] = start.to_bytes(8, "big")
    (path / f"{start:020}.log").write_bytes(data)


def test_the_newest_that_meets_the_log_is_found(tmp_path: Path) -> None:
    for end in (5, 10, 20, 30):
        write(tmp_path, end, records=topic("t", ID))
    write(tmp_path, 20, records=topic("t", ID), epoch=3)
    (tmp_path / "00000000000000000025-0000000001.checkpoint.part").write_bytes(b"")
    found = snapshot.find(str(tmp_path), start_offset=7, end_offset=29)
    assert found is not None
    assert found.end_offset == 20
    assert found.path.endswith("-0000000003.checkpoint")
    assert snapshot.find(str(tmp_path), start_offset=31, end_offset=99) is None


def test_a_log_without_its_beginning_is_read_from_the_snapshot_on(tmp_path: Path) -> None:
    write(tmp_path / "m", 10, records=topic("old", ID))
    log_from(tmp_path / "m", 10, topic("new", OTHER))
    engine = engine_on(tmp_path / "m")
    assert {found.name for found in engine.image.topics.values()} == {"new", "old"}
    engine.close()


def test_a_log_without_its_beginning_and_without_a_snapshot_is_refused(tmp_path: Path) -> None:
    log_from(tmp_path / "m", 10, topic("new", OTHER))
    with pytest.raises(StorageError, match="begins at offset 10"):
        engine_on(tmp_path / "m")


def test_a_snapshot_that_is_damaged_or_cut_short_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, 10, records=topic("old", ID))
    whole = file.read_bytes()
    found = snapshot.find(str(tmp_path), start_offset=10, end_offset=10)
    assert found is not None
    assert len(list(snapshot.batches(found))) == 1
    for size in range(len(whole)):
        file.write_bytes(whole[:size])
        with pytest.raises(CorruptDataError):
            list(snapshot.batches(found))
    for at in range(len(HEADER) + 21, len(whole) - len(FOOTER)):  # what the checksum covers
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(CorruptDataError):
            list(snapshot.batches(found))
    log_from(tmp_path / "m", 10, topic("new", OTHER))
    write(tmp_path / "m", 10, records=topic("old", ID)).write_bytes(whole[:-1])
    with pytest.raises(StorageError, match="cut short"):
        engine_on(tmp_path / "m")
