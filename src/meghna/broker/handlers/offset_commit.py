"""OffsetCommit: how far a group has read, stored before the answer.

v2 to v4 carry a retention time · v6 leader epochs · v7 static members · v8 flexible ·
v9 GROUP_ID_NOT_FOUND instead of ILLEGAL_GENERATION · v10 topic ids instead of names.
Partitions that do not exist are refused one by one; the group's word counts for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.errors import ErrorCode
from meghna.groups.offsets import Commit, PartitionCommit
from meghna.groups.refusal import Refusal
from meghna.protocol.messages import (
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.metadata.image import Image, Topic
    from meghna.protocol.messages import OffsetCommitRequest, OffsetCommitRequestTopic

API_KEY = 8
VERSIONS = (2, 10)

TOPIC_ID_VERSION = 10
DEFAULT_RETENTION = -1

TopicKey = tuple[str, bytes, int]
"""How the answer names a topic: by name or by id, as the request did; and which of the request's
entries it answers, should one topic have several."""


async def handle(broker: Broker, request: OffsetCommitRequest, call: Call) -> OffsetCommitResponse:
    by_id = call.api_version >= TOPIC_ID_VERSION
    results: dict[TopicKey, list[OffsetCommitResponsePartition]] = {}
    accepted: list[tuple[TopicKey, PartitionCommit]] = []
    for entry, asked in enumerate(request.topics):
        name, topic_id = ("", asked.topic_id) if by_id else (asked.name, bytes(16))
        key = (name, topic_id, 0)
        topic = known_topic(broker.image, asked, by_id=by_id)
        if topic is None:
            results.setdefault(key, [])  # Named in the answer even without a partition.
        for each in asked.partitions:
            index = each.partition_index
            if topic is None or not 0 <= index < len(topic.partitions):
                unknown_id = topic is None and by_id
                error = ErrorCode.UNKNOWN_TOPIC_ID if unknown_id else UNKNOWN_PARTITION
                results.setdefault(key, []).append(OffsetCommitResponsePartition(index, error))
                continue
            commit = PartitionCommit(
                topic=topic.name,
                topic_id=topic.id,
                partition=index,
                offset=each.committed_offset,
                leader_epoch=each.committed_leader_epoch,
                metadata=each.committed_metadata,
            )
            accepted.append(((name, topic_id, entry), commit))
    errors = await stored(broker, request, tuple(commit for _, commit in accepted), call)
    # With a refusal among them Kafka merges the entries of a topic, without one it does not.
    merges = bool(results)
    for ((name, topic_id, entry), commit), error in zip(accepted, errors, strict=True):
        key = (name, topic_id, 0 if merges else entry)
        results.setdefault(key, []).append(OffsetCommitResponsePartition(commit.partition, error))
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(name, topic_id, partitions)
            for (name, topic_id, _), partitions in results.items()
        ]
    )


UNKNOWN_PARTITION = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def known_topic(image: Image, asked: OffsetCommitRequestTopic, *, by_id: bool) -> Topic | None:
    return image.topic_by_id(asked.topic_id) if by_id else image.topics.get(asked.name)


async def stored(
    broker: Broker,
    request: OffsetCommitRequest,
    partitions: tuple[PartitionCommit, ...],
    call: Call,
) -> list[ErrorCode]:
    if not partitions:
        return []
    retention_ms = request.retention_time_ms
    refusals = await broker.groups.commit_offsets(
        request.group_id,
        Commit(
            member_id=request.member_id,
            instance_id=request.group_instance_id,
            generation=request.generation_id_or_member_epoch,
            retention_ms=None if retention_ms == DEFAULT_RETENTION else retention_ms,
            partitions=partitions,
        ),
    )
    if isinstance(refusals, Refusal):
        if refusals is Refusal.GROUP_ID_NOT_FOUND and call.api_version < 9:
            refusals = Refusal.ILLEGAL_GENERATION
        return [ErrorCode[refusals.name]] * len(partitions)
    return [ErrorCode.NONE if each is None else ErrorCode[each.name] for each in refusals]
