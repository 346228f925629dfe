"""Starts and stops: clean, after a crash, in a directory that has a past."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from broker.running import append, ask, create, entries, running
from meghna._native import batch
from meghna._native.server import PartitionFailed
from meghna.broker import broker as broker_module
from meghna.broker import offsets_topic, producer_ids, topics, upkeep
from meghna.broker.broker import Broker, limits
from meghna.config import load, topic_config
from meghna.groups.journal import LogRecord
from meghna.metadata import changes
from meghna.metadata.image import BROKER_RESOURCE, Image, Partition, Topic
from meghna.metadata.records import PartitionAdded, TopicAdded
from meghna.protocol import messages as m
from meghna.storage import start
from meghna.storage.directory import DirectoryLockedError
from meghna.storage.store import Store, topic_id_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from meghna._native.log import Log

MARK = ".kafka_cleanshutdown"
COVERED = (broker_module, offsets_topic, producer_ids, start, topics, upkeep)


def epochs(broker: Broker) -> list[int]:
    return [p.leader_epoch for t in broker.image.topics.values() for p in t.partitions]


def crash(path: Path, copy: Path) -> None:
    """The directory as a crash at this moment leaves it."""
    shutil.copytree(path, copy)


async def test_a_clean_restart_keeps_epochs_and_records(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t", partitions=3)
        append(broker, "t", batch.build([(None, b"v", (), 1)]), index=1)
        identity = broker.directory.identity
    assert (tmp_path / MARK).exists()
    async with running(tmp_path) as broker:
        assert not (tmp_path / MARK).exists()
        assert broker.directory.identity == identity
        assert epochs(broker) == [0, 0, 0]
        log = broker.topics.log("t", 1)
        assert log is not None
        assert log.end_offset == 1


async def test_an_unclean_start_begins_new_epochs(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as broker:
        await create(broker, "t", partitions=2)
        crash(tmp_path / "a", tmp_path / "b")
    async with running(tmp_path / "b") as broker:
        assert epochs(broker) == [1, 1]
        handle = broker.topics.handle("t", 0)
        assert handle is not None
        assert handle.leader_epoch == 1
    async with running(tmp_path / "b") as broker:
        assert epochs(broker) == [1, 1]


async def test_a_topic_whose_logs_a_crash_kept_from_being_made_gets_them(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as broker:
        await create(broker, "t", partitions=2)
        crash(tmp_path / "a", tmp_path / "b")
    shutil.rmtree(tmp_path / "b" / "t-1")
    (tmp_path / "b" / "t-0" / "partition.metadata").write_text("")
    async with running(tmp_path / "b") as broker:
        assert broker.topics.handle("t", 1) is not None
        path = str(tmp_path / "b" / "t-0")
        assert topic_id_in(path) == broker.image.topics["t"].id


async def test_a_directory_that_is_gone_is_told_with_what_it_held(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t", partitions=2)
        append(broker, "t", batch.build([(None, b"v", (), 1)] * 4), index=1)
    shutil.rmtree(tmp_path / "t-1")
    for _ in range(2):
        async with running(tmp_path) as broker:
            log = broker.topics.log("t", 1)
            assert log is not None
            assert log.end_offset == 0
    (told,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert told.getMessage() == (
        f"t-1: its directory {tmp_path}/t-1 is gone, and its records up to offset 4 with it; "
        f"an empty one was made in its place, {tmp_path}/t-1"
    )


async def test_what_a_crash_kept_of_a_deleted_topic_goes(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as broker:
        await create(broker, "t", "kept")
        crash(tmp_path / "a", tmp_path / "b")
        await ask(broker, "delete_topics", 4, topic_names=["t"], timeout_ms=1000)
        shutil.copytree(
            tmp_path / "a" / "__cluster_metadata-0",
            tmp_path / "b" / "__cluster_metadata-0",
            dirs_exist_ok=True,
        )
    async with running(tmp_path / "b") as broker:
        assert list(broker.image.topics) == ["kept"]
    assert entries(tmp_path / "b", "t-") == []


async def test_a_directory_of_no_topic_is_put_aside(tmp_path: Path) -> None:
    async with running(tmp_path):
        pass
    (tmp_path / "strange-0").mkdir()
    (tmp_path / "strange-0" / "file").write_text("")
    async with running(tmp_path) as broker:
        assert not broker.image.topics
    (aside,) = entries(tmp_path, "strange-")
    assert aside.endswith("-stray")


async def test_topics_without_metadata_are_taken_in(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "a.b-c", partitions=2)
        append(broker, "a.b-c", batch.build([(None, b"v", (), 1)]), index=1)
        topic_id = broker.image.topics["a.b-c"].id
    shutil.rmtree(tmp_path / "__cluster_metadata-0")
    async with running(tmp_path) as broker:
        topic = broker.image.topics["a.b-c"]
        assert (topic.id, len(topic.partitions)) == (topic_id, 2)
        log = broker.topics.log("a.b-c", 1)
        assert log is not None
        assert log.end_offset == 1


async def test_what_groups_committed_is_taken_in_to_be_kept(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "__consumer_offsets", partitions=1)
    shutil.rmtree(tmp_path / "__cluster_metadata-0")
    async with running(tmp_path) as broker:
        assert broker.topics.config("__consumer_offsets").is_compacted
        assert not broker.topics.config("__consumer_offsets").is_deleted


def test_a_leaderless_partition_gets_us() -> None:
    # As Kafka's metadata says after its controlled shutdown.
    topic_id = b"i" * 16
    image = Image().apply(
        [TopicAdded("t", topic_id), PartitionAdded(topic_id, 0, (1,), (1,), leader=-1)]
    )
    records = changes.new_terms(image.topics.values(), 1, everywhere=False)
    (partition,) = image.apply(records).topics["t"].partitions
    assert (partition.leader, partition.leader_epoch) == (1, 1)
    assert changes.new_terms(image.apply(records).topics.values(), 1, everywhere=False) == []


async def test_a_first_start_has_what_a_new_cluster_has(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        assert broker.image.features == {"metadata.version": 30}
        assert broker.image.config(BROKER_RESOURCE, "") == {"min.insync.replicas": "1"}


async def test_a_second_broker_is_refused_and_leaves_the_first_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        config = load({}, listen="127.0.0.1:0", data_directory=str(tmp_path))
        with pytest.raises(DirectoryLockedError):
            Broker(config).start()
        taken = load({}, listen=broker.bootstrap(), data_directory=str(tmp_path / "other"))
        with pytest.raises(OSError, match="in use"):
            Broker(taken).start()
        assert (await ask(broker, "metadata", 9, topics=None)).topics == ()


async def test_a_partition_that_cannot_be_opened_is_offline_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t", partitions=2)
    shutil.rmtree(tmp_path / "t-0")
    (tmp_path / "t-0").write_text("in the way")
    (tmp_path / MARK).unlink()
    async with running(tmp_path) as broker:
        answer = await ask(broker, "metadata", 9, topics=[m.MetadataRequestTopic(name="t")])
        told = {p.partition_index: (p.error_code, p.leader_id) for p in answer.topics[0].partitions}
        assert told == {0: (5, -1), 1: (0, 1)}
    assert not (tmp_path / MARK).exists()


async def test_a_partition_whose_disk_fails_is_offline_until_it_is_deleted(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t", partitions=2)
        broker.partition_failed(PartitionFailed("t", 0, "input/output error"))
        answer = await ask(broker, "metadata", 9, topics=None)
        told = {p.partition_index: (p.error_code, p.leader_id) for p in answer.topics[0].partitions}
        assert told == {0: (5, -1), 1: (0, 1)}
        assert list(broker.topics.handles()) == [("t", 1)]
        await ask(broker, "delete_topics", 4, topic_names=["t"], timeout_ms=1000)
        await create(broker, "t")
        assert broker.topics.handle("t", 0) is not None


async def test_groups_have_their_topic_and_it_is_read_back(tmp_path: Path) -> None:
    async with running(tmp_path, {"offsets.topic.num.partitions": "4"}) as broker:
        await asyncio.gather(broker.ensure_offsets_topic(), broker.ensure_offsets_topic())
        topic = broker.image.topics["__consumer_offsets"]
        assert len(topic.partitions) == 4
        assert broker.topics.config("__consumer_offsets").is_compacted
        port = offsets_topic.OffsetsTopic(broker)
        written = [LogRecord(b"k", b"v", 5), LogRecord(b"l", None, 6)]
        await port.append(2, written)
        assert [list(each) for each in port.read(2)] == [written]
        await ask(broker, "delete_topics", 4, topic_names=["__consumer_offsets"], timeout_ms=1000)
        await broker.ensure_offsets_topic()
        assert list(port.read(2)) == []
    async with running(tmp_path) as broker:
        assert broker.groups.list_groups() == []


async def committed(broker: Broker, group: str) -> int:
    partition = m.OffsetCommitRequestPartition(partition_index=0, committed_offset=7)
    topics = [m.OffsetCommitRequestTopic(name="t", partitions=[partition])]
    answer = await ask(
        broker, "offset_commit", 8, group_id=group, topics=topics,
        generation_id_or_member_epoch=-1, member_id="",
    )  # fmt: skip
    code: int = answer.topics[0].partitions[0].error_code
    return code


async def test_groups_live_in_as_many_partitions_as_their_topic_has(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        # The coordinator is there before its topic, and expects 50 partitions.
        assert await committed(broker, "g") == 16
        topic = m.CreatableTopic("__consumer_offsets", 3, 1, (), ())
        for validate_only, count in ((True, 0), (False, 3)):
            await ask(
                broker, "create_topics", 7,
                topics=[topic], timeout_ms=1000, validate_only=validate_only,
            )  # fmt: skip
            found = broker.image.topics.get("__consumer_offsets")
            assert (len(found.partitions) if found else 0) == count
        assert {await committed(broker, f"g{number}") for number in range(20)} == {0}


async def test_an_offsets_topic_that_is_deleted_while_it_is_read_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, {"offsets.topic.num.partitions": "2"}) as broker:
        await create(broker, "t")
        await broker.ensure_offsets_topic()
        assert await committed(broker, "g") == 0
    read = offsets_topic.OffsetsTopic.read
    reading, go_on = threading.Event(), threading.Event()

    def slow(self: offsets_topic.OffsetsTopic, partition: int) -> Iterator[Sequence[LogRecord]]:
        for each in read(self, partition):
            reading.set()
            go_on.wait(10)
            yield each

    with monkeypatch.context() as patch:
        patch.setattr(offsets_topic.OffsetsTopic, "read", slow)
        async with running(tmp_path) as broker:
            await asyncio.to_thread(reading.wait, 10)
            names = ["__consumer_offsets"]
            await ask(broker, "delete_topics", 4, topic_names=names, timeout_ms=1000)
            go_on.set()
            await broker.ensure_offsets_topic()
            assert broker.groups.list_groups() == []
            assert {await committed(broker, f"g{number}") for number in range(20)} == {0}


async def test_a_stop_waits_for_who_reads_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, {"offsets.topic.num.partitions": "2"}) as broker:
        await create(broker, "t")
        await broker.ensure_offsets_topic()
        assert await committed(broker, "g") == 0
    use = Store.use
    using = threading.Event()
    seen = []

    def slow(self: Store, partition: tuple[str, int], work: Any, *args: Any, **named: Any) -> Any:
        def slowly(log: Log) -> Any:
            if partition[0] == "__consumer_offsets":
                using.set()
                time.sleep(0.1)
                seen.append(log.closed)
            return work(log, *args, **named)

        return use(self, partition, slowly)

    monkeypatch.setattr(Store, "use", slow)
    async with running(tmp_path):
        await asyncio.to_thread(using.wait, 10)
    assert seen
    assert not any(seen)
    assert (tmp_path / MARK).exists()


class Tomorrow:
    """A clock that can be set forward."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return 1_700_000_000_000 + self.ahead_ms

    def monotonic_ms(self) -> int:
        return self.ahead_ms


async def test_what_is_too_old_is_sealed_and_goes_and_the_start_follows(tmp_path: Path) -> None:
    clock = Tomorrow()
    async with running(tmp_path, clock=clock) as broker:
        await create(broker, "t", "kept", retention_ms="1000")
        for name in ("t", "kept"):
            handle = broker.topics.handle(name, 0)
            assert handle is not None
            token, done = broker.dispatcher.expect()
            record = [(None, b"v", (), clock.now_ms() + 20_000 * (name == "kept"))]
            broker.server.append(handle, batch.build(record), token, now_ms=clock.now_ms())
            assert (await done).error == 0
        assert not await broker.upkeep.apply_retention()
        clock.ahead_ms = 10_000
        handle = broker.topics.handle("t", 0)
        assert handle is not None
        async with asyncio.timeout(5):
            while handle.log.start_offset < 1:
                await broker.upkeep.apply_retention()
        assert (handle.log.start_offset, handle.log.size) == (1, 0)
        assert not await broker.upkeep.apply_retention()
        log = broker.topics.log("kept", 0)
        assert log is not None
        assert log.start_offset == 0
        await broker.upkeep.write_checkpoints()
        text = (tmp_path / "log-start-offset-checkpoint").read_text()
        assert text == "0\n1\nt 0 1\n"


def test_no_more_replicas_are_asked_for_than_there_are() -> None:
    config = topic_config({"min.insync.replicas": "2"}, {})
    for replicas, wanted in (((1,), 1), ((1, 2, 3), 2)):
        partition = Partition(
            index=0, replicas=replicas, isr=(1,), leader=1, leader_epoch=0, partition_epoch=0
        )
        topic = Topic(name="t", id=bytes(16), partitions=(partition,))
        assert topics.topic_rules(topic, config).insync_min == wanted


def test_settings_become_limits() -> None:
    made = limits(load({"num.network.threads": "3", "max.connections": "7"}))
    assert (made.reactors, made.connections_max) == (3, 7)
    assert limits(load({})).reactors == 0
