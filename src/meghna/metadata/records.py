"""The changes that a cluster can see, and their bytes: Kafka's KRaft metadata records.

A record on disk is a record value of this form, as KRaft writes it:

    unsigned varint frame version (1) | unsigned varint record id | unsigned varint version | body

Records of kinds that we do not use are skipped when they are read back: a later release, or a
log that Kafka wrote, may have them.
"""

from __future__ import annotations

from dataclasses import dataclass

from meghna.errors import ProtocolError
from meghna.protocol import messages
from meghna.protocol.wire import decode_metadata_record, encode_record

_FRAME_VERSION = 1
_NO_LEADER_CHANGE = -2

# The ids of the records that we read. The version of each that we write is in `encode`.
_READ_IDS = frozenset({2, 3, 4, 5, 9, 12, 15})


class UnreadableRecordError(ValueError):
    """A record of the metadata log that we cannot read; the log is not ours, or is damaged."""


@dataclass(frozen=True, slots=True)
class TopicAdded:
    """A topic without partitions yet; they follow in the same batch."""

    name: str
    topic_id: bytes


@dataclass(frozen=True, slots=True)
class PartitionAdded:
    """The next partition of a topic."""

    topic_id: bytes
    index: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    leader: int
    leader_epoch: int = 0
    partition_epoch: int = 0
    directories: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class PartitionChanged:
    """A new leader term or ISR; None leaves it. A leader that is named begins a new epoch."""

    topic_id: bytes
    index: int
    leader: int | None = None
    isr: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class TopicRemoved:
    """The topic, its partitions and its settings are gone."""

    topic_id: bytes


@dataclass(frozen=True, slots=True)
class ConfigChanged:
    """A setting of a resource; None takes it back."""

    kind: int
    resource: str
    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class ProducerIdsReserved:
    """Producer ids below `next_producer_id` may have been handed out."""

    broker_id: int
    next_producer_id: int


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """A feature of the cluster is finalized at a level."""

    name: str
    level: int


Record = (
    TopicAdded
    | PartitionAdded
    | PartitionChanged
    | TopicRemoved
    | ConfigChanged
    | ProducerIdsReserved
    | FeatureSet
)


def encode(record: Record) -> bytes:
    """The bytes of a record's value."""
    match record:
        case TopicAdded(name=name, topic_id=topic_id):
            return encode_record(
                "TopicRecord", 0, messages.TopicRecord(name=name, topic_id=topic_id)
            )
        case PartitionAdded():
            return encode_record("PartitionRecord", 1, _partition_record(record))
        case ConfigChanged(kind=kind, resource=resource, name=name, value=value):
            body = messages.ConfigRecord(
                resource_type=kind, resource_name=resource, name=name, value=value
            )
            return encode_record("ConfigRecord", 0, body)
        case PartitionChanged(topic_id=topic_id, index=index, leader=leader, isr=isr):
            change = messages.PartitionChangeRecord(
                partition_id=index,
                topic_id=topic_id,
                isr=isr,
                leader=_NO_LEADER_CHANGE if leader is None else leader,
            )
            return encode_record("PartitionChangeRecord", 0, change)
        case TopicRemoved(topic_id=topic_id):
            return encode_record(
                "RemoveTopicRecord", 0, messages.RemoveTopicRecord(topic_id=topic_id)
            )
        case FeatureSet(name=name, level=level):
            return encode_record(
                "FeatureLevelRecord", 0, messages.FeatureLevelRecord(name=name, feature_level=level)
            )
        case ProducerIdsReserved(broker_id=broker_id, next_producer_id=next_producer_id):
            ids = messages.ProducerIdsRecord(
                broker_id=broker_id, broker_epoch=0, next_producer_id=next_producer_id
            )
            return encode_record("ProducerIdsRecord", 0, ids)


def _partition_record(record: PartitionAdded) -> messages.PartitionRecord:
    return messages.PartitionRecord(
        partition_id=record.index,
        topic_id=record.topic_id,
        replicas=record.replicas,
        isr=record.isr,
        leader=record.leader,
        leader_epoch=record.leader_epoch,
        partition_epoch=record.partition_epoch,
        directories=record.directories,
    )


def decode(data: bytes) -> Record | None:
    """The record that a value holds; None where we have no use for its kind.

    Raises:
        UnreadableRecordError: not a metadata record.
    """
    if len(data) > 1 and data[0] == _FRAME_VERSION and data[1] not in _READ_IDS:
        return None
    try:
        _, _, body = decode_metadata_record(data)
    except ProtocolError as error:
        raise UnreadableRecordError(str(error)) from error
    return _record(body)


def _record(body: object) -> Record:
    match body:
        case messages.TopicRecord(name=name, topic_id=topic_id):
            return TopicAdded(name=name, topic_id=topic_id)
        case messages.PartitionRecord():
            return PartitionAdded(
                topic_id=body.topic_id,
                index=body.partition_id,
                replicas=tuple(body.replicas),
                isr=tuple(body.isr),
                leader=body.leader,
                leader_epoch=body.leader_epoch,
                partition_epoch=body.partition_epoch,
                directories=tuple(body.directories),
            )
        case messages.ConfigRecord():
            return ConfigChanged(
                kind=body.resource_type,
                resource=body.resource_name,
                name=body.name,
                value=body.value,
            )
        case messages.PartitionChangeRecord():
            return PartitionChanged(
                topic_id=body.topic_id,
                index=body.partition_id,
                leader=None if body.leader == _NO_LEADER_CHANGE else body.leader,
                isr=None if body.isr is None else tuple(body.isr),
            )
        case messages.RemoveTopicRecord(topic_id=topic_id):
            return TopicRemoved(topic_id=topic_id)
        case messages.FeatureLevelRecord(name=name, feature_level=level):
            return FeatureSet(name=name, level=level)
        case messages.ProducerIdsRecord():
            return ProducerIdsReserved(
                broker_id=body.broker_id, next_producer_id=body.next_producer_id
            )
        case _:
            raise UnreadableRecordError(f"unexpected {type(body).__name__}")
