"""DescribeLogDirs (35), versions 1 to 5: the data directories and the sizes of what lies in them.

v3      an error for the whole answer, which we have no use for
v4      the size of the file system and what is free
v5      whether the directory is cordoned: never

A partition that is offline is not listed, and a directory that is has an error instead, as in
Kafka.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from meghna.errors import ErrorCode
from meghna.protocol.messages import (
    DescribeLogDirsPartition,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import DescribeLogDirsRequest

API_KEY = 35
VERSIONS = (1, 5)


async def handle(
    broker: Broker, request: DescribeLogDirsRequest, call: Call
) -> DescribeLogDirsResponse:
    wanted = None
    if request.topics is not None:
        wanted = {(t.topic, index) for t in request.topics for index in t.partitions}
    places = broker.store.places
    found: dict[str, dict[str, list[DescribeLogDirsPartition]]] = {}
    for (topic, index), log in sorted(broker.store.logs.items()):
        is_running = broker.topics.handle(topic, index) is not None and not log.closed
        if is_running and (wanted is None or (topic, index) in wanted):
            path = places.home((topic, index)).path
            found.setdefault(path, {}).setdefault(topic, []).append(
                DescribeLogDirsPartition(partition_index=index, partition_size=log.size)
            )
    results = [_told(each.path, found.get(each.path, {})) for each in places.directories]
    return DescribeLogDirsResponse(results=(*results, *map(_told_failed, places.failed)))


def _told(path: str, found: dict[str, list[DescribeLogDirsPartition]]) -> DescribeLogDirsResult:
    try:
        disk = os.statvfs(path)
    except OSError:
        return _told_failed(path)
    return DescribeLogDirsResult(
        log_dir=path,
        topics=[
            DescribeLogDirsTopic(name=topic, partitions=partitions)
            for topic, partitions in found.items()
        ],
        total_bytes=disk.f_blocks * disk.f_frsize,
        usable_bytes=disk.f_bavail * disk.f_frsize,
    )


def _told_failed(path: str) -> DescribeLogDirsResult:
    return DescribeLogDirsResult(error_code=ErrorCode.KAFKA_STORAGE_ERROR, log_dir=path)
