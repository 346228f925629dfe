"""ListOffsetsRequest, OffsetForLeaderEpochRequest, DeleteRecordsRequest, DescribeLogDirsRequest,
DescribeProducersRequest and InitProducerIdRequest.

The answers are those of Apache Kafka 4.3.0 to the same requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from broker.running import append, ask, create, running
from meghna import codecs
from meghna._native import batch
from meghna.broker.partitions import epoch_fault
from meghna.broker.time_search import Found, greatest, search
from meghna.errors import ErrorCode
from meghna.protocol import messages as m

if TYPE_CHECKING:
    from pathlib import Path

    from meghna.broker.broker import Broker

LATEST, EARLIEST, MAX_TIMESTAMP, LOCAL, TIERED, PENDING = -1, -2, -3, -4, -5, -6


def records(*timestamps: int, codec: int = 0) -> bytes:
    return batch.build(
        [(None, b"value", (), timestamp) for timestamp in timestamps],
        attributes=codec,
        compress=(lambda data: codecs.compress(codec, data)) if codec else None,
    )


async def listed(
    broker: Broker, timestamp: int, version: int = 11, index: int = 0, **fields: Any
) -> tuple[int, int, int]:
    """Error, timestamp and offset."""
    epoch = fields.pop("epoch", -1)
    asked = m.ListOffsetsPartition(index, epoch, timestamp)
    answer = await ask(
        broker, "list_offsets", version,
        replica_id=fields.pop("replica_id", -1),
        topics=[m.ListOffsetsTopic(fields.pop("topic", "t"), [asked])], **fields,
    )  # fmt: skip
    (told,) = answer.topics[0].partitions
    return told.error_code, told.timestamp, told.offset


@pytest.mark.parametrize("version", range(1, 12))
async def test_the_ends_of_a_partition_in_every_version(tmp_path: Path, version: int) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        append(broker, "t", records(1, 2, 3))
        assert await listed(broker, EARLIEST, version) == (0, -1, 0)
        found = await listed(broker, LATEST, version, replica_id=-2)
        assert found == (0, -1, 3)


@pytest.mark.parametrize(
    ("timestamp", "first"), [(MAX_TIMESTAMP, 7), (LOCAL, 8), (TIERED, 9), (PENDING, 11), (-7, 12)]
)
async def test_special_times_have_a_first_version(
    tmp_path: Path, timestamp: int, first: int
) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        for version in range(1, 12):
            code, _, offset = await listed(broker, timestamp, version)
            assert code == (0 if version >= first else ErrorCode.UNSUPPORTED_VERSION)
            assert offset == (0 if code == 0 and timestamp == LOCAL else -1)


@pytest.mark.parametrize("codec", range(5))
async def test_times_are_found_record_by_record_in_any_codec(tmp_path: Path, codec: int) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        append(broker, "t", records(10, 20, 30, codec=codec))
        append(broker, "t", records(50, 40, 60, 55, codec=codec))
        log = broker.topics.log("t", 0)
        assert log is not None
        for timestamp, found in (
            (0, (10, 0)), (20, (20, 1)), (21, (30, 2)), (31, (50, 3)), (51, (60, 5)),
            (61, (-1, -1)),
        ):  # fmt: skip
            assert search(log, timestamp)[:2] == found
        assert greatest(log)[:2] == (60, 5)


async def test_an_empty_partition_has_no_times(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        assert await listed(broker, 0) == (0, -1, -1)
        assert await listed(broker, MAX_TIMESTAMP) == (0, -1, -1)
        log = broker.topics.log("t", 0)
        assert log is not None
        assert greatest(log) == Found()


async def test_epochs_partitions_and_isolation_are_checked(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        for fields, code in (
            ({"epoch": 0}, 0),
            ({"epoch": 1}, ErrorCode.UNKNOWN_LEADER_EPOCH),
            ({"epoch": -2}, ErrorCode.FENCED_LEADER_EPOCH),
            ({"index": 9}, 3),
            ({"index": -1}, 3),
            ({"topic": "none"}, 3),
            ({"isolation_level": 1}, 0),
            ({"isolation_level": 2}, -1),
        ):
            assert (await listed(broker, LATEST, **fields))[0] == code
        asked = [m.ListOffsetsPartition(0, -1, LATEST)]
        twice = [m.ListOffsetsTopic("t", asked), m.ListOffsetsTopic("t", asked)]
        answer = await ask(broker, "list_offsets", 5, replica_id=-1, topics=twice)
        assert [p.error_code for t in answer.topics for p in t.partitions] == [42]
    assert epoch_fault(-1, 5) is ErrorCode.NONE


async def deleted(
    broker: Broker, topic: str, *offsets: tuple[int, int], version: int = 2
) -> list[tuple[int, int, int]]:
    partitions = [m.DeleteRecordsPartition(*offset) for offset in offsets]
    answer = await ask(
        broker, "delete_records", version, topics=[m.DeleteRecordsTopic(topic, partitions)]
    )
    return [
        (p.partition_index, p.low_watermark, p.error_code)
        for told in answer.topics
        for p in told.partitions
    ]


@pytest.mark.parametrize("version", range(3))
async def test_records_are_deleted_and_stay_deleted(tmp_path: Path, version: int) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        await produced(broker, 6)
        assert await deleted(broker, "t", (0, 2), version=version) == [(0, 2, 0)]
        assert await deleted(broker, "t", (0, 1), version=version) == [(0, 2, 0)]
        assert await listed(broker, EARLIEST) == (0, -1, 2)
        # What is deleted is not found by its time either.
        assert (await listed(broker, 0))[2] == 2
    async with running(tmp_path) as broker:
        assert await listed(broker, EARLIEST) == (0, -1, 2)
        assert await deleted(broker, "t", (0, -1), version=version) == [(0, 6, 0)]
        assert await listed(broker, EARLIEST) == (0, -1, 6)
        assert await listed(broker, 0) == (0, -1, -1)


async def test_what_lies_behind_a_gap_is_found(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        append(broker, "t", records(10, 20))
        append(broker, "t", records(40, 30))
        append(broker, "t", records(50, 60))
        append(broker, "t", records(70, 80))
    segment = tmp_path / "t-0" / f"{0:020}.log"
    data = bytearray(segment.read_bytes())
    size = batch.header(data).size
    for damaged in (0, 2):  # so the log begins with a gap, and has another
        data[(damaged + 1) * size - 1] ^= 0xFF
    segment.write_bytes(data)
    (tmp_path / "recovery-point-offset-checkpoint").unlink()
    (tmp_path / ".kafka_cleanshutdown").unlink()
    async with running(tmp_path) as broker:
        assert await listed(broker, EARLIEST) == (0, -1, 0)
        assert await listed(broker, LOCAL) == (0, -1, 0)
        assert await listed(broker, LATEST) == (0, -1, 8)
        assert await listed(broker, 0) == (0, 40, 2)
        assert await listed(broker, 45) == (0, 70, 6)
        assert await listed(broker, MAX_TIMESTAMP) == (0, 80, 7)
        log = broker.topics.log("t", 0)
        assert log is not None
        log.raise_start(3)
        assert await listed(broker, 20) == (0, 30, 3)
        assert await listed(broker, 35) == (0, 70, 6)  # not in that batch any more
        log.raise_start(4)
        assert await listed(broker, EARLIEST) == (0, -1, 4)
        assert await listed(broker, 20) == (0, 70, 6)


async def test_the_latest_time_is_looked_for_among_what_is_left(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        handle = broker.topics.handle("t", 0)
        assert handle is not None
        for _ in range(3):
            token, done = broker.dispatcher.expect()
            broker.server.append(handle, records(7), token, now_ms=7)
            assert (await done).error == 0
        assert await listed(broker, MAX_TIMESTAMP) == (0, 7, 0)
        assert await deleted(broker, "t", (0, 2)) == [(0, 2, 0)]
        assert await listed(broker, MAX_TIMESTAMP) == (0, 7, 2)


async def produced(broker: Broker, count: int) -> None:
    """Records through the server, so that the high watermark counts them."""
    handle = broker.topics.handle("t", 0)
    assert handle is not None
    token, done = broker.dispatcher.expect()
    broker.server.append(handle, records(*range(1, count + 1)), token, now_ms=count)
    assert (await done).error == 0


async def test_what_cannot_be_deleted(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        await create(broker, "c", cleanup_policy="compact")
        await broker.ensure_offsets_topic()
        assert await deleted(broker, "t", (0, 1)) == [(0, -1, ErrorCode.OFFSET_OUT_OF_RANGE)]
        assert await deleted(broker, "t", (0, -2)) == [(0, -1, ErrorCode.OFFSET_OUT_OF_RANGE)]
        assert await deleted(broker, "t", (9, 0)) == [(9, -1, 3)]
        assert await deleted(broker, "none", (0, 0)) == [(0, -1, 3)]
        assert await deleted(broker, "c", (0, 0)) == [(0, -1, ErrorCode.POLICY_VIOLATION)]
        assert await deleted(broker, "__consumer_offsets", (0, 0)) == [
            (0, -1, ErrorCode.INVALID_TOPIC_EXCEPTION)
        ]
        assert await deleted(broker, "t") == []


@pytest.mark.parametrize("version", range(2, 5))
async def test_where_a_leaders_epoch_ends(tmp_path: Path, version: int) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        append(broker, "t", records(1, 2, 3))

        async def end(epoch: int, known: int = -1, index: int = 0) -> tuple[int, int, int]:
            asked = m.OffsetForLeaderPartition(index, known, epoch)
            answer = await ask(
                broker, "offset_for_leader_epoch", version,
                topics=[m.OffsetForLeaderTopic("t", [asked])],
            )  # fmt: skip
            (told,) = answer.topics[0].partitions
            return told.error_code, told.leader_epoch, told.end_offset

        assert await end(0) == (0, 0, 3)
        assert await end(1) == (0, -1, -1)
        assert await end(-1) == (0, -1, -1)
        assert await end(-5) == (0, -5, 0)
        assert await end(0, known=1) == (ErrorCode.UNKNOWN_LEADER_EPOCH, -1, -1)
        assert await end(0, known=-5) == (ErrorCode.FENCED_LEADER_EPOCH, -1, -1)
        assert await end(0, index=9) == (3, -1, -1)


@pytest.mark.parametrize("version", range(1, 6))
async def test_the_data_directory_is_told_with_sizes(tmp_path: Path, version: int) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t", partitions=2)
        append(broker, "t", records(1))
        (told,) = (await ask(broker, "describe_log_dirs", version, topics=None)).results
        assert told.log_dir == str(tmp_path)
        sizes = {p.partition_index: p.partition_size for p in told.topics[0].partitions}
        assert sizes == {0: len(records(1)), 1: 0}
        if version >= 4:
            assert 0 < told.usable_bytes <= told.total_bytes
        one = [m.DescribableLogDirTopic("t", [1, 9]), m.DescribableLogDirTopic("none", [0])]
        (told,) = (await ask(broker, "describe_log_dirs", version, topics=one)).results
        assert [(t.name, [p.partition_index for p in t.partitions]) for t in told.topics] == [
            ("t", [1])
        ]


async def test_producers_of_a_partition(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        data = batch.build(
            [(None, b"v", (), 5)] * 2, producer_id=7, producer_epoch=1, base_sequence=0
        )
        append(broker, "t", data)
        answer = await ask(
            broker, "describe_producers", 0,
            topics=[m.DescribeProducersRequestTopicRequest("t", [0, 9]),
                    m.DescribeProducersRequestTopicRequest("none", [0]),
                    m.DescribeProducersRequestTopicRequest("", [0])],
        )  # fmt: skip
        told = [(p.partition_index, p.error_code) for t in answer.topics for p in t.partitions]
        assert told == [(0, 0), (9, 3), (0, 3), (0, 17)]
        (producer,) = answer.topics[0].partitions[0].active_producers
        assert (producer.producer_id, producer.producer_epoch, producer.last_sequence) == (7, 1, 1)
        assert producer.current_txn_start_offset == -1


@pytest.mark.parametrize("version", range(6))
async def test_producer_ids_are_never_handed_out_twice(tmp_path: Path, version: int) -> None:
    seen: list[int] = []
    for _ in range(2):
        async with running(tmp_path) as broker:
            for _ in range(3):
                answer = await ask(broker, "init_producer_id", version, transactional_id=None)
                assert (answer.error_code, answer.producer_epoch) == (0, 0)
                seen.append(answer.producer_id)
    assert len(set(seen)) == 6


async def test_a_block_of_producer_ids_is_followed_by_the_next(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        taken = [await broker.producer_ids.take() for _ in range(1001)]
        assert taken == list(range(1001))
        assert broker.image.next_producer_id == 2000


async def test_producers_that_are_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(tmp_path) as broker:
        for fields, code in (
            ({"producer_id": 5, "producer_epoch": -1}, 42),
            ({"producer_id": -1, "producer_epoch": 3}, 42),
            ({"producer_id": 5, "producer_epoch": 3}, 0),
            ({"transactional_id": ""}, 42),
            ({"transactional_id": "x", "transaction_timeout_ms": 0}, 50),
            ({"transactional_id": "x", "transaction_timeout_ms": 1000}, 53),
            ({"transactional_id": "y", "transaction_timeout_ms": 1000}, 53),
        ):
            asked = {"transactional_id": None, **fields}
            answer = await ask(broker, "init_producer_id", 5, **asked)
            assert answer.error_code == code
    told = "transactions are not served yet: a client asked for the transactional id 'x'"
    assert [record.message for record in caplog.records] == [told]


async def test_only_so_much_of_a_transactional_id_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as broker:
        hostile = {"transactional_id": "\n" * 9000, "transaction_timeout_ms": 1000}
        await ask(broker, "init_producer_id", 5, **hostile)
    (record,) = caplog.records
    assert len(record.message) < 300
    assert "\n" not in record.message
