"""The broker compacts what is due, and its groups outlive that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from broker.running import append, ask, create, running
from meghna._native import batch
from meghna.metadata.internal_topics import OFFSETS_TOPIC
from meghna.protocol import messages as m
from meghna.storage import checkpoint

if TYPE_CHECKING:
    from pathlib import Path

    from meghna.broker.broker import Broker

SETTINGS = {"log.cleaner.backoff.ms": "10", "log.cleaner.min.cleanable.ratio": "0.1"}


async def until_compacted(broker: Broker, passes: int = 1) -> None:
    async with asyncio.timeout(30):
        while broker.upkeep.compactor.counters.passes < passes:  # noqa: ASYNC110 - a thread counts
            await asyncio.sleep(0.01)


def values_of(broker: Broker, topic: str) -> dict[bytes | None, bytes | None]:
    log = broker.topics.log(topic, 0)
    assert log is not None
    found: dict[bytes | None, bytes | None] = {}
    offset = log.start_offset
    while data := log.read(offset):
        for each in batch.split(data):
            found |= {record.key: record.value for record in batch.records(each)}
            header = batch.header(each)
            offset = header.base_offset + header.last_offset_delta + 1
    return found


async def commit(broker: Broker, offset: int) -> None:
    partition = m.OffsetCommitRequestPartition(0, offset)
    topic = m.OffsetCommitRequestTopic("t", bytes(16), [partition])
    request = m.OffsetCommitRequest(group_id="g", topics=[topic])
    answer = await ask(broker, "offset_commit", 8, request)
    assert answer.topics[0].partitions[0].error_code == 0


async def committed(broker: Broker) -> int:
    topic = m.OffsetFetchRequestTopic("t", [0])
    answer = await ask(
        broker, "offset_fetch", 7, m.OffsetFetchRequest(group_id="g", topics=[topic])
    )
    offset: int = answer.topics[0].partitions[0].committed_offset
    return offset


async def test_a_compacted_topic_is_compacted_without_being_asked(tmp_path: Path) -> None:
    async with running(tmp_path, SETTINGS) as broker:
        await create(broker, "c", cleanup_policy="compact", segment_bytes="1048576")
        now_ms = broker.clock.now_ms()
        for number in range(300):
            value = b"%d" % number * 3000
            append(broker, "c", batch.build([(b"k%d" % (number % 7), value, (), now_ms)]))
        log = broker.topics.log("c", 0)
        assert log is not None
        before, expected = log.size, values_of(broker, "c")
        await until_compacted(broker)
        assert log.size < before / 2
        assert values_of(broker, "c") == expected
        assert log.end_offset == 300
    async with running(tmp_path, SETTINGS) as broker:
        assert values_of(broker, "c") == expected


@pytest.mark.parametrize("enable", ["true", "false"])
async def test_compaction_can_be_turned_off(tmp_path: Path, enable: str) -> None:
    async with running(tmp_path, {**SETTINGS, "log.cleaner.enable": enable}) as broker:
        await create(broker, "c", cleanup_policy="compact", segment_bytes="1048576")
        now_ms = broker.clock.now_ms()
        for _ in range(5):
            append(broker, "c", batch.build([(b"k", b"v" * 500_000, (), now_ms)]))
        if enable == "true":
            await until_compacted(broker)
        await asyncio.sleep(0.1)
        assert (broker.upkeep.compactor.counters.passes > 0) == (enable == "true")


async def test_groups_are_there_after_their_topic_was_compacted(tmp_path: Path) -> None:
    settings = {
        **SETTINGS,
        "offsets.topic.num.partitions": "1",
        "offsets.topic.segment.bytes": "1048576",
    }
    commits = 40
    async with running(tmp_path, settings) as broker:
        await create(broker, "t")
        await broker.ensure_offsets_topic()
        log = broker.topics.log(OFFSETS_TOPIC, 0)
        assert log is not None
        for number in range(commits):
            await commit(broker, number)
        assert await committed(broker) == commits - 1
        log.roll()
        await until_compacted(broker)
        assert await committed(broker) == commits - 1
    async with running(tmp_path, settings) as broker:
        await broker.ensure_offsets_topic()
        assert await committed(broker) == commits - 1
        log = broker.topics.log(OFFSETS_TOPIC, 0)
        assert log is not None
        assert len(values_of(broker, OFFSETS_TOPIC)) < commits


async def test_a_recovery_point_that_moved_far_is_written_soon(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        append(broker, "t", batch.build([(None, b"v", (), 5)]))
        broker.store.logs["t", 0].flush()
        broker.upkeep.checkpoint_soon()
        async with asyncio.timeout(10):
            while ("t", 0) not in checkpoint.read(  # noqa: ASYNC110 - a thread writes
                str(tmp_path / checkpoint.RECOVERY_POINTS)
            ):
                await asyncio.sleep(0.01)
