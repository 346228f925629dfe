"""DescribeTopicPartitions (75), version 0: topics in the order of their names, a page at a time.

A page ends after a number of partitions; the cursor in the answer says where the next one begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.broker.handlers.metadata import TOPIC_OPERATIONS
from meghna.errors import ErrorCode
from meghna.metadata.internal_topics import INTERNAL_TOPICS
from meghna.metadata.topic_names import name_fault
from meghna.protocol.messages import (
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponseCursor,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.metadata.image import Partition, Topic
    from meghna.protocol.messages import DescribeTopicPartitionsRequest

API_KEY = 75
VERSIONS = (0, 0)


async def handle(
    broker: Broker, request: DescribeTopicPartitionsRequest, call: Call
) -> DescribeTopicPartitionsResponse:
    cursor = request.cursor
    first_name = cursor.topic_name if cursor else ""
    asked = [topic.name for topic in request.topics] or list(broker.image.topics)
    names = sorted({name for name in asked if name >= first_name})
    fault = ErrorCode.NONE
    if cursor and ((request.topics and first_name not in names) or cursor.partition_index < 0):
        fault = ErrorCode.INVALID_REQUEST
    elif cursor is None and "" in names:
        # Kafka takes it for the cursor that is not there, and stumbles.
        fault = ErrorCode.UNKNOWN_SERVER_ERROR
    if fault is not ErrorCode.NONE:
        return DescribeTopicPartitionsResponse(
            topics=[
                DescribeTopicPartitionsResponseTopic(name=topic.name, error_code=fault)
                for topic in request.topics
            ]
        )
    limit = min(request.response_partition_limit, broker.config.max_request_partition_size_limit)
    start = {first_name: cursor.partition_index} if cursor else {}
    return _page(broker, names, start, max(limit, 1), only_known=not request.topics)


def _page(
    broker: Broker, names: list[str], start: dict[str, int], limit: int, *, only_known: bool
) -> DescribeTopicPartitionsResponse:
    told: list[DescribeTopicPartitionsResponseTopic] = []
    for name in names:
        if limit == 0:
            return _ending(told, name, 0)
        topic = broker.topics.get(name)
        if topic is None:
            if not only_known:
                told.append(_unknown(name))
            continue
        first = start.get(name, 0)
        partitions = topic.partitions[first : first + limit]
        told.append(_told(broker, topic, partitions))
        limit -= len(partitions)
        if first + len(partitions) < len(topic.partitions):
            return _ending(told, name, first + len(partitions))
    return DescribeTopicPartitionsResponse(topics=told, next_cursor=None)


def _ending(
    told: list[DescribeTopicPartitionsResponseTopic], name: str, index: int
) -> DescribeTopicPartitionsResponse:
    return DescribeTopicPartitionsResponse(
        topics=told,
        next_cursor=DescribeTopicPartitionsResponseCursor(topic_name=name, partition_index=index),
    )


def _unknown(name: str) -> DescribeTopicPartitionsResponseTopic:
    code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if name_fault(name) is not None:
        code = ErrorCode.INVALID_TOPIC_EXCEPTION
    return DescribeTopicPartitionsResponseTopic(
        error_code=code, name=name, topic_authorized_operations=TOPIC_OPERATIONS
    )


def _told(
    broker: Broker, topic: Topic, partitions: tuple[Partition, ...]
) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(
        name=topic.name,
        topic_id=topic.id,
        is_internal=topic.name in INTERNAL_TOPICS,
        partitions=[
            DescribeTopicPartitionsResponsePartition(
                error_code=ErrorCode.NONE if is_running else ErrorCode.LEADER_NOT_AVAILABLE,
                partition_index=partition.index,
                leader_id=partition.leader if is_running else -1,
                leader_epoch=partition.leader_epoch,
                replica_nodes=partition.replicas,
                isr_nodes=partition.isr,
                eligible_leader_replicas=(),
                last_known_elr=(),
                offline_replicas=() if is_running else partition.replicas,
            )
            for partition in partitions
            for is_running in [broker.topics.handle(topic.name, partition.index) is not None]
        ],
        topic_authorized_operations=TOPIC_OPERATIONS,
    )
