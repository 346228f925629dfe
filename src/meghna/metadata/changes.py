"""Changes that whoever holds a data directory decides on: new topics, new partitions, new terms.

Pure: they answer with records for an engine to commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meghna.metadata.image import TOPIC_RESOURCE
from meghna.metadata.records import ConfigChanged, PartitionAdded, PartitionChanged, TopicAdded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from meghna.metadata.image import Topic
    from meghna.metadata.records import Record


@dataclass(frozen=True, slots=True)
class Node:
    """Who leads the partitions, and the data directory in which each lies, by topic and index."""

    id: int
    directory_of: Callable[[str, int], bytes]


def new_topic(
    name: str, topic_id: bytes, *, partition_count: int, configs: Mapping[str, str], node: Node
) -> list[Record]:
    """Records that make a topic with its settings and partitions."""
    return [
        TopicAdded(name=name, topic_id=topic_id),
        *(
            ConfigChanged(kind=TOPIC_RESOURCE, resource=name, name=key, value=value)
            for key, value in sorted(configs.items())
        ),
        *new_partitions(name, topic_id, range(partition_count), node),
    ]


def new_partitions(name: str, topic_id: bytes, indexes: Iterable[int], node: Node) -> list[Record]:
    """Records that add partitions, in the order of their indexes."""
    return [
        PartitionAdded(
            topic_id=topic_id,
            index=index,
            replicas=(node.id,),
            isr=(node.id,),
            leader=node.id,
            directories=(node.directory_of(name, index),),
        )
        for index in indexes
    ]


def new_terms(topics: Iterable[Topic], node_id: int, *, everywhere: bool) -> list[Record]:
    """Records that make us the leader where we are not, or begin a new epoch `everywhere`.

    After an unclean stop a lost tail may have had offsets that will be used again, and nobody may
    take the new record for the old one. A Kafka that stopped has left its partitions leaderless.
    """
    return [
        PartitionChanged(topic_id=topic.id, index=partition.index, leader=node_id, isr=(node_id,))
        for topic in topics
        for partition in topic.partitions
        if everywhere or partition.leader != node_id
    ]
