"""OffsetForLeaderEpoch (23), versions 2 to 4: where a leader's epoch ends in the log.

All versions mean the same. The answer to an epoch that the log does not know is the nearest older
one; to a newer one than the leader's, nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.broker.partitions import epoch_fault
from meghna.errors import ErrorCode
from meghna.protocol.messages import (
    OffsetForLeaderEpochResponse,
    OffsetForLeaderTopicResult,
)
from meghna.protocol.messages import OffsetForLeaderEpochResponseEpochEndOffset as EpochEndOffset

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import OffsetForLeaderEpochRequest, OffsetForLeaderPartition

API_KEY = 23
VERSIONS = (2, 4)


async def handle(
    broker: Broker, request: OffsetForLeaderEpochRequest, call: Call
) -> OffsetForLeaderEpochResponse:
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic,
                partitions=[_answer(broker, topic.topic, asked) for asked in topic.partitions],
            )
            for topic in request.topics
        ]
    )


def _answer(broker: Broker, topic: str, asked: OffsetForLeaderPartition) -> EpochEndOffset:
    index = asked.partition
    partition, fault = broker.partition(topic, index)
    if partition is not None:
        fault = epoch_fault(asked.current_leader_epoch, partition.leader_epoch)
    if partition is None or fault is not ErrorCode.NONE:
        return EpochEndOffset(error_code=fault, partition=index, leader_epoch=-1, end_offset=-1)
    epoch, end = asked.leader_epoch, partition.log.end_offset
    if epoch == partition.leader_epoch:
        # A leader's term begins with its election, before its first record.
        found = (epoch, end)
    elif epoch == -1 or epoch > partition.leader_epoch:
        found = (-1, -1)
    else:
        found = partition.log.epoch_end(epoch)
        if found[0] < 0:
            found = (epoch, partition.log.start_offset)
    return EpochEndOffset(partition=index, leader_epoch=found[0], end_offset=found[1])
