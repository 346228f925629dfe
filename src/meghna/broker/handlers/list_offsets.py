"""ListOffsets (2), versions 1 to 11: where a partition begins, ends, or has a time.

v4      the client's leader epoch is checked
v7      -3, the record with the greatest timestamp
v8      -4, the earliest offset on this machine: the start, as nothing is tiered
v9      -5, the latest tiered offset: none
v11     -6, the earliest that waits for its upload: none

By time the answer is the first record, not the first batch, whose timestamp is at least the one
asked for, inside compressed batches as well; none is offset -1 and no error. Consumers see up to
the high watermark or the last stable offset, and nothing beyond is told to them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from meghna.broker.partitions import epoch_fault
from meghna.broker.time_search import Found, first_epoch, greatest, search
from meghna.errors import Error, ErrorCode
from meghna.protocol.messages import (
    ListOffsetsPartitionResponse,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)

if TYPE_CHECKING:
    from meghna._native.server import Partition
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import ListOffsetsPartition, ListOffsetsRequest

API_KEY = 2
VERSIONS = (1, 11)

LATEST, EARLIEST, MAX_TIMESTAMP = -1, -2, -3
EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING = -4, -5, -6
_FIRST_VERSIONS = {
    LATEST: 0,
    EARLIEST: 0,
    MAX_TIMESTAMP: 7,
    EARLIEST_LOCAL: 8,
    LATEST_TIERED: 9,
    EARLIEST_PENDING: 11,
}
_CONSUMER = -1
_FIRST_WITH_EPOCHS = 4
_READ_COMMITTED = 1


async def handle(broker: Broker, request: ListOffsetsRequest, call: Call) -> ListOffsetsResponse:
    if request.isolation_level not in (0, _READ_COMMITTED):
        return _all_refused(request)
    asked = Counter((t.name, p.partition_index) for t in request.topics for p in t.partitions)
    answers: dict[str, dict[int, ListOffsetsPartitionResponse]] = {}
    for topic in request.topics:
        answered = answers.setdefault(topic.name, {})
        for partition in topic.partitions:
            index = partition.partition_index
            if asked[topic.name, index] > 1:
                answered[index] = _refused(index, ErrorCode.INVALID_REQUEST)
            else:
                answered[index] = await _answer(broker, topic.name, partition, request, call)
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(name=name, partitions=list(partitions.values()))
            for name, partitions in answers.items()
            if partitions
        ]
    )


async def _answer(
    broker: Broker,
    topic: str,
    asked: ListOffsetsPartition,
    request: ListOffsetsRequest,
    call: Call,
) -> ListOffsetsPartitionResponse:
    index, timestamp = asked.partition_index, asked.timestamp
    if timestamp < 0 and call.api_version < _FIRST_VERSIONS.get(timestamp, call.api_version + 1):
        return _refused(index, ErrorCode.UNSUPPORTED_VERSION)
    partition, fault = broker.partition(topic, index)
    if partition is None:
        return _refused(index, fault)
    fault = epoch_fault(asked.current_leader_epoch, partition.leader_epoch)
    if fault is not ErrorCode.NONE:
        return _refused(index, fault)
    end = _visible_end(partition, request)
    try:
        if timestamp in (LATEST, EARLIEST, EARLIEST_LOCAL):
            found = await _edge(broker, partition, timestamp, end)
        elif timestamp in (LATEST_TIERED, EARLIEST_PENDING):
            found = Found()
        else:
            key = (topic, index)
            if timestamp == MAX_TIMESTAMP:
                found = await broker.off_loop(broker.store.use, key, greatest)
            else:
                found = await broker.off_loop(broker.store.use, key, search, timestamp)
            # What lies beyond is not there yet for who asks.
            found = found if found.offset < end else Found()
    except Error as error:  # it may be gone meanwhile
        return _refused(index, broker.partition(topic, index)[1] or error.code)
    return ListOffsetsPartitionResponse(
        partition_index=index,
        timestamp=found.timestamp,
        offset=found.offset,
        leader_epoch=found.leader_epoch if call.api_version >= _FIRST_WITH_EPOCHS else -1,
    )


def _visible_end(partition: Partition, request: ListOffsetsRequest) -> int:
    if request.replica_id != _CONSUMER:
        return partition.log.end_offset
    if request.isolation_level == _READ_COMMITTED:
        return partition.last_stable_offset
    return partition.high_watermark


async def _edge(broker: Broker, partition: Partition, timestamp: int, end: int) -> Found:
    leader_epoch = partition.leader_epoch  # now, for it may be gone afterwards
    if timestamp == LATEST:
        return Found(offset=end, leader_epoch=leader_epoch)
    key = (partition.topic, partition.index)
    epoch = await broker.off_loop(broker.store.use, key, first_epoch)
    start = partition.log.start_offset
    return Found(offset=start, leader_epoch=leader_epoch if epoch < 0 else epoch)


def _refused(index: int, code: ErrorCode) -> ListOffsetsPartitionResponse:
    return ListOffsetsPartitionResponse(
        partition_index=index, error_code=code, timestamp=-1, offset=-1, leader_epoch=-1
    )


def _all_refused(request: ListOffsetsRequest) -> ListOffsetsResponse:
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(
                name=topic.name,
                partitions=[
                    _refused(asked.partition_index, ErrorCode.UNKNOWN_SERVER_ERROR)
                    for asked in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )
