"""Topics as they are made, changed and removed: metadata, logs and the server kept in step.

What is new is made on disk first, then in the metadata, then in the server's image, then answered:
a full disk is noticed before anybody is told. What goes leaves the metadata first. So after a
crash between the steps the metadata is right, and the next start removes the directories that it
does not know: those of removed topics, and those that never held a record.

Who decides takes `engine.turn` first; the methods here that say so expect it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meghna._native.server import TopicRules
from meghna.errors import Error, StorageError
from meghna.metadata.changes import new_partitions, new_topic
from meghna.metadata.image import TOPIC_RESOURCE
from meghna.metadata.internal_topics import INTERNAL_TOPICS
from meghna.metadata.records import TopicRemoved
from meghna.storage.directory import random_id
from meghna.storage.start import node_of
from meghna.storage.store import log_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from meghna._native.log import Log
    from meghna._native.server import Partition
    from meghna.broker.broker import Broker
    from meghna.config import TopicConfig
    from meghna.metadata.changes import Node
    from meghna.metadata.image import Topic
    from meghna.metadata.records import Record
    from meghna.storage.checkpoint import TopicPartition

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic that was checked and may be made."""

    name: str
    partition_count: int
    configs: Mapping[str, str]


class Topics:
    """The running topics of a broker."""

    __slots__ = ("_broker", "_going", "_handles", "_offline")

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._handles: dict[TopicPartition, Partition] = {}
        self._offline: set[TopicPartition] = set()
        """Partitions whose disk failed while they ran."""
        self._going: set[str] = set()
        """Topics that are deleted and whose logs are not let go yet."""

    @property
    def _node(self) -> Node:
        return node_of(self._broker.store.places)

    # ---- Looking ----

    def get(self, name: str) -> Topic | None:
        return self._broker.image.topics.get(name)

    def handle(self, name: str, index: int) -> Partition | None:
        """The running partition; None where there is none, or it is offline."""
        key = (name, index)
        return None if key in self._offline else self._handles.get(key)

    def handles(self) -> Mapping[TopicPartition, Partition]:
        """All running partitions."""
        return {k: handle for k, handle in self._handles.items() if k not in self._offline}

    def log(self, name: str, index: int) -> Log | None:
        found = self.handle(name, index)
        return None if found is None else found.log

    def config(self, name: str) -> TopicConfig:
        """A topic's settings after all defaults."""
        broker = self._broker
        return broker.settings.topic_config(broker.image.config(TOPIC_RESOURCE, name))

    # ---- Start ----

    def start_all(self) -> None:
        """Put every open log under the server and publish the topics."""
        broker = self._broker
        for topic in broker.image.topics.values():
            self._add_handles(topic)
            self._show(topic)
        broker.server.publish()

    def _add_handles(self, topic: Topic) -> None:
        for partition in topic.partitions:
            key = (topic.name, partition.index)
            log = self._broker.store.logs.get(key)
            if log is not None and key not in self._handles:
                self._handles[key] = self._broker.server.add_partition(
                    log,
                    topic=topic.name,
                    index=partition.index,
                    leader_epoch=partition.leader_epoch,
                )

    def _show(self, topic: Topic) -> None:
        self._broker.server.set_topic(
            topic.name,
            topic.id,
            [self.handle(topic.name, partition.index) for partition in topic.partitions],
            topic_rules(topic, self.config(topic.name)),
        )

    def fail(self, name: str, index: int) -> None:
        """Take a partition whose disk failed out of what clients are told and may use."""
        if (name, index) not in self._handles:
            return  # It is being removed, and the next of its name is another.
        self._offline.add((name, index))
        topic = self.get(name)
        if topic is not None:
            self._show(topic)
            self._broker.server.publish()

    # ---- Changing; the caller holds engine.turn ----

    async def create(self, wanted: Sequence[NewTopic]) -> dict[str, bytes]:
        """Make topics, durable and usable by the return; their ids by name.

        Raises:
            StorageError, OSError: none of them was made.
        """
        broker = self._broker
        for topic in wanted:
            if self.is_going(topic.name):
                raise StorageError(f"topic {topic.name} is being deleted")
        ids = {topic.name: random_id() for topic in wanted}
        records: list[Record] = []
        made: list[TopicPartition] = []
        try:
            for topic in wanted:
                config = broker.settings.topic_config(topic.configs)
                indexes = range(topic.partition_count)
                made += await self._make_logs(topic.name, ids[topic.name], config, indexes)
                records += new_topic(
                    topic.name,
                    ids[topic.name],
                    partition_count=topic.partition_count,
                    configs=topic.configs,
                    node=self._node,
                )
            await broker.engine.commit(records)
        except (Error, OSError) as error:
            logger.error("%d topics could not be made: %s", len(wanted), error)
            await self._remove_logs(made)
            raise
        for topic in wanted:
            found = broker.image.topics[topic.name]
            self._add_handles(found)
            self._show(found)
            logger.info("topic %s created with %d partitions", topic.name, topic.partition_count)
        broker.server.publish()
        return ids

    async def _make_logs(
        self, name: str, topic_id: bytes, config: TopicConfig, indexes: Iterable[int]
    ) -> Iterable[TopicPartition]:
        broker = self._broker
        settings = log_config(config, producer_expiry_ms=broker.config.producer_id_expiration_ms)
        wanted = {(name, index): settings for index in indexes}
        await broker.off_loop(broker.store.create, wanted, topic_id)
        return wanted

    async def _remove_logs(self, keys: Iterable[TopicPartition]) -> None:
        broker = self._broker
        asides = await broker.off_loop(broker.store.remove, keys)
        broker.in_background(broker.off_loop(broker.store.erase, asides))

    async def add_partitions(self, name: str, count: int) -> None:
        """Let a topic have `count` partitions, more than it has.

        Raises:
            StorageError, OSError: it has as many as before.
        """
        broker = self._broker
        topic = broker.image.topics[name]
        indexes = range(len(topic.partitions), count)
        made: Iterable[TopicPartition] = ()
        try:
            made = await self._make_logs(name, topic.id, self.config(name), indexes)
            await broker.engine.commit(new_partitions(name, topic.id, indexes, self._node))
        except (Error, OSError) as error:
            logger.error("topic %s could not grow: %s", name, error)
            await self._remove_logs(made)
            raise
        found = broker.image.topics[name]
        self._add_handles(found)
        self._show(found)
        broker.server.publish()

    def is_going(self, name: str) -> bool:
        """Whether a topic is deleted and the next of its name has to wait for its logs."""
        return name in self._going

    async def remove(self, names: Iterable[str], *, timeout_ms: float) -> bool:
        """Remove topics. Their files go in the background, and so do their logs where these are
        not let go in time: a flush under way ends when the disk answers. Whether they were.

        Raises:
            StorageError: the metadata could not be changed; nothing was removed.
        """
        broker = self._broker
        topics = [broker.image.topics[name] for name in names]
        gone = {topic.name for topic in topics}
        await broker.engine.commit([TopicRemoved(topic_id=topic.id) for topic in topics])
        for topic in topics:
            broker.server.remove_topic(topic.name)
            logger.info("topic %s deleted", topic.name)
        broker.server.publish()
        keys = [(topic.name, partition.index) for topic in topics for partition in topic.partitions]
        released = []
        for key in keys:
            self._offline.discard(key)
            handle = self._handles.pop(key, None)
            if handle is not None:
                token, future = broker.dispatcher.expect()
                broker.server.remove_partition(handle, token)
                released.append(future)
        self._going |= gone

        async def let_go() -> None:
            try:
                if released:
                    await asyncio.wait(released)
                await self._remove_logs(keys)
            finally:
                self._going -= gone

        done, _ = await asyncio.wait([broker.in_background(let_go())], timeout=timeout_ms / 1000)
        return bool(done)

    def reconfigure(self, names: Iterable[str]) -> None:
        """Let the settings of topics, changed in the image, take effect on what runs."""
        broker = self._broker
        for name in names:
            topic = broker.image.topics[name]
            settings = log_config(
                self.config(name), producer_expiry_ms=broker.config.producer_id_expiration_ms
            )
            for partition in topic.partitions:
                handle = self._handles.get((name, partition.index))
                if handle is not None:
                    handle.log.configure(settings)
            self._show(topic)
        broker.server.publish()


def topic_rules(topic: Topic, config: TopicConfig) -> TopicRules:
    """What the server's express lane must know of a topic."""
    # More in-sync replicas than there are replicas are not asked for, nor are they by Kafka.
    replica_count = min((len(each.replicas) for each in topic.partitions), default=1)
    return TopicRules(
        batch_size_max=config.max_message_bytes,
        timestamp_before_max_ms=config.message_timestamp_before_max_ms,
        timestamp_after_max_ms=config.message_timestamp_after_max_ms,
        append_time=config.append_time,
        requires_keys=config.is_compacted,
        internal=topic.name in INTERNAL_TOPICS,
        insync_min=min(config.min_insync_replicas, replica_count),
    )
