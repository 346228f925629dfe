"""The topic `__consumer_offsets`: made when the first group asks, and the coordinator's way to it.

Here the coordinator's port (`groups.journal.OffsetsLog`) meets the server: an append is durable
before it returns, a read gives the records batch by batch from the log's start.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from meghna._native import batch
from meghna._native.log import Log
from meghna.broker.time_search import CONTROL
from meghna.broker.topics import NewTopic
from meghna.codecs import decompress
from meghna.errors import ErrorCode, StorageError
from meghna.groups.coordinator import GroupCoordinator
from meghna.groups.journal import LogRecord
from meghna.groups.settings import GroupSettings
from meghna.metadata.internal_topics import OFFSETS_TOPIC, internal_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from meghna.broker.broker import Broker
    from meghna.config import BrokerConfig

_READ_SIZE = 1 << 20
_MINUTE_MS = 60_000


def group_settings(config: BrokerConfig) -> GroupSettings:
    return GroupSettings(
        initial_rebalance_delay_ms=config.group_initial_rebalance_delay_ms,
        size_max=config.group_max_size,
        session_timeout_min_ms=config.group_min_session_timeout_ms,
        session_timeout_max_ms=config.group_max_session_timeout_ms,
        metadata_size_max=config.offset_metadata_max_bytes,
        retention_ms=config.offsets_retention_minutes * _MINUTE_MS,
        retention_check_interval_ms=config.offsets_retention_check_interval_ms,
    )


class OffsetsTopic:
    """The partitions that hold groups and offsets, and the coordinator that stands on them."""

    __slots__ = ("_broker", "_is_loaded", "_turn", "coordinator")

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._is_loaded = False
        self._turn = asyncio.Lock()
        topic = broker.topics.get(OFFSETS_TOPIC)
        config = broker.config
        self.coordinator = GroupCoordinator(
            self,
            settings=group_settings(config),
            partition_count=(
                len(topic.partitions) if topic else config.offsets_topic_num_partitions
            ),
            clock=broker.clock,
        )

    async def load(self) -> None:
        """Read the groups back, if the topic is there."""
        async with self._turn:
            await self._load()

    async def _load(self) -> None:
        topic = self._broker.topics.get(OFFSETS_TOPIC)
        if topic is not None and not self._is_loaded:
            handles = self._broker.topics.handles()
            await self.coordinator.load(
                [p.index for p in topic.partitions if (OFFSETS_TOPIC, p.index) in handles],
                partition_count=len(topic.partitions),
            )
            now = self._broker.topics.get(OFFSETS_TOPIC)
            self._is_loaded = now is not None and now.id == topic.id
            if not self._is_loaded:  # It was deleted while it was read.
                self.coordinator.unload([partition.index for partition in topic.partitions])

    def unload(self) -> None:
        """The topic is going: so are its groups."""
        topic = self._broker.topics.get(OFFSETS_TOPIC)
        if topic is not None:
            self.coordinator.unload([partition.index for partition in topic.partitions])
        self._is_loaded = False

    async def ensure(self) -> None:
        """Make the topic if it is not there; groups are served by the return.

        Raises:
            StorageError, OSError: it could not be made.
        """
        if self._is_loaded:
            return
        broker = self._broker
        # Whoever asks meanwhile waits: a topic is in the image before its logs are made, and half
        # a topic must not be taken for the whole.
        async with self._turn:
            async with broker.engine.turn:
                if broker.topics.get(OFFSETS_TOPIC) is None:
                    await broker.topics.create([new_offsets_topic(broker.config)])
            await self._load()

    # ---- The coordinator's port ----

    async def append(self, partition: int, records: Sequence[LogRecord]) -> None:
        """Append one batch and wait until it is durable."""
        broker = self._broker
        handle = broker.topics.handle(OFFSETS_TOPIC, partition)
        if handle is None:
            raise StorageError(f"{OFFSETS_TOPIC}-{partition} is offline")
        data = batch.build([(r.key, r.value, (), r.timestamp_ms) for r in records])
        token, done = broker.dispatcher.expect()
        broker.server.append(handle, data, token, now_ms=broker.clock.now_ms())
        appended = await done
        if appended.error:
            raise StorageError(
                f"{OFFSETS_TOPIC}-{partition}: not appended", code=ErrorCode(appended.error)
            )

    def read(self, partition: int) -> Iterator[Sequence[LogRecord]]:
        """The records of a partition, batch by batch."""
        use = self._broker.store.use
        key = (OFFSETS_TOPIC, partition)
        offset = use(key, lambda log: log.start_offset)
        while data := use(key, Log.read, offset, size_max=_READ_SIZE):
            for piece in batch.split(data):
                header = batch.header(piece)
                offset = header.last_offset + 1
                if not header.attributes & CONTROL:
                    yield [
                        LogRecord(record.key or b"", record.value, record.timestamp)
                        for record in batch.records(piece, decompress=decompress)
                    ]


def new_offsets_topic(config: BrokerConfig) -> NewTopic:
    """The topic as Kafka makes it."""
    return NewTopic(
        name=OFFSETS_TOPIC,
        partition_count=config.offsets_topic_num_partitions,
        configs=internal_settings(OFFSETS_TOPIC, segment_size=config.offsets_topic_segment_bytes),
    )
