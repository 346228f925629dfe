"""The image: records are applied to a new one, and the old one stays."""

from __future__ import annotations

import pytest

from meghna.metadata.image import BROKER_RESOURCE, TOPIC_RESOURCE, Image
from meghna.metadata.records import (
    ConfigChanged,
    FeatureSet,
    PartitionAdded,
    PartitionChanged,
    ProducerIdsReserved,
    TopicAdded,
    TopicRemoved,
)

ID = b"i" * 16


def partition(index: int) -> PartitionAdded:
    return PartitionAdded(topic_id=ID, index=index, replicas=(1,), isr=(1,), leader=1)


def test_a_topic_with_partitions_and_settings_comes_and_goes() -> None:
    empty = Image()
    setting = ConfigChanged(TOPIC_RESOURCE, "t", "retention.ms", "5")
    image = empty.apply([TopicAdded("t", ID), partition(0), setting, partition(1)])
    assert empty == Image()
    assert image.version == 1
    assert [p.index for p in image.topics["t"].partitions] == [0, 1]
    assert image.topic_by_id(ID) is image.topics["t"]
    assert image.config(TOPIC_RESOURCE, "t") == {"retention.ms": "5"}
    assert image.partition_count() == 2

    after = image.apply([TopicRemoved(ID)])
    assert (after.topics, after.names, after.configs) == ({}, {}, {})
    assert after.topic_by_id(ID) is None
    assert "t" in image.topics


def test_a_named_leader_begins_an_epoch_and_an_isr_does_not() -> None:
    image = Image().apply([TopicAdded("t", ID), partition(0)])
    image = image.apply([PartitionChanged(ID, 0, leader=1)])
    (found,) = image.topics["t"].partitions
    assert (found.leader_epoch, found.partition_epoch) == (1, 1)
    image = image.apply([PartitionChanged(ID, 0, isr=())])
    (found,) = image.topics["t"].partitions
    assert (found.leader_epoch, found.partition_epoch, found.isr) == (1, 2, ())


def test_partitions_are_added_to_a_topic_that_is_there() -> None:
    image = Image().apply([TopicAdded("t", ID), partition(0)]).apply([partition(1)])
    assert len(image.topics["t"].partitions) == 2
    with pytest.raises(AssertionError):
        image.apply([partition(3)])


def test_settings_producer_ids_and_features() -> None:
    image = Image().apply(
        [
            ConfigChanged(BROKER_RESOURCE, "", "a", "1"),
            ConfigChanged(BROKER_RESOURCE, "", "b", "2"),
            ProducerIdsReserved(1, 1000),
            FeatureSet("metadata.version", 30),
        ]
    )
    assert image.next_producer_id == 1000
    assert image.features == {"metadata.version": 30}
    image = image.apply([ConfigChanged(BROKER_RESOURCE, "", "a", None)])
    assert image.config(BROKER_RESOURCE, "") == {"b": "2"}
    assert image.apply([ConfigChanged(BROKER_RESOURCE, "", "b", None)]).configs == {}
