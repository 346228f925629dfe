"""The local engine: what was committed is there after a restart."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from meghna._native import batch
from meghna._native.log import Log
from meghna.clock import SystemClock
from meghna.errors import NoSpaceError, StorageError
from meghna.metadata.engine import LocalEngine
from meghna.metadata.records import PartitionAdded, ProducerIdsReserved, TopicAdded, TopicRemoved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ID, OTHER = b"i" * 16, b"o" * 16


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def opened(path: Path, executor: ThreadPoolExecutor, *, clean: bool = True) -> LocalEngine:
    return LocalEngine.open(str(path), clean=clean, clock=SystemClock(), executor=executor)


def topic(name: str, topic_id: bytes) -> list[TopicAdded | PartitionAdded]:
    return [TopicAdded(name, topic_id), PartitionAdded(topic_id, 0, (1,), (1,), 1)]


async def test_a_restart_replays_what_was_committed(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    engine = opened(tmp_path / "m", executor)
    assert engine.is_new
    async with engine.turn:
        await engine.commit(topic("t", ID))
        await engine.commit(topic("gone", OTHER))
        image = await engine.commit([TopicRemoved(OTHER), ProducerIdsReserved(1, 1000)])
    assert engine.image is image
    engine.close()

    again = opened(tmp_path / "m", executor)
    assert not again.is_new
    assert again.image.topics == image.topics
    assert again.image.next_producer_id == 1000
    assert again.removed_topic_ids == {OTHER}
    again.close()


async def test_a_crash_loses_nothing_that_was_committed(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    engine = opened(tmp_path / "m", executor)
    await engine.commit(topic("t", ID))
    # As a crash leaves it: never closed, and a torn record behind.
    (segment,) = (tmp_path / "m").glob("*.log")
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / segment.name).write_bytes(segment.read_bytes() + b"\0" * 7)
    engine.close()

    again = opened(copy, executor, clean=False)
    assert list(again.image.topics) == ["t"]
    await again.commit([TopicRemoved(ID)])
    again.close()
    last = opened(copy, executor)
    assert not last.image.topics
    last.close()


async def test_many_records_are_there_together_or_not_at_all(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    engine = opened(tmp_path / "m", executor)
    partitions = [PartitionAdded(ID, index, (1,), (1,), 1) for index in range(12_000)]
    await engine.commit([TopicAdded("t", ID), *partitions])
    engine.close()
    again = opened(tmp_path / "m", executor)
    assert len(again.image.topics["t"].partitions) == 12_000
    again.close()
    # Whatever a crash leaves of the write.
    (segment,) = (tmp_path / "m").glob("*.log")
    data = segment.read_bytes()
    for size in (len(data) // 3, len(data) - 1):
        copy = tmp_path / f"copy{size}"
        copy.mkdir()
        (copy / segment.name).write_bytes(data[:size])
        torn = opened(copy, executor, clean=False)
        assert not torn.image.topics
        torn.close()


async def test_a_log_that_has_more_than_was_answered_takes_nothing_more(
    tmp_path: Path, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened(tmp_path / "m", executor)
    log = engine._log

    class Unsynced:
        """A disk that takes the bytes and fails then."""

        def append(self, *args: Any, **named: Any) -> None:
            log.append(*args, **named)

        def flush(self) -> None:
            raise NoSpaceError("full")

        def __getattr__(self, name: str) -> Any:
            return getattr(log, name)

    monkeypatch.setattr(engine, "_log", Unsynced())
    with pytest.raises(NoSpaceError):
        await engine.commit(topic("t", ID))
    monkeypatch.setattr(engine, "_log", log)
    # The same topic again would make the log contradict itself.
    with pytest.raises(StorageError, match="restart"):
        await engine.commit(topic("t", OTHER))
    engine.close()
    again = opened(tmp_path / "m", executor)
    await again.commit([TopicRemoved(again.image.topics["t"].id)])
    again.close()


async def test_there_is_always_room_for_some_more(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    engine = opened(tmp_path / "m", executor)
    for end in range(0, 4000, 100):
        await engine.commit([ProducerIdsReserved(1, end + each) for each in range(100)])
        assert not engine._log.wants_room()
    engine.close()


async def test_nothing_to_commit_writes_nothing(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    engine = opened(tmp_path / "m", executor)
    assert await engine.commit([]) is engine.image
    assert engine.commit_now([]) is engine.image
    engine.close()


def test_a_log_that_holds_no_metadata_is_refused(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    log = Log.open(str(tmp_path / "m"), clean=True, now_ms=1)
    log.append(batch.build([(None, b"\x01\x02", (), 1)]), now_ms=1)
    log.close()
    with pytest.raises(StorageError, match="metadata log is damaged"):
        opened(tmp_path / "m", executor)


@pytest.mark.parametrize("clean", [True, False])
async def test_each_bad_byte_ends_in_one_sentence_that_helps(
    tmp_path: Path, executor: ThreadPoolExecutor, *, clean: bool
) -> None:
    engine = opened(tmp_path / "m", executor)
    for name, topic_id in (("a", ID), ("b", OTHER)):
        await engine.commit(topic(name, topic_id))
    engine.close()
    (segment,) = (tmp_path / "m").glob("*.log")
    data = segment.read_bytes()
    refused = 0
    for position in range(0, len(data), 3):
        copy = tmp_path / f"copy{position}"
        shutil.copytree(tmp_path / "m", copy)
        bad = bytearray(data)
        bad[position] ^= 0xFF
        (copy / segment.name).write_bytes(bad)
        try:
            opened(copy, executor, clean=clean).abandon()
        except StorageError as error:
            refused += 1
            assert f"{copy}: the metadata log is damaged at offset " in str(error)  # noqa: PT017
            assert f"`meghna log verify {copy}`" in str(error)  # noqa: PT017
            assert "settings are lost and defaults hold" in str(error)  # noqa: PT017
    assert refused > len(data) / 3 / 4
