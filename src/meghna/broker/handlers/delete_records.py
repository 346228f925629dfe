"""DeleteRecords (21), versions 0 to 2: nothing below an offset is readable any more.

-1 stands for the high watermark. Below the start there is nothing to delete, and no error. All
versions mean the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.broker.topics import INTERNAL_TOPICS
from meghna.errors import Error, ErrorCode
from meghna.protocol.messages import (
    DeleteRecordsPartitionResult,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import DeleteRecordsRequest

API_KEY = 21
VERSIONS = (0, 2)

_HIGH_WATERMARK = -1


async def handle(
    broker: Broker, request: DeleteRecordsRequest, call: Call
) -> DeleteRecordsResponse:
    # As in Kafka, the last mention of a partition counts.
    wanted: dict[str, dict[int, int]] = {}
    for topic in request.topics:
        offsets = {asked.partition_index: asked.offset for asked in topic.partitions}
        wanted.setdefault(topic.name, {}).update(offsets)
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(
                name=name,
                partitions=[
                    await _delete(broker, name, index, offset) for index, offset in offsets.items()
                ],
            )
            for name, offsets in wanted.items()
            if offsets
        ]
    )


async def _delete(
    broker: Broker, topic: str, index: int, offset: int
) -> DeleteRecordsPartitionResult:
    partition, fault = broker.partition(topic, index)
    if partition is None:
        return _refused(index, fault)
    if topic in INTERNAL_TOPICS:
        return _refused(index, ErrorCode.INVALID_TOPIC_EXCEPTION)
    if not broker.topics.config(topic).is_deleted:
        return _refused(index, ErrorCode.POLICY_VIOLATION)
    target = partition.high_watermark if offset == _HIGH_WATERMARK else offset
    if not 0 <= target <= partition.high_watermark:
        return _refused(index, ErrorCode.OFFSET_OUT_OF_RANGE)
    try:
        start = await broker.off_loop(broker.store.raise_start, (topic, index), target)
    except (Error, OSError):
        return _refused(index, ErrorCode.KAFKA_STORAGE_ERROR)
    return DeleteRecordsPartitionResult(partition_index=index, low_watermark=start)


def _refused(index: int, code: ErrorCode) -> DeleteRecordsPartitionResult:
    return DeleteRecordsPartitionResult(partition_index=index, low_watermark=-1, error_code=code)
