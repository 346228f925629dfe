"""One immutable picture of the cluster: topics, partitions, settings, the next producer id.

A change is a list of records, made durable by an engine first and applied here afterwards:
`image.apply(records)` answers with a new image and leaves the old one to whoever still reads it.
So an image rebuilt from the log is the image that was running. Nothing here knows where the
records come from, or what a client may ask.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from meghna.metadata.records import (
    ConfigChanged,
    FeatureSet,
    PartitionAdded,
    PartitionChanged,
    ProducerIdsReserved,
    TopicAdded,
    TopicRemoved,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from meghna.metadata.records import Record

ConfigResource = tuple[int, str]
"""Kind and name of what a setting belongs to; a broker's name is its number, "" is all brokers."""

TOPIC_RESOURCE = 2
BROKER_RESOURCE = 4
GROUP_RESOURCE = 32


@dataclass(frozen=True, slots=True)
class Partition:
    """Who holds a partition, and under which epochs."""

    index: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    leader: int
    leader_epoch: int
    partition_epoch: int
    directories: tuple[bytes, ...] = ()
    """Ids of the data directories, one a replica."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's partitions by index."""

    name: str
    id: bytes
    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """The cluster after `version` changes."""

    version: int = 0
    topics: Mapping[str, Topic] = field(default_factory=dict)
    names: Mapping[bytes, str] = field(default_factory=dict)
    """Topic names by id."""
    configs: Mapping[ConfigResource, Mapping[str, str]] = field(default_factory=dict)
    next_producer_id: int = 0
    features: Mapping[str, int] = field(default_factory=dict)

    def topic_by_id(self, topic_id: bytes) -> Topic | None:
        name = self.names.get(topic_id)
        return None if name is None else self.topics[name]

    def config(self, kind: int, name: str) -> Mapping[str, str]:
        """The settings made for a resource; empty where there are none."""
        return self.configs.get((kind, name), {})

    def broker_settings(self, node_id: int) -> Mapping[str, str]:
        """What was set for a broker: for all of them, then for itself."""
        return {
            **self.config(BROKER_RESOURCE, ""),
            **self.config(BROKER_RESOURCE, str(node_id)),
        }

    def partition_count(self) -> int:
        return sum(len(topic.partitions) for topic in self.topics.values())

    def apply(self, records: Iterable[Record]) -> Image:
        """The image after `records`, which were checked when they were decided."""
        draft = _Draft(self)
        for record in records:
            draft.replay(record)
        return draft.finished()


class _Draft:
    """An image under change: copies what it touches, once."""

    __slots__ = (
        "_configs",
        "_features",
        "_image",
        "_names",
        "_next_producer_id",
        "_open",
        "_topics",
    )

    def __init__(self, image: Image) -> None:
        self._image = image
        self._topics = dict(image.topics)
        self._names = dict(image.names)
        self._configs = dict(image.configs)
        self._features = dict(image.features)
        self._next_producer_id = image.next_producer_id
        self._open: dict[bytes, list[Partition]] = {}

    def replay(self, record: Record) -> None:
        match record:
            case PartitionAdded():
                self._add_partition(record)
            case PartitionChanged():
                self._change_partition(record)
            case TopicAdded(name=name, topic_id=topic_id):
                assert name not in self._topics, name
                self._topics[name] = Topic(name, topic_id, ())
                self._names[topic_id] = name
            case TopicRemoved(topic_id=topic_id):
                name = self._names.pop(topic_id)
                del self._topics[name]
                self._open.pop(topic_id, None)
                self._configs.pop((TOPIC_RESOURCE, name), None)
            case ConfigChanged():
                self._change_config(record)
            case ProducerIdsReserved(next_producer_id=next_producer_id):
                self._next_producer_id = next_producer_id
            case FeatureSet(name=name, level=level):
                self._features[name] = level

    def _partitions(self, topic_id: bytes) -> list[Partition]:
        found = self._open.get(topic_id)
        if found is None:
            found = list(self._topics[self._names[topic_id]].partitions)
            self._open[topic_id] = found
        return found

    def _add_partition(self, record: PartitionAdded) -> None:
        partitions = self._partitions(record.topic_id)
        assert record.index == len(partitions), record
        partitions.append(
            Partition(
                index=record.index,
                replicas=record.replicas,
                isr=record.isr,
                leader=record.leader,
                leader_epoch=record.leader_epoch,
                partition_epoch=record.partition_epoch,
                directories=record.directories,
            )
        )

    def _change_partition(self, record: PartitionChanged) -> None:
        partitions = self._partitions(record.topic_id)
        old = partitions[record.index]
        partitions[record.index] = replace(
            old,
            isr=old.isr if record.isr is None else record.isr,
            leader=old.leader if record.leader is None else record.leader,
            leader_epoch=old.leader_epoch + (record.leader is not None),
            partition_epoch=old.partition_epoch + 1,
        )

    def _change_config(self, record: ConfigChanged) -> None:
        resource = (record.kind, record.resource)
        settings = dict(self._configs.get(resource, {}))
        if record.value is None:
            settings.pop(record.name, None)
        else:
            settings[record.name] = record.value
        if settings:
            self._configs[resource] = settings
        else:
            self._configs.pop(resource, None)

    def finished(self) -> Image:
        for topic_id, partitions in self._open.items():
            name = self._names[topic_id]
            self._topics[name] = replace(self._topics[name], partitions=tuple(partitions))
        return Image(
            version=self._image.version + 1,
            topics=self._topics,
            names=self._names,
            configs=self._configs,
            next_producer_id=self._next_producer_id,
            features=self._features,
        )
