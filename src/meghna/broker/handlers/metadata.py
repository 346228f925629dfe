"""Metadata (3), versions 0 to 13: brokers, topics, partitions and their leaders.

v0      an empty list asks for all topics; from v1 on null does, and an empty list for none
v4      the client says whether asking may create; before, it always may
v10     answers carry topic ids; asked for by id from v12 on, and then names do not count
v13     an error for the whole answer

A topic that is created by asking is usable before it is told of: its log is there and the server
knows it. (Kafka answers UNKNOWN_TOPIC_OR_PARTITION and lets the client ask again.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.broker.auto_topics import create_missing
from meghna.errors import ErrorCode
from meghna.metadata.internal_topics import INTERNAL_TOPICS
from meghna.metadata.topic_names import name_fault
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


async def handle(broker: Broker, request: MetadataRequest, call: Call) -> MetadataResponse:
    asked = request.topics
    if asked is None or (call.api_version == 0 and not asked):
        topics = [_told(broker, topic, request) for topic in broker.image.topics.values()]
    else:
        fault = _request_fault(asked, call)
        if fault is not ErrorCode.NONE:
            refused = [_unknown(topic.name or "", fault, topic.topic_id) for topic in asked]
            return MetadataResponse(topics=refused, error_code=fault)
        if any(topic.topic_id != NO_ID for topic in asked):
            ids = dict.fromkeys(t.topic_id for t in asked if t.topic_id != NO_ID)
            topics = [_told_by_id(broker, topic_id, request) for topic_id in ids]
        else:
            names = list(dict.fromkeys(topic.name or "" for topic in asked))
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
    if call.api_version < _FIRST_WITH_IDS:
        mixed = any(topic.name is None or topic.topic_id != NO_ID for topic in asked)
        return ErrorCode.INVALID_REQUEST if mixed else ErrorCode.NONE
    by_id = any(topic.topic_id != NO_ID for topic in asked)
    nameless = not by_id and any(topic.name is None for topic in asked)
    return ErrorCode.UNKNOWN_SERVER_ERROR if nameless else ErrorCode.NONE


async def _told_by_name(
    broker: Broker, names: list[str], request: MetadataRequest
) -> list[MetadataResponseTopic]:
    missing = [name for name in names if broker.topics.get(name) is None]
    faults: dict[str, ErrorCode] = {}
    if missing and request.allow_auto_topic_creation and broker.config.auto_create_topics_enable:
        faults = await create_missing(broker, missing)
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
    is_running = broker.topics.handle(topic.name, partition.index) is not None
    return MetadataResponsePartition(
        error_code=ErrorCode.NONE if is_running else ErrorCode.LEADER_NOT_AVAILABLE,
        partition_index=partition.index,
        leader_id=partition.leader if is_running else -1,
        leader_epoch=partition.leader_epoch,
        replica_nodes=partition.replicas,
        isr_nodes=partition.isr,
        offline_replicas=() if is_running else partition.replicas,
    )
