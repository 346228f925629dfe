"""A data directory taken for writing: its topics, made, changed, removed, kept to their retention.

The same order as the broker's (broker/topics.py): what is new is made on disk first, then in the
metadata; what goes leaves the metadata first. So a crash between leaves what the next start, of
either, puts right.
"""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from meghna.config import check_topic_settings, topic_config
from meghna.errors import ClosedError, Error
from meghna.metadata.changes import new_partitions, new_topic
from meghna.metadata.engine import LocalEngine
from meghna.metadata.image import TOPIC_RESOURCE
from meghna.metadata.records import ConfigChanged, TopicRemoved
from meghna.storage.compaction import CompactionLimits, Compactor
from meghna.storage.directory import METADATA_PARTITION, DataDirectory, random_id
from meghna.storage.start import node_of, open_logs, prepare_metadata
from meghna.storage.store import Store, log_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from meghna._native.log import Log as NativeLog
    from meghna._native.log import LogConfig
    from meghna.clock import Clock
    from meghna.config import TopicConfig
    from meghna.metadata.image import Image
    from meghna.storage.checkpoint import TopicPartition

logger = logging.getLogger(__name__)

_PRODUCER_EXPIRY_MS: Final = 86_400_000  # Kafka's default; named producers do not expire


class Writer:
    """Holds a data directory from its making to `close`. One thread at a time."""

    __slots__ = ("_compactor", "_directory", "_engine", "_store")

    def __init__(self, path: str, *, clock: Clock) -> None:
        """Take `path` and open its logs; after a crash they are checked.

        Raises:
            DirectoryError, OSError, StorageError: nothing is held.
        """
        with ExitStack() as undo:
            self._directory = DataDirectory.take(path)
            undo.callback(self._directory.release)
            self._engine = LocalEngine.open(
                os.path.join(self._directory.path, METADATA_PARTITION),
                clean=self._directory.was_clean,
                clock=clock,
            )
            undo.callback(self._engine.abandon)
            self._store = Store(self._directory, clock=clock)
            undo.callback(self._store.abandon)
            prepare_metadata(self._engine, self._store.places)
            leftovers = open_logs(
                self._engine,
                self._store,
                config_of=self.config,
                producer_expiry_ms=_PRODUCER_EXPIRY_MS,
                threads=os.cpu_count() or 1,
            )
            self._compactor = Compactor(self._store, clock=clock)
            undo.pop_all()
        self._store.erase(leftovers)

    @property
    def path(self) -> str:
        return self._directory.path

    @property
    def image(self) -> Image:
        return self._engine.image

    @property
    def logs(self) -> Mapping[TopicPartition, NativeLog]:
        return self._store.logs

    @property
    def failed(self) -> Mapping[TopicPartition, str]:
        """Partitions whose log could not be opened, and why."""
        return self._store.failed

    def refresh(self) -> None:
        """Nothing: who writes knows what there is."""

    def _broker_settings(self) -> Mapping[str, str]:
        return self.image.broker_settings(self._directory.identity.node_id)

    def settings(self, topic: str) -> Mapping[str, str]:
        """What was set for a topic."""
        return self.image.config(TOPIC_RESOURCE, topic)

    def config(self, topic: str) -> TopicConfig:
        """A topic's settings after all defaults."""
        return topic_config(self.settings(topic), self._broker_settings())

    # ---- Topics ----

    def create(self, name: str, partition_count: int, settings: Mapping[str, str]) -> None:
        """Make a topic, durable by the return.

        Raises:
            ConfigError: settings that Kafka does not know or take.
            StorageError, OSError: it was not made.
        """
        check_topic_settings(settings, self._broker_settings())
        topic_id = random_id()
        config = self._log_config(topic_config(settings, self._broker_settings()))
        logs = {(name, index): config for index in range(partition_count)}
        self._store.create(logs, topic_id)
        try:
            self._engine.commit_now(
                new_topic(
                    name,
                    topic_id,
                    partition_count=partition_count,
                    configs=settings,
                    node=node_of(self._store.places),
                )
            )
        except BaseException:
            self._store.erase(self._store.remove(logs))
            raise

    def add_partitions(self, name: str, count: int) -> None:
        """Let a topic have `count` partitions, more than it has.

        Raises:
            StorageError, OSError: it has as many as before.
        """
        topic = self.image.topics[name]
        indexes = range(len(topic.partitions), count)
        config = self._log_config(self.config(name))
        logs = {(name, index): config for index in indexes}
        self._store.create(logs, topic.id)
        try:
            node = node_of(self._store.places)
            self._engine.commit_now(new_partitions(name, topic.id, indexes, node))
        except BaseException:
            self._store.erase(self._store.remove(logs))
            raise

    def delete(self, name: str) -> None:
        """Remove a topic and its files.

        Raises:
            StorageError: it is still there.
        """
        topic = self.image.topics[name]
        self._engine.commit_now([TopicRemoved(topic_id=topic.id)])
        self._store.erase(self._store.remove([(name, each.index) for each in topic.partitions]))

    def configure(self, name: str, settings: Mapping[str, str | None]) -> None:
        """Change settings of a topic; None takes one back to its default.

        Raises:
            ConfigError: settings that Kafka does not know or take.
            StorageError: nothing was changed.
        """
        merged = {**self.settings(name), **settings}
        check_topic_settings(
            {key: value for key, value in merged.items() if value is not None},
            self._broker_settings(),
        )
        self._engine.commit_now(
            [
                ConfigChanged(kind=TOPIC_RESOURCE, resource=name, name=key, value=value)
                for key, value in sorted(settings.items())
            ]
        )
        config = self._log_config(self.config(name))
        for (topic, _), log in self._store.logs.items():
            if topic == name:
                log.configure(config)

    def _log_config(self, config: TopicConfig) -> LogConfig:
        return log_config(config, producer_expiry_ms=_PRODUCER_EXPIRY_MS)

    # ---- Upkeep ----

    def apply_retention(self, keys: Iterable[TopicPartition]) -> list[TopicPartition]:
        """Delete segments that retention lets go; the partitions whose active segment would go as
        well, if it were sealed."""
        configs = {name: self.config(name) for name in {name for name, _ in keys}}
        rules = {key: configs[key[0]] for key in keys}
        ends = {key: self._store.logs[key].end_offset for key in keys if key in self._store.logs}
        deleted = self._store.delete_old(rules, ends)
        if deleted:
            logger.info("retention deleted %d segments", deleted)
        return self._store.expired(rules)

    def compact(self, flush: Callable[[TopicPartition], None]) -> None:
        """Compact what is due of the topics that ask for it; nothing where there is none. `flush`
        makes a partition durable.

        Raises:
            OSError: the disk's; what was compacted is.
        """
        configs = {name: self.config(name) for name in self.image.topics}
        rules = {
            key: configs[key[0]]
            for key in self._store.logs
            if key[0] in configs and configs[key[0]].is_compacted
        }
        limits = CompactionLimits()
        flushed = False
        while rules:
            ends = {key: self._store.logs[key].last_stable_offset for key in rules}
            if not self._compactor.run_next(rules, ends, limits):
                if flushed or not self._compactor.unflushed:
                    break
                for key in self._compactor.unflushed:
                    flush(key)
                flushed = True

    def write_recovery_points(self) -> None:
        """Write down how far the logs are durable: what lies above is checked after a crash.

        Raises:
            OSError: the disk's; what was written before holds.
        """
        self._store.write_recovery_points()

    def raise_start(self, key: TopicPartition, offset: int) -> int:
        """Let nothing below `offset` be read any more; the start of the log then.

        Raises:
            Error, OSError: it could not be made durable.
        """
        outcome = self._store.raise_starts({key: offset})[key]
        if isinstance(outcome, Error):
            raise outcome
        return outcome

    # ---- End ----

    def close(self) -> None:
        """Close every log and leave the clean mark; the directory is free in any case.

        Raises:
            StorageError: not all could be written; the next start checks what there is.
        """
        try:
            is_clean = self._store.close()
            self._engine.close()
            self._store.mark_clean()
        finally:
            self._directory.release()
        if not is_clean:
            raise ClosedError(f"{self.path} was not closed cleanly; the next start checks it")

    def forget(self) -> None:
        """Let go of the lock and the logs without a word to the disk: in the child of a fork."""
        for log in self._store.logs.values():
            log.forget()
        self._engine.forget()
        self._directory.release()
