"""What a start has to settle before the logs are opened: first start, unclean start, strays.

A directory on disk that no topic in the metadata claims is one of four. Our log saw its topic
removed: a crash came before its files went, and they go now. It never held a record: a crash came
before its topic was in the metadata, and it goes, too. The metadata is new: the directory
was Kafka's, or the metadata was lost; the topics are taken in as they lie there. Neither: it is put
aside as `-stray`, as Kafka does, and stays for a person to look at.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

from meghna.errors import Error
from meghna.metadata.changes import Node, new_terms, new_topic
from meghna.metadata.image import BROKER_RESOURCE
from meghna.metadata.internal_topics import internal_settings
from meghna.metadata.records import ConfigChanged, FeatureSet, TopicAdded
from meghna.storage.directory import id_bytes, id_text, random_id
from meghna.storage.store import log_config, topic_id_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from meghna._native.log import LogConfig
    from meghna.config import TopicConfig
    from meghna.metadata.engine import LocalEngine
    from meghna.metadata.image import Partition, Topic
    from meghna.metadata.records import Record
    from meghna.storage.checkpoint import TopicPartition
    from meghna.storage.places import Places
    from meghna.storage.store import Store

logger = logging.getLogger(__name__)

# Kafka 4.3-IV0: what the records in our metadata log may be.
_METADATA_VERSION = 30
_FOUND_PARTITIONS_MAX = 100_000
# Kafka's ids below it are no directories: not assigned, lost, migrating.
_RESERVED_IDS = 100


def prepare_metadata(engine: LocalEngine, places: Places) -> None:
    """Commit what this start changes. Waits for the disk."""
    directories = places.directories
    node = directories[0].identity.node_id
    if engine.is_new:
        found = found_topics(places)
        for record in found:
            if isinstance(record, TopicAdded) and not internal_settings(record.name):
                logger.warning(
                    "taking in topic %s as it lies there, for the metadata log is new; its "
                    "settings are not known, and defaults hold, retention too",
                    record.name,
                )
        first: list[Record] = [
            FeatureSet(name="metadata.version", level=_METADATA_VERSION),
            # A new cluster of Kafka has this set for all brokers, too.
            ConfigChanged(kind=BROKER_RESOURCE, resource="", name="min.insync.replicas", value="1"),
            *found,
        ]
        engine.commit_now(first)
    topics = engine.image.topics.values()
    was_clean = all(each.was_clean for each in directories)
    engine.commit_now(new_terms(topics, node, everywhere=not was_clean))


def found_topics(places: Places) -> list[Record]:
    """Records that make the topics whose partition directories lie there."""
    indexes: dict[str, list[int]] = defaultdict(list)
    for topic, index in places.on_disk():
        indexes[topic].append(index)
    records: list[Record] = []
    for topic, found in sorted(indexes.items()):
        if max(found) >= _FOUND_PARTITIONS_MAX:
            continue  # Somebody's `backup-20260101`: no topic of that many partitions.
        try:
            topic_id = topic_id_in(places.path((topic, found[0]))) or random_id()
        except ValueError:
            topic_id = random_id()
        records += new_topic(
            topic,
            topic_id,
            partition_count=max(found) + 1,
            configs=internal_settings(topic),
            node=node_of(places),
        )
    return records


def node_of(places: Places) -> Node:
    """Who leads what lies in the data directories."""

    def directory_of(topic: str, index: int) -> bytes:
        return id_bytes(places.home((topic, index)).identity.directory_id)

    return Node(id=places.directories[0].identity.node_id, directory_of=directory_of)


def open_logs(
    engine: LocalEngine,
    store: Store,
    *,
    config_of: Callable[[str], TopicConfig],
    producer_expiry_ms: int,
    threads: int,
) -> list[str]:
    """Open the logs of all topics; the directories that may now be erased."""
    places = store.places
    leftovers = [path for each in places.directories for path in each.leftovers()]
    on_disk = places.on_disk()
    image = engine.image
    wanted = {}
    for topic in image.topics.values():
        config = log_config(config_of(topic.name), producer_expiry_ms=producer_expiry_ms)
        wanted.update({(topic.name, p.index): config for p in topic.partitions})
    for key, path in list(on_disk.items()):
        if key not in wanted:
            leftovers += _removed(engine, store, key, path)
        elif not places.home(key).was_clean and not store.claim(path, image.topics[key[0]].id):
            logger.error("%s belongs to another topic of that name and is put aside", path)
            store.set_stray(path)
            places.lose(key)
            del on_disk[key]
    store.open_all(
        {key: config for key, config in wanted.items() if key in on_disk}, threads=threads
    )
    for topic in image.topics.values():
        for partition in topic.partitions:
            key = (topic.name, partition.index)
            if key not in on_disk:
                _make_missing(store, key, wanted[key], topic, partition)
    engine.removed_topic_ids.clear()
    return leftovers


def _make_missing(
    store: Store, key: TopicPartition, config: LogConfig, topic: Topic, partition: Partition
) -> None:
    """Make the log of a partition that lies nowhere, unless it may lie where we do not look."""
    for directory_id in partition.directories:
        is_one = int.from_bytes(directory_id) >= _RESERVED_IDS
        if is_one and directory_id not in store.places.ids:
            store.set_elsewhere(
                key,
                f"it lies in the data directory {id_text(directory_id)} (directory.id), which is "
                "not in use here; name all directories of the set in log.dirs",
            )
            return
    lost = store.places.remembered(key)  # making it anew lets the checkpoints forget it
    try:
        store.create({key: config}, topic.id)
    except (Error, OSError) as error:
        store.failed[key] = str(error)
        logger.error("%s-%d is offline: %s", *key, error)
        outcome = "none could be made in its place"
    else:
        outcome = f"an empty one was made in its place, {store.places.path(key)}"
    if lost is None:
        logger.warning("%s-%d: its directory is missing, no checkpoint knows it; %s", *key, outcome)
    else:
        message = "%s-%d: its directory %s is gone, and its records up to offset %d with it; %s"
        logger.error(message, *key, *lost, outcome)


def _removed(engine: LocalEngine, store: Store, key: TopicPartition, path: str) -> list[str]:
    """Put away a directory that no topic claims; where it lies, if it may be erased."""
    try:
        topic_id = topic_id_in(path)
    except ValueError:
        topic_id = None
    if topic_id in engine.removed_topic_ids or store.is_unused(path):
        return store.remove([key])
    logger.warning("%s belongs to no topic and is put aside", path)
    store.set_stray(path)
    store.places.lose(key)
    return []
