"""Topics made and removed while the disk refuses, and what a crash between the steps leaves."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING, Any

from broker.running import append, ask, create, entries, running
from meghna._native import batch
from meghna._native.server import PartitionFailed
from meghna.errors import ErrorCode, NoSpaceError, StorageError
from meghna.metadata.engine import LocalEngine
from meghna.protocol import messages as m
from meghna.storage import start
from meghna.storage.checkpoint import START_OFFSETS
from meghna.storage.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from meghna.broker.broker import Broker

COVERED = (start,)
RECORD = [(None, b"v", (), 1)]


async def created(broker: Broker, name: str, partitions: int) -> int:
    topics = [m.CreatableTopic(name, partitions, 1, (), ())]
    answer = await ask(broker, "create_topics", 7, topics=topics, timeout_ms=1000)
    code: int = answer.topics[0].error_code
    return code


async def grown(broker: Broker, name: str, count: int) -> int:
    topics = [m.CreatePartitionsTopic(name, count, None)]
    answer = await ask(broker, "create_partitions", 3, topics=topics, timeout_ms=1000)
    code: int = answer.results[0].error_code
    return code


async def deleted(broker: Broker, *names: str) -> list[int]:
    answer = await ask(broker, "delete_topics", 4, topic_names=names, timeout_ms=1000)
    return [topic.error_code for topic in answer.responses]


def end_offset(broker: Broker, name: str) -> int:
    log = broker.topics.log(name, 0)
    assert log is not None
    return log.end_offset


async def test_a_topic_that_the_disk_refuses_is_not_there_and_can_be_made_later(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as broker:
        (tmp_path / "t-1").write_text("in the way")
        assert await created(broker, "t", 3) == ErrorCode.KAFKA_STORAGE_ERROR
        assert not broker.image.topics
        await create(broker, "u")
        (tmp_path / "u-1").write_text("in the way")
        assert await grown(broker, "u", 3) == ErrorCode.KAFKA_STORAGE_ERROR
        assert len(broker.image.topics["u"].partitions) == 1
        for name in ("t-1", "u-1"):
            (tmp_path / name).unlink()
        assert entries(tmp_path, "t-") == []
        assert await created(broker, "t", 3) == 0
        assert await grown(broker, "u", 3) == 0
        assert broker.topics.handle("t", 2) is not None
        assert broker.topics.handle("u", 2) is not None


async def test_a_full_disk_under_the_metadata_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise NoSpaceError("the disk is full")

    async with running(tmp_path) as broker:
        await create(broker, "t")
        append(broker, "t", batch.build(RECORD))
        image = broker.image
        with monkeypatch.context() as patch:
            patch.setattr(LocalEngine, "_append", full)
            assert await created(broker, "u", 2) == ErrorCode.KAFKA_STORAGE_ERROR
            assert await grown(broker, "t", 2) == ErrorCode.KAFKA_STORAGE_ERROR
            assert await deleted(broker, "t") == [ErrorCode.KAFKA_STORAGE_ERROR]
            asked = [m.MetadataRequestTopic(name="auto")]
            answer = await ask(broker, "metadata", 9, topics=asked)
            assert answer.topics[0].error_code == ErrorCode.LEADER_NOT_AVAILABLE
            answer = await ask(broker, "init_producer_id", 4, transactional_id=None)
            assert answer.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert broker.image is image
        assert set(broker.store.logs) == {("t", 0)}
        assert end_offset(broker, "t") == 1
        assert await created(broker, "u", 2) == 0
        assert await grown(broker, "t", 2) == 0
        assert await deleted(broker, "t", "u") == [0, 0]


async def test_records_are_not_told_to_be_deleted_when_that_would_not_last(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        append(broker, "t", batch.build(RECORD))
        (tmp_path / f"{START_OFFSETS}.tmp").mkdir()
        asked = [m.DeleteRecordsTopic("t", [m.DeleteRecordsPartition(0, 1)])]
        answer = await ask(broker, "delete_records", 2, topics=asked, timeout_ms=1000)
        assert answer.topics[0].partitions[0].error_code == ErrorCode.KAFKA_STORAGE_ERROR
        (tmp_path / f"{START_OFFSETS}.tmp").rmdir()
        answer = await ask(broker, "delete_records", 2, topics=asked, timeout_ms=1000)
        assert answer.topics[0].partitions[0].low_watermark == 1


async def test_a_stop_that_the_disk_refuses_is_told_and_not_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(self: LocalEngine) -> None:
        self._log.close()
        raise StorageError("input/output error")

    monkeypatch.setattr(LocalEngine, "close", refused)
    async with running(tmp_path):
        pass
    assert "not stopped cleanly" in caplog.text
    assert not (tmp_path / ".kafka_cleanshutdown").exists()


async def test_a_topic_whose_directory_cannot_be_renamed_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> str:
        raise OSError(5, os.strerror(5))

    async with running(tmp_path) as broker:
        await create(broker, "t", partitions=3)
        await create(broker, "u")
        append(broker, "t", batch.build(RECORD))
        with monkeypatch.context() as patch:
            patch.setattr(Store, "_rename_aside", refused)
            assert await deleted(broker, "t", "u") == [0, 0]
        assert not broker.store.logs
        assert await created(broker, "t", 1) == 0
        assert end_offset(broker, "t") == 0
    async with running(tmp_path) as broker:
        assert end_offset(broker, "t") == 0


async def test_a_failure_told_late_is_not_the_next_topics(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        assert await deleted(broker, "t") == [0]
        broker.partition_failed(PartitionFailed("t", 0, "input/output error"))
        await create(broker, "t")
        assert broker.topics.handle("t", 0) is not None


async def test_directories_of_topics_that_were_not_made_to_the_end_go(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as broker:
        await create(broker, "t")
        await create(broker, "half", partitions=2)
        append(broker, "half", batch.build(RECORD), index=1)
        # A crash before the metadata knew of them, as far as the files go.
        for target in ("new-0", "t-1"):
            shutil.copytree(tmp_path / "a" / "half-0", tmp_path / "a" / target)
        shutil.copytree(tmp_path / "a" / "half-1", tmp_path / "a" / "t-2")
        shutil.copytree(tmp_path / "a", tmp_path / "b")
    async with running(tmp_path / "b") as broker:
        assert sorted(broker.image.topics) == ["half", "t"]
        assert len(broker.image.topics["t"].partitions) == 1
    assert entries(tmp_path / "b", "new") == []
    (kept, aside) = entries(tmp_path / "b", "t-")
    # What has records is somebody's to look at.
    assert (kept, aside[:4], aside[-6:]) == ("t-0", "t-2.", "-stray")


async def test_a_topic_of_an_old_name_keeps_its_records_over_a_crash(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as broker:
        await create(broker, "t")
        for _ in range(5):
            append(broker, "t", batch.build(RECORD))
        asked = [m.DeleteRecordsTopic("t", [m.DeleteRecordsPartition(0, 5)])]
        answer = await ask(broker, "delete_records", 2, topics=asked, timeout_ms=1000)
        assert answer.topics[0].partitions[0].low_watermark == 5
        await broker.upkeep.write_checkpoints()
        assert await deleted(broker, "t") == [0]
        await create(broker, "t")
        append(broker, "t", batch.build(RECORD))
        shutil.copytree(tmp_path / "a", tmp_path / "b")
    async with running(tmp_path / "b") as broker:
        log = broker.topics.log("t", 0)
        assert log is not None
        assert (log.start_offset, log.end_offset) == (0, 1)


async def test_names_like_dates_are_no_topics_of_millions_of_partitions(tmp_path: Path) -> None:
    async with running(tmp_path):
        pass
    shutil.rmtree(tmp_path / "__cluster_metadata-0")
    for name in ("backup-20260101", "t-1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("")
    async with running(tmp_path) as broker:
        assert list(broker.image.topics) == ["t"]
    assert entries(tmp_path, "backup")[0].endswith("-stray")


async def test_one_name_is_made_once_however_many_ask(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        asked = [m.MetadataRequestTopic(name="t")]
        answers: list[Any] = await asyncio.gather(
            *(created(broker, "t", 2) for _ in range(5)),
            *(ask(broker, "metadata", 9, topics=asked) for _ in range(5)),
            *(deleted(broker, "t") for _ in range(3)),
            *(created(broker, "t", 1) for _ in range(3)),
        )
        assert sorted(answers[:5])[:1] == [0]
        assert sum(code == 0 for code in answers[:5]) <= 1
        assert {answer.topics[0].error_code for answer in answers[5:10]} == {0}
        assert answers[10:13] == [[0], [3], [3]]
        assert sorted(answers[13:]) == [0, 36, 36]
        assert set(broker.store.logs) == {("t", 0)}


async def test_offsets_can_be_asked_for_while_their_topic_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as broker:
        for timestamp in (-2, -3, 0):
            await create(broker, "t")
            off_loop = broker.off_loop

            async def later(*args: Any, off_loop: Any = off_loop, **named: Any) -> Any:
                monkeypatch.undo()
                assert await deleted(broker, "t") == [0]
                return await off_loop(*args, **named)

            monkeypatch.setattr(broker, "off_loop", later)
            partition = m.ListOffsetsPartition(partition_index=0, timestamp=timestamp)
            asked = [m.ListOffsetsTopic("t", [partition])]
            answer = await ask(broker, "list_offsets", 7, replica_id=-1, topics=asked)
            told = answer.topics[0].partitions[0].error_code
            assert told == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
