"""OffsetDelete: forget what a group committed for topics that it does not read any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.errors import ErrorCode
from meghna.groups.refusal import Refusal
from meghna.protocol.messages import (
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import OffsetDeleteRequest

API_KEY = 47
VERSIONS = (0, 0)


async def handle(broker: Broker, request: OffsetDeleteRequest, _: Call) -> OffsetDeleteResponse:
    results: dict[str, list[OffsetDeleteResponsePartition]] = {}
    wanted: list[tuple[str, int]] = []
    for asked in request.topics:
        topic = broker.image.topics.get(asked.name)
        if topic is None:
            results.setdefault(asked.name, [])  # Named in the answer even without a partition.
        for each in asked.partitions:
            index = each.partition_index
            if topic is not None and 0 <= index < len(topic.partitions):
                wanted.append((asked.name, index))
            else:
                error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                unknown = OffsetDeleteResponsePartition(index, error)
                results.setdefault(asked.name, []).append(unknown)
    refusals = await broker.groups.delete_offsets(request.group_id, wanted)
    if isinstance(refusals, Refusal):
        return OffsetDeleteResponse(error_code=ErrorCode[refusals.name])
    for (name, index), refusal in zip(wanted, refusals, strict=True):
        error = ErrorCode.NONE if refusal is None else ErrorCode[refusal.name]
        results.setdefault(name, []).append(OffsetDeleteResponsePartition(index, error))
    return OffsetDeleteResponse(
        topics=[OffsetDeleteResponseTopic(name, found) for name, found in results.items()]
    )
