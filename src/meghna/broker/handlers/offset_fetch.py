"""OffsetFetch: how far groups have read.

v2 null topics ask for all, errors of the group as a whole · v5 leader epochs · v6 flexible ·
v7 require_stable waits for what is being stored · v8 many groups · v9 member ids, which only groups
of the newer protocol check · v10 topic ids instead of names.
Without a committed offset the answer is offset -1 and no error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.errors import ErrorCode
from meghna.groups.coordinator import FetchPartition
from meghna.groups.offsets import NO_TOPIC_ID, CommittedOffset
from meghna.groups.refusal import Refusal
from meghna.protocol.messages import (
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.metadata.image import Image
    from meghna.protocol.messages import OffsetFetchRequest

API_KEY = 9
VERSIONS = (1, 10)

Offsets = dict[tuple[str, int], CommittedOffset]


async def handle(broker: Broker, request: OffsetFetchRequest, call: Call) -> OffsetFetchResponse:
    version = call.api_version
    stable = request.require_stable
    if version >= 8:
        groups = [await fetch(broker, group, version, stable=stable) for group in request.groups]
        return OffsetFetchResponse(groups=groups)
    topics = request.topics
    asked = None
    if topics is not None:
        asked = [
            OffsetFetchRequestTopics(each.name, NO_TOPIC_ID, each.partition_indexes)
            for each in topics
        ]
    group = OffsetFetchRequestGroup(request.group_id, topics=asked)
    found = await fetch(broker, group, version, stable=stable)
    return OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(
                topic.name, [OffsetFetchResponsePartition(*each) for each in topic.partitions]
            )
            for topic in found.topics
        ],
        error_code=found.error_code if version >= 2 else ErrorCode.NONE,
    )


async def fetch(
    broker: Broker, group: OffsetFetchRequestGroup, version: int, *, stable: bool
) -> OffsetFetchResponseGroup:
    by_id = version >= 10
    image = broker.image
    asked = group.topics
    wanted = None if asked is None else wanted_partitions(image, asked, by_id=by_id)
    offsets = await broker.groups.fetch_offsets(group.group_id, wanted, require_stable=stable)
    if isinstance(offsets, Refusal):
        error = ErrorCode[offsets.name]
        topics: list[OffsetFetchResponseTopics] = []
        if version < 2:
            # There is no place for a group's error but the partitions.
            topics = [refused(topic, error) for topic in asked or ()]
        return OffsetFetchResponseGroup(group.group_id, topics, error)
    if asked is None:
        return OffsetFetchResponseGroup(group.group_id, all_topics(image, offsets, by_id=by_id))
    return OffsetFetchResponseGroup(
        group.group_id, [answer(image, topic, offsets, by_id=by_id) for topic in asked]
    )


def wanted_partitions(
    image: Image, asked: Sequence[OffsetFetchRequestTopics], *, by_id: bool
) -> list[FetchPartition]:
    wanted = []
    for each in asked:
        name = image.names.get(each.topic_id) if by_id else each.name
        if name is not None:
            topic_id = each.topic_id if by_id else NO_TOPIC_ID
            wanted += [
                FetchPartition(topic=name, topic_id=topic_id, partition=index)
                for index in each.partition_indexes
            ]
    return wanted


def answer(
    image: Image, asked: OffsetFetchRequestTopics, offsets: Offsets, *, by_id: bool
) -> OffsetFetchResponseTopics:
    name = image.names.get(asked.topic_id) if by_id else asked.name
    if name is None:
        return refused(asked, ErrorCode.UNKNOWN_TOPIC_ID)
    return OffsetFetchResponseTopics(
        "" if by_id else name,
        asked.topic_id,
        [committed(index, offsets.get((name, index))) for index in asked.partition_indexes],
    )


def refused(asked: OffsetFetchRequestTopics, error: ErrorCode) -> OffsetFetchResponseTopics:
    return OffsetFetchResponseTopics(
        asked.name,
        asked.topic_id,
        [
            OffsetFetchResponsePartitions(index, -1, -1, "", error)
            for index in asked.partition_indexes
        ],
    )


def all_topics(
    image: Image, offsets: Mapping[tuple[str, int], CommittedOffset], *, by_id: bool
) -> list[OffsetFetchResponseTopics]:
    by_topic: dict[str, list[OffsetFetchResponsePartitions]] = {}
    for (name, index), offset in offsets.items():
        # What has no id any more cannot be named in an answer by ids.
        if not by_id or name in image.topics:
            by_topic.setdefault(name, []).append(committed(index, offset))
    return [
        OffsetFetchResponseTopics(
            "" if by_id else name,
            image.topics[name].id if by_id else NO_TOPIC_ID,
            partitions,
        )
        for name, partitions in by_topic.items()
    ]


def committed(index: int, offset: CommittedOffset | None) -> OffsetFetchResponsePartitions:
    if offset is None:
        return OffsetFetchResponsePartitions(index, -1, -1, "")
    return OffsetFetchResponsePartitions(index, offset.offset, offset.leader_epoch, offset.metadata)
