"""CreatePartitions (37), versions 0 to 3: a topic gets more partitions; all mean the same."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from meghna.broker.topic_requests import RECORDS_MAX, Fault, assignment_fault
from meghna.errors import Error, ErrorCode
from meghna.protocol.messages import CreatePartitionsResponse, CreatePartitionsTopicResult

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import CreatePartitionsRequest, CreatePartitionsTopic

API_KEY = 37
VERSIONS = (0, 3)


async def handle(
    broker: Broker, request: CreatePartitionsRequest, call: Call
) -> CreatePartitionsResponse:
    counts = Counter(topic.name for topic in request.topics)
    if request.timeout_ms <= 0 and 1 in counts.values():
        timed_out = Fault(ErrorCode.REQUEST_TIMED_OUT, None)
        return CreatePartitionsResponse(results=[_told(t.name, timed_out) for t in request.topics])
    duplicate = Fault(ErrorCode.INVALID_REQUEST, "Duplicate topic name.")
    results = [_told(name, duplicate) for name, count in counts.items() if count > 1]
    async with broker.engine.turn:
        for topic in request.topics:
            if counts[topic.name] == 1:
                fault = _fault(broker, topic)
                if fault is None and not request.validate_only:
                    fault = await _grow(broker, topic)
                results.append(_told(topic.name, fault))
    return CreatePartitionsResponse(results=results)


def _fault(broker: Broker, topic: CreatePartitionsTopic) -> Fault | None:
    found = broker.image.topics.get(topic.name)
    if found is None:
        return Fault(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, None)
    present = len(found.partitions)
    if topic.count == present:
        return Fault(ErrorCode.INVALID_PARTITIONS, f"Topic already has {present} partition(s).")
    if topic.count < present:
        return Fault(
            ErrorCode.INVALID_PARTITIONS,
            f"The topic {topic.name} currently has {present} partition(s); {topic.count} would not "
            "be an increase.",
        )
    added = topic.count - present
    if topic.assignments is not None:
        if len(topic.assignments) != added:
            return Fault(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"Attempted to add {added} additional partition(s), but only "
                f"{len(topic.assignments)} assignment(s) were specified.",
            )
        for assignment in topic.assignments:
            fault = assignment_fault(broker, assignment.broker_ids)
            if fault is not None:
                return fault
    # Kafka's own answer: its controller has a bound on records, and no message for it here.
    return Fault(ErrorCode.UNKNOWN_SERVER_ERROR, None) if added > RECORDS_MAX else None


async def _grow(broker: Broker, topic: CreatePartitionsTopic) -> Fault | None:
    try:
        await broker.topics.add_partitions(topic.name, topic.count)
    except (Error, OSError) as error:
        return Fault(ErrorCode.KAFKA_STORAGE_ERROR, str(error))
    return None


def _told(name: str, fault: Fault | None) -> CreatePartitionsTopicResult:
    if fault is None:
        return CreatePartitionsTopicResult(name=name)
    return CreatePartitionsTopicResult(
        name=name, error_code=fault.code, error_message=fault.message
    )
