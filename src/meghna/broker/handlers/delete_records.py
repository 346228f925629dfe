"""DeleteRecords (21), versions 0 to 2: nothing below an offset is readable any more.

-1 stands for the high watermark. Below the start there is nothing to delete, and no error. All
versions mean the same.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from meghna.errors import Error, ErrorCode
from meghna.metadata.internal_topics import INTERNAL_TOPICS
from meghna.protocol.messages import (
    DeleteRecordsPartitionResult,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    decided = {
        (name, index): _decided(broker, name, index, offset)
        for name, offsets in wanted.items()
        for index, offset in offsets.items()
    }
    targets = {key: target for key, target in decided.items() if not isinstance(target, ErrorCode)}
    starts: Mapping[tuple[str, int], int | Error] = {}
    # On a full disk nobody is told that records are deleted, though they cannot be read any more.
    with contextlib.suppress(OSError):
        starts = await broker.off_loop(broker.store.raise_starts, targets)
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(
                name=name,
                partitions=[
                    _told(index, decided[name, index], starts.get((name, index)))
                    for index in offsets
                ],
            )
            for name, offsets in wanted.items()
            if offsets
        ]
    )


def _decided(broker: Broker, topic: str, index: int, offset: int) -> int | ErrorCode:
    """Where the partition is to begin, or why it is not to."""
    partition, fault = broker.partition(topic, index)
    if partition is None:
        return fault
    if topic in INTERNAL_TOPICS:
        return ErrorCode.INVALID_TOPIC_EXCEPTION
    if not broker.topics.config(topic).is_deleted:
        return ErrorCode.POLICY_VIOLATION
    target = partition.high_watermark if offset == _HIGH_WATERMARK else offset
    return target if 0 <= target <= partition.high_watermark else ErrorCode.OFFSET_OUT_OF_RANGE


def _told(
    index: int, decided: int | ErrorCode, start: int | Error | None
) -> DeleteRecordsPartitionResult:
    if isinstance(decided, ErrorCode):
        return _refused(index, decided)
    if start is None or isinstance(start, Error):
        return _refused(index, ErrorCode.KAFKA_STORAGE_ERROR)
    return DeleteRecordsPartitionResult(partition_index=index, low_watermark=start)


def _refused(index: int, code: ErrorCode) -> DeleteRecordsPartitionResult:
    return DeleteRecordsPartitionResult(partition_index=index, low_watermark=-1, error_code=code)
