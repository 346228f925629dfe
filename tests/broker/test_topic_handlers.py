"""MetadataRequest, CreateTopicsRequest, DeleteTopicsRequest, CreatePartitionsRequest,
DescribeTopicPartitionsRequest and DescribeClusterRequest.

The answers are those of Apache Kafka 4.3.0 to the same requests, but for two that stand in
docs/DIFFERENCES.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from broker.running import ask, create, entries, running
from meghna.broker.topic_requests import RECORDS_MAX
from meghna.errors import ErrorCode
from meghna.protocol import messages as m

if TYPE_CHECKING:
    from pathlib import Path

NO_ID = bytes(16)


def topic(name: str, partitions: int = 1, factor: int = 1, **rest: Any) -> m.CreatableTopic:
    return m.CreatableTopic(name=name, num_partitions=partitions, replication_factor=factor, **rest)


def assigned(*assignments: tuple[int, list[int]], count: int = -1, factor: int = -1) -> object:
    return topic(
        "a", count, factor, assignments=[m.CreatableReplicaAssignment(*a) for a in assignments]
    )


@pytest.mark.parametrize("version", range(14))
async def test_every_version_of_metadata_tells_of_a_topic(tmp_path: Path, version: int) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t", partitions=2)
        answer = await ask(broker, "metadata", version, topics=[m.MetadataRequestTopic(name="t")])
        (told,) = answer.topics
        assert (told.name, told.error_code, len(told.partitions)) == ("t", 0, 2)
        assert [p.leader_id for p in told.partitions] == [1, 1]
        (node,) = answer.brokers
        assert (node.node_id, node.host, node.port) == (1, "127.0.0.1", broker.ports[0])
        if version >= 10:
            assert told.topic_id == broker.image.topics["t"].id


async def test_who_asks_for_nothing_and_who_asks_for_all(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "a", "b")
        for version, asked, count in ((0, (), 2), (1, (), 0), (1, None, 2), (12, None, 2)):
            answer = await ask(broker, "metadata", version, topics=asked)
            assert len(answer.topics) == count


async def test_asking_creates_where_it_may(tmp_path: Path) -> None:
    async with running(tmp_path, {"num.partitions": "3"}) as broker:
        asked = [m.MetadataRequestTopic(name=name) for name in ("new", "bad name", "__a")]
        refusing = {"topics": asked, "allow_auto_topic_creation": False}
        codes = {
            t.name: t.error_code for t in (await ask(broker, "metadata", 9, **refusing)).topics
        }
        assert codes == {"new": 3, "bad name": 17, "__a": 3}
        answer = await ask(broker, "metadata", 9, topics=asked[:2])
        (new, bad) = answer.topics
        assert (new.error_code, len(new.partitions), bad.error_code) == (0, 3, 17)
        # The leader is usable before the answer.
        assert broker.topics.handle("new", 2) is not None
    async with running(tmp_path, {"auto.create.topics.enable": "false"}) as broker:
        answer = await ask(broker, "metadata", 9, topics=[m.MetadataRequestTopic(name="other")])
        assert answer.topics[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_asking_for_the_metadata_log_makes_no_topic_in_its_place(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        asked = [m.MetadataRequestTopic(name="__cluster_metadata")]
        (told,) = (await ask(broker, "metadata", 9, topics=asked)).topics
        assert told.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        await create(broker, "t")
    async with running(tmp_path) as broker:
        assert set(broker.image.topics) == {"t"}


async def test_metadata_by_id(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        known = broker.image.topics["t"].id
        for asked, code, name in (
            (m.MetadataRequestTopic(known, None), 0, "t"),
            (m.MetadataRequestTopic(b"x" * 16, None), 100, None),
            (m.MetadataRequestTopic(NO_ID, None), -1, ""),
        ):
            (told,) = (await ask(broker, "metadata", 12, topics=[asked])).topics
            assert (told.error_code, told.name) == (code, name)
        refused = await ask(broker, "metadata", 13, topics=[m.MetadataRequestTopic(NO_ID, None)])
        assert refused.error_code == ErrorCode.UNKNOWN_SERVER_ERROR
        # Where one has an id, those that have none do not count.
        both = [m.MetadataRequestTopic(known, "x"), m.MetadataRequestTopic(NO_ID, None)]
        (told,) = (await ask(broker, "metadata", 13, topics=both)).topics
        assert (told.error_code, told.name) == (0, "t")
        # Ids are not understood before version 12.
        (told,) = (
            await ask(broker, "metadata", 10, topics=[m.MetadataRequestTopic(known, None)])
        ).topics
        assert told.error_code == ErrorCode.INVALID_REQUEST


async def test_operations_are_told_when_asked_for(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        answer = await ask(
            broker, "metadata", 9,
            topics=[m.MetadataRequestTopic(name="t")],
            include_cluster_authorized_operations=True,
            include_topic_authorized_operations=True,
        )  # fmt: skip
        assert answer.cluster_authorized_operations == 8096
        assert answer.topics[0].topic_authorized_operations == 3576


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (topic("bad name"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (topic(""), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (topic("x" * 250), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (topic(".."), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (topic("there"), ErrorCode.TOPIC_ALREADY_EXISTS),
        (topic("a_b"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (topic("__cluster_metadata"), ErrorCode.INVALID_REQUEST),
        (topic("n", 0), ErrorCode.INVALID_PARTITIONS),
        (topic("n", -2), ErrorCode.INVALID_PARTITIONS),
        (topic("n", 1, 0), ErrorCode.INVALID_REPLICATION_FACTOR),
        (topic("n", 1, 2), ErrorCode.INVALID_REPLICATION_FACTOR),
        (topic("n", RECORDS_MAX + 1), ErrorCode.POLICY_VIOLATION),
        (topic("n", RECORDS_MAX), ErrorCode.POLICY_VIOLATION),
        (topic("n", 2**31 - 1), ErrorCode.POLICY_VIOLATION),
        (assigned((0, [1]), factor=1), ErrorCode.INVALID_REQUEST),
        (assigned((0, [1]), count=1), ErrorCode.INVALID_REQUEST),
        (assigned((1, [1])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned((0, [1]), (0, [1])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned((0, [])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned((0, [2])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned((0, [1, 1])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned((0, [1]), (1, [1])), ErrorCode.NONE),
        (topic("n", -1, -1), ErrorCode.NONE),
        (topic("n", configs=[m.CreatableTopicConfig("foo", "1")]), ErrorCode.INVALID_CONFIG),
        (topic("n", configs=[m.CreatableTopicConfig("retention.ms", None)]),
         ErrorCode.INVALID_CONFIG),
        (topic("n", configs=[m.CreatableTopicConfig("retention.ms", "x")]),
         ErrorCode.INVALID_CONFIG),
    ],
)  # fmt: skip
async def test_a_topic_is_made_or_refused_as_by_kafka(
    tmp_path: Path, asked: object, code: ErrorCode
) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "there", "a.b")
        for validate_only in (True, False):
            answer = await ask(
                broker, "create_topics", 5,
                topics=[asked], timeout_ms=1000, validate_only=validate_only,
            )  # fmt: skip
            (told,) = answer.topics
            assert told.error_code == code
            assert bool(told.configs) == (code is ErrorCode.NONE)
        assert len(broker.image.topics) == 2 + (code is ErrorCode.NONE)


@pytest.mark.parametrize("version", range(2, 8))
async def test_every_version_of_create_topics(tmp_path: Path, version: int) -> None:
    async with running(tmp_path) as broker:
        configs = [m.CreatableTopicConfig("retention.ms", " 5 ")]
        asked = [topic("t", 3, configs=configs), topic("d"), topic("d")]
        answer = await ask(broker, "create_topics", version, topics=asked, timeout_ms=1000)
        codes = {told.name: told.error_code for told in answer.topics}
        assert codes == {"t": 0, "d": ErrorCode.INVALID_REQUEST}
        told = next(told for told in answer.topics if told.name == "t")
        if version >= 5:
            assert (told.num_partitions, told.replication_factor) == (3, 1)
            sources = {c.name: (c.value, c.config_source) for c in told.configs}
            assert sources["retention.ms"] == (" 5 ", 1)
            assert sources["segment.bytes"] == ("1073741824", 5)
            assert sources["min.insync.replicas"] == ("1", 3)
            assert len(sources) == 33
        if version >= 7:
            assert told.topic_id == broker.image.topics["t"].id
        assert entries(tmp_path, "t-") == ["t-0", "t-1", "t-2"]


async def test_a_timeout_that_is_up_makes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        for asked, codes in (
            ([topic("a")], [7]),
            ([topic("d"), topic("d")], [42]),
            ([topic("d"), topic("d"), topic("a")], [7, 7, 7]),
        ):
            answer = await ask(broker, "create_topics", 5, topics=asked, timeout_ms=0)
            assert [told.error_code for told in answer.topics] == codes
        assert not broker.image.topics


@pytest.mark.parametrize("version", range(1, 7))
async def test_every_version_of_delete_topics(tmp_path: Path, version: int) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "a", "b", partitions=2)
        asked: dict[str, Any] = {"topic_names": ["a", "none", "d", "d"]}
        if version >= 6:
            asked = {"topics": [m.DeleteTopicState(n, NO_ID) for n in asked["topic_names"]]}
        answer = await ask(broker, "delete_topics", version, timeout_ms=1000, **asked)
        assert {t.name: t.error_code for t in answer.responses} == {"a": 0, "none": 3, "d": 42}
        assert list(broker.image.topics) == ["b"]
        assert broker.topics.handle("a", 0) is None
        assert not {"a-0", "a-1"} & set(entries(tmp_path, "a-"))


async def test_topics_are_deleted_by_id(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "a", "b", "c")
        a, b, c = (broker.image.topics[name].id for name in "abc")
        states = [(None, a), ("b", b), ("c", NO_ID), (None, c), (None, NO_ID), (None, b"x" * 16)]
        answer = await ask(
            broker, "delete_topics", 6,
            topics=[m.DeleteTopicState(*state) for state in states], timeout_ms=1000,
        )  # fmt: skip
        told = {(t.name, t.topic_id): t.error_code for t in answer.responses}
        assert told == {
            ("a", a): 0, ("b", b): 42, ("c", c): 42, (None, NO_ID): 42, (None, b"x" * 16): 100,
        }  # fmt: skip


async def test_deletion_can_be_switched_off(tmp_path: Path) -> None:
    async with running(tmp_path, {"delete.topic.enable": "false"}) as broker:
        await create(broker, "a")
        for version, code in ((1, 42), (4, ErrorCode.TOPIC_DELETION_DISABLED)):
            answer = await ask(broker, "delete_topics", version, topic_names=["a"], timeout_ms=9)
            assert answer.responses[0].error_code == code


async def test_a_name_can_be_used_again_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t", partitions=2)
        first = broker.image.topics["t"].id
        await ask(broker, "delete_topics", 4, topic_names=["t"], timeout_ms=1000)
        await create(broker, "t")
        assert broker.image.topics["t"].id != first
        log = broker.topics.log("t", 0)
        assert log is not None
        assert log.end_offset == 0


@pytest.mark.parametrize(
    ("count", "assignments", "code"),
    [
        (3, None, 0),
        (2, None, ErrorCode.INVALID_PARTITIONS),
        (1, None, ErrorCode.INVALID_PARTITIONS),
        (-1, None, ErrorCode.INVALID_PARTITIONS),
        (20_000, None, ErrorCode.UNKNOWN_SERVER_ERROR),
        (3, [[1]], 0),
        (3, [], ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (3, [[2]], ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (4, [[1], []], ErrorCode.INVALID_REPLICA_ASSIGNMENT),
    ],
)
async def test_a_topic_grows(
    tmp_path: Path, count: int, assignments: list[list[int]] | None, code: int
) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t", partitions=2)
        replicas = None
        if assignments is not None:
            replicas = [m.CreatePartitionsAssignment(each) for each in assignments]
        asked = m.CreatePartitionsTopic("t", count, replicas)
        for validate_only, left in ((True, 2), (False, count if code == 0 else 2)):
            answer = await ask(
                broker, "create_partitions", 3,
                topics=[asked], timeout_ms=1000, validate_only=validate_only,
            )  # fmt: skip
            assert [(t.name, t.error_code) for t in answer.results] == [("t", code)]
            assert len(broker.image.topics["t"].partitions) == left
        assert (broker.topics.handle("t", 2) is None) == (code != 0)


async def test_partitions_of_no_topic_and_of_one_named_twice(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        asked = [m.CreatePartitionsTopic(name, 5, None) for name in ("none", "d", "d")]
        answer = await ask(broker, "create_partitions", 0, topics=asked, timeout_ms=1000)
        assert {t.name: t.error_code for t in answer.results} == {"none": 3, "d": 42}
        answer = await ask(broker, "create_partitions", 0, topics=asked, timeout_ms=0)
        assert [t.error_code for t in answer.results] == [7, 7, 7]


async def test_topics_are_described_page_by_page(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "a", "b", partitions=3)
        seen = []
        cursor = None
        for _ in range(4):
            answer = await ask(
                broker, "describe_topic_partitions", 0,
                topics=(), response_partition_limit=2, cursor=cursor,
            )  # fmt: skip
            seen += [(t.name, p.partition_index) for t in answer.topics for p in t.partitions]
            if answer.next_cursor is None:
                break
            cursor = m.DescribeTopicPartitionsRequestCursor(*answer.next_cursor)
        assert seen == [(name, index) for name in "ab" for index in range(3)]
        assert answer.next_cursor is None


@pytest.mark.parametrize(
    ("names", "cursor", "codes"),
    [
        (["none"], None, [3]),
        (["bad name"], None, [17]),
        (["", "a"], None, [-1, -1]),
        (["a"], ("a", -1), [42]),
        (["a"], ("b", 0), [42]),
        (["a"], ("a", 5), [0]),
    ],
)
async def test_topics_that_cannot_be_described(
    tmp_path: Path, names: list[str], cursor: tuple[str, int] | None, codes: list[int]
) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "a")
        asked = m.DescribeTopicPartitionsRequest(
            topics=[m.DescribeTopicPartitionsRequestTopicRequest(name) for name in names],
            response_partition_limit=9,
            cursor=cursor and m.DescribeTopicPartitionsRequestCursor(*cursor),
        )
        answer = await ask(broker, "describe_topic_partitions", 0, asked)
        assert [topic.error_code for topic in answer.topics] == codes


@pytest.mark.parametrize("version", range(3))
async def test_the_cluster_is_one_broker(tmp_path: Path, version: int) -> None:
    async with running(tmp_path) as broker:
        answer = await ask(broker, "describe_cluster", version)
        assert (answer.cluster_id, answer.controller_id) == (broker.cluster_id, 1)
        assert [node.port for node in answer.brokers] == broker.ports
        if version >= 1:
            for kind, code in ((2, 114), (3, 115)):
                answer = await ask(broker, "describe_cluster", version, endpoint_type=kind)
                assert answer.error_code == code
