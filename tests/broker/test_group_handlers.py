"""The handlers of groups and offsets: every version, through the bytes of request and answer.

The answers expected here are those of Apache Kafka 4.3.0 to the same requests.
"""

from __future__ import annotations

import asyncio
import importlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from groups.memory_log import FakeClock, MemoryLog
from groups.scenario import SETTINGS, subscription
from meghna.broker.call import Call
from meghna.errors import ErrorCode, StorageError
from meghna.groups.coordinator import GroupCoordinator
from meghna.metadata.image import Image, Partition, Topic
from meghna.protocol import messages as m
from meghna.protocol.wire import decode_request, decode_response, encode_fields, encode_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MODULES = (
    "meghna.broker.handlers.find_coordinator",
    "meghna.broker.handlers.join_group",
    "meghna.broker.handlers.sync_group",
    "meghna.broker.handlers.heartbeat",
    "meghna.broker.handlers.leave_group",
    "meghna.broker.handlers.offset_commit",
    "meghna.broker.handlers.offset_fetch",
    "meghna.broker.handlers.list_groups",
    "meghna.broker.handlers.describe_groups",
    "meghna.broker.handlers.delete_groups",
    "meghna.broker.handlers.offset_delete",
)
HANDLERS = {name.rsplit(".", 1)[1]: importlib.import_module(name) for name in MODULES}
TOPIC_ID = bytes(range(16))
OTHER_ID = b"\7" * 16
NO_ERROR = ErrorCode.NONE


@dataclass
class FakeBroker:
    """What the handlers look at."""

    groups: GroupCoordinator
    image: Image
    tasks: asyncio.TaskGroup
    config: SimpleNamespace
    is_broken: bool = False

    def address(self, listener: int) -> tuple[str, int]:
        return "broker.test", 9092 + listener

    async def ensure_offsets_topic(self) -> None:
        if self.is_broken:
            raise StorageError("the disk is full")
        await self.groups.load(range(5))

    async def ask(self, name: str, version: int, request: tuple[object, ...]) -> Any:
        """Send a request as a client would, and read the answer as one."""
        handler = HANDLERS[name]
        call = Call(api_version=version, client_id="client", peer_host="127.0.0.1", listener=0)
        body = encode_fields(version, request)
        decoded = decode_request(handler.API_KEY, version, body)
        answer = await handler.handle(self, decoded, call)
        payload = encode_response(handler.API_KEY, version, answer)
        return decode_response(handler.API_KEY, version, payload)


@asynccontextmanager
async def running(*, loaded: bool = True) -> AsyncIterator[FakeBroker]:
    partition = Partition(
        index=0, replicas=(1,), isr=(1,), leader=1, leader_epoch=0, partition_epoch=0
    )
    topic = Topic("t", TOPIC_ID, (partition, replace(partition, index=1)))
    async with asyncio.TaskGroup() as tasks:
        groups = GroupCoordinator(
            MemoryLog(),
            settings=replace(SETTINGS, initial_rebalance_delay_ms=0),
            partition_count=5,
            clock=FakeClock(),
        )
        groups.start(tasks)
        image = Image(topics={"t": topic}, names={TOPIC_ID: "t"})
        broker = FakeBroker(groups, image, tasks, SimpleNamespace(node_id=1))
        if loaded:
            await broker.ensure_offsets_topic()
        yield broker


def join_request(member_id: str = "", **fields: object) -> m.JoinGroupRequest:
    request = m.JoinGroupRequest(
        group_id="g",
        session_timeout_ms=10_000,
        rebalance_timeout_ms=20_000,
        member_id=member_id,
        protocol_type="consumer",
        protocols=[m.JoinGroupRequestProtocol("range", subscription("t"))],
    )
    return request._replace(**fields)  # type: ignore[arg-type]


async def join(broker: FakeBroker, version: int) -> str:
    """Become the member of a stable group."""
    member_id = ""
    if version >= 4:
        first = await broker.ask("join_group", version, join_request())
        assert first.error_code == ErrorCode.MEMBER_ID_REQUIRED
        member_id = first.member_id
        assert member_id.startswith("client-")
    joining = broker.tasks.create_task(broker.ask("join_group", version, join_request(member_id)))
    await asyncio.sleep(0)
    broker.groups.ring_due()
    joined = await joining
    assert (joined.error_code, joined.generation_id) == (NO_ERROR, 1)
    assert (joined.leader, joined.protocol_name) == (joined.member_id, "range")
    assert joined.protocol_type == ("consumer" if version >= 7 else None)
    (member,) = joined.members
    assert (member.member_id, member.metadata) == (joined.member_id, subscription("t"))
    sync_version = min(version, 5)
    synced = await broker.ask(
        "sync_group",
        sync_version,
        m.SyncGroupRequest(
            group_id="g",
            generation_id=1,
            member_id=joined.member_id,
            protocol_type="consumer" if sync_version >= 5 else None,
            protocol_name="range" if sync_version >= 5 else None,
            assignments=[m.SyncGroupRequestAssignment(joined.member_id, b"all")],
        ),
    )
    assert (synced.error_code, synced.assignment) == (NO_ERROR, b"all")
    return str(joined.member_id)


def versions(name: str) -> range:
    first, last = HANDLERS[name].VERSIONS
    return range(first, last + 1)


# Membership.


@pytest.mark.parametrize("version", versions("join_group"))
async def test_a_consumer_joins_and_gets_its_assignment(version: int) -> None:
    async with running() as broker:
        await join(broker, version)


@pytest.mark.parametrize("version", versions("join_group"))
async def test_a_refused_join_looks_as_in_kafka(version: int) -> None:
    async with running() as broker:
        for request, error, member_id in (
            (join_request(group_id=""), ErrorCode.INVALID_GROUP_ID, ""),
            (join_request("x"), ErrorCode.UNKNOWN_MEMBER_ID, "x"),
            (join_request(session_timeout_ms=1), ErrorCode.INVALID_SESSION_TIMEOUT, ""),
            (join_request(protocols=[]), ErrorCode.INCONSISTENT_GROUP_PROTOCOL, ""),
        ):
            answer = await broker.ask("join_group", version, request)
            name = None if version >= 7 else ""
            assert answer == m.JoinGroupResponse(
                error_code=error, generation_id=-1, protocol_name=name, member_id=member_id
            )


async def test_the_first_version_takes_the_session_timeout_for_rebalances() -> None:
    async with running() as broker:
        await join(broker, 0)
        (group,) = broker.groups.list_groups()
        assert group.rebalance_timeout_ms == 10_000


async def test_a_static_member_is_named_by_its_instance() -> None:
    async with running() as broker:
        request = join_request(group_instance_id="i")
        joining = broker.tasks.create_task(broker.ask("join_group", 9, request))
        await asyncio.sleep(0)
        broker.groups.ring_due()
        joined = await joining
        assert joined.member_id.startswith("i-")
        assert joined.members[0].group_instance_id == "i"


async def test_a_newer_sync_says_which_protocol_it_believes_in() -> None:
    async with running() as broker:
        member_id = await join(broker, 5)
        request = m.SyncGroupRequest(group_id="g", generation_id=1, member_id=member_id)
        answer = await broker.ask("sync_group", 5, request)
        assert answer.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        known = request._replace(protocol_type="consumer", protocol_name="range")
        answer = await broker.ask("sync_group", 5, known)
        assert (answer.protocol_type, answer.protocol_name) == ("consumer", "range")
        assert (await broker.ask("sync_group", 4, request)).assignment == b"all"
        unknown = await broker.ask("sync_group", 3, m.SyncGroupRequest(group_id="none"))
        assert unknown.error_code == ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize("version", versions("heartbeat"))
async def test_a_heartbeat_is_answered_by_an_error_code(version: int) -> None:
    async with running() as broker:
        member_id = await join(broker, 5)
        for group, generation, error in (
            ("g", 1, NO_ERROR),
            ("g", 2, ErrorCode.ILLEGAL_GENERATION),
            ("none", 1, ErrorCode.UNKNOWN_MEMBER_ID),
            ("", 1, ErrorCode.INVALID_GROUP_ID),
        ):
            request = m.HeartbeatRequest(group, generation, member_id)
            answer = await broker.ask("heartbeat", version, request)
            assert answer == m.HeartbeatResponse(error_code=error)


@pytest.mark.parametrize("version", versions("leave_group"))
async def test_members_leave_one_by_one_or_together(version: int) -> None:
    def request(group_id: str, member_id: str) -> m.LeaveGroupRequest:
        if version < 3:
            return m.LeaveGroupRequest(group_id, member_id)
        return m.LeaveGroupRequest(group_id, members=[m.MemberIdentity(member_id)])

    async with running() as broker:
        member_id = await join(broker, 5)
        for group, leaving, error in (
            ("none", "x", ErrorCode.UNKNOWN_MEMBER_ID),
            ("g", "x", ErrorCode.UNKNOWN_MEMBER_ID),
            ("g", member_id, NO_ERROR),
        ):
            answer = await broker.ask("leave_group", version, request(group, leaving))
            if version < 3:
                assert answer == m.LeaveGroupResponse(error_code=error)
            else:
                result = m.MemberResponse(leaving, None, error)
                assert (answer.error_code, list(answer.members)) == (NO_ERROR, [result])
        answer = await broker.ask("leave_group", version, request("", "x"))
        assert (answer.error_code, len(answer.members)) == (ErrorCode.INVALID_GROUP_ID, 0)


# Offsets.


def commit_request(version: int, *indexes: int, **fields: object) -> m.OffsetCommitRequest:
    by_id = version >= 10
    partitions = [
        m.OffsetCommitRequestPartition(
            index, 40 + index, 3 if version >= 6 else -1, f"metadata {index}"
        )
        for index in indexes
    ]
    topic = m.OffsetCommitRequestTopic(
        "" if by_id else "t", TOPIC_ID if by_id else bytes(16), partitions
    )
    request = m.OffsetCommitRequest(group_id="g", topics=[topic])
    return request._replace(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", versions("offset_commit"))
async def test_offsets_are_committed_for_partitions_that_exist(version: int) -> None:
    async with running() as broker:
        answer = await broker.ask("offset_commit", version, commit_request(version, 0, 9, 1))
        (topic,) = answer.topics
        assert (topic.name, topic.topic_id) == (
            ("", TOPIC_ID) if version >= 10 else ("t", bytes(16))
        )
        assert {each.partition_index: each.error_code for each in topic.partitions} == {
            0: NO_ERROR,
            1: NO_ERROR,
            9: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        }
        epoch = 3 if version >= 6 else -1
        fetched = await broker.ask(
            "offset_fetch",
            9,
            m.OffsetFetchRequest(groups=[m.OffsetFetchRequestGroup("g", topics=None)]),
        )
        assert [list(topic.partitions) for topic in fetched.groups[0].topics] == [
            [
                m.OffsetFetchResponsePartitions(index, 40 + index, epoch, f"metadata {index}")
                for index in (0, 1)
            ]
        ]


@pytest.mark.parametrize("version", versions("offset_commit"))
async def test_a_group_that_refuses_a_commit_refuses_each_partition(version: int) -> None:
    async with running() as broker:
        missing = ErrorCode.GROUP_ID_NOT_FOUND if version >= 9 else ErrorCode.ILLEGAL_GENERATION
        request = commit_request(version, 0, generation_id_or_member_epoch=1, member_id="x")
        answer = await broker.ask("offset_commit", version, request)
        assert [each.error_code for each in answer.topics[0].partitions] == [missing]
        empty = await broker.ask("offset_commit", version, request._replace(topics=[]))
        assert list(empty.topics) == []


async def test_a_commit_for_an_unknown_topic_names_it_as_the_request_did() -> None:
    async with running() as broker:
        partitions = [m.OffsetCommitRequestPartition(0, 1)]
        by_name = m.OffsetCommitRequestTopic("none", bytes(16), partitions)
        by_id = m.OffsetCommitRequestTopic("", OTHER_ID, partitions)
        for version, topic, error in (
            (9, by_name, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
            (10, by_id, ErrorCode.UNKNOWN_TOPIC_ID),
        ):
            request = m.OffsetCommitRequest(group_id="g", topics=[topic])
            answer = await broker.ask("offset_commit", version, request)
            assert list(answer.topics) == [
                m.OffsetCommitResponseTopic(
                    topic.name, topic.topic_id, (m.OffsetCommitResponsePartition(0, error),)
                )
            ]


async def test_too_much_metadata_is_refused_alone() -> None:
    async with running() as broker:
        request = commit_request(9, 0, 1)
        first, second = request.topics[0].partitions
        large = first._replace(committed_metadata="x" * 4_097)
        topic = request.topics[0]._replace(partitions=[large, second])
        answer = await broker.ask("offset_commit", 9, request._replace(topics=[topic]))
        assert [each.error_code for each in answer.topics[0].partitions] == [
            ErrorCode.OFFSET_METADATA_TOO_LARGE,
            NO_ERROR,
        ]


@pytest.mark.parametrize("version", versions("offset_fetch"))
async def test_offsets_are_fetched_and_unknown_ones_are_minus_one(version: int) -> None:
    async with running() as broker:
        await broker.ask("offset_commit", 9, commit_request(9, 0))
        epoch = 3 if version >= 5 else -1
        if version < 8:
            asked = [m.OffsetFetchRequestTopic("t", [0, 1]), m.OffsetFetchRequestTopic("none", [0])]
            answer = await broker.ask("offset_fetch", version, m.OffsetFetchRequest("g", asked))
            assert answer.error_code == NO_ERROR
            topics = answer.topics
        else:
            by_id = version >= 10
            wanted = [
                m.OffsetFetchRequestTopics(
                    "" if by_id else "t", TOPIC_ID if by_id else bytes(16), [0, 1]
                ),
                m.OffsetFetchRequestTopics(
                    "" if by_id else "none", OTHER_ID if by_id else bytes(16), [0]
                ),
            ]
            request = m.OffsetFetchRequest(groups=[m.OffsetFetchRequestGroup("g", topics=wanted)])
            (group,) = (await broker.ask("offset_fetch", version, request)).groups
            assert (group.group_id, group.error_code) == ("g", NO_ERROR)
            topics = group.topics
        found = [[tuple(each) for each in topic.partitions] for topic in topics]
        missing = ErrorCode.UNKNOWN_TOPIC_ID if version >= 10 else NO_ERROR
        assert found == [
            [(0, 40, epoch, "metadata 0", 0), (1, -1, -1, "", 0)],
            [(0, -1, -1, "", missing)],
        ]


async def test_all_offsets_of_many_groups_are_fetched_at_once() -> None:
    async with running() as broker:
        await broker.ask("offset_commit", 9, commit_request(9, 0, 1))
        for version in (8, 9, 10):
            groups = [m.OffsetFetchRequestGroup(name, topics=None) for name in ("g", "none")]
            request = m.OffsetFetchRequest(groups=groups, require_stable=True)
            answer = await broker.ask("offset_fetch", version, request)
            counts = [[len(topic.partitions) for topic in g.topics] for g in answer.groups]
            assert counts == [[2], []]
        old = await broker.ask("offset_fetch", 2, m.OffsetFetchRequest("g", None))
        assert [len(topic.partitions) for topic in old.topics] == [2]


@pytest.mark.parametrize("version", versions("offset_fetch"))
async def test_a_group_that_is_elsewhere_says_so_where_the_version_can(version: int) -> None:
    async with running(loaded=False) as broker:
        error = ErrorCode.NOT_COORDINATOR
        if version >= 8:
            group = m.OffsetFetchRequestGroup("g", topics=None)
            answer = await broker.ask("offset_fetch", version, m.OffsetFetchRequest(groups=[group]))
            assert answer.groups[0].error_code == error
            return
        topics = [m.OffsetFetchRequestTopic("t", [0])]
        answer = await broker.ask("offset_fetch", version, m.OffsetFetchRequest("g", topics))
        if version >= 2:
            assert (answer.error_code, len(answer.topics)) == (error, 0)
        else:
            assert answer.topics[0].partitions[0].error_code == error


async def test_offsets_are_deleted_one_by_one() -> None:
    async with running() as broker:
        await broker.ask("offset_commit", 9, commit_request(9, 0))
        partitions = [m.OffsetDeleteRequestPartition(index) for index in (0, 7)]
        request = m.OffsetDeleteRequest(
            "g",
            [
                m.OffsetDeleteRequestTopic("t", partitions),
                m.OffsetDeleteRequestTopic("none", partitions[:1]),
            ],
        )
        answer = await broker.ask("offset_delete", 0, request)
        unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert {
            (topic.name, each.partition_index): each.error_code
            for topic in answer.topics
            for each in topic.partitions
        } == {("t", 7): unknown, ("t", 0): NO_ERROR, ("none", 0): unknown}
        for group_id, error in (
            ("none", ErrorCode.GROUP_ID_NOT_FOUND),
            ("", ErrorCode.INVALID_GROUP_ID),
        ):
            answer = await broker.ask("offset_delete", 0, request._replace(group_id=group_id))
            assert (answer.error_code, len(answer.topics)) == (error, 0)


# Groups as a whole.


@pytest.mark.parametrize("version", versions("describe_groups"))
async def test_groups_are_described_and_missing_ones_too(version: int) -> None:
    async with running() as broker:
        member_id = await join(broker, 5)
        request = m.DescribeGroupsRequest(["g", "none"], version >= 3)
        group, missing = (await broker.ask("describe_groups", version, request)).groups
        assert (group.error_code, group.group_state) == (NO_ERROR, "Stable")
        assert (group.protocol_type, group.protocol_data) == ("consumer", "range")
        assert group.authorized_operations == (3400 if version >= 3 else -(1 << 31))
        (member,) = group.members
        assert (member.member_id, member.client_id) == (member_id, "client")
        assert (member.client_host, member.member_assignment) == ("/127.0.0.1", b"all")
        assert member.member_metadata == subscription("t")
        assert missing.group_state == "Dead"
        if version >= 6:
            assert missing.error_code == ErrorCode.GROUP_ID_NOT_FOUND
            assert missing.error_message == "Group none not found."
            assert missing.authorized_operations == -(1 << 31)
        else:
            assert (missing.error_code, missing.error_message) == (NO_ERROR, None)


@pytest.mark.parametrize("version", versions("list_groups"))
async def test_groups_are_listed(version: int) -> None:
    async with running() as broker:
        await join(broker, 5)
        answer = await broker.ask("list_groups", version, m.ListGroupsRequest())
        (group,) = answer.groups
        assert (group.group_id, group.protocol_type) == ("g", "consumer")
        assert group.group_state == ("Stable" if version >= 4 else "")
        assert group.group_type == ("classic" if version >= 5 else "")


async def test_lists_are_filtered_by_state_and_type_in_any_case() -> None:
    async with running() as broker:
        await join(broker, 5)
        for states, types, count in (
            (["stable", "no such"], [], 1),
            (["Empty"], [], 0),
            ([], ["Classic", "no such"], 1),
            ([], ["consumer"], 0),
        ):
            request = m.ListGroupsRequest(states, types)
            assert len((await broker.ask("list_groups", 5, request)).groups) == count


@pytest.mark.parametrize("version", versions("delete_groups"))
async def test_empty_groups_are_deleted(version: int) -> None:
    async with running() as broker:
        await join(broker, 5)
        await broker.ask("offset_commit", 9, commit_request(9, 0, group_id="simple"))
        request = m.DeleteGroupsRequest(["g", "simple", "none", "none", ""])
        answer = await broker.ask("delete_groups", version, request)
        assert [tuple(result) for result in answer.results] == [
            ("g", ErrorCode.NON_EMPTY_GROUP),
            ("simple", NO_ERROR),
            ("none", ErrorCode.GROUP_ID_NOT_FOUND),
            ("", ErrorCode.GROUP_ID_NOT_FOUND),
        ]


@pytest.mark.parametrize("version", versions("find_coordinator"))
async def test_this_broker_coordinates_every_group(version: int) -> None:
    async with running(loaded=False) as broker:
        if version < 4:
            answer = await broker.ask("find_coordinator", version, m.FindCoordinatorRequest("g"))
            assert (answer.error_code, answer.node_id) == (NO_ERROR, 1)
            assert (answer.host, answer.port) == ("broker.test", 9092)
        else:
            request = m.FindCoordinatorRequest(coordinator_keys=["g", ""])
            answer = await broker.ask("find_coordinator", version, request)
            assert [tuple(each) for each in answer.coordinators] == [
                ("g", 1, "broker.test", 9092, NO_ERROR, ""),
                ("", 1, "broker.test", 9092, NO_ERROR, ""),
            ]
        # From now on the group's requests are served.
        answer = await broker.ask("heartbeat", 4, m.HeartbeatRequest("g", 1, "x"))
        assert answer.error_code == ErrorCode.UNKNOWN_MEMBER_ID


async def test_coordinators_that_are_not_there_are_named_as_such() -> None:
    async with running(loaded=False) as broker:
        for key_type, error in (
            (1, NO_ERROR),
            (2, ErrorCode.INVALID_REQUEST),
            (9, ErrorCode.INVALID_REQUEST),
        ):
            old = m.FindCoordinatorRequest("k", key_type)
            assert (await broker.ask("find_coordinator", 3, old)).error_code == error
            new = m.FindCoordinatorRequest(key_type=key_type, coordinator_keys=["k"])
            (found,) = (await broker.ask("find_coordinator", 6, new)).coordinators
            node = (1, "broker.test", 9092) if error == NO_ERROR else (-1, "", -1)
            assert (found.error_code, *found[1:4]) == (error, *node)
        broker.is_broken = True
        answer = await broker.ask("find_coordinator", 2, m.FindCoordinatorRequest("g"))
        assert answer.error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
