"""Metadata (3), versions 0 to 13: brokers, topics, partitions and their leaders.

v0      an empty list asks for all topics; from v1 on null does, and an empty list for none
v4      the client says whether asking may create; before, it always may
v10     answers carry topic ids; asked for by id from v12 on, and then names do not count
v13     an error for the whole answer, which we have no use for

A topic that is created by asking is usable before it is told of: its log is there and the server
knows it. (Kafka answers UNKNOWN_TOPIC_OR_PARTITION and lets the client ask again.)
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from meghna.broker.topic_names import collides_with, name_fault
from meghna.broker.topics import INTERNAL_TOPICS, OFFSETS_TOPIC, NewTopic
from meghna.errors import Error, ErrorCode
from meghna.protocol.messages import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.metadata.image import Partition, Topic
    from meghna.protocol.messages import MetadataRequest, MetadataRequestTopic

API_KEY = 3
VERSIONS = (0, 13)

NO_ID = bytes(16)
# What an anonymous client may do, without authorisation: Kafka's bits of its operations.
CLUSTER_OPERATIONS = 8096
TOPIC_OPERATIONS = 3576
NOT_ASKED = -(2**31)
_FIRST_WITH_IDS = 12

logger = logging.getLogger(__name__)


async def handle(broker: Broker, request: MetadataRequest, call: Call) -> MetadataResponse:
    asked = request.topics
    if asked is None or (call.api_version == 0 and not asked):
        topics = [_told(broker, topic, request) for topic in broker.image.topics.values()]
    else:
        fault = _request_fault(asked, call)
        if fault is not ErrorCode.NONE:
            return MetadataResponse(
                topics=[_unknown(t.name or "", fault, t.topic_id) for t in asked]
            )
        if any(topic.topic_id != NO_ID for topic in asked):
            topics = [_told_by_id(broker, t.topic_id, request) for t in _once(asked, by_id=True)]
        else:
            names = [topic.name or "" for topic in _once(asked, by_id=False)]
            topics = await _told_by_name(broker, names, request)
    host, port = broker.address(call.listener)
    node = broker.config.node_id
    return MetadataResponse(
        brokers=(
            MetadataResponseBroker(
                node_id=node, host=host, port=port, rack=broker.config.broker_rack
            ),
        ),
        cluster_id=broker.cluster_id,
        controller_id=node,
        topics=topics,
        cluster_authorized_operations=(
            CLUSTER_OPERATIONS if request.include_cluster_authorized_operations else NOT_ASKED
        ),
    )


def _request_fault(asked: Sequence[MetadataRequestTopic], call: Call) -> ErrorCode:
    for topic in asked:
        if call.api_version < _FIRST_WITH_IDS:
            if topic.name is None or topic.topic_id != NO_ID:
                return ErrorCode.INVALID_REQUEST
        elif topic.name is None and topic.topic_id == NO_ID:
            return ErrorCode.UNKNOWN_SERVER_ERROR
    return ErrorCode.NONE


def _once(asked: Sequence[MetadataRequestTopic], *, by_id: bool) -> list[MetadataRequestTopic]:
    found = {}
    for topic in asked:
        if not by_id or topic.topic_id != NO_ID:
            found[topic.topic_id if by_id else topic.name] = topic
    return list(found.values())


async def _told_by_name(
    broker: Broker, names: list[str], request: MetadataRequest
) -> list[MetadataResponseTopic]:
    missing = [name for name in names if broker.topics.get(name) is None]
    faults: dict[str, ErrorCode] = {}
    if missing and request.allow_auto_topic_creation and broker.config.auto_create_topics_enable:
        faults = await _create(broker, missing)
    operations = _operations(request)
    told = []
    for name in names:
        topic = broker.topics.get(name)
        if topic is not None:
            told.append(_told(broker, topic, request))
        elif name_fault(name) is not None:
            told.append(_unknown(name, ErrorCode.INVALID_TOPIC_EXCEPTION, operations=operations))
        else:
            fault = faults.get(name, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            told.append(_unknown(name, fault, operations=operations))
    return told


async def _create(broker: Broker, names: list[str]) -> dict[str, ErrorCode]:
    """Make the topics that may be made by asking; why not, of those that could not be."""
    faults = {}
    for name in names:
        try:
            if name == OFFSETS_TOPIC:
                await broker.ensure_offsets_topic()
            elif name_fault(name) is None and name not in INTERNAL_TOPICS:
                await _create_one(broker, name)
        except (Error, OSError) as error:
            logger.error("topic %s could not be created: %s", name, error)
            faults[name] = ErrorCode.LEADER_NOT_AVAILABLE
    return faults


async def _create_one(broker: Broker, name: str) -> None:
    config = broker.config
    async with broker.engine.turn:
        if broker.topics.get(name) is None and not collides_with(name, broker.image.topics):
            if config.default_replication_factor > 1:
                logger.warning("topic %s needs %d brokers", name, config.default_replication_factor)
                return
            await broker.topics.create([NewTopic(name, config.num_partitions, {})])


def _told_by_id(broker: Broker, topic_id: bytes, request: MetadataRequest) -> MetadataResponseTopic:
    topic = broker.image.topic_by_id(topic_id)
    if topic is None:
        return _unknown(None, ErrorCode.UNKNOWN_TOPIC_ID, topic_id)
    return _told(broker, topic, request)


def _unknown(
    name: str | None, code: ErrorCode, topic_id: bytes = NO_ID, operations: int = NOT_ASKED
) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        error_code=code, name=name, topic_id=topic_id, topic_authorized_operations=operations
    )


def _operations(request: MetadataRequest) -> int:
    return TOPIC_OPERATIONS if request.include_topic_authorized_operations else NOT_ASKED


def _told(broker: Broker, topic: Topic, request: MetadataRequest) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        name=topic.name,
        topic_id=topic.id,
        is_internal=topic.name in INTERNAL_TOPICS,
        partitions=[_told_partition(broker, topic, p) for p in topic.partitions],
        topic_authorized_operations=_operations(request),
    )


def _told_partition(
    broker: Broker, topic: Topic, partition: Partition
) -> MetadataResponsePartition:
    if broker.topics.handle(topic.name, partition.index) is None:
        return MetadataResponsePartition(
            error_code=ErrorCode.LEADER_NOT_AVAILABLE,
            partition_index=partition.index,
            leader_id=-1,
            leader_epoch=partition.leader_epoch,
            replica_nodes=partition.replicas,
            isr_nodes=partition.isr,
            offline_replicas=partition.replicas,
        )
    return MetadataResponsePartition(
        partition_index=partition.index,
        leader_id=partition.leader,
        leader_epoch=partition.leader_epoch,
        replica_nodes=partition.replicas,
        isr_nodes=partition.isr,
    )
