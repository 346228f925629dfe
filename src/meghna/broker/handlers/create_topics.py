"""CreateTopics (19), versions 2 to 7.

v2-3    a number of partitions or replicas of -1 is taken for the default, as Kafka does
v5      the answer tells the topic's partitions, replicas and settings
v7      and its id

Topics are made together, in one batch of the metadata log, or refused one by one. A timeout that
is up on arrival is answered as such, and nothing is made.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from meghna.broker.topic_requests import (
    RECORDS_MAX,
    TOO_MANY_RECORDS,
    Fault,
    check_new_topic,
    partitions_fault,
)
from meghna.broker.topics import NewTopic
from meghna.errors import Error, ErrorCode
from meghna.metadata.internal_topics import METADATA_TOPIC, OFFSETS_TOPIC
from meghna.protocol.messages import (
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsResponse,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import CreatableTopic, CreateTopicsRequest

API_KEY = 19
VERSIONS = (2, 7)

_NO_ID = bytes(16)
_TIMED_OUT = Fault(ErrorCode.REQUEST_TIMED_OUT, None)
_DUPLICATE = Fault(ErrorCode.INVALID_REQUEST, "Duplicate topic name.")
_RESERVED = Fault(
    ErrorCode.INVALID_REQUEST, f"Creation of internal topic {METADATA_TOPIC} is prohibited."
)


async def handle(broker: Broker, request: CreateTopicsRequest, call: Call) -> CreateTopicsResponse:
    counts = Counter(topic.name for topic in request.topics)
    asked = [t for t in request.topics if counts[t.name] == 1 and t.name != METADATA_TOPIC]
    refused = [
        _refused(name, _RESERVED if count == 1 else _DUPLICATE)
        for name, count in counts.items()
        if count > 1 or name == METADATA_TOPIC
    ]
    fault = _TIMED_OUT if asked and request.timeout_ms <= 0 else partitions_fault(broker, asked)
    if fault is not None:
        return _all_refused(request.topics, fault)
    async with broker.engine.turn:
        results = await _make(broker, asked, validate_only=request.validate_only)
    is_made = any(topic.name == OFFSETS_TOPIC and not topic.error_code for topic in results)
    if is_made and not request.validate_only:
        await broker.ensure_offsets_topic()
    return CreateTopicsResponse(topics=results + refused)


async def _make(
    broker: Broker, asked: Sequence[CreatableTopic], *, validate_only: bool
) -> list[CreatableTopicResult]:
    checked = [(topic.name, check_new_topic(broker, topic)) for topic in asked]
    wanted = [topic for _, topic in checked if isinstance(topic, NewTopic)]
    records = sum(1 + topic.partition_count + len(topic.configs) for topic in wanted)
    if records > RECORDS_MAX:
        return [_refused(name, TOO_MANY_RECORDS) for name, _ in checked]
    ids: dict[str, bytes] = {}
    failure: Fault | None = None
    if wanted and not validate_only:
        try:
            ids = await broker.topics.create(wanted)
        except (Error, OSError) as error:
            failure = Fault(ErrorCode.KAFKA_STORAGE_ERROR, str(error))
    results = []
    for name, topic in checked:
        if isinstance(topic, NewTopic) and failure is None:
            results.append(_made(broker, topic, ids.get(name, _NO_ID)))
        else:
            fault = failure if isinstance(topic, NewTopic) else topic
            assert fault is not None
            results.append(_refused(name, fault))
    return results


def _made(broker: Broker, topic: NewTopic, topic_id: bytes) -> CreatableTopicResult:
    return CreatableTopicResult(
        name=topic.name,
        topic_id=topic_id,
        num_partitions=topic.partition_count,
        replication_factor=1,
        configs=[
            CreatableTopicConfigs(
                name=entry.key.name,
                value=entry.value,
                read_only=entry.read_only,
                config_source=entry.source,
                is_sensitive=entry.key.is_sensitive,
            )
            for entry in broker.settings.created_entries(topic.configs)
        ],
    )


def _refused(name: str, fault: Fault) -> CreatableTopicResult:
    return CreatableTopicResult(
        name=name, error_code=fault.code, error_message=fault.message, configs=()
    )


def _all_refused(topics: Sequence[CreatableTopic], fault: Fault) -> CreateTopicsResponse:
    return CreateTopicsResponse(topics=[_refused(topic.name, fault) for topic in topics])
