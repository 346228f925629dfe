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
from typing import TYPE_CHECKING, NamedTuple

from meghna._native import batch
from meghna.broker.partitions import epoch_fault
from meghna.errors import Error, ErrorCode
from meghna.protocol.messages import (
    ListOffsetsPartitionResponse,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)

if TYPE_CHECKING:
    from meghna._native.log import Log
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
_READ_COMMITTED = 1
_CONTROL = 0x20


class Found(NamedTuple):
    """A place in a log; all -1 where there is none."""

    timestamp: int = -1
    offset: int = -1
    leader_epoch: int = -1


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
            found = await broker.off_loop(look_up, partition.log, timestamp)
            # What lies beyond is not there yet for who asks.
            found = found if found.offset < end else Found()
    except Error as error:
        return _refused(index, error.code)
    return ListOffsetsPartitionResponse(
        partition_index=index,
        timestamp=found.timestamp,
        offset=found.offset,
        leader_epoch=found.leader_epoch,
    )


def _visible_end(partition: Partition, request: ListOffsetsRequest) -> int:
    if request.replica_id != _CONSUMER:
        return partition.log.end_offset
    if request.isolation_level == _READ_COMMITTED:
        return partition.last_stable_offset
    return partition.high_watermark


async def _edge(broker: Broker, partition: Partition, timestamp: int, end: int) -> Found:
    if timestamp == LATEST:
        return Found(offset=end, leader_epoch=partition.leader_epoch)
    epoch = await broker.off_loop(_first_epoch, partition.log)
    start = partition.log.start_offset
    return Found(offset=start, leader_epoch=partition.leader_epoch if epoch < 0 else epoch)


def _first_epoch(log: Log) -> int:
    """The leader epoch of the first record; -1 where there is none."""
    data = log.read_batch(log.start_offset)
    return batch.header(data).leader_epoch if data else -1


def look_up(log: Log, timestamp: int) -> Found:
    """The first record at or after `timestamp`, or the greatest one for MAX_TIMESTAMP.

    Waits for the disk.

    Raises:
        Error: the batch cannot be read or opened.
    """
    if timestamp == MAX_TIMESTAMP:
        data = log.find_max_timestamp()
        wanted = batch.header(data).max_timestamp if data else 0
    else:
        data, wanted = log.find_timestamp(timestamp), timestamp
    while data:
        header = batch.header(data)
        if not header.attributes & _CONTROL:
            for record in batch.records(data, decompress=_decompress):
                if record.timestamp >= wanted and record.offset >= log.start_offset:
                    return Found(record.timestamp, record.offset, header.leader_epoch)
        # The batch's records at that time are deleted, or compaction took them.
        data = _next_at(log, header.last_offset + 1, wanted)
    return Found()


def _next_at(log: Log, offset: int, timestamp: int) -> bytes:
    while offset < log.end_offset:
        data = log.read_batch(offset)
        if not data:
            break
        header = batch.header(data)
        if header.max_timestamp >= timestamp:
            return data
        offset = header.last_offset + 1
    return b""


def _decompress(codec: int, payload: memoryview) -> bytes:
    from meghna.codecs import decompress  # noqa: PLC0415 - takes milliseconds, and is seldom needed

    return decompress(codec, payload)


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
